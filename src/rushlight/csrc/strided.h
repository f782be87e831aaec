// Copies between arrays of one shape with any strides: zero, negative, overlapping.
#pragma once

#include <cstdint>

namespace rushlight {

// Strides in elements. Fast where the innermost runs coincide; meant for what oneDNN's own reorders
// cannot express.
void copy_strided(int itemsize, int ndim, const int64_t *shape, const void *src,
                  const int64_t *src_strides, void *dst, const int64_t *dst_strides);

void fill_zero_strided(int itemsize, int ndim, const int64_t *shape, void *dst,
                       const int64_t *dst_strides);

}  // namespace rushlight
