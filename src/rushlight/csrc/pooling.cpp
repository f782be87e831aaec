// Max, average and adaptive pooling over (N, C, *spatial), both ways.
#include "kernels/pooling.h"

#include <algorithm>
#include <atomic>
#include <vector>

#include <nanobind/stl/optional.h>

#include "allocator.h"
#include "array.h"
#include "dense.h"
#include "ints.h"
#include "kernels/convert.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 16384;            // elements of work worth a thread
constexpr int64_t most = int64_t(1) << 31;  // of any size, so that no product of two overflows

struct Names {
    const char *function, *large, *small;
};

// The windows of one dimension, before they are cut to what lies inside.
struct Windows {
    int64_t kernel, stride, padding, dilation;
    bool include_padding;
};

// Fills the tables of one dimension, which live in `memory` and `shares`.
class AxisBuilder {
public:
    AxisBuilder(PoolAxis &axis, std::vector<int64_t> &memory, int64_t in, int64_t out, int64_t step,
                int64_t window)
        : axis(axis) {
        memory.assign(size_t(4 * out + 2 * in), 0);
        axis.in = in;
        axis.out = out;
        axis.step = step;
        axis.window = window;
        first = memory.data();
        count = first + out;
        skipped = count + out;
        divisor = skipped + out;
        reverse_first = divisor + out;
        reverse_count = reverse_first + in;
        axis.first = first;
        axis.count = count;
        axis.skipped = skipped;
        axis.divisor = divisor;
        axis.reverse_first = reverse_first;
        axis.reverse_count = reverse_count;
    }

    void strided(const Windows &w, const char *function) {
        for (int64_t o = 0; o < axis.out; ++o) {
            const int64_t start = o * w.stride - w.padding;
            const int64_t skip = start < 0 ? (-start + w.dilation - 1) / w.dilation : 0;
            const int64_t inside = axis.in - (start + skip * w.dilation);
            const int64_t taps = inside <= 0 ? 0 : (inside + w.dilation - 1) / w.dilation;
            skipped[o] = skip;
            first[o] = start + skip * w.dilation;
            count[o] = std::min(taps, w.kernel - skip);
            if (count[o] <= 0) {
                fail(std::string(function) + ": window " + std::to_string(o) + " of " +
                     std::to_string(axis.out) + " lies outside of the input of length " +
                     std::to_string(axis.in) + "; the output must be smaller");
            }
            divisor[o] = w.include_padding ? std::min(start + w.kernel, axis.in + w.padding) - start
                                           : count[o];
        }
    }

    void adaptive() {
        for (int64_t o = 0; o < axis.out; ++o) {
            first[o] = o * axis.in / axis.out;
            count[o] = ((o + 1) * axis.in + axis.out - 1) / axis.out - first[o];
            divisor[o] = count[o];
        }
    }

    // True where every input index lies in exactly one window.
    bool reverse(std::vector<double> &shares) {
        bool once = true;
        int64_t covered = 0;
        for (int64_t o = 0; o < axis.out; ++o) {
            once = once && first[o] == covered && axis.step == 1;
            covered = first[o] + count[o];
            shares.push_back(1.0 / double(divisor[o]));
        }
        axis.share = shares.data();
        if (axis.step == 1) {
            // Windows begin and end in order, so those that hold an index are neighbours.
            int64_t from = 0, to = 0;
            for (int64_t i = 0; i < axis.in; ++i) {
                while (to < axis.out && first[to] <= i) ++to;
                while (from < to && first[from] + count[from] <= i) ++from;
                reverse_first[i] = from;
                reverse_count[i] = to - from;
            }
        }
        return once && covered == axis.in;
    }

private:
    PoolAxis &axis;
    int64_t *first, *count, *skipped, *divisor, *reverse_first, *reverse_count;
};

// Everything that the loops need, checked; keeps the tables alive.
struct Pool {
    PoolTask task{};
    std::vector<int64_t> memory[3];
    std::vector<double> shares[3];
    bool once = true;  // every input element lies in exactly one window

    int64_t outputs() const {
        return task.n * task.groups * task.axis[0].out * task.axis[1].out * task.axis[2].out;
    }
    int64_t inputs() const {
        return task.n * task.groups * task.axis[0].in * task.axis[1].in * task.axis[2].in;
    }
};

