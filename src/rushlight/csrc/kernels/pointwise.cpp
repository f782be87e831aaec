#include "pointwise.h"

#include "convert.h"
#include "wide.h"

namespace rushlight {
namespace {

// `omp simd` because out may be one of the inputs, which the compiler would otherwise have to
// assume overlaps.
template <typename S, typename F>
RL_INLINE void map(const S *x, S *out, int64_t n, F f) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = narrow<S>(f(widen(x[i])));
}

template <typename S, typename F>
RL_INLINE void map(const S *x, const S *y, S *out, int64_t n, F f) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = narrow<S>(f(widen(x[i]), widen(y[i])));
}

// --- formulas used by more than one operation ---------------------------------------------------

struct Normal {
    float density, cumulative;
};

// Of the standard normal distribution; the tail on the left keeps its digits.
RL_INLINE Normal normal_of(float x) {
    const float e = exp_of_nonpositive(-0.5f * x * x);
    const float tail = 0.5f * erfcx_of_nonnegative(abs_of(x) * 0.707106781187f) * e;
    return {0.398942280401f * e, x > 0.0f ? 1.0f - tail : tail};
}

struct Normal64 {
    double density, cumulative;
};

RL_INLINE Normal64 normal_of(double x) {
    return {0.39894228040143267794 * exp_of_nonpositive(-0.5 * x * x),
            0.5 * __builtin_erfc(x * -0.70710678118654752440)};
}

// 0.5 (1 + tanh(u)) = sigmoid(2u), u = sqrt(2/pi) (x + 0.044715 x^3): Hendrycks and Gimpel 2016.
template <typename T>
RL_INLINE T gelu_tanh_gate(T x) {
    return sigmoid_of(T(1.5957691216057307117) * (x + T(0.044715) * x * x * x));
}

template <typename T>
RL_INLINE T softplus_of(T z) {
    return (z > T(0) ? z : T(0)) + log1p_of_fraction(exp_of_nonpositive(-abs_of(z)));
}

// tanh(softplus(x)) = n / (n + 2) with n = e^x (e^x + 2); from x = 20 on it is 1 in float32, but
// not quite in float64.
template <typename T>
RL_INLINE T mish_n(T x, T &w) {
    const T most = sizeof(T) == 4 ? T(20) : T(40);
    w = exp_of(x > most ? most : x);
    return w * (w + T(2));
}

template <typename T>
RL_INLINE T relu_of(T x) {
    return x < T(0) ? T(0) : x;
}

template <typename T>
RL_INLINE T relu_backward_of(T g, T y) {
    return y <= T(0) ? T(0) : g;
}

template <typename T>
RL_INLINE T clamp_of(T x, T low, T high) {
    const T y = x < low ? low : x;
    return y > high ? high : y;
}

// What an exponent makes of negative numbers, in a form that a vector loop can use.
struct Exponent {
    double p;
    double of_negative;  // added to the result: NaN unless p is an integer
    uint64_t sign;       // the bit of x that the result takes over where p is odd

    explicit Exponent(double p) : p(p) {
        const bool integer = __builtin_floor(p) == p;
        const bool odd = integer && abs_of(p) < 9007199254740992.0 && (int64_t(p) & 1);
        of_negative = integer ? 0.0 : __builtin_nan("");
        sign = odd ? uint64_t(1) << 63 : 0;
    }
};

// x^p computed in double, so that the float32 result is all but correctly rounded.
RL_INLINE float power(float x, const Exponent &e) {
    const double magnitude = exp_of(e.p * log_of(abs_of(double(x))));
    const double y = from_bits(bits_of(magnitude) | (bits_of(double(x)) & e.sign));
    return float(x < 0.0f && x > -__builtin_inff() ? y + e.of_negative : y);
}

void power_loop(const float *x, float *out, int64_t n, double p) {
    if (!(abs_of(p) < 1e30)) {
        for (int64_t i = 0; i < n; ++i) out[i] = __builtin_powf(x[i], float(p));
        return;
    }
    const Exponent e(p);
    map(x, out, n, [=](float v) { return power(v, e); });
}

void power_loop(const double *x, double *out, int64_t n, double p) {
    for (int64_t i = 0; i < n; ++i) out[i] = __builtin_pow(x[i], p);
}

