// Matrix products that oneDNN's blocking serves badly: few columns or few rows.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

struct DotGemmKernels {
    // out[m, n] = sum_k a[m, k] * b[n, k] + bias[n]; a and b with contiguous rows. bias may be
    // null.
    void (*nt)(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_stride,
               const float *b, int64_t b_stride, const float *bias, int64_t bias_stride, float *out,
               int64_t out_stride, int64_t out_step);
    // out[n] = sum_k a[k * a_stride] * b[k, n] + bias[n]; b with contiguous rows, out contiguous.
    void (*row)(int64_t columns, int64_t depth, const float *a, int64_t a_stride, const float *b,
                int64_t b_stride, const float *bias, int64_t bias_stride, float *out);
    // out[m, n] = sum_k a[m * a_stride + k * a_step] * b[k, n] + bias[n]; b and out with contiguous
    // rows.
    void (*few_rows)(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_stride,
                     int64_t a_step, const float *b, int64_t b_stride, const float *bias,
                     int64_t bias_stride, float *out, int64_t out_stride);
    // out[n * out_step] = sum_m a[m, n]; a with contiguous rows.
    void (*column_sums)(int64_t rows, int64_t columns, const float *a, int64_t a_stride, float *out,
                        int64_t out_step);
};

RUSHLIGHT_DECLARE_KERNELS(DotGemmKernels, dot_gemm_kernels)

}  // namespace rushlight
