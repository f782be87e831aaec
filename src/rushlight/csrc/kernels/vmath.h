// Elementary functions, written so that a loop over them becomes vector code: no branch, no table,
// no call.
//
// Polynomials: ours, found by the Remez exchange in 40 to 60 digits for the interval and weight
// named beside each, then rounded to the type. The reductions of the argument are the classic ones
// (Cody and Waite, "Software Manual for the Elementary Functions", 1980). The largest errors met
// over float32 inputs, in units of the last place: exp 1.0, expm1 1.5, log 0.9, log1p 1.5,
// tanh 1.5, sigmoid 2.5, erf 1.4, softplus 1.8. Rounding must be to nearest: the shift constants
// below round by addition.
#pragma once

#include <math.h>
#include <stdint.h>

namespace rushlight {
namespace {

#define RL_INLINE static inline __attribute__((always_inline))
#define RL_MEMBER inline __attribute__((always_inline))

RL_INLINE uint32_t bits_of(float x) { return __builtin_bit_cast(uint32_t, x); }
RL_INLINE uint64_t bits_of(double x) { return __builtin_bit_cast(uint64_t, x); }
RL_INLINE float from_bits(uint32_t x) { return __builtin_bit_cast(float, x); }
RL_INLINE double from_bits(uint64_t x) { return __builtin_bit_cast(double, x); }

RL_INLINE float sqrt_of(float x) { return __builtin_sqrtf(x); }
RL_INLINE double sqrt_of(double x) { return __builtin_sqrt(x); }
RL_INLINE float abs_of(float x) { return __builtin_fabsf(x); }
RL_INLINE double abs_of(double x) { return __builtin_fabs(x); }
RL_INLINE float copysign_of(float x, float sign) { return __builtin_copysignf(x, sign); }
RL_INLINE double copysign_of(double x, double sign) { return __builtin_copysign(x, sign); }

// --- exp and expm1 ------------------------------------------------------------------------------
// x = k ln2 + r with |r| <= ln2 / 2; exp(r) = 1 + r + r^2 q(r).

// q for |r| <= 0.3467: relative error of exp 3e-9.
RL_INLINE float expm1_reduced(float r) {
    const float q = ((((1.38149774884e-3f * r + 8.3686604138e-3f) * r + 4.16683744215e-2f) * r +
                      1.666652131e-1f) *
                         r +
                     4.99999935532e-1f);
    return r + r * r * q;
}

// The same to 6e-20.
RL_INLINE double expm1_reduced(double r) {
    double q = 2.0826963187242176778e-9;
    q = q * r + 2.51118377995552223e-8;
    q = q * r + 2.7557579069964966237e-7;
    q = q * r + 2.7557235529907564213e-6;
    q = q * r + 2.4801586933220980604e-5;
    q = q * r + 1.9841269895585037843e-4;
    q = q * r + 1.3888888889109135964e-3;
    q = q * r + 8.3333333333174316308e-3;
    q = q * r + 4.1666666666666121578e-2;
    q = q * r + 1.6666666666666682742e-1;
    q = q * r + 5.0000000000000000401e-1;
    return r + r * r * q;
}

struct Reduced32 {
    float r;
    uint32_t k;
};

struct Reduced64 {
    double r;
    uint64_t k;
};

// |x| < 2^20 or NaN. ln2 is taken in two parts, the first with enough trailing zeros for k times it
// to be exact.
RL_INLINE Reduced32 reduce_by_ln2(float x) {
    const float shift = 12582912.0f;  // 1.5 * 2^23
    const float shifted = x * 1.44269504089f + shift;
    const float n = shifted - shift;
    const float r = (x - n * 0.693145751953125f) - n * 1.42860682030941723e-6f;
    return {r, bits_of(shifted) - bits_of(shift)};
}

RL_INLINE Reduced64 reduce_by_ln2(double x) {
    const double shift = 6755399441055744.0;  // 1.5 * 2^52
    const double shifted = x * 1.4426950408889634074 + shift;
    const double n = shifted - shift;
    const double r = (x - n * 6.93147180369123816490e-1) - n * 1.90821492927058770002e-10;
    return {r, bits_of(shifted) - bits_of(shift)};
}

// -126 <= k <= 127; unsigned, because what a NaN makes of k may be anything, and may overflow.
RL_INLINE float power_of_two(uint32_t k) { return from_bits((k + 127) << 23); }
// -1022 <= k <= 1023
RL_INLINE double power_of_two(uint64_t k) { return from_bits((k + 1023) << 52); }

// Two factors, so that results below the smallest normal number and up to the largest one are
// right.
RL_INLINE float exp_of(float x) {
    x = x < -104.0f ? -104.0f : x;
    x = x > 89.0f ? 89.0f : x;
    const Reduced32 a = reduce_by_ln2(x);
    const uint32_t half = uint32_t(int32_t(a.k) >> 1);
    return (1.0f + expm1_reduced(a.r)) * power_of_two(half) * power_of_two(a.k - half);
}

RL_INLINE double exp_of(double x) {
    x = x < -746.0 ? -746.0 : x;
    x = x > 710.0 ? 710.0 : x;
    const Reduced64 a = reduce_by_ln2(x);
    // AVX2 has no arithmetic shift of 64 bits.
    const uint64_t half = ((a.k + 2048) >> 1) - 1024;
    return (1.0 + expm1_reduced(a.r)) * power_of_two(half) * power_of_two(a.k - half);
}

// For x <= 0: one factor, and 0 where the result would be below the smallest normal number.
RL_INLINE float exp_of_nonpositive(float x) {
    const float c = x < -87.0f ? -87.0f : x;
    const Reduced32 a = reduce_by_ln2(c);
    const float y = (1.0f + expm1_reduced(a.r)) * power_of_two(a.k);
    return x < -87.0f ? 0.0f : y;
}

RL_INLINE double exp_of_nonpositive(double x) {
    const double c = x < -708.0 ? -708.0 : x;
    const Reduced64 a = reduce_by_ln2(c);
    const double y = (1.0 + expm1_reduced(a.r)) * power_of_two(a.k);
    return x < -708.0 ? 0.0 : y;
}

// 2^k (exp(r) - 1) + (2^k - 1) keeps the digits that exp(x) - 1 would lose near 0.
RL_INLINE float expm1_of(float x) {
    float c = x < -20.0f ? -20.0f : x;
    c = c > 89.0f ? 89.0f : c;
    const Reduced32 a = reduce_by_ln2(c);
    // 2^128 is no number: one doubling is left for the end.
    const float half_scale = power_of_two(a.k - 1);
    const float y = (half_scale * expm1_reduced(a.r) + (half_scale - 0.5f)) * 2.0f;
    return x == 0.0f ? x : y;
}

RL_INLINE double expm1_of(double x) {
    double c = x < -40.0 ? -40.0 : x;
    c = c > 710.0 ? 710.0 : c;
    const Reduced64 a = reduce_by_ln2(c);
    const double half_scale = power_of_two(a.k - 1);
    const double y = (half_scale * expm1_reduced(a.r) + (half_scale - 0.5)) * 2.0;
    return x == 0.0 ? x : y;
}

// --- log ----------------------------------------------------------------------------------------
// x = 2^k m with sqrt(1/2) <= m < sqrt(2), f = m - 1.

// log(1 + f) - f = -f^2 / 2 + f^3 p(f), error 8e-10 of f^2.
RL_INLINE float log1p_tail(float f) {
    float p = 6.92114728596e-2f;
    p = p * f - 1.17828129085e-1f;
    p = p * f + 1.18661645036e-1f;
    p = p * f - 1.23852828774e-1f;
    p = p * f + 1.42198605632e-1f;
    p = p * f - 1.66692257814e-1f;
    p = p * f + 2.00021535629e-1f;
    p = p * f - 2.49999863403e-1f;
    p = p * f + 3.33333118376e-1f;
    return f * f * (f * p - 0.5f);
}

// log(1 + f) - f = -s (f - z p(z)), s = f / (2 + f), z = s^2, error 2e-18.
RL_INLINE double log1p_tail(double f) {
    const double s = f / (2.0 + f), z = s * s;
    double p = 1.4788266706030056316e-1;
    p = p * z + 1.5314876037649914003e-1;
    p = p * z + 1.8183529240051242622e-1;
    p = p * z + 2.2222199318999297804e-1;
    p = p * z + 2.8571428734171937556e-1;
    p = p * z + 3.9999999999457976992e-1;
    p = p * z + 6.6666666666667262461e-1;
    return -(s * (f - z * p));
}

RL_INLINE float log_of(float x) {
    const bool small = x < 1.17549435e-38f;
    const float scaled = small ? x * 8388608.0f : x;
    const uint32_t shifted = bits_of(scaled) - 0x3f3504f3u;
    const int32_t k = (int32_t(shifted) >> 23) - (small ? 23 : 0);
    const float f = from_bits((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
    const float n = float(k);
    const float tail = log1p_tail(f) + n * 1.42860682030941723e-6f;
    float y = n * 0.693145751953125f + (f + tail);
    y = x == 0.0f ? -__builtin_inff() : y;
    y = x < 0.0f ? __builtin_nanf("") : y;
    return x < __builtin_inff() ? y : x;  // inf and NaN stay
}

RL_INLINE double log_of(double x) {
    const bool small = x < 2.2250738585072014e-308;
    const double scaled = small ? x * 4503599627370496.0 : x;
    const uint64_t shifted = bits_of(scaled) + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    const uint64_t m = (shifted & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
    // Biased exponent to double without a conversion of 64-bit integers, which AVX2 lacks.
    const double biased = from_bits((shifted >> 52) + 0x4330000000000000u) - 4503599627370496.0;
    const double n = biased - (small ? 1075.0 : 1023.0);
    const double f = from_bits(m) - 1.0;
    const double tail = log1p_tail(f) + n * 1.90821492927058770002e-10;
    double y = n * 6.93147180369123816490e-1 + (f + tail);
    y = x == 0.0 ? -__builtin_inf() : y;
    y = x < 0.0 ? __builtin_nan("") : y;
    return x < __builtin_inf() ? y : x;
}

// log(1 + x) for x >= 0 and finite, with what 1 + x loses put back.
template <typename T>
RL_INLINE T log1p_of_nonnegative(T x) {
    const T u = T(1) + x;
    return log_of(u) + (x - (u - T(1))) / u;
}

// The same for 0 <= x <= 1, where at most one halving is needed.
template <typename T>
RL_INLINE T log1p_of_fraction(T x) {
    const bool high = x > T(0.41421356);
    const T f = high ? (x - T(1)) * T(0.5) : x;
    const T y = f + log1p_tail(f);
    return high ? y + T(0.69314718055994530942) : y;
}

template <typename T>
RL_INLINE T log1p_of(T x) {
    const T y = log1p_of_nonnegative(x);
    // -1, 0 (whose sign stays), inf and NaN.
    const T edge = x == T(-1) ? -T(__builtin_inf()) : x;
    const bool inside = x > T(-1) && x < T(__builtin_inf()) && x != T(0);
    return inside ? y : (x < T(-1) ? T(__builtin_nan("")) : edge);
}

// --- tanh, sigmoid, erf -------------------------------------------------------------------------

RL_INLINE float tanh_of(float x) {
    const float z = abs_of(x);
    // |x| < 0.6: x + x^3 p(x^2), relative error 3e-9.
    const float s = z * z;
    float p = -5.91062424664e-3f;
    p = p * s + 2.08098123689e-2f;
    p = p * s - 5.37881345989e-2f;
    p = p * s + 1.3331977646e-1f;
    p = p * s - 3.33333001332e-1f;
    const float near = z + z * s * p;
    const float e = exp_of_nonpositive(-2.0f * z);
    const float far = 1.0f - 2.0f * e / (1.0f + e);
    return copysign_of(z < 0.6f ? near : far, x);
}

// With e = exp(-2|x|) - 1: tanh |x| = -e / (e + 2), exact digits near 0 included.
RL_INLINE double tanh_of(double x) {
    const double e = expm1_of(-2.0 * abs_of(x));
    return copysign_of(e / (e + 2.0), x);
}

template <typename T>
RL_INLINE T sigmoid_of(T x) {
    return T(1) / (T(1) + exp_of(-x));
}

// erfc(z) exp(z^2) for z >= 0, as t p(t) with t = 1 / (1 + 0.4 z), for z <= 10.6 (t >= 0.19):
// relative error 7e-8.
RL_INLINE float erfcx_of_nonnegative(float z) {
    const float t = 1.0f / (1.0f + 0.4f * z);
    float p = 4.23697134177e-2f;
    p = p * t - 1.45775203707e-1f;
    p = p * t + 9.53151854723e-2f;
    p = p * t + 7.49461623537e-2f;
    p = p * t + 8.8787301328e-2f;
    p = p * t + 1.89532401525e-1f;
    p = p * t + 2.02878039627e-1f;
    p = p * t + 2.26304075989e-1f;
    p = p * t + 2.25642390955e-1f;
    return t * p;
}

RL_INLINE float erf_of(float x) {
    const float z = abs_of(x);
    // |x| < 1: x p(x^2), relative error 1.2e-9; the 1 of 1.128... is added last, so that it costs
    // no rounding.
    const float s = x * x;
    float p = 7.85386761283e-5f;
    p = p * s - 8.01019542389e-4f;
    p = p * s + 5.18832787812e-3f;
    p = p * s - 2.68538120296e-2f;
    p = p * s + 1.12835851507e-1f;
    p = p * s - 3.76126258244e-1f;
    const float near = x + x * (p * s + 1.2837916573e-1f);
    // From there to 4, where erf rounds to 1: 1 - exp(-p(|x|)), relative error 2e-11.
    const float c = z > 4.0f ? 4.0f : z;
    float q = 2.16975979145e-5f;
    q = q * c - 4.4147245385e-4f;
    q = q * c + 4.20528374663e-3f;
    q = q * c - 2.52103369855e-2f;
    q = q * c + 1.0842209517e-1f;
    q = q * c + 6.33216400887e-1f;
    q = q * c + 1.12958030952f;
    q = q * c - 1.8846743931e-4f;
    const float far = copysign_of(1.0f - exp_of_nonpositive(-q), x);
    return z < 1.0f ? near : far;
}

RL_INLINE double erf_of(double x) { return __builtin_erf(x); }

}  // namespace
}  // namespace rushlight