template <typename T>
void pow_map(const T *x, T *out, int64_t n, T p) {
    if (p == T(0)) return map(x, out, n, [](T) { return T(1); });
    if (p == T(2)) return map(x, out, n, [](T v) { return v * v; });
    if (p == T(3)) return map(x, out, n, [](T v) { return v * v * v; });
    if (p == T(0.5)) return map(x, out, n, [](T v) { return sqrt_of(v); });
    if (p == T(-0.5)) return map(x, out, n, [](T v) { return T(1) / sqrt_of(v); });
    if (p == T(1)) return map(x, out, n, [](T v) { return v; });
    if (p == T(-1)) return map(x, out, n, [](T v) { return T(1) / v; });
    if (p == T(-2)) return map(x, out, n, [](T v) { return T(1) / (v * v); });
    power_loop(x, out, n, double(p));
}

// g p x^(p - 1), with 0 where p is 0 even at x = 0.
void power_backward_loop(const float *g, const float *x, float *out, int64_t n, double p) {
    const Exponent e(p - 1.0);
    const float factor = float(p);
    map(g, x, out, n, [=](float d, float v) { return d * (factor * power(v, e)); });
}

void power_backward_loop(const double *g, const double *x, double *out, int64_t n, double p) {
    for (int64_t i = 0; i < n; ++i) out[i] = g[i] * (p * __builtin_pow(x[i], p - 1.0));
}

template <typename T>
void pow_backward(const T *g, const T *x, T *out, int64_t n, T p) {
    if (p == T(0)) return map(g, out, n, [](T) { return T(0); });
    if (p == T(1)) return map(g, out, n, [](T v) { return v; });
    if (p == T(2)) return map(g, x, out, n, [](T d, T v) { return d * (T(2) * v); });
    if (p == T(3)) return map(g, x, out, n, [](T d, T v) { return d * (T(3) * (v * v)); });
    power_backward_loop(g, x, out, n, double(p));
}

// --- one input ----------------------------------------------------------------------------------

template <typename T>
void unary(Unary op, const T *x, T *out, int64_t n, T a, T b) {
    switch (op) {
        case Unary::neg: return map(x, out, n, [](T v) { return -v; });
        case Unary::abs: return map(x, out, n, [](T v) { return abs_of(v); });
        case Unary::square: return map(x, out, n, [](T v) { return v * v; });
        case Unary::sqrt: return map(x, out, n, [](T v) { return sqrt_of(v); });
        case Unary::rsqrt: return map(x, out, n, [](T v) { return T(1) / sqrt_of(v); });
        case Unary::reciprocal: return map(x, out, n, [](T v) { return T(1) / v; });
        case Unary::exp: return map(x, out, n, [](T v) { return exp_of(v); });
        case Unary::expm1: return map(x, out, n, [](T v) { return expm1_of(v); });
        case Unary::log: return map(x, out, n, [](T v) { return log_of(v); });
        case Unary::log1p: return map(x, out, n, [](T v) { return log1p_of(v); });
        case Unary::tanh: return map(x, out, n, [](T v) { return tanh_of(v); });
        case Unary::sigmoid: return map(x, out, n, [](T v) { return sigmoid_of(v); });
        case Unary::erf: return map(x, out, n, [](T v) { return erf_of(v); });
        case Unary::relu: return map(x, out, n, relu_of<T>);
        case Unary::leaky_relu: return map(x, out, n, [a](T v) { return v > T(0) ? v : v * a; });
        case Unary::elu:
            return map(x, out, n, [a, b](T v) { return b * (v > T(0) ? v : a * expm1_of(v)); });
        case Unary::celu:
            return map(x, out, n, [a](T v) { return v > T(0) ? v : a * expm1_of(v / a); });
        case Unary::silu: return map(x, out, n, [](T v) { return v / (T(1) + exp_of(-v)); });
        case Unary::gelu: return map(x, out, n, [](T v) { return v * normal_of(v).cumulative; });
        case Unary::gelu_tanh: return map(x, out, n, [](T v) { return v * gelu_tanh_gate(v); });
        case Unary::mish:
            return map(x, out, n, [](T v) {
                T w;
                const T m = mish_n(v, w);
                return v * (m / (m + T(2)));
            });
        case Unary::softplus:
            return map(x, out, n, [a, b](T v) { return v * a > b ? v : softplus_of(v * a) / a; });
        case Unary::logsigmoid: return map(x, out, n, [](T v) { return -softplus_of(-v); });
        case Unary::hardsigmoid:
            return map(x, out, n, [](T v) { return clamp_of(v + T(3), T(0), T(6)) / T(6); });
        case Unary::hardswish:
            return map(x, out, n, [](T v) { return v * clamp_of(v + T(3), T(0), T(6)) / T(6); });
        case Unary::clamp: return map(x, out, n, [a, b](T v) { return clamp_of(v, a, b); });
        case Unary::pow: return pow_map(x, out, n, a);
        case Unary::affine: return map(x, out, n, [a, b](T v) { return v * a + b; });
        case Unary::count: return;
    }
}

