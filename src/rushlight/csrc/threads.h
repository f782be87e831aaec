// One thread count for OpenMP, oneDNN and our own loops.
#pragma once

#include <cstdint>

#include <omp.h>

namespace rushlight {

int get_num_threads();
void set_num_threads(int n);

// OpenMP keeps its thread count per calling thread; every function that reaches oneDNN sets it
// first.
inline void use_threads(int n) {
    if (omp_get_max_threads() != n) omp_set_num_threads(n);
}

// The threads that a number of multiply-adds is worth: a team of them takes microseconds to meet.
inline int threads_for(int64_t multiply_adds) {
    return multiply_adds < 200000 ? 1 : get_num_threads();
}

// Calls f(begin, end, thread) over [0, n) in at most `threads` pieces of at least `grain`, with
// thread < threads. f must not throw.
template <typename F>
void parallel_for(int64_t n, int64_t grain, int threads, const F &f) {
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    int64_t pieces = (n + grain - 1) / grain;
    if (pieces > threads) pieces = threads;
    if (pieces <= 1 || omp_in_parallel()) {
        f(int64_t(0), n, 0);
        return;
    }
#pragma omp parallel num_threads(int(pieces))
    {
        // The runtime may give fewer threads than asked for.
        const int64_t team = omp_get_num_threads(), i = omp_get_thread_num();
        const int64_t each = n / team, rest = n % team;
        const int64_t begin = i * each + (i < rest ? i : rest);
        const int64_t end = begin + each + (i < rest ? 1 : 0);
        if (begin < end) f(begin, end, int(i));
    }
}

// Calls f(begin, end) over [0, n) on the threads that the setting allows.
template <typename F>
void parallel_for(int64_t n, int64_t grain, const F &f) {
    parallel_for(n, grain, get_num_threads(),
                 [&f](int64_t begin, int64_t end, int) { f(begin, end); });
}

}  // namespace rushlight
