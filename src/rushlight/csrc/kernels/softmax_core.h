// What softmax and cross entropy share: how classes lie in memory, and the largest value and sum of
// exponentials.
//
// An item is one distribution over n classes. With inner == 1 the classes of an item are neighbours
// (rows); otherwise the items are neighbours and the classes are `inner` elements apart. Short rows
// are transposed 16 at a time into a small tile, so that vector lanes run over items in both cases;
// longer rows run lanes over classes, several rows a step, so that the processor has other work
// while one row waits for its sum.
#pragma once

#include <stdint.h>
#include <string.h>

#include "vmath.h"

namespace rushlight {
namespace {

constexpr int tile_items = 16;
constexpr int64_t tile_classes = 16;
constexpr int most_lanes =
    256;  // of items side by side: few enough for what is kept per item to stay in cache

// Padding repeats the last item, so that all lanes hold plausible numbers.
template <typename T>
RL_INLINE void transpose_in(const T *rows, int64_t n, int64_t items, T *tile) {
    for (int r = 0; r < tile_items; ++r) {
        const T *row = rows + (r < items ? r : items - 1) * n;
        for (int64_t j = 0; j < n; ++j) tile[j * tile_items + r] = row[j];
    }
}

template <typename T>
RL_INLINE void transpose_out(const T *tile, int64_t n, int64_t items, T *rows) {
    for (int64_t r = 0; r < items; ++r) {
        T *row = rows + r * n;
        for (int64_t j = 0; j < n; ++j) row[j] = tile[j * tile_items + r];
    }
}

// Calls op.lanes<L>(a, b, out, stride, lanes, item, valid) where class j of lane l is a[j * stride
// + l] and lanes <= L, or op.rows(a, b, out, count, item) with count <= 16. b and out may be null.
template <typename T, typename Op>
RL_INLINE void over_items(Op &op, const T *a, const T *b, T *out, int64_t n, int64_t inner,
                          int64_t begin, int64_t end) {
    if (inner == 1 && n <= tile_classes) {
        alignas(64) T tile_a[tile_items * tile_classes];
        alignas(64) T tile_b[tile_items * tile_classes];
        alignas(64) T tile_out[tile_items * tile_classes];
        for (int64_t i = begin; i < end; i += tile_items) {
            const int64_t valid = end - i < tile_items ? end - i : tile_items;
            transpose_in(a + i * n, n, valid, tile_a);
            if (b) transpose_in(b + i * n, n, valid, tile_b);
            op.template lanes<tile_items>(tile_a, b ? tile_b : nullptr, out ? tile_out : nullptr,
                                          tile_items, tile_items, i, valid);
            if (out) transpose_out(tile_out, n, valid, out + i * n);
        }
        return;
    }
    if (inner == 1) {
        // Together the rows of a step should stay in the first-level cache.
        const int64_t step = n <= 512 ? tile_items : 1;
        for (int64_t i = begin; i < end; i += step) {
            const int64_t count = end - i < step ? end - i : step;
            op.rows(a + i * n, b ? b + i * n : nullptr, out ? out + i * n : nullptr, count, i);
        }
        return;
    }
    for (int64_t i = begin; i < end;) {
        const int64_t outer = i / inner, at = outer * n * inner + i % inner;
        int64_t lanes = (outer + 1) * inner - i;
        lanes = lanes < end - i ? lanes : end - i;
        lanes = lanes < most_lanes ? lanes : most_lanes;
        op.template lanes<most_lanes>(a + at, b ? b + at : nullptr, out ? out + at : nullptr, inner,
                                      int(lanes), i, lanes);
        i += lanes;
    }
}

// For each lane the sum over all classes j of f(j, lane): sums of blocks are added up, which loses
// fewer digits than one long sum.
template <int L, typename T, typename F>
RL_INLINE void sums_of_lanes(int64_t n, int lanes, T *sum, const F &f) {
    constexpr int64_t block = 64;
#pragma omp simd
    for (int l = 0; l < lanes; ++l) sum[l] = T(0);
    for (int64_t begin = 0; begin < n; begin += block) {
        const int64_t end = begin + block < n ? begin + block : n;
        alignas(64) T some[L];
#pragma omp simd
        for (int l = 0; l < lanes; ++l) some[l] = T(0);
        for (int64_t j = begin; j < end; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) some[l] += f(j, l);
        }
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[l] += some[l];
    }
}

// For each lane the largest value, and the sum of exp(x - largest), which is also stored in out
// unless that is null.
template <int L, typename T>
RL_INLINE void exponentials(const T *x, T *out, int64_t n, int64_t stride, int lanes, T *largest,
                            T *sum) {
#pragma omp simd
    for (int l = 0; l < lanes; ++l) largest[l] = x[l];
    for (int64_t j = 1; j < n; ++j) {
        const T *x_j = x + j * stride;
#pragma omp simd
        for (int l = 0; l < lanes; ++l) largest[l] = x_j[l] > largest[l] ? x_j[l] : largest[l];
    }
    if (out) {
        sums_of_lanes<L>(n, lanes, sum, [=](int64_t j, int l) {
            const T e = exp_of_nonpositive(x[j * stride + l] - largest[l]);
            out[j * stride + l] = e;
            return e;
        });
        return;
    }
    sums_of_lanes<L>(n, lanes, sum, [=](int64_t j, int l) {
        return exp_of_nonpositive(x[j * stride + l] - largest[l]);
    });
}

// Rows have more than 16 classes. What is left after whole vectors is done by one more vector over
// the last 16 classes, a part of them for the second time: a scalar rest would cost more than the
// row.

template <typename T>
RL_INLINE T largest_of(const T *x, int64_t n) {
    T largest = x[0];
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < (n & ~int64_t(15)); ++i) largest = x[i] > largest ? x[i] : largest;
    if (n % 16 == 0) return largest;
#pragma omp simd reduction(max : largest)
    for (int i = 0; i < 16; ++i) largest = x[n - 16 + i] > largest ? x[n - 16 + i] : largest;
    return largest;
}

