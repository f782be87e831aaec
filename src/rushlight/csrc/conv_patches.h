// The gradient of a convolution's weight as one matrix product over patches of the input.
#pragma once

#include <cstdint>

#include "array.h"

namespace rushlight {

struct PatchGeometry {
    int64_t stride[2], padding[2];
};

// Whether patch_weights() takes these arrays, x (N, C, *in), g (N, O, *out) and gw (O, C, *kernel)
// of a convolution without groups or dilation, and is faster than oneDNN's own kernel.
bool patches_suit(const Array &x, const Array &g, const Array &gw, const PatchGeometry &geo);

// Writes gw. Without the GIL.
void patch_weights(const Array &x, const Array &g, const Array &gw, const PatchGeometry &geo);

}  // namespace rushlight
