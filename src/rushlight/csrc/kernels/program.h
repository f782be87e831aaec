// What a program of element-wise operations needs beside the pointwise loops.
//
// Each is one pass over n elements of a block that lies in the first-level cache; a, b and c are the
// numbers of the instruction. The last three are several operations in one: what `joined` in program.cpp
// makes of the sequences in which optimizers spend their time.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

#define RUSHLIGHT_PROGRAM_OPS(X)                                                \
    X(copy)                                                                     \
    X(fill) X(lerp) X(sign) X(greater) X(less) X(equal) X(where)                \
        X(scale_and_add) X(scale_and_addcmul) X(addcdiv_by_root)

namespace rushlight {

#define RUSHLIGHT_NAME(name) name,
enum class Extra : int { RUSHLIGHT_PROGRAM_OPS(RUSHLIGHT_NAME) count };
#undef RUSHLIGHT_NAME

template <typename T>
struct ProgramLoops {
    void (*run)(Extra op, const T *x, const T *y, const T *z, T *out, int64_t n, T a, T b, T c);
};

struct ProgramKernels {
    ProgramLoops<float> f32;
    ProgramLoops<double> f64;
};

RUSHLIGHT_DECLARE_KERNELS(ProgramKernels, program_kernels)

}  // namespace rushlight
