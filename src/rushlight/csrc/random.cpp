#include "random.h"

#include <cmath>
#include <cstring>
#include <stdexcept>
#include <string>

namespace rushlight {

// --- the stream --------------------------------------------------------------------------------------------------

WordStream &WordStream::operator=(const WordStream &other) {
    if (this == &other) return *this;
    std::memcpy(words_, other.words_ + other.block_start(), twister_words * sizeof(uint32_t));
    position_ = other.position();
    fresh_ = other.fresh_;
    return *this;
}

void WordStream::seed(uint32_t seed) {
    // Source: Matsumoto and Nishimura 1998, "Mersenne Twister", with the initialisation of 2002.
    for (uint32_t i = 0; i < twister_words; ++i) {
        words_[i] = seed;
        seed = 1812433253u * (seed ^ (seed >> 30)) + i + 1;
    }
    set_position(twister_words, true);
}

void WordStream::set_position(int64_t position, bool fresh) {
    position_ = position;
    fresh_ = fresh;
}

// A block just used up stays the current one: PyTorch makes the next only when it is drawn from.
int64_t WordStream::block_start() const {
    return position_ == 0 ? 0 : (position_ - 1) / twister_words * twister_words;
}

int64_t WordStream::position() const { return position_ - block_start(); }

uint32_t WordStream::block_word(int64_t i) const { return words_[block_start() + i]; }

void WordStream::keep_last_block() {
    const int64_t start = block_start();
    if (start == 0) return;
    std::memmove(words_, words_ + start, twister_words * sizeof(uint32_t));
    position_ -= start;
}

const uint32_t *WordStream::next(int64_t count) {
    keep_last_block();
    const int64_t begin = position_, end = position_ + count;
    if (end > twister_words) {
        const int64_t blocks = (end - 1) / twister_words;
        random_kernels().extend(words_, blocks * twister_words);
    }
    position_ = end;
    fresh_ = fresh_ && count == 0;
    return words_ + begin;
}

void WordStream::skip(int64_t count) {
    for (; count > chunk; count -= chunk) next(chunk);
    next(count);
}

RandomEngine::RandomEngine(const RandomEngine &other) {
    const std::lock_guard<std::mutex> lock(other.mutex_);
    words_ = other.words_;
    seed_ = other.seed_;
    has_normal_ = other.has_normal_;
    normal_ = other.normal_;
    has_float_normal_ = other.has_float_normal_;
    float_normal_ = other.float_normal_;
}

void RandomEngine::seed(uint64_t seed) {
    const std::lock_guard<std::mutex> lock(mutex_);
    words_.seed(uint32_t(seed));
    seed_ = seed;
    has_normal_ = has_float_normal_ = false;
    normal_ = float_normal_ = 0;
}

uint64_t RandomEngine::next64() {
    const uint64_t high = next32();
    return high << 32 | next32();
}

double RandomEngine::next_normal() {
    if (has_normal_) {
        const double z = normal_;
        has_normal_ = false;
        normal_ = 0;
        return z;
    }
    const double angle = 2 * pi * unit53(next64());
    const double radius = std::sqrt(-2 * std::log1p(-unit53(next64())));
    has_normal_ = true;
    normal_ = radius * std::sin(angle);
    return radius * std::cos(angle);
}

// --- the saved state ---------------------------------------------------------------------------------------------
namespace {

// PyTorch's layout, padding included.
struct SavedState {
    uint64_t seed;
    int32_t left;    // words left in the block, plus one
    int32_t seeded;
    uint64_t next;
    uint64_t words[twister_words];
    double unused_x;
    double normal;
    double unused_rho;
    int32_t has_normal;
    int32_t padding;
    float float_normal;
    uint8_t has_float_normal;
    uint8_t padding_end[3];
};
static_assert(sizeof(SavedState) == RandomEngine::state_bytes);

}  // namespace

void RandomEngine::save(uint8_t *out) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    SavedState state;
    std::memset(&state, 0, sizeof state);
    state.seed = seed_;
    const int64_t position = words_.position();
    state.left = int32_t(twister_words + 1 - position);
    state.seeded = 1;
    state.next = words_.fresh() ? 0 : uint64_t(position);
    for (int64_t i = 0; i < twister_words; ++i) state.words[i] = words_.block_word(i);
    state.normal = normal_;
    state.has_normal = has_normal_;
    state.float_normal = float_normal_;
    state.has_float_normal = has_float_normal_;
    std::memcpy(out, &state, sizeof state);
}

void RandomEngine::restore(const uint8_t *bytes, int64_t size) {
    if (size != state_bytes) {
        throw std::runtime_error("RNG state: expected " + std::to_string(state_bytes) + " bytes, got " +
                                 std::to_string(size) + "; pass what get_state() of a CPU generator returned");
    }
    SavedState state;
    std::memcpy(&state, bytes, sizeof state);
    const bool used_up = state.left == 1 && state.next <= uint64_t(twister_words);
    const bool within = state.left >= 1 && state.left <= twister_words &&
                        state.next == uint64_t(twister_words + 1 - state.left);
    if (state.seeded != 1 || !(used_up || within)) {
        throw std::runtime_error("RNG state: its position is impossible (left " + std::to_string(state.left) +
                                 ", next " + std::to_string(state.next) + ", seeded " +
                                 std::to_string(state.seeded) + "); pass what get_state() returned, unchanged");
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    seed_ = state.seed;
    words_.set_position(used_up ? twister_words : int64_t(state.next), used_up && state.next == 0);
    for (int64_t i = 0; i < twister_words; ++i) words_.set_block(i, uint32_t(state.words[i]));
    has_normal_ = state.has_normal != 0;
    normal_ = state.normal;
    has_float_normal_ = state.has_float_normal != 0;
    float_normal_ = state.float_normal;
}

}  // namespace rushlight
