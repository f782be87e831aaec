// The bindings of kernels/conv_planar.cpp: convolution of few channels in planar memory.
#include "kernels/conv_planar.h"

#include <memory>
#include <vector>

#include "allocator.h"
#include "array.h"
#include "ints.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t most_elements = int64_t(1) << 31;

void expect_planar(const Array &a, const char *what) {
    expect_dtype(a, DType::float32, what);
    expect_ndim(a, 4, 4, what);
    if (!is_contiguous(a)) fail(std::string(what) + " must be C-contiguous");
    if (a.size >= most_elements) fail(std::string(what) + " has too many elements");
}

// The task of a convolution of x with kernels of kernel_h x kernel_w that gives y.
ConvPlanarTask task_of(const char *what, const Array &x, const Array &y, int64_t kernel_h, int64_t kernel_w,
                       const Ints &padding) {
    if (padding.size != 2 || padding[0] < 0 || padding[1] < 0 || padding[0] > 4096 || padding[1] > 4096) {
        fail(std::string(what) + ": padding must be two numbers from 0 to 4096");
    }
    if (x.shape[0] != y.shape[0]) fail(std::string(what) + ": both images must have one batch size");
    for (int i = 0; i < 2; ++i) {
        const int64_t k = i ? kernel_w : kernel_h;
        if (k < 1 || y.shape[2 + i] != x.shape[2 + i] + 2 * padding[i] - k + 1 || y.shape[2 + i] < 1) {
            fail(std::string(what) + ": sizes of images, kernel and padding do not fit");
        }
    }
    ConvPlanarTask t{};
    t.channels = x.shape[1];
    t.height = x.shape[2];
    t.width = x.shape[3];
    t.kernel_h = kernel_h;
    t.kernel_w = kernel_w;
    t.pad_h = padding[0];
    t.pad_w = padding[1];
    t.outputs = y.shape[1];
    t.out_h = y.shape[2];
    t.out_w = y.shape[3];
    t.x = x.as<const float>();
    return t;
}

void conv_planar(const Array &x, const Array &w, const OptionalArray &bias, const Array &out, const Ints &padding,
                 bool reversed) {
    expect_planar(x, "conv_planar: x");
    expect_planar(w, "conv_planar: w");
    expect_planar(out, "conv_planar: out");
    expect_writeable(out, "conv_planar: out");
    const int64_t o_axis = reversed ? 1 : 0, c_axis = reversed ? 0 : 1;
    if (w.shape[c_axis] != x.shape[1] || w.shape[o_axis] != out.shape[1]) {
        fail("conv_planar: the channels of x, w and out do not fit");
    }
    if (bias) {
        expect_dtype(bias, DType::float32, "conv_planar: bias");
        expect_shape(bias, {out.shape[1]}, "conv_planar: bias");
        if (!is_contiguous(bias)) fail("conv_planar: bias must be contiguous");
    }
    if (!out.size) return;
    ConvPlanarTask t = task_of("conv_planar", x, out, w.shape[2], w.shape[3], padding);
    const auto &kernels = conv_planar_kernels();
    nb::gil_scoped_release nogil;
    // By block of outputs: (channels, kernel_h, kernel_w, outputs of the block).
    const int64_t taps = t.kernel_h * t.kernel_w, window = t.channels * taps, each = kernels.block(t.outputs);
    Scratch packed(sizeof(float) * size_t(t.outputs * window));
    auto *to = reinterpret_cast<float *>(packed.data());
    const float *from = w.as<const float>();
    for (int64_t first = 0; first < t.outputs; first += each) {
        const int64_t count = std::min(each, t.outputs - first);
        for (int64_t c = 0; c < t.channels; ++c) {
            for (int64_t k = 0; k < taps; ++k) {
                for (int64_t o = first; o < first + count; ++o) {
                    *to++ = reversed ? from[(c * t.outputs + o) * taps + taps - 1 - k]
                                     : from[(o * t.channels + c) * taps + k];
                }
            }
        }
    }
    t.weights = reinterpret_cast<const float *>(packed.data());
    t.bias = bias ? bias.as<const float>() : nullptr;
    t.out = out.as<float>();
    const int threads = threads_for(out.size * window);
    const int64_t each_scratch = kernels.scratch(t);
    Scratch space(sizeof(float) * size_t(each_scratch) * size_t(threads));
    parallel_for(x.shape[0], 1, threads, [&](int64_t begin, int64_t end, int thread) {
        kernels.forward(t, begin, end, reinterpret_cast<float *>(space.data()) + thread * each_scratch);
    });
}

void conv_planar_weights(const Array &x, const Array &g, const Array &gw, const OptionalArray &gb,
                         const Ints &padding) {
    expect_planar(x, "conv_planar_weights: x");
    expect_planar(g, "conv_planar_weights: g");
    expect_planar(gw, "conv_planar_weights: gw");
    expect_writeable(gw, "conv_planar_weights: gw");
    if (gw.shape[0] != g.shape[1] || gw.shape[1] != x.shape[1]) {
        fail("conv_planar_weights: the channels of x, g and gw do not fit");
    }
    if (gb) {
        expect_dtype(gb, DType::float32, "conv_planar_weights: gb");
        expect_shape(gb, {g.shape[1]}, "conv_planar_weights: gb");
        expect_writeable(gb, "conv_planar_weights: gb");
        if (!is_contiguous(gb)) fail("conv_planar_weights: gb must be contiguous");
    }
    ConvPlanarTask t = task_of("conv_planar_weights", x, g, gw.shape[2], gw.shape[3], padding);
    t.g = g.as<const float>();
    const auto &kernels = conv_planar_kernels();
    nb::gil_scoped_release nogil;
    const int threads = threads_for(g.size * t.channels * t.kernel_h * t.kernel_w);
    const int64_t sums = gw.size + t.outputs, each = kernels.scratch(t) + sums;
    Scratch space(sizeof(float) * size_t(each) * size_t(threads));
    auto *data = reinterpret_cast<float *>(space.data());
    for (int i = 0; i < threads; ++i) std::fill(data + i * each, data + i * each + sums, 0.0f);
    parallel_for(x.shape[0], 1, threads, [&](int64_t begin, int64_t end, int thread) {
        float *own = data + thread * each;
        kernels.weights(t, begin, end, own + sums, own, gb ? own + gw.size : nullptr);
    });
    for (int64_t i = 0; i < gw.size; ++i) {
        float sum = 0;
        for (int thread = 0; thread < threads; ++thread) sum += data[thread * each + i];
        gw.as<float>()[i] = sum;
    }
    for (int64_t i = 0; gb && i < t.outputs; ++i) {
        float sum = 0;
        for (int thread = 0; thread < threads; ++thread) sum += data[thread * each + gw.size + i];
        gb.as<float>()[i] = sum;
    }
}

}  // namespace

RUSHLIGHT_BIND(conv_planar) {
    m.def("conv_planar", &conv_planar, "x"_a, "w"_a, nb::arg("bias").none(), "out"_a, "padding"_a, "reversed"_a,
          "out = the convolution of planar images with stride 1; `reversed` exchanges and turns w, for the gradient of "
          "x from that of out");
    m.def("conv_planar_weights", &conv_planar_weights, "x"_a, "g"_a, "gw"_a, nb::arg("gb").none(), "padding"_a,
          "The gradients of w and bias of conv_planar");
}

}  // namespace rushlight
