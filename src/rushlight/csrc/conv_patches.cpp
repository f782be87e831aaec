#include "conv_patches.h"

#include <algorithm>
#include <cstring>

#include "allocator.h"
#include "matmul.h"
#include "threads.h"

namespace rushlight {
namespace {

constexpr int64_t most_bytes = int64_t(1) << 26;  // of patches, before they fall out of the caches

Array matrix(const Array &like, void *data, int64_t rows, int64_t columns) {
    Array a = like;
    a.data = static_cast<char *>(data);
    a.ndim = 2;
    a.size = rows * columns;
    a.shape[0] = rows;
    a.shape[1] = columns;
    a.strides[0] = columns;
    a.strides[1] = 1;
    return a;
}

// Row (n, oy, ox) is what the window there sees, (kh, kw, C), zeros outside of x.
void gather_patches(const Array &x, const Array &g, const Array &gw, const PatchGeometry &geo,
                    char *patches) {
    const int64_t channels = x.shape[1], height = x.shape[2], width = x.shape[3];
    const int64_t out_height = g.shape[2], out_width = g.shape[3];
    const int64_t kh = gw.shape[2], kw = gw.shape[3];
    const int64_t pixel = channels * x.itemsize, line = kw * pixel;
    parallel_for(x.shape[0] * out_height, 1, [&](int64_t begin, int64_t end) {
        for (int64_t row = begin; row < end; ++row) {
            const int64_t n = row / out_height, top = row % out_height * geo.stride[0];
            char *to = patches + row * out_width * kh * line;
            for (int64_t ox = 0; ox < out_width; ++ox) {
                const int64_t left = ox * geo.stride[1] - geo.padding[1];
                const int64_t first = std::clamp<int64_t>(-left, 0, kw);
                const int64_t last = std::clamp<int64_t>(width - left, first, kw);
                for (int64_t ky = 0; ky < kh; ++ky, to += line) {
                    const int64_t y = top - geo.padding[0] + ky;
                    if (y < 0 || y >= height || first == last) {
                        std::memset(to, 0, size_t(line));
                        continue;
                    }
                    std::memset(to, 0, size_t(first * pixel));
                    std::memcpy(to + first * pixel,
                                x.data + ((n * height + y) * width + left + first) * pixel,
                                size_t((last - first) * pixel));
                    std::memset(to + last * pixel, 0, size_t((kw - last) * pixel));
                }
            }
        }
    });
}

// (O, taps, C) to (O, C, taps).
template <typename T>
void channels_outwards(const Array &gw, int64_t taps, const T *from) {
    const int64_t channels = gw.shape[1], each = channels * taps;
    T *const out = gw.as<T>();
    parallel_for(gw.shape[0], 32768 / each + 1, [&](int64_t begin, int64_t end) {
        for (int64_t o = begin; o < end; ++o) {
            for (int64_t tap = 0; tap < taps; ++tap) {
                for (int64_t c = 0; c < channels; ++c) {
                    out[o * each + c * taps + tap] = from[o * each + tap * channels + c];
                }
            }
        }
    });
}

}  // namespace

bool patches_suit(const Array &x, const Array &g, const Array &gw, const PatchGeometry &geo) {
    // oneDNN pairs neighbouring pixels for its bfloat16 products: strides set them apart, and short
    // rows have few.
    const bool slow = geo.stride[0] > 1 || geo.stride[1] > 1 || g.shape[3] < 6;
    const int64_t taps = gw.shape[2] * gw.shape[3];
    return x.dtype == DType::bfloat16 && slow && taps > 1 && x.shape[1] % 32 == 0 &&
           g.size / g.shape[1] <= most_bytes / (taps * x.shape[1] * x.itemsize) &&
           is_channels_last(x) && is_channels_last(g) && is_contiguous(gw);
}

void patch_weights(const Array &x, const Array &g, const Array &gw, const PatchGeometry &geo) {
    use_threads(get_num_threads());
    const int64_t outputs = gw.shape[0], taps = gw.shape[2] * gw.shape[3];
    const int64_t pixels = g.size / outputs, depth = taps * x.shape[1];
    const Scratch patches(size_t(pixels * depth * x.itemsize)), product(size_t(gw.nbytes()));
    gather_patches(x, g, gw, geo, patches.data());
    Array left = matrix(g, g.data, outputs, pixels);
    left.strides[0] = 1;
    left.strides[1] = outputs;
    run_matmul(left, matrix(x, patches.data(), pixels, depth), nullptr,
               matrix(gw, product.data(), outputs, depth));
    if (gw.itemsize == 2) {
        channels_outwards(gw, taps, reinterpret_cast<const uint16_t *>(product.data()));
    } else {
        channels_outwards(gw, taps, reinterpret_cast<const float *>(product.data()));
    }
}

}  // namespace rushlight
