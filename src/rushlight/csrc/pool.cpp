// The pool of large blocks: size classes, a bounded cache of free blocks, the oldest given back
// first.
//
// A fresh page costs more than the arithmetic done in it (the kernel clears it), so a block freed
// by one array is handed to the next of about its size. Every block starts a page with a header;
// the user's address follows it within that page. Thus the header of *any* address can be looked
// for at the start of its page, which is always readable, and a foreign block is told from ours
// without a table.
#include "allocator.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include "pool.h"

namespace rushlight {
namespace {

constexpr size_t page = 4096;
constexpr size_t huge_page = size_t(2) << 20;
constexpr size_t map_from = size_t(1) << 20;  // smaller blocks come from malloc
constexpr size_t smallest_class = size_t(1) << 12;
constexpr int steps = 8;  // size classes in each doubling: at most 1/8 of a block is unused
constexpr int class_count = steps * 48;

struct Header {
    uint64_t magic;
    char *user;
    size_t capacity;  // bytes from user on
    size_t mapped;    // bytes of the mapping; 0 where the block came from malloc
    int size_class;
    bool cached;
    Header *older, *newer;  // in the order of release, over all classes
    Header *up, *down;      // the stack of one class
};

// Headers take the first lines of the page; user addresses start at one of a few places after it,
// so that buffers of one size are not all at the same distance modulo 4096, which makes loads wait
// for unrelated stores.
constexpr size_t first_offset = 128;
constexpr size_t offset_step = 192;
constexpr size_t offset_count = 5;
constexpr size_t last_offset = first_offset + offset_step * (offset_count - 1);
static_assert(sizeof(Header) <= first_offset && last_offset < page);

constexpr uint64_t magic_value = 0x52b5a11c9e3779b9;

struct Pool {
    std::mutex mutex;
    Header *stacks[class_count] = {};
    Header *oldest = nullptr, *newest = nullptr;
    PoolStats stats;
    unsigned turn = 0;
};

size_t memory_of_machine() {
    const long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGE_SIZE);
    size_t bytes = pages > 0 && size > 0 ? size_t(pages) * size_t(size) : size_t(4) << 30;
    if (FILE *file = std::fopen("/sys/fs/cgroup/memory.max", "r")) {
        unsigned long long limit = 0;
        if (std::fscanf(file, "%llu", &limit) == 1 && limit > 0 && limit < bytes) bytes = limit;
        std::fclose(file);
    }
    return bytes;
}

Pool &pool() {
    // Never destroyed: arrays may be freed while the process ends.
    static Pool *const instance = [] {
        auto *p = new Pool;
        p->stats.limit = memory_of_machine() / 4;
        pthread_atfork([] { pool().mutex.lock(); }, [] { pool().mutex.unlock(); },
                       [] { pool().mutex.unlock(); });
        return p;
    }();
    return *instance;
}

// Class sizes are 8/8, 9/8, ... 15/8 of each power of two from smallest_class on.
int class_of(size_t bytes) {
    if (bytes <= smallest_class) return 0;
    const int exponent = 63 - __builtin_clzll(bytes - 1);
    const size_t step = (size_t(1) << exponent) / steps;
    const size_t within = (bytes - (size_t(1) << exponent) + step - 1) / step;
    return (exponent - 12) * steps + int(within);
}

size_t class_size(int size_class) {
    const size_t base = smallest_class << (size_class / steps);
    return base + base / steps * size_t(size_class % steps);
}

Header *header_of(const void *address) {
    return reinterpret_cast<Header *>(reinterpret_cast<uintptr_t>(address) & ~(page - 1));
}

void *map_aligned(size_t bytes) {
    if (bytes < 2 * huge_page) {
        void *place =
            mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        return place == MAP_FAILED ? nullptr : place;
    }
    const size_t more = bytes + huge_page;
    void *place = mmap(nullptr, more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (place == MAP_FAILED) return nullptr;
    const auto begin = reinterpret_cast<uintptr_t>(place);
    const uintptr_t aligned = (begin + huge_page - 1) & ~(huge_page - 1);
    if (aligned > begin) munmap(place, aligned - begin);
    if (begin + more > aligned + bytes) {
        munmap(reinterpret_cast<void *>(aligned + bytes), begin + more - aligned - bytes);
    }
    void *block = reinterpret_cast<void *>(aligned);
    madvise(block, bytes, MADV_HUGEPAGE);
    return block;
}

void give_to_system(Header *h) {
    h->magic = 0;
    if (h->mapped) {
        munmap(h, h->mapped);
    } else {
        std::free(h);
    }
}

Header *fresh_block(int size_class, unsigned turn) {
    const size_t capacity = class_size(size_class);
    const size_t total = (last_offset + capacity + page - 1) & ~(page - 1);
    const bool map = total >= map_from;
    void *place = map ? map_aligned(total) : std::aligned_alloc(page, total);
    if (!place) return nullptr;
    auto *h = static_cast<Header *>(place);
    h->magic = magic_value;
    h->user = static_cast<char *>(place) + first_offset + offset_step * (turn % offset_count);
    h->capacity = capacity;
    h->mapped = map ? total : 0;
    h->size_class = size_class;
    h->cached = false;
    return h;
}

// With the mutex held. Takes a free block out of the cache's two lists.
void unlink(Pool &p, Header *h) {
    (h->older ? h->older->newer : p.oldest) = h->newer;
    (h->newer ? h->newer->older : p.newest) = h->older;
    (h->up ? h->up->down : p.stacks[h->size_class]) = h->down;
    if (h->down) h->down->up = h->up;
    h->cached = false;
    p.stats.cached_bytes -= h->capacity;
    p.stats.cached_blocks -= 1;
}

// With the mutex held. Returns the chain (through `down`) of blocks that no longer fit in the
// cache.
Header *evict(Pool &p, size_t limit) {
    Header *chain = nullptr;
    while (p.oldest && p.stats.cached_bytes > limit) {
        Header *h = p.oldest;
        unlink(p, h);
        h->down = chain;
        chain = h;
    }
    return chain;
}

void free_chain(Header *chain) {
    while (chain) {
        Header *next = chain->down;
        give_to_system(chain);
        chain = next;
    }
}

Header *take(size_t bytes, bool *zeroed) noexcept {
    if (bytes > (size_t(1) << 46)) return nullptr;
    Pool &p = pool();
    const int wanted = class_of(bytes);
    unsigned turn;
    {
        std::lock_guard<std::mutex> lock(p.mutex);
        turn = p.turn++;
        // A block one or two classes up will do: it wastes less than a fresh one costs.
        for (int c = wanted; c < wanted + 3 && c < class_count; ++c) {
            if (Header *h = p.stacks[c]) {
                unlink(p, h);
                p.stats.hits += 1;
                p.stats.live_bytes += h->capacity;
                p.stats.live_blocks += 1;
                *zeroed = false;
                return h;
            }
        }
    }
    Header *h = fresh_block(wanted, turn);
    if (!h) {
        pool_trim(0);
        h = fresh_block(wanted, turn);
        if (!h) return nullptr;
    }
    *zeroed = h->mapped != 0;
    std::lock_guard<std::mutex> lock(p.mutex);
    p.stats.misses += 1;
    p.stats.live_bytes += h->capacity;
    p.stats.live_blocks += 1;
    return h;
}

}  // namespace

bool pool_owns(const void *address) noexcept {
    const auto offset = reinterpret_cast<uintptr_t>(address) & (page - 1);
    if (offset < first_offset || offset > last_offset || offset % 64 != 0) return false;
    const Header *h = header_of(address);
    return h->magic == magic_value && h->user == address;
}

size_t pool_capacity(const void *block) noexcept { return header_of(block)->capacity; }

void *pool_allocate(size_t bytes) noexcept {
    bool zeroed;
    Header *h = take(bytes, &zeroed);
    return h ? h->user : nullptr;
}

void *pool_allocate_zeroed(size_t bytes) noexcept {
    bool zeroed;
    Header *h = take(bytes, &zeroed);
    if (!h) return nullptr;
    if (!zeroed) std::memset(h->user, 0, bytes);
    return h->user;
}

void pool_release(void *block) noexcept {
    if (!block) return;
    Header *h = header_of(block);
    Pool &p = pool();
    Header *chain;
    {
        std::lock_guard<std::mutex> lock(p.mutex);
        p.stats.live_bytes -= h->capacity;
        p.stats.live_blocks -= 1;
        h->older = p.newest;
        h->newer = nullptr;
        (p.newest ? p.newest->newer : p.oldest) = h;
        p.newest = h;
        h->up = nullptr;
        h->down = p.stacks[h->size_class];
        if (h->down) h->down->up = h;
        p.stacks[h->size_class] = h;
        h->cached = true;
        p.stats.cached_bytes += h->capacity;
        p.stats.cached_blocks += 1;
        chain = evict(p, p.stats.limit);
    }
    free_chain(chain);
}

void pool_trim(size_t limit) noexcept {
    Pool &p = pool();
    Header *chain;
    {
        std::lock_guard<std::mutex> lock(p.mutex);
        chain = evict(p, limit);
    }
    free_chain(chain);
}

void pool_set_limit(size_t bytes) noexcept {
    Pool &p = pool();
    {
        std::lock_guard<std::mutex> lock(p.mutex);
        p.stats.limit = bytes;
    }
    pool_trim(bytes);
}

PoolStats pool_stats() noexcept {
    Pool &p = pool();
    std::lock_guard<std::mutex> lock(p.mutex);
    return p.stats;
}

}  // namespace rushlight
