#include "optimizer.h"

#include "vmath.h"

namespace rushlight {
namespace {

// Weight decay that is part of the gradient. A separate instance without it keeps an infinite
// parameter from making a NaN with a decay of 0.
template <bool Decay, typename T>
RL_INLINE T gradient_of(T g, T p, T sign, T decay) {
    return Decay ? sign * g + decay * p : sign * g;
}

// Sutskever et al. 2013, "On the importance of initialization and momentum in deep learning", as
// PyTorch words it: the learning rate is outside of the momentum.
template <SgdMomentum Mode, bool Nesterov, bool Decay, typename T>
void sgd_loop(const SgdRule &rule, T *p, const T *g, T *buffer, int64_t n) {
    const T lr = T(rule.lr), momentum = T(rule.momentum), share = T(1.0 - rule.dampening);
    const T decay = T(rule.weight_decay), sign = rule.maximize ? T(-1) : T(1);
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        T d = gradient_of<Decay>(g[i], p[i], sign, decay);
        if (Mode != SgdMomentum::none) {
            const T b = Mode == SgdMomentum::first ? d : momentum * buffer[i] + share * d;
            buffer[i] = b;
            d = Nesterov ? d + momentum * b : b;
        }
        p[i] -= lr * d;
    }
}

template <bool Nesterov, bool Decay, typename T>
void sgd_by_mode(const SgdRule &rule, T *const *operands, int64_t n) {
    T *p = operands[0];
    const T *g = operands[1];
    switch (rule.mode) {
        case SgdMomentum::none:
            return sgd_loop<SgdMomentum::none, false, Decay, T>(rule, p, g, nullptr, n);
        case SgdMomentum::first:
            return sgd_loop<SgdMomentum::first, Nesterov, Decay>(rule, p, g, operands[2], n);
        case SgdMomentum::later:
            return sgd_loop<SgdMomentum::later, Nesterov, Decay>(rule, p, g, operands[2], n);
    }
}

template <typename T>
void sgd(const void *numbers, T *const *operands, int64_t n) {
    const SgdRule &rule = *static_cast<const SgdRule *>(numbers);
    const bool decay = rule.weight_decay != 0;
    if (rule.nesterov) {
        decay ? sgd_by_mode<true, true>(rule, operands, n)
              : sgd_by_mode<true, false>(rule, operands, n);
    } else {
        decay ? sgd_by_mode<false, true>(rule, operands, n)
              : sgd_by_mode<false, false>(rule, operands, n);
    }
}

// Kingma and Ba 2014, "Adam"; Loshchilov and Hutter 2017, "Decoupled Weight Decay Regularization";
// Reddi et al. 2018, "On the Convergence of Adam and Beyond" (amsgrad).
template <bool Decay, bool Amsgrad, typename T>
void adam_loop(const AdamRule &rule, T *p, const T *g, T *mean, T *square, T *largest, int64_t n) {
    const T decay = T(rule.weight_decay), sign = rule.maximize ? T(-1) : T(1);
    const T keep = rule.decoupled ? T(1.0 - rule.lr * rule.weight_decay) : T(1);
    const T beta1 = T(rule.beta1), share1 = T(1.0 - rule.beta1);
    const T beta2 = T(rule.beta2), share2 = T(1.0 - rule.beta2), eps = T(rule.eps);
    const T step = T(rule.lr / rule.correction1);
    // A product: a second division would take longer than the memory does.
    const T scale = T(1.0 / __builtin_sqrt(rule.correction2));
#pragma omp simd
    for (int64_t i = 0; i < n; ++i) {
        const T d = gradient_of<Decay>(g[i], p[i], sign, decay);
        // From the nearer end, so that beta1 = 0 gives the gradient itself.
        const T m = share1 < T(0.5) ? mean[i] + share1 * (d - mean[i]) : d - beta1 * (d - mean[i]);
        T v = beta2 * square[i] + share2 * d * d;
        mean[i] = m;
        square[i] = v;
        if (Amsgrad) {
            v = v > largest[i] || v != v ? v : largest[i];
            largest[i] = v;
        }
        p[i] = keep * p[i] - step * m / (sqrt_of(v) * scale + eps);
    }
}

template <typename T>
void adam(const void *numbers, T *const *operands, int64_t n) {
    const AdamRule &rule = *static_cast<const AdamRule *>(numbers);
    T *p = operands[0], *mean = operands[2], *square = operands[3];
    const T *g = operands[1];
    const bool decay = rule.weight_decay != 0 && !rule.decoupled;
    if (rule.amsgrad) {
        decay ? adam_loop<true, true>(rule, p, g, mean, square, operands[4], n)
              : adam_loop<false, true>(rule, p, g, mean, square, operands[4], n);
    } else {
        decay ? adam_loop<true, false, T>(rule, p, g, mean, square, nullptr, n)
              : adam_loop<false, false, T>(rule, p, g, mean, square, nullptr, n);
    }
}

}  // namespace

#define RL_OPTIMIZER(T) {sgd<T>, adam<T>}
RUSHLIGHT_KERNELS(OptimizerKernels, optimizer_kernels){RL_OPTIMIZER(float), RL_OPTIMIZER(double)};

}  // namespace rushlight
