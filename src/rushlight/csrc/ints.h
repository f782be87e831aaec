// A short tuple of Python ints (a stride, a padding) as a function argument, without a heap
// allocation.
#pragma once

#include <cstdint>

#include <nanobind/nanobind.h>

namespace rushlight {

struct Ints {
    static constexpr int most = 6;
    int size = 0;
    int64_t values[most];

    int64_t operator[](int i) const { return values[i]; }
};

}  // namespace rushlight

namespace nanobind::detail {

template <>
struct type_caster<rushlight::Ints> {
    NB_TYPE_CASTER(rushlight::Ints, const_name("tuple[int, ...]"))
    bool from_python(handle src, uint32_t, cleanup_list *) noexcept {
        PyObject *sequence = src.ptr();
        if (!PyTuple_Check(sequence) && !PyList_Check(sequence)) return false;
        const Py_ssize_t size = PySequence_Fast_GET_SIZE(sequence);
        if (size > rushlight::Ints::most) return false;
        value.size = int(size);
        for (Py_ssize_t i = 0; i < size; ++i) {
            PyObject *item = PySequence_Fast_GET_ITEM(sequence, i);
            if (!PyIndex_Check(item)) return false;
            const long long number = PyLong_Check(item)
                                         ? PyLong_AsLongLong(item)
                                         : PyNumber_AsSsize_t(item, PyExc_OverflowError);
            if (number == -1 && PyErr_Occurred()) {
                PyErr_Clear();
                return false;
            }
            value.values[i] = number;
        }
        return true;
    }
};

}  // namespace nanobind::detail
