// Convolution of few channels in planar memory, (N, C, H, W) in C order, with stride 1: the vectors run along the
// rows, so a number of channels that is no multiple of the vector's length wastes nothing.
#pragma once

#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

struct ConvPlanarTask {
    const float *x;      // (N, channels, height, width)
    int64_t channels, height, width;
    int64_t kernel_h, kernel_w, pad_h, pad_w;
    int64_t outputs, out_h, out_w;
    const float *weights;  // forward: packed, see pack_index
    const float *bias;     // forward: (outputs), or null
    float *out;            // forward: (N, outputs, out_h, out_w)
    const float *g;        // weights: the gradient of the output, laid out as it
};

struct ConvPlanarKernels {
    // Floats of scratch space that one thread needs.
    int64_t (*scratch)(const ConvPlanarTask &task);
    // How many outputs are computed together: the weights of a block are neighbours.
    int64_t (*block)(int64_t outputs);
    void (*forward)(const ConvPlanarTask &task, int64_t begin, int64_t end, float *scratch);
    // Adds to sums (outputs, channels, kernel_h, kernel_w) and, if not null, to bias_sums (outputs).
    void (*weights)(const ConvPlanarTask &task, int64_t begin, int64_t end, float *scratch, float *sums,
                    float *bias_sums);
};

RUSHLIGHT_DECLARE_KERNELS(ConvPlanarKernels, conv_planar_kernels)

}  // namespace rushlight
