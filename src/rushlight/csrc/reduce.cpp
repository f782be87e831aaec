// Reductions over any dimensions of a dense array, in the order of its memory.
#include "kernels/reduce.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <nanobind/stl/vector.h>

#include "array.h"
#include "dense.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

const char *const reduction_names[] = {
#define RUSHLIGHT_TEXT(name) #name,
    RUSHLIGHT_REDUCTIONS(RUSHLIGHT_TEXT)};

constexpr int64_t grain = 32768;  // elements worth a thread, and of a piece of a long reduction
constexpr int64_t most_results =
    2048;  // of a unit of work: what its results take fits in a small buffer

// Neighbouring dimensions of x, as far as one stride leads through them.
struct Group {
    int64_t size, stride, out_stride;
    bool reduced;
};

// x seen as outer groups around a block of two: lines to be reduced, or rows whose columns are.
struct Plan {
    std::vector<Group> outer_kept, outer_reduced;
    Group a{1, 0, 0, false}, b{1, 0, 0, false};
    int64_t kept = 1, reduced = 1;  // combinations of the outer groups

    bool lines() const { return b.reduced; }
    int64_t results() const { return lines() ? a.size : b.size; }  // of one block
    int64_t result_stride() const { return lines() ? a.out_stride : b.out_stride; }
    int64_t length() const { return lines() ? b.size : a.size; }  // of the block's reduction
};

int64_t offset_at(const std::vector<Group> &groups, int64_t index, int64_t Group::*stride) {
    int64_t offset = 0;
    for (size_t i = groups.size(); i-- > 0;) {
        offset += index % groups[i].size * (groups[i].*stride);
        index /= groups[i].size;
    }
    return offset;
}

// The dimensions of x in the order of memory, the outermost first, joined where one stride leads
// through both.
std::vector<Group> groups_of(const Array &x, const bool (&reduced)[max_ndim],
                             const int64_t (&out_strides)[max_ndim]) {
    int order[max_ndim], n = 0;
    for (int i = 0; i < x.ndim; ++i) {
        if (x.shape[i] != 1) order[n++] = i;
    }
    std::sort(order, order + n, [&](int i, int j) { return x.strides[i] > x.strides[j]; });
    std::vector<Group> groups;
    for (int k = 0; k < n; ++k) {
        const int i = order[k];
        const Group next{x.shape[i], x.strides[i], reduced[i] ? 0 : out_strides[i], reduced[i]};
        const bool joined =
            !groups.empty() && groups.back().reduced == next.reduced &&
            (next.reduced || groups.back().out_stride == next.size * next.out_stride);
        if (joined) {
            groups.back() = {groups.back().size * next.size, next.stride, next.out_stride,
                             next.reduced};
        } else {
            groups.push_back(next);
        }
    }
    return groups;
}

Plan plan_of(std::vector<Group> groups) {
    Plan plan;
    if (!groups.empty()) {
        plan.b = groups.back();
        groups.pop_back();
    }
    if (!groups.empty() && groups.back().reduced != plan.b.reduced) {
        plan.a = groups.back();
        groups.pop_back();
    } else {
        plan.a.reduced = !plan.b.reduced;
    }
    for (const Group &group : groups) {
        (group.reduced ? plan.outer_reduced : plan.outer_kept).push_back(group);
        (group.reduced ? plan.reduced : plan.kept) *= group.size;
    }
    return plan;
}

template <typename S>
struct Reducer {
    Reduction op;
    const ReduceLoops<S> &loops;
    const Plan &plan;
    const S *x;
    S *out;
    double start, count;
    int64_t each;    // results of a unit
    int64_t splits;  // units to a block
    int64_t pieces;  // into which each unit's reduction is cut
    int64_t steps;   // of the whole reduction: elements of lines, or rows

    // Piece `piece` of unit `unit`, into results[0, count of its results).
    void piece(int64_t unit, int64_t piece, double *results) const {
        const int64_t first = unit % splits * each, n = std::min(each, plan.results() - first);
        const S *from = x + offset_at(plan.outer_kept, unit / splits, &Group::stride) +
                        first * (plan.lines() ? plan.a.stride : plan.b.stride);
        std::fill(results, results + n, start);
        const int64_t length = plan.length();
        int64_t at = steps / pieces * piece + std::min(piece, steps % pieces);
        const int64_t end = at + steps / pieces + (piece < steps % pieces ? 1 : 0);
        while (at < end) {
            const int64_t within = at % length, here = std::min(length - within, end - at);
            const S *block = from + offset_at(plan.outer_reduced, at / length, &Group::stride);
            if (plan.lines()) {
                loops.lines(op, block + within, n, plan.a.stride, here, results);
            } else {
                loops.columns(op, block + within * plan.a.stride, here, plan.a.stride, n, results);
            }
            at += here;
        }
    }

    void finish(int64_t unit, const double *results) const {
        const int64_t first = unit % splits * each, n = std::min(each, plan.results() - first);
        const int64_t stride = plan.result_stride();
        S *to =
            out + offset_at(plan.outer_kept, unit / splits, &Group::out_stride) + first * stride;
        for (int64_t i = 0; i < n; ++i)
            to[i * stride] =
                narrow<S>(Wide<S>(op == Reduction::mean ? results[i] / count : results[i]));
    }

