// PyTorch's CPU generator: the Mersenne Twister MT19937 with the classic initialisation, a cached second normal, and
// PyTorch's layout of the saved state.
#pragma once

#include <cstdint>
#include <mutex>

#include "kernels/random_words.h"
#include "threads.h"

namespace rushlight {

constexpr double pi = 3.14159265358979323846;

inline uint32_t tempered(uint32_t y) {
    y ^= y >> 11;
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

// [0, 1) from the 53 low bits.
inline double unit53(uint64_t bits) { return double(int64_t(bits & ((uint64_t(1) << 53) - 1))) * 0x1p-53; }

// The stream of untempered words, in a buffer that holds the block of the position and some blocks behind it.
class WordStream {
public:
    static constexpr int64_t chunk = 16 * twister_words;  // the most that next() gives: 40 KB, near a core's first cache

    WordStream() = default;
    WordStream(const WordStream &other) { *this = other; }
    WordStream &operator=(const WordStream &other);

    void seed(uint32_t seed);
    // The next `count` words, at most `chunk`, in a row; they stay until the next call.
    const uint32_t *next(int64_t count);
    void skip(int64_t count);

    // Seeded and not drawn from: PyTorch saves that otherwise than a block used up.
    bool fresh() const { return fresh_; }
    // Of the next word in its block; 624 where the block is used up.
    int64_t position() const;
    uint32_t block_word(int64_t i) const;
    void set_block(int64_t i, uint32_t word) { words_[i] = word; }
    void set_position(int64_t position, bool fresh);

private:
    int64_t block_start() const;
    void keep_last_block();

    uint32_t words_[chunk + twister_words];
    int64_t position_ = twister_words;
    bool fresh_ = true;
};

class RandomEngine {
public:
    static constexpr int64_t state_bytes = 5056;

    explicit RandomEngine(uint64_t seed) { this->seed(seed); }
    RandomEngine(const RandomEngine &other);
    RandomEngine &operator=(const RandomEngine &) = delete;

    void seed(uint64_t seed);
    uint64_t initial_seed() const { return seed_; }
    void save(uint8_t *out) const;
    void restore(const uint8_t *state, int64_t bytes);

    // What follows does not lock: a caller holds this while it draws, so that one fill is one stretch of the stream.
    std::mutex &mutex() { return mutex_; }

    uint32_t next32() { return tempered(*words_.next(1)); }
    uint64_t next64();
    double next_normal();  // one of a pair; the other waits for the next call
    void skip(int64_t words) { words_.skip(words); }

    // Calls use(raw, first, count) over `total` words; `raw` holds words first .. first + count. `first` is a multiple
    // of 32, so that pairs and groups never straddle two calls. Calls come from several threads, in no order, where
    // `total` passes `grain`: making the words costs so little beside using them that each thread makes those before
    // its part too.
    template <typename Use>
    void words(int64_t total, int64_t grain, const Use &use) {
        if (total <= grain || get_num_threads() == 1) {
            run(words_, 0, total, use);
            return;
        }
        WordStream end;
        const int64_t units = (total + 31) / 32;
        parallel_for(units, grain / 32, [&](int64_t begin_unit, int64_t end_unit) {
            WordStream stream(words_);
            stream.skip(32 * begin_unit);
            run(stream, 32 * begin_unit, end_unit == units ? total : 32 * end_unit, use);
            if (end_unit == units) end = stream;
        });
        words_ = end;
    }

private:
    template <typename Use>
    static void run(WordStream &stream, int64_t begin, int64_t end, const Use &use) {
        for (int64_t first = begin; first < end; first += WordStream::chunk) {
            const int64_t count = end - first < WordStream::chunk ? end - first : WordStream::chunk;
            use(stream.next(count), first, count);
        }
    }

    WordStream words_;
    uint64_t seed_ = 0;
    bool has_normal_ = false;
    double normal_ = 0;
    bool has_float_normal_ = false;
    float float_normal_ = 0;  // PyTorch saves a single-precision cache too; the CPU never draws from it
    mutable std::mutex mutex_;
};

}  // namespace rushlight
