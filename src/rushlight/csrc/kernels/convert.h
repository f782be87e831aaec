// Runs of float32 from and to the two half-precision types.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

struct ConvertKernels {
    void (*from_bfloat16)(int64_t n, const uint16_t *x, float *out);
    void (*to_bfloat16)(int64_t n, const float *x, uint16_t *out);
    void (*from_float16)(int64_t n, const uint16_t *x, float *out);
    void (*to_float16)(int64_t n, const float *x, uint16_t *out);
};

RUSHLIGHT_DECLARE_KERNELS(ConvertKernels, convert_kernels)

}  // namespace rushlight
