// Max and average pooling over one to three spatial dimensions, both ways.
//
// The geometry is a table per dimension, so that strides, padding, dilation, ceil_mode and adaptive
// windows are all the same to a loop. The innermost loop runs over `lanes` channels that are
// neighbours in memory (channels-last), or over one where they are not; `groups` counts the rest of
// them.
#pragma once

#include <stdint.h>

#include "../dispatch.h"
#include "wide.h"

namespace rushlight {

struct PoolAxis {
    int64_t in, out;
    int64_t step;            // between the taps of a window
    int64_t window;          // taps of a whole window
    const int64_t *first;    // [out]: input index of the first tap inside
    const int64_t *count;    // [out]: taps inside, at least 1
    const int64_t *skipped;  // [out]: taps before the first one inside
    const int64_t *divisor;  // [out]: extent by which an average divides
    // For averages, whose taps are neighbours: input index i lies in windows reverse_first[i] and
    // the reverse_count[i] - 1 after it; share is 1 / divisor.
    const int64_t *reverse_first;
    const int64_t *reverse_count;
    const double *share;
};

// Where element (n, group, spatial index, lane) of an array lies; the stride of lanes is 1.
struct PoolStrides {
    int64_t n, group, at[3];
};

enum class PoolIndex : int { none, tap, flat32, flat64 };

struct PoolTask {
    PoolAxis axis[3];
    int64_t n, groups, lanes;
    PoolStrides large, small;  // of x and its gradient; of the output, its gradient and the indices
    PoolIndex index;
    bool planar;              // an index in the plane times large.at[2] is an offset
    int64_t block;            // channels to an item of max_scatter
    double divisor_override;  // 0 for none
};

template <typename S>
struct PoolLoops {
    // Items are output positions (n, group, spatial index), unless said otherwise. `index` is
    // uint8_t (number of the tap in its window), int32_t or int64_t (index in the plane) by
    // task.index; null for none.
    void (*max)(const PoolTask &task, const S *x, S *out, void *index, int64_t begin, int64_t end);
    void (*avg)(const PoolTask &task, const S *x, S *out, int64_t begin, int64_t end);

    // Gradients, where every input element lies in exactly one window.
    void (*max_spread)(const PoolTask &task, const S *g, const void *index, S *out, int64_t begin,
                       int64_t end);
    // Elsewhere; items are (n, group, block of channels). The first item with an index that is
    // outside, or -1.
    int64_t (*max_scatter)(const PoolTask &task, const S *g, const void *index, S *out,
                           int64_t begin, int64_t end);

    // Gradients, where every input element lies in exactly one window, and elsewhere: there items
    // are input positions.
    void (*avg_spread)(const PoolTask &task, const S *g, S *out, int64_t begin, int64_t end);
    void (*avg_collect)(const PoolTask &task, const S *g, S *out, int64_t begin, int64_t end);
};

struct PoolKernels {
    PoolLoops<float> f32;
    PoolLoops<double> f64;
    // Without max_scatter, whose sums would be rounded at every addition; indices are taps.
    PoolLoops<bfloat16> bf16;
};

RUSHLIGHT_DECLARE_KERNELS(PoolKernels, pool_kernels)

}  // namespace rushlight
