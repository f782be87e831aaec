#include "threads.h"

#include <pthread.h>

#include <atomic>
#include <stdexcept>
#include <string>

#include "registry.h"

namespace nb = nanobind;

namespace rushlight {
namespace {

std::atomic<int> thread_count{0};

// The other threads of an OpenMP team do not survive fork(), and waiting for them would never end:
// they are sent home before, so that the child, too, can make a team. Until it asks for one it
// computes alone, as the parent's other children do beside it.
void before_fork() { omp_pause_resource_all(omp_pause_soft); }
void after_fork_in_child() { thread_count = 1; }

}  // namespace

int get_num_threads() {
    int n = thread_count.load(std::memory_order_relaxed);
    if (n == 0) {
        n = omp_get_max_threads();
        thread_count = n;
        pthread_atfork(before_fork, nullptr, after_fork_in_child);
    }
    return n;
}

void set_num_threads(int n) {
    if (n < 1 || n > 1024) {
        throw std::invalid_argument("set_num_threads: expected a count of 1 to 1024, got " +
                                    std::to_string(n));
    }
    get_num_threads();
    thread_count = n;
}

RUSHLIGHT_BIND(threads) {
    m.def("get_num_threads", &get_num_threads, "Threads used by every kernel.");
    m.def("set_num_threads", &set_num_threads, nb::arg("n"),
          "Sets the threads used by every kernel.");
}

}  // namespace rushlight
