#include "batch_norm.h"

#include <string.h>

namespace rushlight {
namespace {

// Sums run in float over this many rows, and from there on in double.
constexpr int64_t rows_in_float = 256;

void flush(int64_t channels, float *__restrict first, float *__restrict second,
           double *__restrict firsts, double *__restrict seconds) {
    for (int64_t c = 0; c < channels; ++c) {
        firsts[c] += double(first[c]);
        seconds[c] += double(second[c]);
        first[c] = second[c] = 0.0f;
    }
}

template <int R, typename T>
void add_moments(int64_t channels, const T *__restrict x, int64_t stride,
                 const float *__restrict shift, float *__restrict first, float *__restrict second) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
        const float zero = shift[c];
        float sum = 0.0f, square = 0.0f;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const float d = widen(x[r * stride + c]) - zero;
            sum += d;
            square += d * d;
        }
        first[c] += sum;
        second[c] += square;
    }
}

template <typename T>
void moments(int64_t rows, int64_t channels, const T *x, int64_t x_stride, const float *shift,
             double *sums, double *squares, float *scratch) {
    float *first = scratch, *second = scratch + channels;
    memset(scratch, 0, size_t(2 * channels) * sizeof(float));
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        add_moments<8>(channels, x + r * x_stride, x_stride, shift, first, second);
        if ((r + 8) % rows_in_float == 0) flush(channels, first, second, sums, squares);
    }
    for (; r < rows; ++r)
        add_moments<1>(channels, x + r * x_stride, x_stride, shift, first, second);
    flush(channels, first, second, sums, squares);
}

template <typename T>
void normalize(int64_t rows, int64_t channels, const T *x, int64_t x_stride, const float *mean,
               const float *scale, const float *bias, T *out, int64_t out_stride) {
    for (int64_t r = 0; r < rows; ++r) {
        const T *from = x + r * x_stride;
        T *__restrict to = out + r * out_stride;
        for (int64_t c = 0; c < channels; ++c)
            to[c] = narrow<T>((widen(from[c]) - mean[c]) * scale[c] + bias[c]);
    }
}

template <int R, typename T>
void add_gradient_moments(int64_t channels, const T *__restrict g, int64_t g_stride,
                          const T *__restrict x, int64_t x_stride, const float *__restrict mean,
                          float *__restrict first, float *__restrict second) {
#pragma omp simd
    for (int64_t c = 0; c < channels; ++c) {
        const float zero = mean[c];
        float sum = 0.0f, dot = 0.0f;
#pragma GCC unroll 8
        for (int r = 0; r < R; ++r) {
            const float incoming = widen(g[r * g_stride + c]);
            sum += incoming;
            dot += incoming * (widen(x[r * x_stride + c]) - zero);
        }
        first[c] += sum;
        second[c] += dot;
    }
}

template <typename T>
void gradient_moments(int64_t rows, int64_t channels, const T *g, int64_t g_stride, const T *x,
                      int64_t x_stride, const float *mean, double *sums, double *dots,
                      float *scratch) {
    float *first = scratch, *second = scratch + channels;
    memset(scratch, 0, size_t(2 * channels) * sizeof(float));
    int64_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        add_gradient_moments<8>(channels, g + r * g_stride, g_stride, x + r * x_stride, x_stride,
                                mean, first, second);
        if ((r + 8) % rows_in_float == 0) flush(channels, first, second, sums, dots);
    }
    for (; r < rows; ++r) {
        add_gradient_moments<1>(channels, g + r * g_stride, g_stride, x + r * x_stride, x_stride,
                                mean, first, second);
    }
    flush(channels, first, second, sums, dots);
}

template <typename T>
void gradient(int64_t rows, int64_t channels, const T *g, int64_t g_stride, const T *x,
              int64_t x_stride, const float *mean, const float *scale, const float *slope,
              const float *offset, T *gx, int64_t gx_stride) {
    for (int64_t r = 0; r < rows; ++r) {
        const T *from = g + r * g_stride, *at = x + r * x_stride;
        T *__restrict to = gx + r * gx_stride;
        for (int64_t c = 0; c < channels; ++c) {
            to[c] = narrow<T>(widen(from[c]) * scale[c] - (widen(at[c]) - mean[c]) * slope[c] -
                              offset[c]);
        }
    }
}

template <typename T>
void scale_rows(int64_t rows, int64_t channels, const T *g, int64_t g_stride, const float *scale,
                T *gx, int64_t gx_stride) {
    for (int64_t r = 0; r < rows; ++r) {
        const T *from = g + r * g_stride;
        T *__restrict to = gx + r * gx_stride;
        for (int64_t c = 0; c < channels; ++c) to[c] = narrow<T>(widen(from[c]) * scale[c]);
    }
}

}  // namespace

RUSHLIGHT_KERNELS(BatchNormKernels, batch_norm_kernels){
    {moments<float>, normalize<float>, gradient_moments<float>, gradient<float>, scale_rows<float>},
    {moments<bfloat16>, normalize<bfloat16>, gradient_moments<bfloat16>, gradient<bfloat16>,
     scale_rows<bfloat16>}};

}  // namespace rushlight
