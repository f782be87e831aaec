#include "dot_gemm.h"

#include <string.h>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace rushlight {
namespace {

#if defined(__AVX512F__)
constexpr int lanes = 16, block_rows = 4;
#elif defined(__AVX2__)
constexpr int lanes = 8, block_rows = 2;  // half the registers
#else
constexpr int lanes = 4, block_rows = 2;
#endif
constexpr int block_columns = 5;
constexpr int outer_width = block_rows;  // vectors of columns beside five rows

typedef float Vector __attribute__((vector_size(lanes * sizeof(float))));

inline Vector load(const float *p) {
    Vector v;
    memcpy(&v, p, sizeof v);
    return v;
}

inline void store(float *p, Vector v) { memcpy(p, &v, sizeof v); }

#if defined(__AVX512F__)
inline Vector load_part(const float *p, int64_t n) {
    return (Vector)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

inline float sum(Vector v) { return _mm512_reduce_add_ps((__m512)v); }
#else
inline Vector load_part(const float *p, int64_t n) {
    float part[lanes] = {};
    for (int64_t i = 0; i < n; ++i) part[i] = p[i];
    return load(part);
}

inline float sum(Vector v) {
#if defined(__AVX2__)
    const __m256 whole = (__m256)v;
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(whole), _mm256_extractf128_ps(whole, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(s) + _mm_cvtss_f32(_mm_movehdup_ps(s));
#else
    return (v[0] + v[2]) + (v[1] + v[3]);
#endif
}
#endif

struct Product {
    int64_t depth;
    const float *a;
    int64_t a_stride;
    const float *b;
    int64_t b_stride;
    const float *bias;
    int64_t bias_stride;
    float *out;
    int64_t out_stride, out_step;
};

template <int R, int C>
void block(const Product &p, int64_t m, int64_t n) {
    Vector acc[R][C] = {};
    const float *a = p.a + m * p.a_stride, *b = p.b + n * p.b_stride;
    int64_t k = 0;
    for (; k + lanes <= p.depth; k += lanes) {
        Vector right[C];
        for (int c = 0; c < C; ++c) right[c] = load(b + c * p.b_stride + k);
        for (int r = 0; r < R; ++r) {
            const Vector left = load(a + r * p.a_stride + k);
            for (int c = 0; c < C; ++c) acc[r][c] += left * right[c];
        }
    }
    if (const int64_t rest = p.depth - k) {
        Vector right[C];
        for (int c = 0; c < C; ++c) right[c] = load_part(b + c * p.b_stride + k, rest);
        for (int r = 0; r < R; ++r) {
            const Vector left = load_part(a + r * p.a_stride + k, rest);
            for (int c = 0; c < C; ++c) acc[r][c] += left * right[c];
        }
    }
    for (int c = 0; c < C; ++c) {
        const float shift = p.bias ? p.bias[(n + c) * p.bias_stride] : 0.0f;
        for (int r = 0; r < R; ++r)
            p.out[(m + r) * p.out_stride + (n + c) * p.out_step] = sum(acc[r][c]) + shift;
    }
}

template <int R>
void block_row(const Product &p, int64_t m, int64_t columns) {
    int64_t n = 0;
    for (; n + block_columns <= columns; n += block_columns) block<R, block_columns>(p, m, n);
    switch (columns - n) {
        case 4: return block<R, 4>(p, m, n);
        case 3: return block<R, 3>(p, m, n);
        case 2: return block<R, 2>(p, m, n);
        case 1: return block<R, 1>(p, m, n);
        default: return;
    }
}

void nt(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_stride,
        const float *b, int64_t b_stride, const float *bias, int64_t bias_stride, float *out,
        int64_t out_stride, int64_t out_step) {
    const Product p = {depth, a,           a_stride, b,          b_stride,
                       bias,  bias_stride, out,      out_stride, out_step};
    int64_t m = 0;
    for (; m + block_rows <= rows; m += block_rows) block_row<block_rows>(p, m, columns);
    for (; m < rows; ++m) block_row<1>(p, m, columns);
}

// Eight rows of b at a time: out stays in the nearest cache, and is read and written once for each
// eight.
void row(int64_t columns, int64_t depth, const float *a, int64_t a_stride, const float *b,
         int64_t b_stride, const float *bias, int64_t bias_stride, float *out) {
    for (int64_t n = 0; n < columns; ++n) out[n] = bias ? bias[n * bias_stride] : 0.0f;
    int64_t k = 0;
    for (; k + 8 <= depth; k += 8) {
        float by[8];
        for (int i = 0; i < 8; ++i) by[i] = a[(k + i) * a_stride];
        const float *p = b + k * b_stride;
        int64_t n = 0;
        for (; n + lanes <= columns; n += lanes) {
            Vector even = load(out + n), odd = {};
            for (int i = 0; i < 8; i += 2) {
                even += by[i] * load(p + i * b_stride + n);
                odd += by[i + 1] * load(p + (i + 1) * b_stride + n);
            }
            store(out + n, even + odd);
        }
        for (; n < columns; ++n) {
            float total = out[n];
            for (int i = 0; i < 8; ++i) total += by[i] * p[i * b_stride + n];
            out[n] = total;
        }
    }
    for (; k < depth; ++k) {
        const float by = a[k * a_stride];
        const float *p = b + k * b_stride;
        for (int64_t n = 0; n < columns; ++n) out[n] += by * p[n];
    }
}

struct Outer {
    int64_t depth;
    const float *a;
    int64_t a_stride, a_step;
    const float *b;
    int64_t b_stride;
    const float *bias;
    int64_t bias_stride;
    float *out;
    int64_t out_stride;
};

// R rows and W vectors of columns at n; the last vector may be cut to `rest` columns.
template <int R, int W>
void outer_block(const Outer &p, int64_t m, int64_t n, int64_t rest) {
    Vector acc[R][W] = {};
    const float *a = p.a + m * p.a_stride;
    for (int64_t k = 0; k < p.depth; ++k) {
        const float *row = p.b + k * p.b_stride + n;
        Vector right[W];
        for (int w = 0; w < W; ++w)
            right[w] =
                w == W - 1 && rest ? load_part(row + w * lanes, rest) : load(row + w * lanes);
        for (int r = 0; r < R; ++r) {
            const float left = a[r * p.a_stride + k * p.a_step];
            for (int w = 0; w < W; ++w) acc[r][w] += left * right[w];
        }
    }
    for (int r = 0; r < R; ++r) {
        float *to = p.out + (m + r) * p.out_stride + n;
        for (int w = 0; w < W; ++w) {
            float part[lanes];
            store(part, acc[r][w]);
            const int64_t count = w == W - 1 && rest ? rest : lanes;
            for (int64_t i = 0; i < count; ++i) {
                const int64_t column = w * lanes + i;
                to[column] = part[i] + (p.bias ? p.bias[(n + column) * p.bias_stride] : 0.0f);
            }
        }
    }
}

template <int R>
void outer_rows(const Outer &p, int64_t m, int64_t columns) {
    int64_t n = 0;
    for (; n + outer_width * lanes <= columns; n += outer_width * lanes)
        outer_block<R, outer_width>(p, m, n, 0);
    for (; n + lanes <= columns; n += lanes) outer_block<R, 1>(p, m, n, 0);
    if (n < columns) outer_block<R, 1>(p, m, n, columns - n);
}

void few_rows(int64_t rows, int64_t columns, int64_t depth, const float *a, int64_t a_stride,
              int64_t a_step, const float *b, int64_t b_stride, const float *bias,
              int64_t bias_stride, float *out, int64_t out_stride) {
    const Outer p = {depth, a, a_stride, a_step, b, b_stride, bias, bias_stride, out, out_stride};
    int64_t m = 0;
    for (; m + 5 <= rows; m += 5) outer_rows<5>(p, m, columns);
    switch (rows - m) {
        case 4: return outer_rows<4>(p, m, columns);
        case 3: return outer_rows<3>(p, m, columns);
        case 2: return outer_rows<2>(p, m, columns);
        case 1: return outer_rows<1>(p, m, columns);
        default: return;
    }
}

void column_sums(int64_t rows, int64_t columns, const float *a, int64_t a_stride, float *out,
                 int64_t out_step) {
    int64_t n = 0;
    for (; n + lanes <= columns; n += lanes) {
        Vector acc[4] = {};
        int64_t m = 0;
        for (; m + 4 <= rows; m += 4) {
            for (int i = 0; i < 4; ++i) acc[i] += load(a + (m + i) * a_stride + n);
        }
        for (; m < rows; ++m) acc[0] += load(a + m * a_stride + n);
        float part[lanes];
        store(part, (acc[0] + acc[1]) + (acc[2] + acc[3]));
        for (int i = 0; i < lanes; ++i) out[(n + i) * out_step] = part[i];
    }
    if (const int64_t rest = columns - n) {
        Vector acc = {};
        for (int64_t m = 0; m < rows; ++m) acc += load_part(a + m * a_stride + n, rest);
        float part[lanes];
        store(part, acc);
        for (int64_t i = 0; i < rest; ++i) out[(n + i) * out_step] = part[i];
    }
}

}  // namespace

RUSHLIGHT_KERNELS(DotGemmKernels, dot_gemm_kernels){nt, row, few_rows, column_sums};

}  // namespace rushlight
