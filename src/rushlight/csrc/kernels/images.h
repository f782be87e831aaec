// Pixels of bytes to planes of float32.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

struct ImageKernels {
    // `pixels` pixels of `channels` bytes to planes that are `plane` elements apart: each value
    // divided by 255, then, where there are means, less its channel's mean and divided by its
    // channel's deviation, rounded after each step.
    void (*to_planes)(const uint8_t *x, float *out, int64_t pixels, int64_t plane, int64_t channels,
                      const float *mean, const float *deviation);
};

RUSHLIGHT_DECLARE_KERNELS(ImageKernels, image_kernels)

}  // namespace rushlight