// --- two inputs ---------------------------------------------------------------------------------

// The arithmetic ones, which also take a number or one value per channel as y. Comparisons are
// turned so that a NaN on either side comes through.
template <typename T, typename Visit>
RL_INLINE void arithmetic(Binary op, T a, Visit visit) {
    switch (op) {
        case Binary::add: return visit([a](T x, T y) { return x + a * y; });
        case Binary::sub: return visit([a](T x, T y) { return x - a * y; });
        case Binary::rsub: return visit([a](T x, T y) { return y - a * x; });
        case Binary::mul: return visit([](T x, T y) { return x * y; });
        case Binary::div: return visit([](T x, T y) { return x / y; });
        case Binary::rdiv: return visit([](T x, T y) { return y / x; });
        case Binary::maximum: return visit([](T x, T y) { return x > y || x != x ? x : y; });
        case Binary::minimum: return visit([](T x, T y) { return x < y || x != x ? x : y; });
        default: return;
    }
}

// In the backward operations x is the incoming gradient and y what the forward one saved: its
// output for relu, sigmoid, tanh, sqrt, rsqrt and reciprocal, its input for the others.
template <typename T>
void backward(Binary op, const T *x, const T *y, T *out, int64_t n, T a, T b) {
    switch (op) {
        case Binary::mask_scale: return map(x, y, out, n, [a](T g, T m) { return g * (m * a); });
        case Binary::relu_backward: return map(x, y, out, n, relu_backward_of<T>);
        case Binary::leaky_relu_backward:
            return map(x, y, out, n, [a](T g, T v) { return v > T(0) ? g : g * a; });
        case Binary::elu_backward:
            return map(x, y, out, n,
                       [a, b](T g, T v) { return g * b * (v > T(0) ? T(1) : a * exp_of(v)); });
        case Binary::celu_backward:
            return map(x, y, out, n, [a](T g, T v) { return v > T(0) ? g : g * exp_of(v / a); });
        case Binary::sigmoid_backward:
            return map(x, y, out, n, [](T g, T v) { return g * ((T(1) - v) * v); });
        case Binary::tanh_backward:
            return map(x, y, out, n, [](T g, T v) { return g * (T(1) - v * v); });
        case Binary::silu_backward:
            return map(x, y, out, n, [](T g, T v) {
                const T s = sigmoid_of(v);
                return g * (s * (T(1) + v * (T(1) - s)));
            });
        case Binary::gelu_backward:
            return map(x, y, out, n, [](T g, T v) {
                const auto p = normal_of(v);
                return g * (p.cumulative + v * p.density);
            });
        case Binary::gelu_tanh_backward:
            return map(x, y, out, n, [](T g, T v) {
                const T s = gelu_tanh_gate(v);
                const T slope =
                    T(1.5957691216057307117) + T(1.5957691216057307117 * 3 * 0.044715) * v * v;
                return g * (s + v * (s * (T(1) - s) * slope));
            });
        case Binary::mish_backward:
            return map(x, y, out, n, [](T g, T v) {
                T w;
                const T m = mish_n(v, w);
                const T t = m / (m + T(2));
                return g * (t + v * (w / (T(1) + w)) * (T(1) - t) * (T(1) + t));
            });
        case Binary::softplus_backward:
            return map(x, y, out, n,
                       [a, b](T g, T v) { return v * a > b ? g : g * sigmoid_of(v * a); });
        case Binary::logsigmoid_backward:
            return map(x, y, out, n, [](T g, T v) { return g * sigmoid_of(-v); });
        case Binary::hardsigmoid_backward:
            return map(x, y, out, n,
                       [](T g, T v) { return v > T(-3) && v < T(3) ? g / T(6) : T(0); });
        case Binary::hardswish_backward:
            return map(x, y, out, n, [](T g, T v) {
                const T inside = g * (v / T(3) + T(0.5));
                const T right = v < T(3) ? inside : g;
                return v <= T(-3) ? T(0) : right;
            });
        case Binary::clamp_backward:
            return map(x, y, out, n, [a, b](T g, T v) { return v >= a && v <= b ? g : T(0); });
        case Binary::abs_backward:
            return map(x, y, out, n, [](T g, T v) {
                const T signed_g = v < T(0) ? -g : g;
                return v == T(0) ? T(0) : signed_g;
            });
        case Binary::square_backward:
            return map(x, y, out, n, [](T g, T v) { return T(2) * v * g; });
        case Binary::sqrt_backward:
            return map(x, y, out, n, [](T g, T v) { return g / (T(2) * v); });
        case Binary::rsqrt_backward:
            return map(x, y, out, n, [](T g, T v) { return T(-0.5) * g * (v * v * v); });
        case Binary::reciprocal_backward:
            return map(x, y, out, n, [](T g, T v) { return -g * (v * v); });
        case Binary::pow_backward: return pow_backward(x, y, out, n, a);
        default: return;
    }
}

