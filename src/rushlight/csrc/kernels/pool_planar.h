// The most frequent pooling, the largest of 2x2 with stride 2, over planes whose rows are dense: the
// vectors run along the rows.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

struct PoolPlanarKernels {
    // Planes [begin, end) of height x width; taps (number in the window) lie as out does.
    void (*max)(const float *x, int64_t height, int64_t width, float *out, uint8_t *taps,
                int64_t begin, int64_t end);
    void (*max_backward)(const float *g, const uint8_t *taps, int64_t height, int64_t width,
                         float *out, int64_t begin, int64_t end);
};

RUSHLIGHT_DECLARE_KERNELS(PoolPlanarKernels, pool_planar_kernels)

}  // namespace rushlight
