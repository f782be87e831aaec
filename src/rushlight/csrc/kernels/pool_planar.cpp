#include "pool_planar.h"

#include <string.h>

#include "vmath.h"

namespace rushlight {
namespace {

constexpr int V = 8;
typedef float Floats __attribute__((vector_size(4 * V)));
typedef int32_t Ints __attribute__((vector_size(4 * V)));
typedef uint8_t Bytes __attribute__((vector_size(V)));

template <typename Vector, typename T>
RL_INLINE Vector read(const T *from) {
    Vector v;
    memcpy(&v, from, sizeof(v));
    return v;
}

template <typename Vector, typename T>
RL_INLINE void write(T *to, Vector v) {
    memcpy(to, &v, sizeof(v));
}

// A NaN replaces what there is, and nothing is greater than a NaN.
RL_INLINE void take(Floats v, int32_t number, Floats &most, Ints &tap) {
    const Ints better = (v > most) | (v != v);
    most = better ? v : most;
    tap = better ? Ints{} + number : tap;
}

RL_INLINE void max_block(const float *top, const float *bottom, float *out, uint8_t *taps) {
    const Ints even{0, 2, 4, 6, 8, 10, 12, 14}, odd{1, 3, 5, 7, 9, 11, 13, 15};
    const Floats t0 = read<Floats>(top), t1 = read<Floats>(top + V);
    const Floats b0 = read<Floats>(bottom), b1 = read<Floats>(bottom + V);
    Floats most = __builtin_shuffle(t0, t1, even);
    Ints tap{};
    take(__builtin_shuffle(t0, t1, odd), 1, most, tap);
    take(__builtin_shuffle(b0, b1, even), 2, most, tap);
    take(__builtin_shuffle(b0, b1, odd), 3, most, tap);
    write(out, most);
    write(taps, __builtin_convertvector(tap, Bytes));
}

RL_INLINE void spread_block(const float *g, const uint8_t *taps, float *top, float *bottom) {
    const Ints low{0, 8, 1, 9, 2, 10, 3, 11}, high{4, 12, 5, 13, 6, 14, 7, 15};
    const Floats value = read<Floats>(g), none{};
    const Ints tap = __builtin_convertvector(read<Bytes>(taps), Ints);
    const Floats a = tap == 0 ? value : none, b = tap == 1 ? value : none;
    const Floats c = tap == 2 ? value : none, d = tap == 3 ? value : none;
    write(top, __builtin_shuffle(a, b, low));
    write(top + V, __builtin_shuffle(a, b, high));
    write(bottom, __builtin_shuffle(c, d, low));
    write(bottom + V, __builtin_shuffle(c, d, high));
}

// Calls f(i) so that blocks of V from each i cover [0, n); the last may overlap the one before.
template <typename F>
RL_INLINE void over_blocks(int64_t n, const F &f) {
    for (int64_t i = 0; i + V <= n; i += V) f(i);
    if (n % V) f(n - V);
}

void max_row(const float *top, const float *bottom, int64_t n, float *out, uint8_t *taps) {
    if (n >= V) {
        over_blocks(n, [&](int64_t i) {
            max_block(top + 2 * i, bottom + 2 * i, out + i, taps + i);
        });
        return;
    }
    float rows[2][2 * V] = {}, most[V];
    uint8_t names[V];
    memcpy(rows[0], top, sizeof(float) * size_t(2 * n));
    memcpy(rows[1], bottom, sizeof(float) * size_t(2 * n));
    max_block(rows[0], rows[1], most, names);
    memcpy(out, most, sizeof(float) * size_t(n));
    memcpy(taps, names, size_t(n));
}

void spread_row(const float *g, const uint8_t *taps, int64_t n, float *top, float *bottom) {
    if (n >= V) {
        over_blocks(n, [&](int64_t i) {
            spread_block(g + i, taps + i, top + 2 * i, bottom + 2 * i);
        });
        return;
    }
    float values[V] = {}, rows[2][2 * V];
    uint8_t names[V] = {};
    memcpy(values, g, sizeof(float) * size_t(n));
    memcpy(names, taps, size_t(n));
    spread_block(values, names, rows[0], rows[1]);
    memcpy(top, rows[0], sizeof(float) * size_t(2 * n));
    memcpy(bottom, rows[1], sizeof(float) * size_t(2 * n));
}

void max(const float *x, int64_t height, int64_t width, float *out, uint8_t *taps, int64_t begin,
         int64_t end) {
    const int64_t rows = height / 2, columns = width / 2;
    for (int64_t p = begin; p < end; ++p) {
        for (int64_t y = 0; y < rows; ++y) {
            const float *top = x + (p * height + 2 * y) * width;
            const int64_t to = (p * rows + y) * columns;
            max_row(top, top + width, columns, out + to, taps + to);
        }
    }
}

void max_backward(const float *g, const uint8_t *taps, int64_t height, int64_t width, float *out,
                  int64_t begin, int64_t end) {
    const int64_t rows = height / 2, columns = width / 2;
    for (int64_t p = begin; p < end; ++p) {
        for (int64_t y = 0; y < rows; ++y) {
            float *top = out + (p * height + 2 * y) * width;
            const int64_t from = (p * rows + y) * columns;
            spread_row(g + from, taps + from, columns, top, top + width);
            if (width % 2) top[width - 1] = top[2 * width - 1] = 0.0f;
        }
        if (height % 2) {
            memset(out + (p * height + height - 1) * width, 0, sizeof(float) * size_t(width));
        }
    }
}

}  // namespace

RUSHLIGHT_KERNELS(PoolPlanarKernels, pool_planar_kernels) {max, max_backward};

}  // namespace rushlight