template <typename T>
void binary(Binary op, const T *x, const T *y, T *out, int64_t n, T a, T b) {
    if (op > Binary::minimum) return backward(op, x, y, out, n, a, b);
    arithmetic(op, a, [=](auto f) { map(x, y, out, n, f); });
}

template <typename T>
void binary_scalar(Binary op, const T *x, T y, T *out, int64_t n, T a) {
    arithmetic(op, a, [=](auto f) { map(x, out, n, [=](T v) { return f(v, y); }); });
}

template <typename T>
void binary_channel(Binary op, const T *x, const T *y, T *out, int64_t rows, int64_t channels,
                    int64_t inner, T a) {
    arithmetic(op, a, [=](auto f) {
        for (int64_t row = 0; row < rows; ++row) {
            const T *from = x + row * channels * inner;
            T *to = out + row * channels * inner;
            if (inner == 1) {
                map(from, y, to, channels, f);
                continue;
            }
            for (int64_t c = 0; c < channels; ++c) {
                const T value = y[c];
                map(from + c * inner, to + c * inner, inner, [=](T v) { return f(v, value); });
            }
        }
    });
}

// --- three inputs, masks ------------------------------------------------------------------------

template <typename T>
void ternary(Ternary op, const T *x, const T *y, const T *z, T *out, int64_t n, T a) {
    switch (op) {
        case Ternary::addcmul:
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) out[i] = x[i] + a * y[i] * z[i];
            return;
        case Ternary::addcdiv:
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) out[i] = x[i] + a * y[i] / z[i];
            return;
        case Ternary::lerp:
            // From the nearer end, so that weights 0 and 1 give x and y themselves.
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) {
                const T w = z[i], d = y[i] - x[i];
                out[i] = abs_of(w) < T(0.5) ? x[i] + w * d : y[i] - d * (T(1) - w);
            }
            return;
        case Ternary::count: return;
    }
}

template <typename T>
void mask_bytes(const T *x, const uint8_t *mask, T *out, int64_t n, T scale) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = x[i] * (T(mask[i]) * scale);
}

// --- half precision -----------------------------------------------------------------------------
// Operations on bfloat16 and float16 run over blocks, which are floats for as long as they stay in
// the first-level cache: no second copy of the code above. Only what training in bfloat16 does
// again and again has loops of its own.

constexpr int64_t block = 512;

void widen_block(const bfloat16 *x, float *out, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = widen(x[i]);
}

void narrow_block(const float *x, bfloat16 *out, int64_t n) {
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) out[i] = narrow<bfloat16>(x[i]);
}

void widen_block(const float16 *x, float *out, int64_t n) {
    RUSHLIGHT_ISA::convert_kernels_table.from_float16(n, &x->bits, out);
}

