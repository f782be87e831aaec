// A light, checked view of a NumPy array: what a kernel needs to know, copied out while the GIL is
// held.
//
// A bound function takes `const Array &`, or `const OptionalArray &` where None is allowed;
// anything else is refused by the binding with a TypeError. Shapes and strides are copies, so
// nothing another thread does to the ndarray object after the GIL is released can mislead a kernel;
// the buffer itself is kept alive by the call's arguments.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include <nanobind/nanobind.h>

namespace rushlight {

enum class DType : uint8_t {
    other,  // anything not listed, and non-native byte order
    boolean,
    uint8,
    int8,
    int16,
    int32,
    int64,
    float16,
    bfloat16,
    float32,
    float64,
    complex64,
    complex128,
    uint16,
    uint32,
    uint64,
};

const char *dtype_name(DType dtype);

constexpr int max_ndim = 16;

struct Array {
    char *data = nullptr;
    DType dtype = DType::other;
    bool writeable = false;
    bool aligned = false;  // every element lies at a multiple of its size
    int ndim = 0;
    int itemsize = 0;
    int64_t size = 0;  // number of elements
    int64_t shape[max_ndim];
    int64_t strides[max_ndim];  // in elements; those of dimensions of length 1 mean nothing

    template <typename T>
    T *as() const {
        return reinterpret_cast<T *>(data);
    }
    int64_t nbytes() const { return size * itemsize; }
};

struct OptionalArray : Array {
    bool present = false;
    explicit operator bool() const { return present; }
};

// Fills `out` from a Python object; false where it is no ndarray, or has more than max_ndim
// dimensions.
bool view_array(PyObject *object, Array &out) noexcept;

void import_numpy();

// Checks. Each throws std::invalid_argument (ValueError) or TypeError with a message that begins with
// `what`: the function and the argument, as in "conv_forward: x".

[[noreturn]] void fail(const std::string &message);       // ValueError
[[noreturn]] void fail_type(const std::string &message);  // TypeError
std::string describe_shape(const int64_t *shape, int ndim);

void fail_dtype(const Array &a, DType expected, const char *what);
void fail_layout(const Array &a, const char *what);
void fail_shape(const Array &a, const int64_t *shape, int ndim, const char *what);
void fail_ndim(const Array &a, int low, int high, const char *what);
void check_writeable(const Array &a, const char *what);

// The dtype, and that elements are aligned.
inline void expect_dtype(const Array &a, DType expected, const char *what) {
    if (a.dtype != expected) fail_dtype(a, expected, what);
    if (!a.aligned) fail_layout(a, what);
}

inline void expect_ndim(const Array &a, int low, int high, const char *what) {
    if (a.ndim < low || a.ndim > high) fail_ndim(a, low, high, what);
}

inline void expect_shape(const Array &a, const int64_t *shape, int ndim, const char *what) {
    bool same = a.ndim == ndim;
    for (int i = 0; same && i < ndim; ++i) same = a.shape[i] == shape[i];
    if (!same) fail_shape(a, shape, ndim, what);
}

inline void expect_shape(const Array &a, std::initializer_list<int64_t> shape, const char *what) {
    expect_shape(a, shape.begin(), int(shape.size()), what);
}

inline void expect_same_shape(const Array &a, const Array &as, const char *what) {
    expect_shape(a, as.shape, as.ndim, what);
}

// Writeable, and no two elements at one address through a stride of 0.
inline void expect_writeable(const Array &a, const char *what) {
    bool good = a.writeable;
    for (int i = 0; good && i < a.ndim; ++i) {
        good = a.strides[i] != 0 || a.shape[i] <= 1 || a.size == 0;
    }
    if (!good) check_writeable(a, what);
}

// C order without gaps.
inline bool is_contiguous(const Array &a) {
    int64_t expected = 1;
    for (int i = a.ndim - 1; i >= 0; --i) {
        if (a.shape[i] == 1) continue;
        if (a.strides[i] != expected) return a.size == 0;
        expected *= a.shape[i];
    }
    return true;
}

// (N, C, *spatial) over memory in the order N, *spatial, C, without gaps.
inline bool is_channels_last(const Array &a) {
    if (a.ndim < 3) return is_contiguous(a);
    int64_t expected = 1;
    const auto fits = [&](int i) {
        if (a.shape[i] != 1 && a.strides[i] != expected) return false;
        expected *= a.shape[i];
        return true;
    };
    bool good = fits(1);
    for (int i = a.ndim - 1; good && i >= 2; --i) good = fits(i);
    return (good && fits(0)) || a.size == 0;
}

// Every element of one block of memory exactly once, in any order of dimensions.
bool is_dense(const Array &a);

// Two dense arrays of one shape whose elements lie in one order, so that a loop over both may be
// flat.
inline bool same_layout(const Array &a, const Array &b) {
    if (a.ndim != b.ndim) return false;
    for (int i = 0; i < a.ndim; ++i) {
        if (a.shape[i] != b.shape[i]) return false;
        if (a.shape[i] != 1 && a.strides[i] != b.strides[i]) return false;
    }
    return true;
}

}  // namespace rushlight

namespace nanobind::detail {

template <>
struct type_caster<rushlight::Array> {
    NB_TYPE_CASTER(rushlight::Array, const_name("numpy.ndarray"))
    bool from_python(handle src, uint32_t, cleanup_list *) noexcept {
        return rushlight::view_array(src.ptr(), value);
    }
};

template <>
struct type_caster<rushlight::OptionalArray> {
    NB_TYPE_CASTER(rushlight::OptionalArray, const_name("numpy.ndarray | None"))
    bool from_python(handle src, uint32_t, cleanup_list *) noexcept {
        if (src.is_none()) {
            value.present = false;
            return true;
        }
        value.present = true;
        return rushlight::view_array(src.ptr(), value);
    }
};

}  // namespace nanobind::detail
