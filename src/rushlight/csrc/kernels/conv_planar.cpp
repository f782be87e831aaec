#include "conv_planar.h"

#include <string.h>

#include "lanes.h"

namespace rushlight {
namespace {

constexpr int V = vector_bytes / int(sizeof(float));
using Vec = Lanes<float, V>;

// As many accumulators as the registers hold beside what is loaded.
#if defined(__AVX512F__)
constexpr int most_together = 8, most_gradients = 4;
#else
constexpr int most_together = 4, most_gradients = 2;
#endif
constexpr int most_taps = 5;

int64_t row_stride(const ConvPlanarTask &t) { return t.width + 2 * t.pad_w + 2 * V; }
int64_t plane_size(const ConvPlanarTask &t) { return (t.height + 2 * t.pad_h) * row_stride(t); }
int64_t gradient_stride(const ConvPlanarTask &t) { return (t.out_w + V - 1) / V * V; }

int64_t scratch(const ConvPlanarTask &t) {
    return t.channels * plane_size(t) + 2 * V + t.outputs * t.out_h * gradient_stride(t);
}

int64_t block(int64_t outputs) {
    const int64_t blocks = (outputs + most_together - 1) / most_together;
    return (outputs + blocks - 1) / blocks;
}

// One image with its padding, and zeros behind every row: loads may run past the end.
void pad_image(const ConvPlanarTask &t, const float *x, float *to) {
    const int64_t stride = row_stride(t), plane = plane_size(t);
    memset(to, 0, sizeof(float) * size_t(t.channels * plane + 2 * V));
    for (int64_t c = 0; c < t.channels; ++c) {
        for (int64_t y = 0; y < t.height; ++y) {
            memcpy(to + c * plane + (y + t.pad_h) * stride + t.pad_w, x + (c * t.height + y) * t.width,
                   sizeof(float) * size_t(t.width));
        }
    }
}

template <int O, int X>
RL_INLINE void forward_tile(const ConvPlanarTask &t, const float *image, const float *weights, const float *bias,
                            int64_t y, int64_t x, float *out) {
    const int64_t stride = row_stride(t), plane = plane_size(t);
    Vec sums[O][X];
    for (int o = 0; o < O; ++o) {
        for (int i = 0; i < X; ++i) sums[o][i] = Vec{} + (bias ? bias[o] : 0.0f);
    }
    const float *w = weights;
    for (int64_t c = 0; c < t.channels; ++c) {
        for (int64_t ky = 0; ky < t.kernel_h; ++ky) {
            const float *row = image + c * plane + (y + ky) * stride + x;
            for (int64_t kx = 0; kx < t.kernel_w; ++kx, w += O) {
                Vec seen[X];
#pragma GCC unroll 2
                for (int i = 0; i < X; ++i) seen[i] = load<V>(row + kx + i * V);
#pragma GCC unroll 8
                for (int o = 0; o < O; ++o) {
                    const Vec factor = Vec{} + w[o];
#pragma GCC unroll 2
                    for (int i = 0; i < X; ++i) sums[o][i] += factor * seen[i];
                }
            }
        }
    }
    const int64_t out_plane = t.out_h * t.out_w;
    for (int o = 0; o < O; ++o) {
        float *to = out + o * out_plane + y * t.out_w + x;
        for (int i = 0; i < X; ++i) {
            const int64_t left = t.out_w - x - i * V;
            if (left > 0) memcpy(to + i * V, &sums[o][i], sizeof(float) * size_t(left < V ? left : V));
        }
    }
}

template <int O>
void forward_block(const ConvPlanarTask &t, const float *image, const float *weights, const float *bias, float *out) {
    for (int64_t y = 0; y < t.out_h; ++y) {
        int64_t x = 0;
        for (; x + V < t.out_w; x += 2 * V) forward_tile<O, 2>(t, image, weights, bias, y, x, out);
        if (x < t.out_w) forward_tile<O, 1>(t, image, weights, bias, y, x, out);
    }
}

using ForwardBlock = void (*)(const ConvPlanarTask &, const float *, const float *, const float *, float *);
constexpr ForwardBlock forward_blocks[] = {forward_block<1>, forward_block<2>, forward_block<3>, forward_block<4>,
#if defined(__AVX512F__)
                                           forward_block<5>, forward_block<6>, forward_block<7>, forward_block<8>
#endif
};

void forward(const ConvPlanarTask &t, int64_t begin, int64_t end, float *image) {
    const int64_t each = block(t.outputs), window = t.channels * t.kernel_h * t.kernel_w;
    const int64_t out_plane = t.out_h * t.out_w;
    for (int64_t n = begin; n < end; ++n) {
        pad_image(t, t.x + n * t.channels * t.height * t.width, image);
        for (int64_t o = 0; o < t.outputs; o += each) {
            const int64_t count = t.outputs - o < each ? t.outputs - o : each;
            forward_blocks[count - 1](t, image, t.weights + o * window, t.bias ? t.bias + o : nullptr,
                                      t.out + (n * t.outputs + o) * out_plane);
        }
    }
}

RL_INLINE float total(Vec v) {
    float lanes[V];
    memcpy(lanes, &v, sizeof(lanes));
    for (int half = V / 2; half > 0; half /= 2) {
        for (int i = 0; i < half; ++i) lanes[i] += lanes[i + half];
    }
    return lanes[0];
}

// The gradients of O outputs' weights for K neighbouring taps of one kernel row.
template <int O, int K>
void weight_taps(const ConvPlanarTask &t, const float *row, const float *g, float *to) {
    const int64_t stride = row_stride(t), g_stride = gradient_stride(t);
    Vec sums[O][K];
    for (int o = 0; o < O; ++o) {
        for (int k = 0; k < K; ++k) sums[o][k] = Vec{};
    }
    for (int64_t y = 0; y < t.out_h; ++y) {
        for (int64_t x = 0; x < t.out_w; x += V) {
            Vec back[O];
#pragma GCC unroll 4
            for (int o = 0; o < O; ++o) back[o] = load<V>(g + (o * t.out_h + y) * g_stride + x);
#pragma GCC unroll 5
            for (int k = 0; k < K; ++k) {
                const Vec seen = load<V>(row + y * stride + x + k);
#pragma GCC unroll 4
                for (int o = 0; o < O; ++o) sums[o][k] += back[o] * seen;
            }
        }
    }
    const int64_t window = t.channels * t.kernel_h * t.kernel_w;
    for (int o = 0; o < O; ++o) {
        for (int k = 0; k < K; ++k) to[o * window + k] += total(sums[o][k]);
    }
}

using WeightTaps = void (*)(const ConvPlanarTask &, const float *, const float *, float *);
#define RL_TAPS(O) {weight_taps<O, 1>, weight_taps<O, 2>, weight_taps<O, 3>, weight_taps<O, 4>, weight_taps<O, 5>}
constexpr WeightTaps weight_tables[][most_taps] = {
    RL_TAPS(1), RL_TAPS(2),
#if defined(__AVX512F__)
    RL_TAPS(3), RL_TAPS(4),
#endif
};

void weights(const ConvPlanarTask &t, int64_t begin, int64_t end, float *image, float *sums, float *bias_sums) {
    const int64_t stride = row_stride(t), plane = plane_size(t), g_stride = gradient_stride(t);
    const int64_t window = t.channels * t.kernel_h * t.kernel_w;
    float *g = image + t.channels * plane + 2 * V;
    memset(g, 0, sizeof(float) * size_t(t.outputs * t.out_h * g_stride));
    for (int64_t n = begin; n < end; ++n) {
        pad_image(t, t.x + n * t.channels * t.height * t.width, image);
        for (int64_t row = 0; row < t.outputs * t.out_h; ++row) {
            const float *from = t.g + (n * t.outputs * t.out_h + row) * t.out_w;
            memcpy(g + row * g_stride, from, sizeof(float) * size_t(t.out_w));
            if (bias_sums) {
                float sum = 0;
                for (int64_t x = 0; x < t.out_w; ++x) sum += from[x];
                bias_sums[row / t.out_h] += sum;
            }
        }
        for (int64_t o = 0; o < t.outputs; o += most_gradients) {
            const int64_t count = t.outputs - o < most_gradients ? t.outputs - o : most_gradients;
            for (int64_t c = 0; c < t.channels; ++c) {
                for (int64_t ky = 0; ky < t.kernel_h; ++ky) {
                    for (int64_t kx = 0; kx < t.kernel_w; kx += most_taps) {
                        const int64_t taps = t.kernel_w - kx < most_taps ? t.kernel_w - kx : most_taps;
                        weight_tables[count - 1][taps - 1](
                            t, image + c * plane + ky * stride + kx, g + o * t.out_h * g_stride,
                            sums + o * window + (c * t.kernel_h + ky) * t.kernel_w + kx);
                    }
                }
            }
        }
    }
}

}  // namespace

RUSHLIGHT_KERNELS(ConvPlanarKernels, conv_planar_kernels) {scratch, block, forward, weights};

}  // namespace rushlight
