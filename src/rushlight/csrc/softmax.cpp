// Softmax and log-softmax along any one dimension of a dense array, both ways.
#include "kernels/softmax.h"

#include "array.h"
#include "dense.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 8192;  // elements worth a thread

template <typename F>
void over_distributions(const Array &out, int64_t dim, const char *what, const F &loop) {
    const Split split = split_at(out, dim, what);
    if (out.size == 0) return;
    const int64_t items = split.rows * split.inner;
    const auto run = [&](int64_t begin, int64_t end) {
        loop(split.length, split.inner, begin, end);
    };
    if (out.size <= grain) {
        run(0, items);
        return;
    }
    // Whole tiles and whole groups of lanes, so that every thread runs full vectors.
    constexpr int64_t unit = 64;
    nb::gil_scoped_release nogil;
    const int64_t step = split.length >= 1024 && split.inner == 1 ? 1 : unit;
    parallel_for((items + step - 1) / step,
                 (grain + split.length * step - 1) / (split.length * step),
                 [&](int64_t begin, int64_t end) {
                     run(begin * step, end * step < items ? end * step : items);
                 });
}

void expect_pair(const Array &x, const Array &out, const char *x_what, const char *out_what) {
    expect_real(x, x_what);
    expect_dense(x, x_what);
    expect_dtype(out, x.dtype, out_what);
    expect_layout_of(out, x, out_what);
    expect_writeable(out, out_what);
    expect_same_or_apart(out, x, out_what);
}

template <typename F>
void with_loops(DType dtype, const F &f) {
    const SoftmaxKernels &kernels = softmax_kernels();
    if (dtype == DType::float32) {
        f(kernels.f32, float());
    } else {
        f(kernels.f64, double());
    }
}

void softmax(const Array &x, const Array &out, int64_t dim) {
    expect_pair(x, out, "softmax: x", "softmax: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        over_distributions(out, dim, "softmax",
                           [&](int64_t n, int64_t inner, int64_t begin, int64_t end) {
                               loops.softmax(x.as<const T>(), out.as<T>(), n, inner, begin, end);
                           });
    });
}

void log_softmax(const Array &x, const Array &out, int64_t dim) {
    expect_pair(x, out, "log_softmax: x", "log_softmax: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        over_distributions(
            out, dim, "log_softmax", [&](int64_t n, int64_t inner, int64_t begin, int64_t end) {
                loops.log_softmax(x.as<const T>(), out.as<T>(), n, inner, begin, end);
            });
    });
}

void softmax_backward(const Array &g, const Array &probs, const Array &out, int64_t dim) {
    expect_pair(g, out, "softmax_backward: g", "softmax_backward: out");
    expect_pair(probs, out, "softmax_backward: probs", "softmax_backward: out");
    with_loops(g.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        over_distributions(out, dim, "softmax_backward",
                           [&](int64_t n, int64_t inner, int64_t begin, int64_t end) {
                               loops.softmax_backward(g.as<const T>(), probs.as<const T>(),
                                                      out.as<T>(), n, inner, begin, end);
                           });
    });
}

void log_softmax_backward(const Array &g, const Array &log_probs, const Array &out, int64_t dim) {
    expect_pair(g, out, "log_softmax_backward: g", "log_softmax_backward: out");
    expect_pair(log_probs, out, "log_softmax_backward: log_probs", "log_softmax_backward: out");
    with_loops(g.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        over_distributions(out, dim, "log_softmax_backward",
                           [&](int64_t n, int64_t inner, int64_t begin, int64_t end) {
                               loops.log_softmax_backward(g.as<const T>(), log_probs.as<const T>(),
                                                          out.as<T>(), n, inner, begin, end);
                           });
    });
}

}  // namespace

RUSHLIGHT_BIND(softmax) {
    m.def("softmax", &softmax, "x"_a, "out"_a, "dim"_a, "out = softmax(x) along dim");
    m.def("log_softmax", &log_softmax, "x"_a, "out"_a, "dim"_a, "out = log(softmax(x)) along dim");
    m.def("softmax_backward", &softmax_backward, "g"_a, "probs"_a, "out"_a, "dim"_a,
          "The gradient of softmax from its output");
    m.def("log_softmax_backward", &log_softmax_backward, "g"_a, "log_probs"_a, "out"_a, "dim"_a,
          "The gradient of log_softmax from its output");
}

}  // namespace rushlight
