// Cross entropy and negative log-likelihood over the classes of items (softmax_core.h), both ways.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

// What a chunk of items adds up to. `bad` is the first item whose label is no class, or -1.
struct LossSums {
    double loss, weight;
    int64_t bad;
};

template <typename T>
struct LossTask {
    const T *x;             // logits, or log-probabilities
    T *probs;               // null where nobody needs them
    const int64_t *labels;  // one per item
    const T *weight;        // one per class, or null for 1
    T *losses;              // one per item, or null
    int64_t n, inner;       // classes, and elements between two of them
    int64_t ignore;
    T smoothing;
    T weight_total;  // of all classes
};

template <typename T>
struct LossGradTask {
    const T *probs;
    const int64_t *labels;
    const T *weight;
    const T *g;  // one incoming gradient per item, or null for 1
    T *out;
    int64_t n, inner;
    int64_t ignore;
    T smoothing;
    T weight_total;
    T scale;  // of every incoming gradient
};

template <typename T>
struct LossLoops {
    // Items [begin, end).
    LossSums (*cross_entropy)(const LossTask<T> &task, int64_t begin, int64_t end);
    int64_t (*cross_entropy_backward)(const LossGradTask<T> &task, int64_t begin,
                                      int64_t end);  // the first bad item
    LossSums (*nll)(const LossTask<T> &task, int64_t begin, int64_t end);
    int64_t (*nll_backward)(const LossGradTask<T> &task, int64_t begin, int64_t end);
};

struct LossKernels {
    LossLoops<float> f32;
    LossLoops<double> f64;
};

RUSHLIGHT_DECLARE_KERNELS(LossKernels, loss_kernels)

}  // namespace rushlight
