#include "convert.h"

#if defined(__F16C__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#include "bfloat16.h"

namespace rushlight {
namespace {

constexpr int wide = vector_bytes / int(sizeof(float));

// In memory: 1 bit sign, 5 bits exponent, 10 bits mantissa.
struct float16 {
    uint16_t bits;
};

#if defined(__AVX512F__)

template <int V>
RL_INLINE Lanes<float, V> load_float(const float16 *from) {
    return (Lanes<float, V>)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)from));
}

template <int V>
RL_INLINE void store_float(float16 *to, const Lanes<float, V> &v) {
    _mm256_storeu_si256((__m256i *)to, _mm512_cvtps_ph((__m512)v, _MM_FROUND_TO_NEAREST_INT));
}

#elif defined(__F16C__)

template <int V>
RL_INLINE Lanes<float, V> load_float(const float16 *from) {
    return (Lanes<float, V>)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
}

template <int V>
RL_INLINE void store_float(float16 *to, const Lanes<float, V> &v) {
    _mm_storeu_si128((__m128i *)to, _mm256_cvtps_ph((__m256)v, _MM_FROUND_TO_NEAREST_INT));
}

#else

template <typename Words>
RL_INLINE Words select(const Words &where, const Words &x, const Words &otherwise) {
    return (x & where) | (otherwise & ~where);
}

template <int V>
RL_INLINE Lanes<float, V> load_float(const float16 *from) {
    using Words = Lanes<uint32_t, V>;
    using Floats = Lanes<float, V>;
    Lanes<uint16_t, V> half;
    memcpy(&half, from, sizeof(half));
    const Words bits = __builtin_convertvector(half, Words), magnitude = bits & 0x7fff;
    // The exponent's bias is 15 there and 127 here; an infinity's is the largest on both sides.
    const Words normal = (magnitude << 13) + (112 << 23);
    const Words special = (normal + (112 << 23)) | ((Words)(magnitude > 0x7c00) & 0x400000);
    // A subnormal has no leading 1: given one, it is taken away again in float.
    const Words one = Words{} + (113 << 23);
    const Words subnormal = (Words)((Floats)(normal + (1 << 23)) - (Floats)one);
    const Words value = select((Words)(magnitude >= 0x7c00), special,
                               select((Words)(magnitude < 0x0400), subnormal, normal));
    return (Floats)(value | ((bits & 0x8000) << 16));
}

template <int V>
RL_INLINE void store_float(float16 *to, const Lanes<float, V> &v) {
    using Words = Lanes<uint32_t, V>;
    using Floats = Lanes<float, V>;
    const Words bits = (Words)v, magnitude = bits & 0x7fffffff;
    const Words normal = (magnitude - (112 << 23) + 0xfff + ((magnitude >> 13) & 1)) >> 13;
    // Beside 0.5, a float's last bit is worth as much as the last of a subnormal.
    const Words half_one = Words{} + 0x3f000000;
    const Words subnormal = (Words)((Floats)magnitude + (Floats)half_one) - half_one;
    const Words nan = 0x7e00 | ((magnitude >> 13) & 0x3ff);
    const Words special = select((Words)(magnitude > 0x7f800000), nan, Words{} + 0x7c00);
    const Words value = select((Words)(magnitude >= 0x47800000), special,
                               select((Words)(magnitude < 0x38800000), subnormal, normal));
    const Lanes<uint16_t, V> half =
        __builtin_convertvector(value | ((bits >> 16) & 0x8000), Lanes<uint16_t, V>);
    memcpy(to, &half, sizeof(half));
}

#endif

template <typename From, typename To>
RL_INLINE void convert_run(int64_t n, const From *x, To *out) {
    int64_t i = 0;
    for (; i + wide <= n; i += wide) store_float<wide>(out + i, load_float<wide>(x + i));
    if (i == n) return;
    From rest[wide] = {};
    To results[wide];
    memcpy(rest, x + i, size_t(n - i) * sizeof(From));
    store_float<wide>(results, load_float<wide>(rest));
    memcpy(out + i, results, size_t(n - i) * sizeof(To));
}

void from_bfloat16(int64_t n, const uint16_t *x, float *out) {
    convert_run(n, (const bfloat16 *)x, out);
}

void to_bfloat16(int64_t n, const float *x, uint16_t *out) { convert_run(n, x, (bfloat16 *)out); }

void from_float16(int64_t n, const uint16_t *x, float *out) {
    convert_run(n, (const float16 *)x, out);
}

void to_float16(int64_t n, const float *x, uint16_t *out) { convert_run(n, x, (float16 *)out); }

}  // namespace

RUSHLIGHT_KERNELS(ConvertKernels, convert_kernels){from_bfloat16, to_bfloat16, from_float16,
                                                   to_float16};

}  // namespace rushlight
