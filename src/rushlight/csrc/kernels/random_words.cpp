#include "random_words.h"

#include <math.h>
#include <string.h>

namespace rushlight {

static const int64_t tile = 256;

static inline uint32_t tempered(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

static void extend(uint32_t *x, int64_t n) {
    // A word depends on the one 227 places before it, so runs of 224 (14 vectors of 16) have no order among themselves.
    for (int64_t begin = 0; begin < n; begin += 224) {
        const int64_t count = n - begin < 224 ? n - begin : 224;
        const uint32_t *from = x + begin;
        uint32_t *to = x + begin + twister_words;
#pragma GCC ivdep
        for (int64_t i = 0; i < count; ++i) {
            const uint32_t y = (from[i] & 0x80000000u) | (from[i + 1] & 0x7fffffffu);
            to[i] = from[i + 397] ^ (y >> 1) ^ ((0u - (y & 1u)) & 0x9908b0dfu);
        }
    }
}

static void temper(const uint32_t *__restrict raw, uint32_t *__restrict out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) out[i] = tempered(raw[i]);
}

// PyTorch's own loops are compiled with fused multiply-add on every processor that has it. Where it is missing, double
// precision gives the same float but for a handful of values in 2^29.
static inline float fused(float a, float b, float c) {
#ifdef __FMA__
    return __builtin_fmaf(a, b, c);
#else
    return float(double(a) * b + c);
#endif
}

static inline double fused(double a, double b, double c) { return __builtin_fma(a, b, c); }

static inline float unit24(uint32_t raw) { return float(int32_t(tempered(raw) & 0xffffffu)) * 0x1p-24f; }

static void uniform_f32(const uint32_t *__restrict raw, float *__restrict out, int64_t n, float low, float high) {
    const float width = high - low;
    for (int64_t i = 0; i < n; ++i) {
        const float u = fused(unit24(raw[i]), width, low);
        out[i] = u == high ? low : u;  // rounding can reach the excluded end
    }
}

// The 53 low bits of `first << 32 | second`, for a tile of pairs.
static inline void pairs53(const uint32_t *__restrict raw, uint64_t *__restrict out, int64_t n) {
    uint32_t words[2 * tile];
    temper(raw, words, 2 * n);
    for (int64_t i = 0; i < n; ++i) {
        uint64_t pair;
        memcpy(&pair, words + 2 * i, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        pair = pair << 32 | pair >> 32;
#endif
        out[i] = pair & 0x1fffffffffffffu;
    }
}

static void uniform_f64(const uint32_t *__restrict raw, double *__restrict out, int64_t n, double low, double high) {
    const double width = high - low;
    for (int64_t begin = 0; begin < n; begin += tile) {
        const int64_t count = n - begin < tile ? n - begin : tile;
        uint64_t bits[tile];
        pairs53(raw + 2 * begin, bits, count);
        for (int64_t i = 0; i < count; ++i) {
            const double u = fused(double(int64_t(bits[i])) * 0x1p-53, width, low);
            out[begin + i] = u == high ? low : u;
        }
    }
}

static void below_u8(const uint32_t *__restrict raw, uint8_t *__restrict out, int64_t n, uint64_t limit) {
    for (int64_t begin = 0; begin < n; begin += tile) {
        const int64_t count = n - begin < tile ? n - begin : tile;
        uint64_t bits[tile];
        pairs53(raw + 2 * begin, bits, count);
        // The sign of the difference is the comparison: both lie below 2^54.
        for (int64_t i = 0; i < count; ++i) out[begin + i] = uint8_t((bits[i] - limit) >> 63);
    }
}

static void below_f32(const uint32_t *__restrict raw, float *__restrict out, int64_t n, uint64_t limit) {
    for (int64_t begin = 0; begin < n; begin += tile) {
        const int64_t count = n - begin < tile ? n - begin : tile;
        uint64_t bits[tile];
        pairs53(raw + 2 * begin, bits, count);
        for (int64_t i = 0; i < count; ++i) out[begin + i] = float(int32_t((bits[i] - limit) >> 63));
    }
}

// --- normals -----------------------------------------------------------------------------------------------------
// Logarithm, sine and cosine after the single-precision routines of Cephes (S. Moshier, "Methods and Programs for
// Mathematical Functions", 1989), whose polynomials PyTorch's vectorised Box-Muller uses too: with the operations in
// this order the results are the same to the last bit.

// x positive and normal.
static inline float log_cephes(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    int32_t exponent = int32_t(bits >> 23) - 126;
    bits = (bits & 0x007fffffu) | 0x3f000000u;
    float m;
    memcpy(&m, &bits, 4);
    const bool small = m < 0.707106781186547524f;
    exponent -= small;
    m = small ? (m - 1.0f) + m : m - 1.0f;
    const float e = float(exponent), z = m * m;
    float y = 7.0376836292e-2f;
    y = fused(y, m, -1.1514610310e-1f);
    y = fused(y, m, 1.1676998740e-1f);
    y = fused(y, m, -1.2420140846e-1f);
    y = fused(y, m, 1.4249322787e-1f);
    y = fused(y, m, -1.6668057665e-1f);
    y = fused(y, m, 2.0000714765e-1f);
    y = fused(y, m, -2.4999993993e-1f);
    y = fused(y, m, 3.3333331174e-1f);
    y = y * m;
    y = fused(y, z, e * -2.12194440e-4f);
    y = fused(z, -0.5f, y);
    return fused(e, 0.693359375f, m + y);
}

// x in [0, 2 pi].
static inline void sincos_cephes(float x, float *sine, float *cosine) {
    const int32_t octant = (int32_t(x * 1.27323954473516f) + 1) & ~1;
    const float j = float(octant);
    x = fused(j, -0.78515625f, x);
    x = fused(j, -2.4187564849853515625e-4f, x);
    x = fused(j, -3.77489497744594108e-8f, x);
    const float z = x * x;
    float c = fused(2.443315711809948e-5f, z, -1.388731625493765e-3f);
    c = fused(c, z, 4.166664568298827e-2f) * z;
    c = fused(c, z, -0.5f * z) + 1.0f;
    float s = fused(-1.9515295891e-4f, z, 8.3321608736e-3f);
    s = fused(s, z, -1.6666654611e-1f) * z;
    s = fused(s, x, x);
    const bool swap = octant & 2;
    const float a = swap ? c : s, b = swap ? s : c;
    *sine = octant & 4 ? -a : a;
    *cosine = (octant + 2) & 4 ? -b : b;
}

static void normal_f32(const uint32_t *__restrict raw, float *__restrict out, int64_t groups, float mean, float std) {
    const int64_t many = 16;
    for (int64_t begin = 0; begin < groups; begin += many) {
        const int64_t count = groups - begin < many ? groups - begin : many, half = 8 * count;
        float radius[8 * many], angle[8 * many];
        for (int64_t g = 0; g < count; ++g) {
            const uint32_t *words = raw + 16 * (begin + g);
            for (int64_t i = 0; i < 8; ++i) radius[8 * g + i] = 1.0f - unit24(words[i]);
            for (int64_t i = 0; i < 8; ++i) angle[8 * g + i] = 6.28318530717958647692f * unit24(words[8 + i]);
        }
        for (int64_t i = 0; i < half; ++i) {
            const float r = sqrtf(-2.0f * log_cephes(radius[i]));
            float sine, cosine;
            sincos_cephes(angle[i], &sine, &cosine);
            radius[i] = fused(r * cosine, std, mean);
            angle[i] = fused(r * sine, std, mean);
        }
        for (int64_t g = 0; g < count; ++g) {
            memcpy(out + 16 * (begin + g), radius + 8 * g, 32);
            memcpy(out + 16 * (begin + g) + 8, angle + 8 * g, 32);
        }
    }
}

// --- half precision, to nearest, ties to even ---------------------------------------------------------------------

static void to_bf16(const float *__restrict x, uint16_t *__restrict out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, 4);
        const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
        out[i] = uint16_t(x[i] != x[i] ? 0x7fc0u : rounded);
    }
}

static void to_f16(const float *__restrict x, uint16_t *__restrict out, int64_t n) {
    for (int64_t i = 0; i < n; ++i) {
        uint32_t bits;
        memcpy(&bits, x + i, 4);
        const uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7fffffffu;
        const uint32_t normal = (size + 0xfffu + ((size >> 13) & 1u) - 0x38000000u) >> 13;
        // Adding 0.5 leaves the multiples of 2^-24, which are what a subnormal half can hold, in the low bits.
        float shifted;
        memcpy(&shifted, &size, 4);
        shifted += 0.5f;
        uint32_t subnormal;
        memcpy(&subnormal, &shifted, 4);
        subnormal -= 0x3f000000u;
        uint32_t half = size < 0x38800000u ? subnormal : normal;
        half = size >= 0x477ff000u ? 0x7c00u : half;
        half = size > 0x7f800000u ? 0x7e00u : half;
        out[i] = uint16_t(sign | half);
    }
}

RUSHLIGHT_KERNELS(RandomKernels, random_kernels){
    extend, temper, uniform_f32, uniform_f64, normal_f32, below_u8, below_f32, to_f16, to_bf16,
};

}  // namespace rushlight
