// What the NumPy hook and the statistics need of the pool beyond allocator.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace rushlight {

struct PoolStats {
    size_t live_bytes = 0;
    size_t live_blocks = 0;
    size_t cached_bytes = 0;
    size_t cached_blocks = 0;
    size_t limit = 0;
    uint64_t hits = 0;
    uint64_t misses = 0;
};

void *pool_allocate_zeroed(size_t bytes) noexcept;
// Whether a block came from the pool; for any address that malloc or the pool gave.
bool pool_owns(const void *address) noexcept;
size_t pool_capacity(const void *block) noexcept;
// Gives the oldest free blocks back to the system until `limit` bytes are kept.
void pool_trim(size_t limit) noexcept;
void pool_set_limit(size_t bytes) noexcept;
PoolStats pool_stats() noexcept;

}  // namespace rushlight
