// NumPy's allocation hook (NEP 49): large buffers come from the pool, small ones from NumPy's own
// allocator.
#include "allocator.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <stdexcept>

#include <nanobind/nanobind.h>

#include "numpy_api.h"
#include "pool.h"
#include "registry.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr size_t large_from = size_t(64) << 10;
constexpr const char *capsule_name = "mem_handler";  // the name that NumPy looks for

// NumPy's own functions, which take what is too small for the pool.
const PyDataMemAllocator *numpy_own = nullptr;
PyObject *capsule = nullptr;
std::atomic<bool> installed{false};
thread_local bool thread_adopted = false;

// NumPy may free with another size than it allocated with (an array of no elements, one that was
// grown), so a block is told by its address, never by its size.
void *hook_malloc(void *, size_t size) {
    return size < large_from ? numpy_own->malloc(numpy_own->ctx, size) : pool_allocate(size);
}

void *hook_calloc(void *, size_t count, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes)) return nullptr;
    return bytes < large_from ? numpy_own->calloc(numpy_own->ctx, count, size)
                              : pool_allocate_zeroed(bytes);
}

void hook_free(void *, void *block, size_t size) {
    if (pool_owns(block)) {
        pool_release(block);
    } else {
        numpy_own->free(numpy_own->ctx, block, size);
    }
}

void *hook_realloc(void *, void *block, size_t size) {
    if (!block || !pool_owns(block)) return numpy_own->realloc(numpy_own->ctx, block, size);
    const size_t capacity = pool_capacity(block);
    if (size <= capacity && size >= capacity / 2) return block;
    void *moved = hook_malloc(nullptr, size);
    if (!moved) return nullptr;
    std::memcpy(moved, block, std::min(size, capacity));
    pool_release(block);
    return moved;
}

PyDataMem_Handler handler = {
    "rushlight", 1, {nullptr, hook_malloc, hook_calloc, hook_realloc, hook_free}};

void prepare() {
    if (capsule) return;
    auto *own = static_cast<PyDataMem_Handler *>(
        PyCapsule_GetPointer(PyDataMem_DefaultHandler, capsule_name));
    if (!own) throw nb::python_error();
    numpy_own = &own->allocator;
    capsule = PyCapsule_New(&handler, capsule_name, nullptr);
    if (!capsule) throw nb::python_error();
}

void set_handler(PyObject *which) {
    PyObject *previous = PyDataMem_SetHandler(which);
    if (!previous) throw nb::python_error();
    Py_DECREF(previous);
}

void install_allocator() {
    prepare();
    set_handler(capsule);
    thread_adopted = true;
    installed = true;
}

void uninstall_allocator() {
    installed = false;
    set_handler(PyDataMem_DefaultHandler);
}

void set_cache_limit(int64_t bytes) {
    if (bytes < 0) {
        throw std::invalid_argument(
            "set_cache_limit: expected a number of bytes of at least 0, got " +
            std::to_string(bytes));
    }
    pool_set_limit(size_t(bytes));
}

nb::dict cache_stats() {
    const PoolStats s = pool_stats();
    nb::dict d;
    d["live_bytes"] = s.live_bytes;
    d["live_blocks"] = s.live_blocks;
    d["cached_bytes"] = s.cached_bytes;
    d["cached_blocks"] = s.cached_blocks;
    d["limit"] = s.limit;
    d["hits"] = s.hits;
    d["misses"] = s.misses;
    return d;
}

}  // namespace

void adopt_thread() noexcept {
    if (thread_adopted || !installed.load(std::memory_order_relaxed)) return;
    thread_adopted = true;
    PyObject *current = PyDataMem_GetHandler();
    // A handler that the program chose itself stays.
    if (current == PyDataMem_DefaultHandler) Py_XDECREF(PyDataMem_SetHandler(capsule));
    Py_XDECREF(current);
    PyErr_Clear();
}

RUSHLIGHT_BIND(allocator) {
    m.def("install_allocator", &install_allocator,
          "Recycles the buffers of large NumPy arrays, in this context and in every thread that "
          "calls a kernel.");
    m.def("uninstall_allocator", &uninstall_allocator,
          "Gives new arrays of this context NumPy's own buffers again.");
    m.def("set_cache_limit", &set_cache_limit, "bytes"_a,
          "Bounds the bytes of free buffers that are kept.");
    m.def("empty_cache", [] { pool_trim(0); }, "Gives every free buffer back to the system.");
    m.def("cache_stats", &cache_stats,
          "Bytes and counts of live and kept buffers, hits and misses.");
}

}  // namespace rushlight
