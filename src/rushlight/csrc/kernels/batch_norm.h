// Loops of batch normalisation over rows of channels: x (rows, channels), channels contiguous.
#pragma once

#include <stdint.h>

#include "../dispatch.h"
#include "wide.h"

namespace rushlight {

// Elements are float or bfloat16; every per-channel array is float or double.
template <typename T>
struct BatchNormLoops {
    // Adds to sums the rows' x - shift, and to squares their squares.
    void (*moments)(int64_t rows, int64_t channels, const T *x, int64_t x_stride,
                    const float *shift, double *sums, double *squares, float *scratch);
    // out = (x - mean) * scale + bias
    void (*normalize)(int64_t rows, int64_t channels, const T *x, int64_t x_stride,
                      const float *mean, const float *scale, const float *bias, T *out,
                      int64_t out_stride);
    // Adds to sums the rows' g, and to dots their g * (x - mean).
    void (*gradient_moments)(int64_t rows, int64_t channels, const T *g, int64_t g_stride,
                             const T *x, int64_t x_stride, const float *mean, double *sums,
                             double *dots, float *scratch);
    // gx = g * scale - (x - mean) * slope - offset
    void (*gradient)(int64_t rows, int64_t channels, const T *g, int64_t g_stride, const T *x,
                     int64_t x_stride, const float *mean, const float *scale, const float *slope,
                     const float *offset, T *gx, int64_t gx_stride);
    // gx = g * scale
    void (*scale)(int64_t rows, int64_t channels, const T *g, int64_t g_stride, const float *scale,
                  T *gx, int64_t gx_stride);
};

struct BatchNormKernels {
    BatchNormLoops<float> f32;
    BatchNormLoops<bfloat16> bf16;
};

RUSHLIGHT_DECLARE_KERNELS(BatchNormKernels, batch_norm_kernels)

}  // namespace rushlight
