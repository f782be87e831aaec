#include "images.h"

namespace rushlight {
namespace {

constexpr int64_t block = 1024;

void scale(const uint8_t *x, float *out, int64_t n, const float *mean, const float *deviation) {
    if (mean == nullptr) {
        for (int64_t i = 0; i < n; ++i) out[i] = float(x[i]) / 255.0f;
        return;
    }
    const float less = *mean, by = *deviation;
    for (int64_t i = 0; i < n; ++i) out[i] = (float(x[i]) / 255.0f - less) / by;
}

void to_planes(const uint8_t *x, float *out, int64_t pixels, int64_t plane, int64_t channels,
               const float *mean, const float *deviation) {
    // The bytes of a block are sorted by channel first, so that the arithmetic runs over
    // neighbours.
    uint8_t sorted[3][block];
    for (int64_t first = 0; first < pixels; first += block) {
        const int64_t n = pixels - first < block ? pixels - first : block;
        const uint8_t *from = x + first * channels;
        if (channels == 1) {
            scale(from, out + first, n, mean, deviation);
        } else if (channels == 3) {
            for (int64_t i = 0; i < n; ++i) {
                sorted[0][i] = from[3 * i];
                sorted[1][i] = from[3 * i + 1];
                sorted[2][i] = from[3 * i + 2];
            }
            for (int64_t c = 0; c < 3; ++c) {
                scale(sorted[c], out + c * plane + first, n, mean ? mean + c : nullptr,
                      deviation + (mean ? c : 0));
            }
        } else {
            for (int64_t c = 0; c < channels; ++c) {
                for (int64_t i = 0; i < n; ++i) sorted[0][i] = from[i * channels + c];
                scale(sorted[0], out + c * plane + first, n, mean ? mean + c : nullptr,
                      deviation + (mean ? c : 0));
            }
        }
    }
}

}  // namespace

RUSHLIGHT_KERNELS(ImageKernels, image_kernels){to_planes};

}  // namespace rushlight
