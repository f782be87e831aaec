// Sums, extremes and sums of squares of lines and of columns.
#pragma once

#include <stdint.h>

#include "../dispatch.h"
#include "wide.h"

#define RUSHLIGHT_REDUCTIONS(X) X(sum) X(mean) X(max) X(min) X(sum_squares)

namespace rushlight {

#define RUSHLIGHT_NAME(name) name,
enum class Reduction : int { RUSHLIGHT_REDUCTIONS(RUSHLIGHT_NAME) count };
#undef RUSHLIGHT_NAME

template <typename S>
struct ReduceLoops {
    // Each adds to what results hold. Line i is n neighbours from x[i * stride]; its result is
    // results[i].
    void (*lines)(Reduction op, const S *x, int64_t count, int64_t stride, int64_t n,
                  double *results);
    // Row i is n neighbours from x[i * stride]; element j of all rows goes to results[j].
    void (*columns)(Reduction op, const S *x, int64_t count, int64_t stride, int64_t n,
                    double *results);
};

struct ReduceKernels {
    ReduceLoops<float> f32;
    ReduceLoops<double> f64;
    ReduceLoops<bfloat16> bf16;
};

RUSHLIGHT_DECLARE_KERNELS(ReduceKernels, reduce_kernels)

}  // namespace rushlight
