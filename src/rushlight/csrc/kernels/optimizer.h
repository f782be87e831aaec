// The formulas of optimizer steps over flat memory.
//
// A rule is its numbers, and a loop that updates n elements of its operands in place: the
// parameter, its gradient, then whatever state the rule keeps. A new rule needs a struct, a loop
// and a line in the table, and nothing else here.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

constexpr int max_operands = 6;

enum class SgdMomentum : int { none, first, later };  // `first` fills the buffer

struct SgdRule {
    double lr, momentum, dampening, weight_decay;
    SgdMomentum mode;
    bool nesterov, maximize;
};

struct AdamRule {
    double lr, beta1, beta2, eps, weight_decay;
    double correction1, correction2;  // 1 - beta^step
    bool decoupled, amsgrad, maximize;
};

// operands[i] of the loop: parameter, gradient, state...; `rule` points to the rule's struct.
template <typename T>
using StepLoop = void (*)(const void *rule, T *const *operands, int64_t n);

template <typename T>
struct OptimizerLoops {
    StepLoop<T> sgd;   // parameter, gradient, momentum buffer (unless the mode is none)
    StepLoop<T> adam;  // parameter, gradient, exp_avg, exp_avg_sq, max_exp_avg_sq (amsgrad only)
};

struct OptimizerKernels {
    OptimizerLoops<float> f32;
    OptimizerLoops<double> f64;
};

RUSHLIGHT_DECLARE_KERNELS(OptimizerKernels, optimizer_kernels)

}  // namespace rushlight
