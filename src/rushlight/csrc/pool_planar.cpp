// The bindings of kernels/pool_planar.cpp: the largest of 2x2 with stride 2 over planar memory.
#include "kernels/pool_planar.h"

#include "array.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain_elements = 32768;

// Checks (N, C, H, W) against (N, C, H / 2, W / 2), all in C order.
void expect_halves(const char *fn, const Array &large, const Array &small, const Array &taps) {
    const std::string name(fn);
    expect_dtype(large, DType::float32, fn);
    expect_dtype(small, DType::float32, fn);
    expect_dtype(taps, DType::uint8, fn);
    expect_ndim(large, 4, 4, fn);
    if (!is_contiguous(large) || !is_contiguous(small) || !is_contiguous(taps)) {
        fail(name + ": the arrays must be C-contiguous");
    }
    const std::initializer_list<int64_t> halves = {large.shape[0], large.shape[1],
                                                   large.shape[2] / 2, large.shape[3] / 2};
    expect_shape(small, halves, fn);
    expect_shape(taps, halves, fn);
}

void max_pool_2x2(const Array &x, const Array &out, const Array &taps) {
    expect_halves("max_pool_2x2", x, out, taps);
    expect_writeable(out, "max_pool_2x2: out");
    expect_writeable(taps, "max_pool_2x2: taps");
    if (!out.size) return;
    const int64_t height = x.shape[2], width = x.shape[3];
    nb::gil_scoped_release nogil;
    const auto &kernels = pool_planar_kernels();
    parallel_for(x.shape[0] * x.shape[1], grain_elements / (height * width) + 1,
                 [&](int64_t begin, int64_t end) {
                     kernels.max(x.as<const float>(), height, width, out.as<float>(),
                                 taps.as<uint8_t>(), begin, end);
                 });
}

void max_pool_2x2_backward(const Array &g, const Array &taps, const Array &gx) {
    expect_halves("max_pool_2x2_backward", gx, g, taps);
    expect_writeable(gx, "max_pool_2x2_backward: gx");
    if (!gx.size) return;
    const int64_t height = gx.shape[2], width = gx.shape[3];
    nb::gil_scoped_release nogil;
    const auto &kernels = pool_planar_kernels();
    parallel_for(gx.shape[0] * gx.shape[1], grain_elements / (height * width) + 1,
                 [&](int64_t begin, int64_t end) {
                     kernels.max_backward(g.as<const float>(), taps.as<const uint8_t>(), height,
                                          width, gx.as<float>(), begin, end);
                 });
}

}  // namespace

RUSHLIGHT_BIND(pool_planar) {
    m.def("max_pool_2x2", &max_pool_2x2, "x"_a, "out"_a, "taps"_a,
          "The largest element of each 2x2 window of planar images, and its number in the window");
    m.def("max_pool_2x2_backward", &max_pool_2x2_backward, "g"_a, "taps"_a, "gx"_a,
          "The gradient of max_pool_2x2");
}

}  // namespace rushlight