// (N, C, *spatial) with channels that are neighbours become lanes; with any other strides each is a
// group of its own.
bool channels_innermost(const Array &a) { return a.strides[1] == 1 || a.shape[1] == 1; }

PoolStrides strides_of(const Array &a, bool lanes) {
    PoolStrides s{};
    s.n = a.strides[0];
    s.group = lanes ? 0 : a.strides[1];
    const int missing = 5 - a.ndim;
    for (int i = 2; i < a.ndim; ++i) s.at[missing + i - 2] = a.strides[i];
    return s;
}

void expect_images(const Array &large, const Array &small, const Names &names) {
    expect_real_or_bfloat16(large, names.large);
    expect_ndim(large, 3, 5, names.large);
    expect_dense(large, names.large);
    expect_dtype(small, large.dtype, names.small);
    expect_ndim(small, large.ndim, large.ndim, names.small);
    expect_dense(small, names.small);
    for (int i = 0; i < large.ndim; ++i) {
        if (large.shape[i] >= most || small.shape[i] >= most) {
            fail(std::string(names.function) + ": a dimension is 2^31 or more long");
        }
        if (i < 2 && small.shape[i] != large.shape[i]) {
            fail(std::string(names.small) + " must have the batch and the channels of " +
                 names.large + ", got shapes " + describe_shape(small.shape, small.ndim) + " and " +
                 describe_shape(large.shape, large.ndim));
        }
        if (i >= 2 && large.size > 0 && (large.shape[i] == 0 || small.shape[i] == 0)) {
            fail(std::string(names.function) +
                 ": spatial dimensions must not be empty, got shapes " +
                 describe_shape(large.shape, large.ndim) + " and " +
                 describe_shape(small.shape, small.ndim));
        }
    }
}

// False where there is nothing to do. `windows` has one entry per spatial dimension, or none for
// adaptive windows.
bool build(Pool &pool, const Array &large, const Array &small, const Array *index,
           const std::vector<Windows> &windows, bool backward, const Names &names) {
    if (large.size == 0 || small.size == 0) {
        if (large.size != small.size) {
            fail(std::string(names.function) + ": cannot pool between shapes " +
                 describe_shape(large.shape, large.ndim) + " and " +
                 describe_shape(small.shape, small.ndim));
        }
        return false;
    }
    PoolTask &task = pool.task;
    const int spatial = large.ndim - 2;
    const bool lanes = channels_innermost(large) && channels_innermost(small);
    task.n = large.shape[0];
    task.groups = lanes ? 1 : large.shape[1];
    task.lanes = lanes ? large.shape[1] : 1;
    task.large = strides_of(large, lanes);
    task.small = strides_of(small, lanes);
    for (int i = 0; i < 3; ++i) {
        const int dim = i - (3 - spatial);
        const int64_t in = dim < 0 ? 1 : large.shape[2 + dim],
                      out = dim < 0 ? 1 : small.shape[2 + dim];
        const bool strided = dim >= 0 && !windows.empty();
        const Windows w = strided ? windows[size_t(dim)] : Windows{in, 1, 0, 1, false};
        AxisBuilder builder(task.axis[i], pool.memory[i], in, out, w.dilation, w.kernel);
        if (strided) {
            builder.strided(w, names.function);
        } else {
            builder.adaptive();
        }
        if (backward) pool.once &= builder.reverse(pool.shares[i]);
    }
    const PoolStrides &s = task.large;
    task.planar = (task.axis[1].in == 1 || s.at[1] == task.axis[2].in * s.at[2]) &&
                  (task.axis[0].in == 1 || s.at[0] == task.axis[1].in * task.axis[2].in * s.at[2]);
    // A block of channels fills a line of cache, which no two threads should share.
    task.block = task.n * task.groups >= 2 * get_num_threads() ? task.lanes : 16;
    task.index = PoolIndex::none;
    if (index) {
        const int64_t taps = task.axis[0].window * task.axis[1].window * task.axis[2].window;
        const int64_t plane = task.axis[0].in * task.axis[1].in * task.axis[2].in;
        switch (index->dtype) {
            case DType::uint8:
                if (windows.empty() || task.axis[0].window > 256 || task.axis[1].window > 256 ||
                    taps > 256) {
                    fail(std::string(names.function) +
                         ": indices of dtype uint8 hold at most 256 taps of a window of fixed "
                         "size; use int64");
                }
                task.index = PoolIndex::tap;
                break;
            case DType::int32: task.index = PoolIndex::flat32; break;
            case DType::int64: task.index = PoolIndex::flat64; break;
            default:
                fail_type(std::string(names.function) +
                          ": indices must be uint8, int32 or int64, got " +
                          dtype_name(index->dtype));
        }
        if (task.index != PoolIndex::tap && large.dtype == DType::bfloat16) {
            fail_type(std::string(names.function) +
                      ": beside bfloat16, indices must be uint8, got " + dtype_name(index->dtype));
        }
        if (task.index != PoolIndex::tap &&
            (plane >= most || plane / task.axis[2].in / task.axis[1].in >= most)) {
            fail(std::string(names.function) + ": a plane of 2^31 elements or more has no indices");
        }
    }
    return true;
}

