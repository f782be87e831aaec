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

// float32, float64 or bfloat16, aligned.
inline void expect_real_or_bfloat16(const Array &a, const char *what) {
    if (a.dtype != DType::float32 && a.dtype != DType::float64 && a.dtype != DType::bfloat16) {
        fail_type(std::string(what) + " must be float32, float64 or bfloat16, got " +
                  dtype_name(a.dtype));
    }
    if (!a.aligned) fail_layout(a, what);
}

// float32, float64, bfloat16 or float16, aligned.
inline void expect_floating(const Array &a, const char *what) {
    const bool half = a.dtype == DType::bfloat16 || a.dtype == DType::float16;
    if (!half && a.dtype != DType::float32 && a.dtype != DType::float64) {
        fail_type(std::string(what) + " must be float32, float64, bfloat16 or float16, got " +
                  dtype_name(a.dtype));
    }
    if (!a.aligned) fail_layout(a, what);
}

inline void expect_dense(const Array &a, const char *what) {
    if (!dense(a))
        fail(std::string(what) +
             " must be dense (each element of one block of memory once); pass a copy");
}

inline void expect_contiguous(const Array &a, const char *what) {
    if (!is_contiguous(a))
        fail(std::string(what) + " must be contiguous in C order; pass a contiguous copy");
}

// The shape and the order of memory of `as`, which is dense.
inline void expect_layout_of(const Array &a, const Array &as, const char *what) {
    expect_same_shape(a, as, what);
    if (!same_layout(a, as) && a.size != 0) {
        fail(std::string(what) +
             " must lie in memory in the order of the other arrays; pass a copy in that order");
    }
}

// Both dense. One block or two that share no byte: a loop that reads ahead must not meet its own
// results.
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

// How a dense array looks along one dimension: rows of (length, inner) elements of memory.
struct Split {
    int64_t rows, length, inner;
};

inline Split split_at(const Array &x, int64_t dim, const char *what) {
    const int64_t at = dim < 0 ? dim + x.ndim : dim;
    if (at < 0 || at >= x.ndim) {
        throw std::out_of_range(std::string(what) + ": dim " + std::to_string(dim) +
                                " is out of range for an array of shape " +
                                describe_shape(x.shape, x.ndim));
    }
    const int64_t length = x.shape[at];
    // The stride of a dimension of length 1 says nothing, and its neighbours may be taken to lie
    // anywhere.
    if (x.size == 0 || length == 1) return {x.size, length, 1};
    int64_t inner = 1;
    for (int i = 0; i < x.ndim; ++i) {
        if (i != at && x.shape[i] != 1 && x.strides[i] < x.strides[at]) inner *= x.shape[i];
    }
    return {x.size / (length * inner), length, inner};
}

}  // namespace rushlight
