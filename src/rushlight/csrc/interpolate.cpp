// Resizing along one dimension by a table of neighbours and weights; reading images at places.
#include <stdexcept>
#include <string>
#include <vector>

#include "array.h"
#include "dense.h"
#include "kernels/interpolate.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 32768;  // multiply-adds worth a thread

template <typename T>
void run_typed(const Array &x, const std::vector<int32_t> &starts, const Array &weights,
               int64_t axis, const Array &out,
               void (*kernel)(const ResampleRun<T> &, int64_t, int64_t)) {
    ResampleRun<T> run{x.as<T>(),     out.as<T>(),     starts.data(),    weights.as<T>(),
                       x.shape[axis], out.shape[axis], weights.shape[1], 1};
    int64_t rows = 1;
    for (int64_t i = 0; i < axis; ++i) rows *= x.shape[i];
    for (int64_t i = axis + 1; i < x.ndim; ++i) run.inner *= x.shape[i];
    // Along the last dimension a piece of work is a row; else it is one new element with all behind
    // it.
    const int64_t pieces = run.inner > 1 ? rows * run.m : rows;
    const int64_t each = (run.inner > 1 ? run.inner : run.m) * run.k;
    parallel_for(pieces, grain / each + 1,
                 [&](int64_t begin, int64_t end) { kernel(run, begin, end); });
}

void resample(const Array &x, const Array &starts, const Array &weights, int64_t axis,
              const Array &out) {
    expect_real(x, "resample: x");
    if (axis < 0 || axis >= x.ndim) {
        throw std::out_of_range("resample: there is no dimension " + std::to_string(axis));
    }
    expect_dtype(out, x.dtype, "resample: out");
    expect_dtype(weights, x.dtype, "resample: weights");
    expect_dtype(starts, DType::int64, "resample: starts");
    expect_ndim(weights, 2, 2, "resample: weights");
    expect_contiguous(x, "resample: x");
    expect_contiguous(out, "resample: out");
    expect_contiguous(weights, "resample: weights");
    expect_contiguous(starts, "resample: starts");
    expect_writeable(out, "resample: out");
    expect_apart(out, x, "resample: out");
    int64_t shape[max_ndim];
    for (int i = 0; i < x.ndim; ++i) shape[i] = x.shape[i];
    const int64_t n = shape[axis], m = weights.shape[0], k = weights.shape[1];
    shape[axis] = m;
    expect_shape(out, shape, x.ndim, "resample: out");
    expect_shape(starts, {m}, "resample: starts");
    if (k < 1 || n > INT32_MAX) fail("resample: weights must hold at least one tap");
    // A copy, which stays right whatever becomes of the array.
    std::vector<int32_t> from(size_t(m), 0);
    for (int64_t j = 0; j < m; ++j) {
        const int64_t start = starts.as<const int64_t>()[j];
        if (start < 0 || start > n - k) {
            throw std::out_of_range("resample: the taps " + std::to_string(start) + " to " +
                                    std::to_string(start + k - 1) +
                                    " do not lie in a dimension of " + std::to_string(n));
        }
        from[size_t(j)] = int32_t(start);
    }
    if (out.size == 0) return;
    nb::gil_scoped_release nogil;
    const auto &kernels = interpolate_kernels();
    if (x.dtype == DType::float32) {
        run_typed<float>(x, from, weights, axis, out, kernels.float32);
    } else {
        run_typed<double>(x, from, weights, axis, out, kernels.float64);
    }
}

void grid_sample(const Array &x, const Array &grid, bool nearest, bool align_corners,
                 const Array &out) {
    expect_dtype(x, DType::float32, "grid_sample: x");
    expect_dtype(grid, DType::float32, "grid_sample: grid");
    expect_dtype(out, DType::float32, "grid_sample: out");
    expect_ndim(x, 4, 4, "grid_sample: x");
    expect_ndim(grid, 4, 4, "grid_sample: grid");
    const int64_t images = x.shape[0], places = grid.shape[1] * grid.shape[2];
    expect_shape(grid, {images, grid.shape[1], grid.shape[2], 2}, "grid_sample: grid");
    expect_shape(out, {images, x.shape[1], grid.shape[1], grid.shape[2]}, "grid_sample: out");
    expect_contiguous(grid, "grid_sample: grid");
    expect_writeable(out, "grid_sample: out");
    for (const Array *a : {&x, &out}) {
        if (!is_contiguous(*a) && !is_channels_last(*a)) {
            fail("grid_sample: x and out must be contiguous in C order or channels-last");
        }
    }
    expect_apart(out, x, "grid_sample: out");
    expect_apart(out, grid, "grid_sample: out");
    if (out.size == 0) return;
    if (x.size == 0) fail("grid_sample: x must not be empty");
    const auto strides = [](const Array &a, int64_t of[3]) {
        const int64_t c = a.shape[1], h = a.shape[2], w = a.shape[3];
        const bool last = !is_contiguous(a);
        of[0] = last ? 1 : h * w;  // channel
        of[1] = last ? w * c : w;  // row
        of[2] = last ? c : 1;      // column
    };
    int64_t from[3], to[3];
    strides(x, from);
    strides(out, to);
    nb::gil_scoped_release nogil;
    const auto &kernels = interpolate_kernels();
    const int64_t plane = x.shape[1] * x.shape[2] * x.shape[3];
    parallel_for(images * places, grain / (4 * x.shape[1]) + 1, [&](int64_t begin, int64_t end) {
        while (begin < end) {
            const int64_t image = begin / places, first = begin % places;
            const int64_t n = end - begin < places - first ? end - begin : places - first;
            const GridRun run{x.as<const float>() + image * plane,
                              grid.as<const float>() + image * places * 2,
                              out.as<float>() + image * places * x.shape[1],
                              x.shape[2],
                              x.shape[3],
                              x.shape[1],
                              from[1],
                              from[2],
                              from[0],
                              to[2],
                              to[0],
                              align_corners,
                              nearest};
            kernels.grid(run, first, first + n);
            begin += n;
        }
    });
}

}  // namespace

RUSHLIGHT_BIND(interpolate) {
    m.def("grid_sample", &grid_sample, "x"_a, "grid"_a, "nearest"_a, "align_corners"_a, "out"_a,
          "out (N, C, h, w) = x (N, C, H, W) at the places grid (N, h, w, 2), bilinearly or at the "
          "nearest element, zero outside; float32.");
    m.def("resample", &resample, "x"_a, "starts"_a, "weights"_a, "axis"_a, "out"_a,
          "Resizes one dimension: element j of out is the sum over t of x[starts[j] + t] * "
          "weights[j, t]; float32 or float64, C order.");
}

}  // namespace rushlight
