#include "interpolate.h"

#include <math.h>

namespace rushlight {
namespace {

// Taps next to each other: k is known for the frequent methods.
template <typename T, int K>
void along_last(const ResampleRun<T> &run, int64_t begin, int64_t end) {
    const int64_t k = K ? K : run.k;
    for (int64_t row = begin; row < end; ++row) {
        const T *x = run.x + row * run.n;
        T *out = run.out + row * run.m;
        for (int64_t j = 0; j < run.m; ++j) {
            const T *from = x + run.starts[j], *weight = run.weights + j * k;
            T sum = from[0] * weight[0];
            for (int64_t t = 1; t < k; ++t) sum += from[t] * weight[t];
            out[j] = sum;
        }
    }
}

// Taps a whole run of elements apart. Here a row is one of `rows * m`.
template <typename T>
void along_other(const ResampleRun<T> &run, int64_t begin, int64_t end) {
    const int64_t inner = run.inner, k = run.k;
    for (int64_t row = begin; row < end; ++row) {
        const int64_t j = row % run.m;
        const T *from = run.x + (row / run.m * run.n + run.starts[j]) * inner;
        const T *weight = run.weights + j * k;
        T *out = run.out + row * inner;
        int64_t t = 0;
        if (k == 1) {
            const T w0 = weight[0];
            for (int64_t i = 0; i < inner; ++i) out[i] = from[i] * w0;
            continue;
        }
        for (; t + 2 <= k; t += 2, from += 2 * inner) {
            const T w0 = weight[t], w1 = weight[t + 1];
            if (t == 0) {
                for (int64_t i = 0; i < inner; ++i) out[i] = from[i] * w0 + from[i + inner] * w1;
            } else {
                for (int64_t i = 0; i < inner; ++i) out[i] += from[i] * w0 + from[i + inner] * w1;
            }
        }
        if (t < k) {
            const T w0 = weight[t];
            for (int64_t i = 0; i < inner; ++i) out[i] += from[i] * w0;
        }
    }
}

template <typename T>
void resample(const ResampleRun<T> &run, int64_t begin, int64_t end) {
    if (run.inner > 1) {
        along_other(run, begin, end);
    } else if (run.k == 1) {
        along_last<T, 1>(run, begin, end);
    } else if (run.k == 2) {
        along_last<T, 2>(run, begin, end);
    } else if (run.k == 4) {
        along_last<T, 4>(run, begin, end);
    } else {
        along_last<T, 0>(run, begin, end);
    }
}

// x * y + z rounded once, with every instruction set: a double holds the product exactly, and the
// sum but for a last bit that decides nothing unless the float lies halfway.
inline float fused(float x, float y, float z) {
#ifdef __FMA__
    return __builtin_fmaf(x, y, z);
#else
    return float(double(x) * double(y) + double(z));
#endif
}

// What lies outside by more than an element counts as that far: it has no number.
inline int64_t limited(float at, int64_t n) {
    return at < -2.0f ? -2 : at > float(n) ? n + 1 : at == at ? int64_t(at) : -2;
}

void grid(const GridRun &run, int64_t begin, int64_t end) {
    const int64_t h = run.height, w = run.width;
    const float half_w = float(run.align_corners ? w - 1 : w) / 2;
    const float half_h = float(run.align_corners ? h - 1 : h) / 2;
    const float shift = run.align_corners ? 0.0f : -0.5f;
    for (int64_t p = begin; p < end; ++p) {
        const float px = fused(run.grid[2 * p] + 1.0f, half_w, shift);
        const float py = fused(run.grid[2 * p + 1] + 1.0f, half_h, shift);
        float *out = run.out + p * run.out_place;
        if (run.nearest) {
            const int64_t x = limited(rintf(px), w), y = limited(rintf(py), h);
            const bool inside = x >= 0 && x < w && y >= 0 && y < h;
            const float *from = run.x + (inside ? y * run.x_row + x * run.x_column : 0);
            for (int64_t c = 0; c < run.channels; ++c) {
                out[c * run.out_channel] = inside ? from[c * run.x_channel] : 0.0f;
            }
            continue;
        }
        const float fx = floorf(px), fy = floorf(py);
        const int64_t x = limited(fx, w), y = limited(fy, h);
        const float east = px - fx, south = py - fy, west = 1.0f - east, north = 1.0f - south;
        const float weights[4] = {west * north, east * north, west * south, east * south};
        const bool rows[2] = {y >= 0 && y < h, y + 1 >= 0 && y + 1 < h};
        const bool columns[2] = {x >= 0 && x < w, x + 1 >= 0 && x + 1 < w};
        int64_t at[4];
        bool inside[4];
        for (int t = 0; t < 4; ++t) {
            inside[t] = rows[t / 2] && columns[t % 2];
            at[t] = inside[t] ? (y + t / 2) * run.x_row + (x + t % 2) * run.x_column : 0;
        }
        for (int64_t c = 0; c < run.channels; ++c) {
            const float *from = run.x + c * run.x_channel;
            float sum = (inside[0] ? from[at[0]] : 0.0f) * weights[0];
            for (int t = 1; t < 4; ++t)
                sum = fused(inside[t] ? from[at[t]] : 0.0f, weights[t], sum);
            out[c * run.out_channel] = sum;
        }
    }
}

}  // namespace

RUSHLIGHT_KERNELS(InterpolateKernels, interpolate_kernels){resample<float>, resample<double>, grid};

}  // namespace rushlight