void expect_index(const Array &index, const Array &small, const char *what) {
    expect_same_shape(index, small, what);
    if (!index.aligned) fail_layout(index, what);
    if (!same_layout(index, small) && small.size != 0) {
        fail(std::string(what) +
             " must lie in memory in the order of the output; pass a copy in that order");
    }
}

std::vector<Windows> windows_of(const Array &large, const Ints &kernel, const Ints &stride,
                                const Ints &padding, const Ints &dilation, bool include_padding,
                                const char *function) {
    const int spatial = large.ndim - 2;
    for (const Ints *sizes : {&kernel, &stride, &padding, &dilation}) {
        if (sizes->size != spatial) {
            fail(std::string(function) + ": kernel, stride, padding and dilation need " +
                 std::to_string(spatial) + " numbers each for an array of shape " +
                 describe_shape(large.shape, large.ndim));
        }
    }
    std::vector<Windows> windows;
    for (int i = 0; i < spatial; ++i) {
        const auto good = [](int64_t size, int64_t least) { return size >= least && size < most; };
        if (!good(kernel[i], 1) || !good(stride[i], 1) || !good(padding[i], 0) ||
            !good(dilation[i], 1)) {
            fail(std::string(function) +
                 ": kernel, stride and dilation must be positive, and padding not negative");
        }
        windows.push_back({kernel[i], stride[i], padding[i], dilation[i], include_padding});
    }
    return windows;
}

// `work` is what one item costs, in elements touched.
template <typename F>
void over_items(int64_t items, int64_t work, const F &f) {
    work = std::max<int64_t>(1, work);
    if (items <= grain / work) {
        f(0, items);
        return;
    }
    nb::gil_scoped_release nogil;
    parallel_for(items, std::max<int64_t>(1, grain / work), f);
}

template <typename F>
void with_loops(DType dtype, const F &f) {
    const PoolKernels &kernels = pool_kernels();
    switch (dtype) {
        case DType::float32: return f(kernels.f32, float());
        case DType::float64: return f(kernels.f64, double());
        default: return f(kernels.bf16, bfloat16());
    }
}

void max_forward(const Array &x, const Array &out, const OptionalArray &indices,
                 const std::vector<Windows> &windows, const Names &names) {
    expect_writeable(out, names.small);
    expect_apart(out, x, names.small);
    if (indices) {
        expect_index(indices, out, names.function);
        expect_writeable(indices, names.function);
        expect_apart(indices, x, names.function);
        expect_apart(indices, out, names.function);
    }
    Pool pool;
    if (!build(pool, x, out, indices ? &indices : nullptr, windows, false, names)) return;
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        over_items(pool.outputs(), x.size / pool.outputs() + pool.task.lanes,
                   [&](int64_t begin, int64_t end) {
                       loops.max(pool.task, x.as<const S>(), out.as<S>(),
                                 indices ? indices.data : nullptr, begin, end);
                   });
    });
}

// Overlapping windows: gradients are added up where they meet. Returns whether all indices are
// good.
template <typename T>
bool scatter(const PoolLoops<T> &loops, const PoolTask &task, int64_t work, const T *g,
             const void *index, T *out) {
    std::atomic<bool> good{true};
    const int64_t items = task.n * task.groups * ((task.lanes + task.block - 1) / task.block);
    over_items(items, work / items, [&](int64_t begin, int64_t end) {
        if (loops.max_scatter(task, g, index, out, begin, end) >= 0) good = false;
    });
    return good;
}

