// Images of bytes, as files hold them, to the planes of floats that networks take.
#include "array.h"
#include "dense.h"
#include "kernels/images.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 65536;  // pixels worth a thread

void image_to_planes(const Array &x, const Array &out, const OptionalArray &mean,
                     const OptionalArray &deviation) {
    expect_dtype(x, DType::uint8, "image_to_planes: x");
    expect_ndim(x, 4, 4, "image_to_planes: x");
    expect_contiguous(x, "image_to_planes: x");
    const int64_t images = x.shape[0], pixels = x.shape[1] * x.shape[2], channels = x.shape[3];
    expect_dtype(out, DType::float32, "image_to_planes: out");
    expect_shape(out, {images, channels, x.shape[1], x.shape[2]}, "image_to_planes: out");
    expect_contiguous(out, "image_to_planes: out");
    expect_writeable(out, "image_to_planes: out");
    expect_apart(out, x, "image_to_planes: out");
    if (bool(mean) != bool(deviation)) {
        fail("image_to_planes: mean and deviation must be given both or not at all");
    }
    for (const OptionalArray *a : {&mean, &deviation}) {
        if (!*a) continue;
        const char *what = a == &mean ? "image_to_planes: mean" : "image_to_planes: deviation";
        expect_dtype(*a, DType::float32, what);
        expect_shape(*a, {channels}, what);
        expect_contiguous(*a, what);
    }
    if (x.size == 0) return;
    const float *less = mean ? mean.as<const float>() : nullptr;
    const float *by = deviation ? deviation.as<const float>() : nullptr;
    nb::gil_scoped_release nogil;
    const auto &kernels = image_kernels();
    // Over all pixels of all images; a piece may begin and end inside of one.
    parallel_for(images * pixels, grain, [&](int64_t begin, int64_t end) {
        while (begin < end) {
            const int64_t image = begin / pixels, first = begin % pixels;
            const int64_t n = end - begin < pixels - first ? end - begin : pixels - first;
            kernels.to_planes(x.as<const uint8_t>() + begin * channels,
                              out.as<float>() + image * channels * pixels + first, n, pixels,
                              channels, less, by);
            begin += n;
        }
    });
}

}  // namespace

RUSHLIGHT_BIND(images) {
    m.def(
        "image_to_planes", &image_to_planes, "x"_a, "out"_a, nb::arg("mean").none() = nb::none(),
        nb::arg("deviation").none() = nb::none(),
        "out = x / 255 for uint8 pixels (N, H, W, C) and float32 planes (N, C, H, W); with a mean "
        "and a deviation for each channel, (x / 255 - mean) / deviation. Each step is rounded.");
}

}  // namespace rushlight
