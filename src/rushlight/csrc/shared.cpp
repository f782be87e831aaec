// Memory that several processes share: mapping it, and counting in it without a race.
#include <sys/mman.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include "array.h"
#include "registry.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

using Bytes = nb::ndarray<nb::numpy, uint8_t, nb::ndim<1>>;

struct Mapping {
    void *place;
    size_t size;
};

[[noreturn]] void fail_system(int error, const std::string &what) {
    // An OSError with a number becomes the subclass for it.
    const std::string message = what + ": " + std::strerror(error);
    nb::object arguments = nb::steal(Py_BuildValue("(is)", error, message.c_str()));
    if (arguments.is_valid()) PyErr_SetObject(PyExc_OSError, arguments.ptr());
    throw nb::python_error();
}

// Unlike mmap.mmap, this keeps no descriptor open, so that a process can map more blocks than it
// may have files.
Bytes map_shared(int fd, int64_t size) {
    struct stat status;
    if (fstat(fd, &status) != 0) fail_system(errno, "map_shared: fd " + std::to_string(fd));
    // Touching what lies behind the end of a file kills the process.
    if (size < 1 || !S_ISREG(status.st_mode) || int64_t(status.st_size) < size) {
        fail("map_shared: fd " + std::to_string(fd) + " has not the " + std::to_string(size) +
             " bytes that were asked for");
    }
    void *place = mmap(nullptr, size_t(size), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (place == MAP_FAILED) {
        fail_system(errno, "map_shared: " + std::to_string(size) + " bytes");
    }
    nb::capsule owner(new Mapping{place, size_t(size)}, [](void *p) noexcept {
        auto *mapping = static_cast<Mapping *>(p);
        munmap(mapping->place, mapping->size);
        delete mapping;
    });
    return Bytes(place, {size_t(size)}, owner);
}

int64_t atomic_add(const Array &counts, int64_t index, int64_t amount) {
    expect_dtype(counts, DType::int64, "atomic_add: counts");
    expect_ndim(counts, 1, 1, "atomic_add: counts");
    expect_writeable(counts, "atomic_add: counts");
    if (index < 0 || index >= counts.size) {
        throw std::out_of_range("atomic_add: index " + std::to_string(index) +
                                " is outside an array of " + std::to_string(counts.size));
    }
    int64_t *count = counts.as<int64_t>() + index * (counts.size > 1 ? counts.strides[0] : 1);
    return __atomic_add_fetch(count, amount, __ATOMIC_SEQ_CST);
}

}  // namespace

RUSHLIGHT_BIND(shared) {
    m.def("map_shared", &map_shared, "fd"_a, "size"_a,
          "The bytes of a file as an array that other processes share; unmapped with the array");
    m.def("atomic_add", &atomic_add, "counts"_a, "index"_a, "amount"_a,
          "Adds to one element of an int64 array, safely against other processes; returns the sum");
}

}  // namespace rushlight