// The same in float32, rounded once.
bool scatter_wide(const PoolTask &task, int64_t work, const Array &g, const void *index,
                  const Array &out) {
    const ConvertKernels &convert = convert_kernels();
    Scratch memory(size_t(g.size + out.size) * sizeof(float));
    float *const wide_out = reinterpret_cast<float *>(memory.data()), *wide_g = wide_out + out.size;
    over_items(g.size, 1, [&](int64_t begin, int64_t end) {
        convert.from_bfloat16(end - begin, g.as<const uint16_t>() + begin, wide_g + begin);
    });
    const bool good = scatter(pool_kernels().f32, task, work, wide_g, index, wide_out);
    over_items(out.size, 1, [&](int64_t begin, int64_t end) {
        convert.to_bfloat16(end - begin, wide_out + begin, out.as<uint16_t>() + begin);
    });
    return good;
}

void max_backward(const Array &g, const Array &indices, const Array &out,
                  const std::vector<Windows> &windows, const Names &names) {
    expect_index(indices, g, names.function);
    expect_writeable(out, names.large);
    expect_apart(out, g, names.large);
    expect_apart(out, indices, names.large);
    Pool pool;
    if (!build(pool, out, g, &indices, windows, true, names)) return;
    const PoolTask &task = pool.task;
    bool good = true;
    with_loops(g.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        if (pool.once) {
            over_items(pool.outputs(), out.size / pool.outputs() + task.lanes,
                       [&](int64_t begin, int64_t end) {
                           loops.max_spread(task, g.as<const S>(), indices.data, out.as<S>(), begin,
                                            end);
                       });
            return;
        }
        const int64_t work = out.size + 4 * g.size;
        if constexpr (std::is_same_v<S, bfloat16>) {
            good = scatter_wide(task, work, g, indices.data, out);
        } else {
            good = scatter(loops, task, work, g.as<const S>(), indices.data, out.as<S>());
        }
    });
    if (!good) {
        throw std::out_of_range(
            std::string(names.function) +
            ": an index lies outside of its window or plane; pass the indices of the forward call");
    }
}

void avg_forward(const Array &x, const Array &out, const std::vector<Windows> &windows,
                 double divisor, const Names &names) {
    expect_writeable(out, names.small);
    expect_apart(out, x, names.small);
    Pool pool;
    if (!build(pool, x, out, nullptr, windows, false, names)) return;
    pool.task.divisor_override = divisor;
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        over_items(pool.outputs(), x.size / pool.outputs() + pool.task.lanes,
                   [&](int64_t begin, int64_t end) {
                       loops.avg(pool.task, x.as<const S>(), out.as<S>(), begin, end);
                   });
    });
}

void avg_backward(const Array &g, const Array &out, const std::vector<Windows> &windows,
                  double divisor, const Names &names) {
    expect_writeable(out, names.large);
    expect_apart(out, g, names.large);
    Pool pool;
    if (!build(pool, out, g, nullptr, windows, true, names)) return;
    pool.task.divisor_override = divisor;
    with_loops(g.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        if (pool.once) {
            over_items(pool.outputs(), out.size / pool.outputs() + pool.task.lanes,
                       [&](int64_t begin, int64_t end) {
                           loops.avg_spread(pool.task, g.as<const S>(), out.as<S>(), begin, end);
                       });
            return;
        }
        over_items(pool.inputs(), 2 * pool.task.lanes, [&](int64_t begin, int64_t end) {
            loops.avg_collect(pool.task, g.as<const S>(), out.as<S>(), begin, end);
        });
    });
}

Ints ones(int size) {
    Ints all;
    all.size = size;
    std::fill(all.values, all.values + size, 1);
    return all;
}

double divisor_of(std::optional<int64_t> divisor_override, const char *function) {
    if (divisor_override && *divisor_override == 0)
        fail(std::string(function) + ": divisor_override must not be 0");
    return divisor_override ? double(*divisor_override) : 0.0;
}

void max_pool(const Array &x, const Array &out, const OptionalArray &indices, const Ints &kernel,
              const Ints &stride, const Ints &padding, const Ints &dilation) {
    const Names names{"max_pool", "max_pool: x", "max_pool: out"};
    expect_images(x, out, names);
    max_forward(x, out, indices,
                windows_of(x, kernel, stride, padding, dilation, false, names.function), names);
}

