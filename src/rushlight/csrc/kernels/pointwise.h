// Loops of one pass over dense memory: y[i] = f(x[i]), f(x[i], y[i]), ...
#pragma once

#include <stdint.h>

#include "../dispatch.h"
#include "wide.h"

// a and b stand for the two numbers that an operation may take.
#define RUSHLIGHT_UNARY_OPS(X)                                                                  \
    X(neg)                                                                                      \
    X(abs)                                                                                      \
    X(square) X(sqrt) X(rsqrt) X(reciprocal) X(exp) X(expm1) X(log) X(log1p) X(tanh) X(sigmoid) \
        X(erf) X(relu) X(leaky_relu) X(elu) X(celu) X(silu) X(gelu) X(gelu_tanh) X(mish)        \
            X(softplus) X(logsigmoid) X(hardsigmoid) X(hardswish) X(clamp) X(pow) X(affine)

#define RUSHLIGHT_BINARY_OPS(X)                                                               \
    X(add)                                                                                    \
    X(sub)                                                                                    \
    X(rsub) X(mul) X(div) X(rdiv) X(maximum) X(minimum) X(mask_scale) X(relu_backward)        \
        X(leaky_relu_backward) X(elu_backward) X(celu_backward) X(sigmoid_backward)           \
            X(tanh_backward) X(silu_backward) X(gelu_backward) X(gelu_tanh_backward)          \
                X(mish_backward) X(softplus_backward) X(logsigmoid_backward)                  \
                    X(hardsigmoid_backward) X(hardswish_backward) X(clamp_backward)           \
                        X(abs_backward) X(square_backward) X(sqrt_backward) X(rsqrt_backward) \
                            X(reciprocal_backward) X(pow_backward)

#define RUSHLIGHT_TERNARY_OPS(X) X(addcmul) X(addcdiv) X(lerp)

namespace rushlight {

#define RUSHLIGHT_NAME(name) name,
enum class Unary : int { RUSHLIGHT_UNARY_OPS(RUSHLIGHT_NAME) count };
enum class Binary : int { RUSHLIGHT_BINARY_OPS(RUSHLIGHT_NAME) count };
enum class Ternary : int { RUSHLIGHT_TERNARY_OPS(RUSHLIGHT_NAME) count };
#undef RUSHLIGHT_NAME

// S is the type in memory; numbers come in the type in which S is computed.
template <typename S>
struct PointwiseLoops {
    using T = Wide<S>;
    void (*unary)(Unary op, const S *x, S *out, int64_t n, T a, T b);
    void (*binary)(Binary op, const S *x, const S *y, S *out, int64_t n, T a, T b);
    // The arithmetic operations of Binary (add to minimum) with a number as y.
    void (*binary_scalar)(Binary op, const S *x, T y, S *out, int64_t n, T a);
    // The same with a vector of `channels` as y, over `rows` of (channels, inner).
    void (*binary_channel)(Binary op, const S *x, const S *y, S *out, int64_t rows,
                           int64_t channels, int64_t inner, T a);
    void (*ternary)(Ternary op, const S *x, const S *y, const S *z, S *out, int64_t n, T a);
    // out = x * mask * scale, where mask is 0 or 1.
    void (*mask_bytes)(const S *x, const uint8_t *mask, S *out, int64_t n, T scale);
};

struct PointwiseKernels {
    PointwiseLoops<float> f32;
    PointwiseLoops<double> f64;
    PointwiseLoops<bfloat16> bf16;
    PointwiseLoops<float16> f16;
};

RUSHLIGHT_DECLARE_KERNELS(PointwiseKernels, pointwise_kernels)

}  // namespace rushlight
