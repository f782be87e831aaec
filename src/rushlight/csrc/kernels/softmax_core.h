// What softmax and cross entropy share: how classes lie in memory, and the largest value and sum of exponentials.
//
// An item is one distribution over n classes. With inner == 1 the classes of an item are neighbours (rows); otherwise the
// items are neighbours and the classes are `inner` elements apart. Short rows are transposed 16 at a time into a small
// tile, so that vector lanes run over items in both cases; long rows run lanes over classes.
#pragma once

#include <stdint.h>
#include <string.h>

#include "vmath.h"

namespace rushlight {
namespace {

constexpr int tile_items = 16;
constexpr int64_t tile_classes = 32;

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

// Calls op.lanes<L>(a, b, out, stride, lanes, item, valid) where class j of lane l is a[j * stride + l], or
// op.row(a, b, out, item). b and out may be null.
template <typename T, typename Op>
RL_INLINE void over_items(Op &op, const T *a, const T *b, T *out, int64_t n, int64_t inner, int64_t begin,
                          int64_t end) {
    if (inner == 1 && n <= tile_classes) {
        alignas(64) T tile_a[tile_items * tile_classes];
        alignas(64) T tile_b[tile_items * tile_classes];
        alignas(64) T tile_out[tile_items * tile_classes];
        for (int64_t i = begin; i < end; i += tile_items) {
            const int64_t valid = end - i < tile_items ? end - i : tile_items;
            transpose_in(a + i * n, n, valid, tile_a);
            if (b) transpose_in(b + i * n, n, valid, tile_b);
            op.template lanes<tile_items>(tile_a, b ? tile_b : nullptr, out ? tile_out : nullptr, tile_items, tile_items,
                                          i, valid);
            if (out) transpose_out(tile_out, n, valid, out + i * n);
        }
        return;
    }
    if (inner == 1) {
        for (int64_t i = begin; i < end; ++i) {
            op.row(a + i * n, b ? b + i * n : nullptr, out ? out + i * n : nullptr, i);
        }
        return;
    }
    for (int64_t i = begin; i < end;) {
        const int64_t outer = i / inner, at = outer * n * inner + i % inner;
        int64_t left = (outer + 1) * inner - i;
        left = left < end - i ? left : end - i;
        const T *from_a = a + at, *from_b = b ? b + at : nullptr;
        T *to = out ? out + at : nullptr;
        if (left >= 64) {
            op.template lanes<64>(from_a, from_b, to, inner, 64, i, 64);
            i += 64;
        } else if (left >= tile_items) {
            op.template lanes<tile_items>(from_a, from_b, to, inner, tile_items, i, tile_items);
            i += tile_items;
        } else {
            op.template lanes<tile_items>(from_a, from_b, to, inner, int(left), i, left);
            i += left;
        }
    }
}

// For each lane the largest value, and the sum of exp(x - largest), which is also stored in out unless that is null.
template <typename T>
RL_INLINE void exponentials(const T *x, T *out, int64_t n, int64_t stride, int lanes, T *largest, T *sum) {
#pragma omp simd
    for (int l = 0; l < lanes; ++l) {
        largest[l] = x[l];
        sum[l] = T(0);
    }
    for (int64_t j = 1; j < n; ++j) {
#pragma omp simd
        for (int l = 0; l < lanes; ++l) {
            const T v = x[j * stride + l];
            largest[l] = v > largest[l] ? v : largest[l];
        }
    }
    if (out) {
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) {
                const T e = exp_of_nonpositive(x[j * stride + l] - largest[l]);
                out[j * stride + l] = e;
                sum[l] += e;
            }
        }
        return;
    }
    for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[l] += exp_of_nonpositive(x[j * stride + l] - largest[l]);
    }
}

template <typename T>
RL_INLINE T largest_of(const T *x, int64_t n) {
    T largest = x[0];
#pragma omp simd reduction(max : largest)
    for (int64_t i = 0; i < n; ++i) largest = x[i] > largest ? x[i] : largest;
    return largest;
}

constexpr int64_t sum_block = 1024;

// The sum over [0, n) of f(i, chunk) where whole chunks of 16 classes and one padded chunk are computed alike: a vector
// loop's scalar rest would cost more than the row. Blocks of float sums are added up in double.
template <typename T>
RL_INLINE T exponentials_of_row(const T *x, T *out, int64_t n, T largest) {
    const int64_t whole = n & ~int64_t(15);
    double total = 0;
    for (int64_t begin = 0; begin < whole; begin += sum_block) {
        const int64_t end = begin + sum_block < whole ? begin + sum_block : whole;
        T sum = 0;
        if (out) {
#pragma omp simd reduction(+ : sum)
            for (int64_t i = begin; i < end; ++i) {
                const T e = exp_of_nonpositive(x[i] - largest);
                out[i] = e;
                sum += e;
            }
        } else {
#pragma omp simd reduction(+ : sum)
            for (int64_t i = begin; i < end; ++i) sum += exp_of_nonpositive(x[i] - largest);
        }
        total += double(sum);
    }
    const int64_t rest = n - whole;
    if (rest) {
        alignas(64) T padded[16];
        for (int i = 0; i < 16; ++i) padded[i] = i < rest ? x[whole + i] - largest : T(-__builtin_inf());
        T sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int i = 0; i < 16; ++i) {
            padded[i] = exp_of_nonpositive(padded[i]);
            sum += padded[i];
        }
        if (out) memcpy(out + whole, padded, size_t(rest) * sizeof(T));
        total += double(sum);
    }
    return T(total);
}

}  // namespace
}  // namespace rushlight