    void join(double *results, const double *more, int64_t n) const {
        for (int64_t i = 0; i < n; ++i) {
            const double a = results[i], b = more[i];
            switch (op) {
                case Reduction::max: results[i] = b > a || b != b ? b : a; break;
                case Reduction::min: results[i] = b < a || b != b ? b : a; break;
                default: results[i] = a + b;
            }
        }
    }

    void run(int64_t size) {
        // Cut by the shape alone, so that the digits of a sum do not depend on the number of
        // threads.
        const int64_t widest =
            plan.lines() ? std::max<int64_t>(1, grain / std::max<int64_t>(1, plan.length())) : 1024;
        each = std::min({plan.results(), widest, most_results});
        splits = (plan.results() + each - 1) / each;
        steps = plan.reduced * plan.length();
        const int64_t units = plan.kept * splits;
        pieces = units >= 8
                     ? 1
                     : std::max<int64_t>(1, std::min({int64_t(64), size / units / grain, steps}));
        if (pieces == 1) {
            const auto body = [&](int64_t begin, int64_t end) {
                double results[most_results];
                for (int64_t unit = begin; unit < end; ++unit) {
                    piece(unit, 0, results);
                    finish(unit, results);
                }
            };
            if (size <= grain) {
                body(0, units);
                return;
            }
            nb::gil_scoped_release nogil;
            parallel_for(units, std::max<int64_t>(1, grain * units / size), body);
            return;
        }
        std::vector<double> results(size_t(units * pieces * each));
        {
            nb::gil_scoped_release nogil;
            parallel_for(units * pieces, 1, [&](int64_t begin, int64_t end) {
                for (int64_t i = begin; i < end; ++i)
                    piece(i / pieces, i % pieces, results.data() + i * each);
            });
        }
        for (int64_t unit = 0; unit < units; ++unit) {
            double *first = results.data() + unit * pieces * each;
            for (int64_t p = 1; p < pieces; ++p) join(first, first + p * each, each);
            finish(unit, first);
        }
    }
};

double start_of(Reduction op) {
    switch (op) {
        case Reduction::max: return -HUGE_VAL;
        case Reduction::min: return HUGE_VAL;
        default: return 0.0;
    }
}

void reduce(int64_t code, const Array &x, const std::vector<int64_t> &axes, const Array &out) {
    if (code < 0 || code >= int64_t(Reduction::count))
        fail("reduce: unknown opcode " + std::to_string(code));
    const Reduction op = Reduction(code);
    expect_real_or_bfloat16(x, "reduce: x");
    expect_dense(x, "reduce: x");
    expect_dtype(out, x.dtype, "reduce: out");
    bool reduced[max_ndim] = {};
    for (const int64_t axis : axes) {
        const int64_t i = axis < 0 ? axis + x.ndim : axis;
        if (i < 0 || i >= x.ndim) {
            throw std::out_of_range("reduce: axis " + std::to_string(axis) +
                                    " is out of range for an array of shape " +
                                    describe_shape(x.shape, x.ndim));
        }
        if (reduced[i]) fail("reduce: axis " + std::to_string(axis) + " is given twice");
        reduced[i] = true;
    }
    int64_t with_ones[max_ndim], without[max_ndim], out_strides[max_ndim] = {};
    int ndim = 0;
    int64_t count = 1;
    for (int i = 0; i < x.ndim; ++i) {
        with_ones[i] = reduced[i] ? 1 : x.shape[i];
        if (reduced[i]) {
            count *= x.shape[i];
        } else {
            without[ndim++] = x.shape[i];
        }
    }
    const bool keeps = out.ndim == x.ndim && ndim != x.ndim;
    expect_shape(out, keeps ? with_ones : without, keeps ? x.ndim : ndim, "reduce: out");
    for (int i = 0, j = 0; i < x.ndim; ++i) {
        if (!reduced[i] || keeps) {
            out_strides[i] = out.strides[j++];
        }
    }
    expect_writeable(out, "reduce: out");
    expect_dense(out, "reduce: out");
    expect_apart(out, x, "reduce: out");
    if (out.size == 0) return;
    if (count == 0 && (op == Reduction::max || op == Reduction::min)) {
        fail("reduce: an empty reduction has no " + std::string(reduction_names[code]) +
             "; x has shape " + describe_shape(x.shape, x.ndim));
    }
    const auto run = [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        if (count == 0) {
            const S value = narrow<S>(Wide<S>(op == Reduction::mean ? NAN : 0.0));
            std::fill(out.as<S>(), out.as<S>() + out.size, value);
            return;
        }
        const Plan plan = plan_of(groups_of(x, reduced, out_strides));
        Reducer<S> reducer{
            op, loops, plan, x.as<const S>(), out.as<S>(), start_of(op), double(count), 0, 0, 0, 0};
        reducer.run(x.size);
    };
    const ReduceKernels &kernels = reduce_kernels();
    switch (x.dtype) {
        case DType::float32: return run(kernels.f32, float());
        case DType::float64: return run(kernels.f64, double());
        default: return run(kernels.bf16, bfloat16());
    }
}

}  // namespace

RUSHLIGHT_BIND(reduce) {
    nb::dict codes;
    int64_t code = 0;
    for (const char *name : reduction_names) codes[name] = code++;
    m.attr("REDUCTIONS") = codes;
    m.def("reduce", &reduce, "opcode"_a, "x"_a, "axes"_a, "out"_a, "out = x reduced over axes");
}

}  // namespace rushlight
