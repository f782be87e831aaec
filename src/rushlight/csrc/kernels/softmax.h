// Softmax and log-softmax over the classes of items (softmax_core.h), both ways.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

template <typename T>
struct SoftmaxLoops {
    // Items [begin, end) of arrays that hold n classes per item, `inner` elements apart.
    void (*softmax)(const T *x, T *out, int64_t n, int64_t inner, int64_t begin, int64_t end);
    void (*log_softmax)(const T *x, T *out, int64_t n, int64_t inner, int64_t begin, int64_t end);
    void (*softmax_backward)(const T *g, const T *probs, T *out, int64_t n, int64_t inner,
                             int64_t begin, int64_t end);
    void (*log_softmax_backward)(const T *g, const T *log_probs, T *out, int64_t n, int64_t inner,
                                 int64_t begin, int64_t end);
};

struct SoftmaxKernels {
    SoftmaxLoops<float> f32;
    SoftmaxLoops<double> f64;
};

RUSHLIGHT_DECLARE_KERNELS(SoftmaxKernels, softmax_kernels)

}  // namespace rushlight
