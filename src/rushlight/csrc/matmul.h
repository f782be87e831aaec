// Matrix products for other kernels.
#pragma once

#include "array.h"

namespace rushlight {

// out = a @ b + bias, of shapes, dtypes and a writeable out that matmul() would take; bias may be
// null. Without the GIL.
void run_matmul(const Array &a, const Array &b, const Array *bias, const Array &out);

}  // namespace rushlight