constexpr int64_t sum_block = 1024;

// The sum over [0, n) of f(i): blocks of sums in T are added up in double.
template <typename T, typename F>
RL_INLINE T sum_of(int64_t n, F f) {
    const int64_t whole = n & ~int64_t(15);
    double total = 0;
    for (int64_t begin = 0; begin < whole; begin += sum_block) {
        const int64_t end = begin + sum_block < whole ? begin + sum_block : whole;
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = begin; i < end; ++i) sum += f(i);
        total += double(sum);
    }
    if (n == whole) return T(total);
    T sum = 0;
    const int done = 16 - int(n - whole);
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < 16; ++i) {
        const T value = f(n - 16 + i);
        sum += i < done ? T(0) : value;
    }
    return T(total + double(sum));
}

// The sum of exp(x - largest), each also stored in out, which may be x.
template <typename T>
RL_INLINE T store_exponentials(const T *x, T *out, int64_t n, T largest) {
    alignas(64) T last[16];
    memcpy(last, x + n - 16, sizeof(last));
    const int64_t whole = n & ~int64_t(15);
    double total = 0;
    for (int64_t begin = 0; begin < whole; begin += sum_block) {
        const int64_t end = begin + sum_block < whole ? begin + sum_block : whole;
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int64_t i = begin; i < end; ++i) {
            const T e = exp_of_nonpositive(x[i] - largest);
            out[i] = e;
            sum += e;
        }
        total += double(sum);
    }
    if (n == whole) return T(total);
    T sum = 0;
    const int done = 16 - int(n - whole);
#pragma omp simd reduction(+ : sum)
    for (int i = 0; i < 16; ++i) {
        const T e = exp_of_nonpositive(last[i] - largest);
        last[i] = e;
        sum += i < done ? T(0) : e;
    }
    memcpy(out + n - 16, last, sizeof(last));
    return T(total + double(sum));
}

}  // namespace
}  // namespace rushlight