void max_pool_backward(const Array &g, const Array &indices, const Array &out, const Ints &kernel,
                       const Ints &stride, const Ints &padding, const Ints &dilation) {
    const Names names{"max_pool_backward", "max_pool_backward: out", "max_pool_backward: g"};
    expect_images(out, g, names);
    max_backward(g, indices, out,
                 windows_of(out, kernel, stride, padding, dilation, false, names.function), names);
}

void adaptive_max_pool(const Array &x, const Array &out, const OptionalArray &indices) {
    const Names names{"adaptive_max_pool", "adaptive_max_pool: x", "adaptive_max_pool: out"};
    expect_images(x, out, names);
    max_forward(x, out, indices, {}, names);
}

void adaptive_max_pool_backward(const Array &g, const Array &indices, const Array &out) {
    const Names names{"adaptive_max_pool_backward", "adaptive_max_pool_backward: out",
                      "adaptive_max_pool_backward: g"};
    expect_images(out, g, names);
    max_backward(g, indices, out, {}, names);
}

void avg_pool(const Array &x, const Array &out, const Ints &kernel, const Ints &stride,
              const Ints &padding, bool count_include_pad,
              std::optional<int64_t> divisor_override) {
    const Names names{"avg_pool", "avg_pool: x", "avg_pool: out"};
    expect_images(x, out, names);
    const Ints dilation = ones(x.ndim - 2);
    avg_forward(x, out,
                windows_of(x, kernel, stride, padding, dilation, count_include_pad, names.function),
                divisor_of(divisor_override, names.function), names);
}

void avg_pool_backward(const Array &g, const Array &out, const Ints &kernel, const Ints &stride,
                       const Ints &padding, bool count_include_pad,
                       std::optional<int64_t> divisor_override) {
    const Names names{"avg_pool_backward", "avg_pool_backward: out", "avg_pool_backward: g"};
    expect_images(out, g, names);
    const Ints dilation = ones(out.ndim - 2);
    avg_backward(
        g, out,
        windows_of(out, kernel, stride, padding, dilation, count_include_pad, names.function),
        divisor_of(divisor_override, names.function), names);
}

void adaptive_avg_pool(const Array &x, const Array &out) {
    const Names names{"adaptive_avg_pool", "adaptive_avg_pool: x", "adaptive_avg_pool: out"};
    expect_images(x, out, names);
    avg_forward(x, out, {}, 0.0, names);
}

void adaptive_avg_pool_backward(const Array &g, const Array &out) {
    const Names names{"adaptive_avg_pool_backward", "adaptive_avg_pool_backward: out",
                      "adaptive_avg_pool_backward: g"};
    expect_images(out, g, names);
    avg_backward(g, out, {}, 0.0, names);
}

}  // namespace

RUSHLIGHT_BIND(pooling) {
    m.def("max_pool", &max_pool, "x"_a, "out"_a, "indices"_a.none(), "kernel"_a, "stride"_a,
          "padding"_a, "dilation"_a, "The largest element of each window, and where it was");
    m.def("max_pool_backward", &max_pool_backward, "g"_a, "indices"_a, "out"_a, "kernel"_a,
          "stride"_a, "padding"_a, "dilation"_a, "The gradient of max_pool from its indices");
    m.def("adaptive_max_pool", &adaptive_max_pool, "x"_a, "out"_a, "indices"_a.none(),
          "The largest element of each of as many windows as the output has places");
    m.def("adaptive_max_pool_backward", &adaptive_max_pool_backward, "g"_a, "indices"_a, "out"_a,
          "The gradient of adaptive_max_pool from its indices");
    m.def("avg_pool", &avg_pool, "x"_a, "out"_a, "kernel"_a, "stride"_a, "padding"_a,
          "count_include_pad"_a, "divisor_override"_a.none(), "The average of each window");
    m.def("avg_pool_backward", &avg_pool_backward, "g"_a, "out"_a, "kernel"_a, "stride"_a,
          "padding"_a, "count_include_pad"_a, "divisor_override"_a.none(),
          "The gradient of avg_pool");
    m.def("adaptive_avg_pool", &adaptive_avg_pool, "x"_a, "out"_a,
          "The average of each of as many windows as the output has places");
    m.def("adaptive_avg_pool_backward", &adaptive_avg_pool_backward, "g"_a, "out"_a,
          "The gradient of adaptive_avg_pool");
}

}  // namespace rushlight
