// Vectors of a fixed number of lanes, for loops whose shape the compiler's own vectoriser does not
// find: the language extension of GCC and Clang, so one text serves every instruction set.
#pragma once

#include <stdint.h>
#include <string.h>

#include "vmath.h"

// How vectors travel between functions does not matter where every function is inlined.
#pragma GCC diagnostic ignored "-Wpsabi"

namespace rushlight {
namespace {

#if defined(__AVX512F__)
constexpr int vector_bytes = 64;
#elif defined(__AVX2__)
constexpr int vector_bytes = 32;
#else
constexpr int vector_bytes = 16;
#endif

template <typename T, int V>
struct LanesOf {
    typedef T type __attribute__((vector_size(sizeof(T) * V)));
};

// One lane is a plain number, which compilers handle better.
template <typename T>
struct LanesOf<T, 1> {
    typedef T type;
};

template <typename T, int V>
using Lanes = typename LanesOf<T, V>::type;

template <typename T>
struct IntegerOf;
template <>
struct IntegerOf<float> {
    using type = int32_t;
};
template <>
struct IntegerOf<double> {
    using type = int64_t;
};

// The integer of the same size, which comparisons of T yield.
template <typename T>
using Integer = typename IntegerOf<T>::type;

template <int V, typename T>
RL_INLINE Lanes<T, V> load(const T *from) {
    Lanes<T, V> v;
    memcpy(&v, from, sizeof(v));
    return v;
}

template <int V, typename T>
RL_INLINE void store(T *to, const Lanes<T, V> &v) {
    memcpy(to, &v, sizeof(v));
}

template <typename To, int V, typename From>
RL_INLINE Lanes<To, V> convert(const From &v) {
    if constexpr (V == 1) {
        return To(v);
    } else {
        return __builtin_convertvector(v, Lanes<To, V>);
    }
}

template <int V>
struct Width {
    static constexpr int lanes = V;
};

// Calls f(Width<V>()) with the width of vector that suits n channels: widest, or the most that fits
// in them.
template <typename T, typename F>
RL_INLINE void by_width(int64_t n, const F &f) {
    constexpr int widest = vector_bytes / int(sizeof(T));
    if (n >= widest) return f(Width<widest>());
    if constexpr (widest > 8) {
        if (n >= 8) return f(Width<8>());
    }
    if constexpr (widest > 4) {
        if (n >= 4) return f(Width<4>());
    }
    if constexpr (widest > 2) {
        if (n >= 2) return f(Width<2>());
    }
    f(Width<1>());
}

// Calls f(c) so that [0, n) is covered by vectors that begin at c; n is at least V. The last vector
// may do some lanes for the second time, so f must write nothing that it reads.
template <int V, typename F>
RL_INLINE void cover(int64_t n, const F &f) {
    int64_t c = 0;
    for (; c + V <= n; c += V) f(c);
    if (c < n) f(n - V);
}

}  // namespace
}  // namespace rushlight
