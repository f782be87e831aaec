// Resizing along one dimension, and reading images between their elements.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

// Rows [begin, end) of (rows, n, inner) to (rows, m, inner): element j along the middle dimension
// is the sum over t < k of x[starts[j] + t] * weights[j * k + t].
template <typename T>
struct ResampleRun {
    const T *x;
    T *out;
    const int32_t *starts;
    const T *weights;
    int64_t n, m, k, inner;
};

// Places [begin, end) of out (places, channels) from x (height, width, channels), each the sum of
// four neighbours at whole numbers around (x, y), zero outside. A place is two numbers, -1 and 1
// being the ends; `nearest` takes the one neighbour that is nearest.
struct GridRun {
    const float *x;
    const float *grid;
    float *out;
    int64_t height, width, channels;
    // An image's elements lie x_row, x_column and x_channel apart, those of out out_place and
    // out_channel.
    int64_t x_row, x_column, x_channel, out_place, out_channel;
    bool align_corners, nearest;
};

struct InterpolateKernels {
    void (*float32)(const ResampleRun<float> &run, int64_t begin, int64_t end);
    void (*float64)(const ResampleRun<double> &run, int64_t begin, int64_t end);
    void (*grid)(const GridRun &run, int64_t begin, int64_t end);
};

RUSHLIGHT_DECLARE_KERNELS(InterpolateKernels, interpolate_kernels)

}  // namespace rushlight