void narrow_block(const float *x, float16 *out, int64_t n) {
    RUSHLIGHT_ISA::convert_kernels_table.to_float16(n, x, &out->bits);
}

// Calls f(floats, m) for each m elements of the inputs; the first of floats then is the result.
template <typename S, typename F, typename... Inputs>
RL_INLINE void in_blocks(S *out, int64_t n, F f, const Inputs *...inputs) {
    alignas(64) float floats[sizeof...(inputs)][block];
    for (int64_t i = 0; i < n; i += block) {
        const int64_t m = n - i < block ? n - i : block;
        float (*to)[block] = floats;
        (widen_block(inputs + i, *to++, m), ...);
        f(floats, m);
        narrow_block(floats[0], out + i, m);
    }
}

template <typename S>
void half_unary(Unary op, const S *x, S *out, int64_t n, float a, float b) {
    if constexpr (__is_same(S, bfloat16)) {
        if (op == Unary::relu) return map(x, out, n, [](float v) { return exactly(relu_of(v)); });
    }
    const auto f = [=](auto v, int64_t m) { unary<float>(op, v[0], v[0], m, a, b); };
    in_blocks(out, n, f, x);
}

template <typename S>
void half_binary(Binary op, const S *x, const S *y, S *out, int64_t n, float a, float b) {
    if constexpr (__is_same(S, bfloat16)) {
        if (op <= Binary::minimum) return arithmetic(op, a, [=](auto f) { map(x, y, out, n, f); });
        if (op == Binary::relu_backward)
            return map(x, y, out, n,
                       [](float g, float v) { return exactly(relu_backward_of(g, v)); });
    }
    const auto f = [=](auto v, int64_t m) { binary<float>(op, v[0], v[1], v[0], m, a, b); };
    in_blocks(out, n, f, x, y);
}

template <typename S>
void half_scalar(Binary op, const S *x, float y, S *out, int64_t n, float a) {
    if constexpr (__is_same(S, bfloat16)) {
        return arithmetic(op, a, [=](auto f) { map(x, out, n, [=](float v) { return f(v, y); }); });
    }
    const auto f = [=](auto v, int64_t m) { binary_scalar<float>(op, v[0], y, v[0], m, a); };
    in_blocks(out, n, f, x);
}

template <typename S>
void half_channel(Binary op, const S *x, const S *y, S *out, int64_t rows, int64_t channels,
                  int64_t inner, float a) {
    for (int64_t row = 0; row < rows; ++row) {
        const int64_t at = row * channels * inner;
        if (inner == 1) {
            half_binary(op, x + at, y, out + at, channels, a, 0.0f);
            continue;
        }
        for (int64_t c = 0; c < channels; ++c) {
            float value;
            widen_block(y + c, &value, 1);
            half_scalar(op, x + at + c * inner, value, out + at + c * inner, inner, a);
        }
    }
}

template <typename S>
void half_ternary(Ternary op, const S *x, const S *y, const S *z, S *out, int64_t n, float a) {
    const auto f = [=](auto v, int64_t m) { ternary<float>(op, v[0], v[1], v[2], v[0], m, a); };
    in_blocks(out, n, f, x, y, z);
}

template <typename S>
void half_mask_bytes(const S *x, const uint8_t *mask, S *out, int64_t n, float scale) {
    const auto f = [&mask, scale](auto v, int64_t m) {
        mask_bytes<float>(v[0], mask, v[0], m, scale);
        mask += m;
    };
    in_blocks(out, n, f, x);
}

}  // namespace

#define RL_POINTWISE(T) \
    {unary<T>, binary<T>, binary_scalar<T>, binary_channel<T>, ternary<T>, mask_bytes<T>}
#define RL_POINTWISE_HALF(S)                           \
    {half_unary<S>,   half_binary<S>,  half_scalar<S>, \
     half_channel<S>, half_ternary<S>, half_mask_bytes<S>}
RUSHLIGHT_KERNELS(PointwiseKernels, pointwise_kernels){RL_POINTWISE(float), RL_POINTWISE(double),
                                                       RL_POINTWISE_HALF(bfloat16),
                                                       RL_POINTWISE_HALF(float16)};

}  // namespace rushlight
