// bfloat16 in memory, float32 in registers: how the loops read and write it on every instruction
// set. A bfloat16 is the upper half of a float32.
#pragma once

#include <stdint.h>
#include <string.h>

#include "lanes.h"

namespace rushlight {

struct bfloat16 {
    uint16_t bits;
};

namespace {

RL_INLINE float to_float(float x) { return x; }
RL_INLINE float to_float(bfloat16 x) { return from_bits(uint32_t(x.bits) << 16); }

// To the nearest, ties to even; overflow gives an infinity. A NaN stays one: its upper half alone
// might be that of an infinity.
RL_INLINE uint32_t upper_half(uint32_t bits) {
    const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
    const uint32_t nan = (bits >> 16) | 0x40;
    return (bits & 0x7fffffff) > 0x7f800000 ? nan : rounded;
}

template <typename T>
RL_INLINE T from_float(float x) {
    if constexpr (sizeof(T) == sizeof(bfloat16)) {
        return {uint16_t(upper_half(bits_of(x)))};
    } else {
        return x;
    }
}

// V floats from or to memory of either type.
template <int V>
RL_INLINE Lanes<float, V> load_float(const float *from) {
    return load<V>(from);
}

template <int V>
RL_INLINE Lanes<float, V> load_float(const bfloat16 *from) {
    if constexpr (V == 1) {
        return to_float(*from);
    } else {
        Lanes<uint16_t, V> half;
        memcpy(&half, from, sizeof(half));
        const Lanes<uint32_t, V> bits = __builtin_convertvector(half, Lanes<uint32_t, V>) << 16;
        return (Lanes<float, V>)bits;
    }
}

template <int V>
RL_INLINE void store_float(float *to, const Lanes<float, V> &v) {
    store<V>(to, v);
}

template <int V>
RL_INLINE void store_float(bfloat16 *to, const Lanes<float, V> &v) {
    if constexpr (V == 1) {
        *to = from_float<bfloat16>(v);
    } else {
        using Words = Lanes<uint32_t, V>;
        const Words bits = (Words)v;
        const Words rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
        const Words is_nan = (Words)(v != v);
        const Words chosen = (rounded & ~is_nan) | (((bits >> 16) | 0x40) & is_nan);
        const Lanes<uint16_t, V> half = __builtin_convertvector(chosen, Lanes<uint16_t, V>);
        memcpy(to, &half, sizeof(half));
    }
}

}  // namespace
}  // namespace rushlight
