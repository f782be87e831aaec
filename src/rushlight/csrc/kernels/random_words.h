// Loops over the raw words of the Mersenne Twister. "Raw" words are untempered: the recurrence runs on them, and each
// kernel tempers as it reads, so that one buffer serves both.
#pragma once
#include <stdint.h>

#include "../dispatch.h"

namespace rushlight {

constexpr int64_t twister_words = 624;

struct RandomKernels {
    // Continues a run of raw words: writes x[624 .. 624 + n) from what precedes them.
    void (*extend)(uint32_t *x, int64_t n);
    void (*temper)(const uint32_t *raw, uint32_t *out, int64_t n);
    // [low, high) from 24 bits of one word.
    void (*uniform_f32)(const uint32_t *raw, float *out, int64_t n, float low, float high);
    // [low, high) from 53 bits of two words.
    void (*uniform_f64)(const uint32_t *raw, double *out, int64_t n, double low, double high);
    // Box-Muller on groups of 16 words: 8 radii, then 8 angles.
    void (*normal_f32)(const uint32_t *raw, float *out, int64_t groups, float mean, float std);
    // 1 where the 53 bits of two words lie below `limit`.
    void (*below_u8)(const uint32_t *raw, uint8_t *out, int64_t n, uint64_t limit);
    void (*below_f32)(const uint32_t *raw, float *out, int64_t n, uint64_t limit);
    void (*to_f16)(const float *x, uint16_t *out, int64_t n);
    void (*to_bf16)(const float *x, uint16_t *out, int64_t n);
};

RUSHLIGHT_DECLARE_KERNELS(RandomKernels, random_kernels)

}  // namespace rushlight
