// The type in which a loop computes what lies in memory as another: float32 for the half-precision
// types, rounded once when it is stored.
#pragma once

#include "bfloat16.h"

namespace rushlight {

struct float16 {
    uint16_t bits;
};

template <typename S>
struct WideOf {
    using type = S;
};
template <>
struct WideOf<bfloat16> {
    using type = float;
};
template <>
struct WideOf<float16> {
    using type = float;
};

template <typename S>
using Wide = typename WideOf<S>::type;

namespace {

template <typename T>
RL_INLINE T widen(T x) {
    return x;
}
RL_INLINE float widen(bfloat16 x) { return to_float(x); }

// Rounds the result of arithmetic. Its NaNs are quiet, so their upper halves are NaNs too: nothing
// is added to those, which is cheaper than to replace them.
RL_INLINE uint32_t rounding_of(float x, uint32_t bits) {
    const uint32_t is_number = x == x ? 0xffffffffu : 0u;
    return (0x7fffu + ((bits >> 16) & 1u)) & is_number;
}

template <typename S>
RL_INLINE S narrow(Wide<S> x) {
    if constexpr (__is_same(S, bfloat16)) {
        const uint32_t bits = bits_of(x);
        return {uint16_t((bits + rounding_of(x, bits)) >> 16)};
    } else {
        return x;
    }
}

// What a bfloat16 holds exactly needs no rounding.
RL_INLINE bfloat16 exactly(float x) { return {uint16_t(bits_of(x) >> 16)}; }

template <typename S>
RL_INLINE bfloat16 narrow(bfloat16 x) {
    return x;
}

template <int V, typename S>
RL_INLINE Lanes<Wide<S>, V> load_wide(const S *from) {
    if constexpr (__is_same(S, bfloat16)) {
        return load_float<V>(from);
    } else {
        return load<V>(from);
    }
}

template <int V, typename S>
RL_INLINE void store_narrow(S *to, const Lanes<Wide<S>, V> &v) {
    if constexpr (__is_same(S, bfloat16)) {
        store_float<V>(to, v);
    } else {
        store<V>(to, v);
    }
}

// The same for values that S holds exactly.
template <int V, typename S>
RL_INLINE void store_exact(S *to, const Lanes<Wide<S>, V> &v) {
    if constexpr (!__is_same(S, bfloat16)) {
        store<V>(to, v);
    } else if constexpr (V == 1) {
        *to = exactly(v);
    } else {
        const Lanes<uint32_t, V> upper = (Lanes<uint32_t, V>)v >> 16;
        const Lanes<uint16_t, V> half = __builtin_convertvector(upper, Lanes<uint16_t, V>);
        memcpy(to, &half, sizeof(half));
    }
}

}  // namespace
}  // namespace rushlight
