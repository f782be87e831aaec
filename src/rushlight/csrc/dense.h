// Checks shared by the kernels that run flat over dense memory.
#pragma once

#include <string>

#include "array.h"

namespace rushlight {

inline bool dense(const Array &a) { return is_contiguous(a) || is_dense(a); }

// float32 or float64, aligned.
inline void expect_real(const Array &a, const char *what) {
    if (a.dtype != DType::float32 && a.dtype != DType::float64) {
        fail_type(std::string(what) + " must be float32 or float64, got " + dtype_name(a.dtype));
    }
    if (!a.aligned) fail_layout(a, what);
}

inline void expect_dense(const Array &a, const char *what) {
    if (!dense(a)) fail(std::string(what) + " must be dense (each element of one block of memory once); pass a copy");
}

inline void expect_contiguous(const Array &a, const char *what) {
    if (!is_contiguous(a)) fail(std::string(what) + " must be contiguous in C order; pass a contiguous copy");
}

// The shape and the order of memory of `as`, which is dense.
inline void expect_layout_of(const Array &a, const Array &as, const char *what) {
    expect_same_shape(a, as, what);
    if (!same_layout(a, as) && a.size != 0) {
        fail(std::string(what) + " must lie in memory in the order of the other arrays; pass a copy in that order");
    }
}

// Both dense. One block or two that share no byte: a loop that reads ahead must not meet its own results.
inline void expect_same_or_apart(const Array &out, const Array &x, const char *what) {
    if (out.data == x.data && out.nbytes() == x.nbytes()) return;
    if (out.data < x.data + x.nbytes() && x.data < out.data + out.nbytes() && out.size && x.size) {
        fail(std::string(what) + " overlaps an input without being the same array");
    }
}

inline void expect_apart(const Array &out, const Array &x, const char *what) {
    if (out.data < x.data + x.nbytes() && x.data < out.data + out.nbytes() && out.size && x.size) {
        fail(std::string(what) + " must not share memory with the other arrays");
    }
}

}  // namespace rushlight
