#define RUSHLIGHT_OWNS_NUMPY_API
#include "array.h"

#include <algorithm>

#include "allocator.h"
#include "numpy_api.h"

namespace nb = nanobind;

namespace rushlight {
namespace {

// ml_dtypes registers bfloat16 when it is imported, so its number is found at the first array that
// could be one.
int bfloat16_number() noexcept {
    static int number = -1;
    if (number >= 0) return number;
    PyObject *modules = PyImport_GetModuleDict();
    PyObject *module = modules ? PyDict_GetItemString(modules, "ml_dtypes") : nullptr;
    PyObject *type = module ? PyObject_GetAttrString(module, "bfloat16") : nullptr;
    PyArray_Descr *descr = nullptr;
    if (type && PyArray_DescrConverter(type, &descr) == NPY_SUCCEED) {
        number = descr->type_num;
    }
    Py_XDECREF(descr);
    Py_XDECREF(type);
    PyErr_Clear();
    return number;
}

DType dtype_of(const PyArray_Descr *descr) noexcept {
    if (!PyArray_ISNBO(descr->byteorder)) return DType::other;
    switch (descr->type_num) {
        case NPY_BOOL: return DType::boolean;
        case NPY_UINT8: return DType::uint8;
        case NPY_INT8: return DType::int8;
        case NPY_INT16: return DType::int16;
        case NPY_INT32: return DType::int32;
        case NPY_LONG:
        case NPY_LONGLONG: return DType::int64;
        case NPY_HALF: return DType::float16;
        case NPY_FLOAT: return DType::float32;
        case NPY_DOUBLE: return DType::float64;
        case NPY_CFLOAT: return DType::complex64;
        case NPY_CDOUBLE: return DType::complex128;
        case NPY_UINT16: return DType::uint16;
        case NPY_UINT32: return DType::uint32;
        case NPY_ULONG:
        case NPY_ULONGLONG: return DType::uint64;
        default:
            return descr->type_num >= NPY_USERDEF && descr->type_num == bfloat16_number()
                       ? DType::bfloat16
                       : DType::other;
    }
}

}  // namespace

static_assert(sizeof(long) == 8 && sizeof(npy_intp) == 8, "Rushlight needs a 64-bit Unix");

void import_numpy() {
    if (_import_array() < 0) throw nb::python_error();
}

bool view_array(PyObject *object, Array &out) noexcept {
    if (!PyArray_Check(object)) return false;
    adopt_thread();
    auto *array = reinterpret_cast<PyArrayObject *>(object);
    const int ndim = PyArray_NDIM(array);
    if (ndim > max_ndim) return false;
    PyArray_Descr *descr = PyArray_DESCR(array);
    const int flags = PyArray_FLAGS(array);
    out.data = PyArray_BYTES(array);
    out.dtype = dtype_of(descr);
    out.ndim = ndim;
    out.itemsize = int(PyDataType_ELSIZE(descr));
    out.writeable = (flags & NPY_ARRAY_WRITEABLE) != 0;
    const npy_intp *shape = PyArray_DIMS(array);
    const npy_intp *strides = PyArray_STRIDES(array);
    const int64_t itemsize = out.itemsize > 0 ? out.itemsize : 1;
    // Sizes are powers of two for every dtype the kernels know.
    const int shift = __builtin_ctzll(uint64_t(itemsize));
    int64_t size = 1;
    uint64_t low_bits = (flags & NPY_ARRAY_ALIGNED) ? 0 : 1;
    for (int i = 0; i < ndim; ++i) {
        const int64_t length = shape[i];
        out.shape[i] = length;
        out.strides[i] = strides[i] >> shift;
        size *= length;
        if (length > 1) low_bits |= uint64_t(strides[i]) & uint64_t(itemsize - 1);
    }
    out.size = size;
    out.aligned = low_bits == 0 || size == 0;
    return true;
}

const char *dtype_name(DType dtype) {
    static const char *const names[] = {"another dtype", "bool",    "uint8",   "int8",
                                        "int16",         "int32",   "int64",   "float16",
                                        "bfloat16",      "float32", "float64", "complex64",
                                        "complex128",    "uint16",  "uint32",  "uint64"};
    return names[int(dtype)];
}

void fail(const std::string &message) { throw std::invalid_argument(message); }

void fail_type(const std::string &message) { throw nb::type_error(message.c_str()); }

std::string describe_shape(const int64_t *shape, int ndim) {
    std::string text = "(";
    for (int i = 0; i < ndim; ++i) {
        text += (i ? ", " : "") + std::to_string(shape[i]);
    }
    return text + (ndim == 1 ? ",)" : ")");
}

void fail_dtype(const Array &a, DType expected, const char *what) {
    fail_type(std::string(what) + " must be " + dtype_name(expected) + ", got " +
              dtype_name(a.dtype));
}

void fail_layout(const Array &, const char *what) {
    fail(std::string(what) + " has elements that are not aligned to their size; pass a copy");
}

void fail_shape(const Array &a, const int64_t *shape, int ndim, const char *what) {
    fail(std::string(what) + " must have shape " + describe_shape(shape, ndim) + ", got " +
         describe_shape(a.shape, a.ndim));
}

void fail_ndim(const Array &a, int low, int high, const char *what) {
    std::string expected = std::to_string(low);
    if (high != low) expected += " to " + std::to_string(high);
    fail(std::string(what) + " must have " + expected + " dimensions, got shape " +
         describe_shape(a.shape, a.ndim));
}

void check_writeable(const Array &a, const char *what) {
    if (!a.writeable)
        fail(std::string(what) + " is read-only; pass an array that may be written to");
    fail(std::string(what) +
         " has a stride of 0 (it is an expanded view); pass an array of its own");
}

bool is_dense(const Array &a) {
    int order[max_ndim];
    int n = 0;
    for (int i = 0; i < a.ndim; ++i) {
        if (a.shape[i] != 1) order[n++] = i;
    }
    std::sort(order, order + n, [&](int i, int j) { return a.strides[i] < a.strides[j]; });
    int64_t expected = 1;
    for (int k = 0; k < n; ++k) {
        if (a.strides[order[k]] != expected) return a.size == 0;
        expected *= a.shape[order[k]];
    }
    return true;
}

}  // namespace rushlight
