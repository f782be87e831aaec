// Recycled large blocks of memory: for NumPy's arrays (NEP 49) and for the kernels' own scratch
// space.
#pragma once

#include <cstddef>
#include <new>

namespace rushlight {

// 64-byte aligned, not zeroed; nullptr where the system has no more. Any thread, with or without
// the GIL.
void *pool_allocate(size_t bytes) noexcept;
// Takes only what pool_allocate() gave; nullptr is ignored.
void pool_release(void *block) noexcept;

// Scratch space of one call of a kernel.
class Scratch {
public:
    explicit Scratch(size_t bytes)
        : data_(bytes ? static_cast<char *>(pool_allocate(bytes)) : nullptr) {
        if (bytes && !data_) throw std::bad_alloc();
    }
    ~Scratch() { pool_release(data_); }
    Scratch(const Scratch &) = delete;
    Scratch &operator=(const Scratch &) = delete;

    char *data() const { return data_; }

private:
    char *data_;
};

// The handler is local to a context, and a new thread starts with NumPy's own: view_array() calls
// this so that arrays made after a thread's first kernel are recycled there too.
void adopt_thread() noexcept;

}  // namespace rushlight
