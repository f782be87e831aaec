// Matrix products, alone and for a linear layer's gradients.
#include <algorithm>
#include <climits>

#include "array.h"
#include "kernels/dot_gemm.h"
#include "matmul.h"
#include "onednn.h"
#include "registry.h"
#include "strided.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;
using dnnl::memory;

namespace rushlight {
namespace {

constexpr int64_t op_matmul = 4;

[[noreturn]] void refuse(const char *fn, const std::string &message) {
    fail(std::string(fn) + ": " + message);
}

// Stride of a dimension, where one of a single element (or none) may count as having any.
bool steps_by_one(const Array &a, int i) { return a.strides[i] == 1 || a.shape[i] <= 1; }

// (rows, columns) with one of the two contiguous and the other not overlapping it: oneDNN's kernels
// take it as it is.
bool is_plain_matrix(const Array &a) {
    const int r = a.ndim - 2, c = a.ndim - 1;
    return (steps_by_one(a, c) && (a.shape[r] <= 1 || a.strides[r] >= a.shape[c])) ||
           (steps_by_one(a, r) && (a.shape[c] <= 1 || a.strides[c] >= a.shape[r]));
}

bool is_row_major(const Array &a) {
    const int r = a.ndim - 2, c = a.ndim - 1;
    return steps_by_one(a, c) && (a.shape[r] <= 1 || a.strides[r] >= a.shape[c]);
}

Array transposed(const Array &a) {
    Array t = a;
    std::swap(t.shape[a.ndim - 2], t.shape[a.ndim - 1]);
    std::swap(t.strides[a.ndim - 2], t.strides[a.ndim - 1]);
    return t;
}

// A batch that is one matrix repeated, as a batch of one.
Array without_repetition(const Array &a) {
    Array once = a;
    if (a.ndim == 3 && a.strides[0] == 0) {
        once.shape[0] = 1;
        once.size = a.shape[1] * a.shape[2];
    }
    return once;
}

// (B, M, K) as (B * M, K) where the rows of all matrices are equally far apart.
bool fold_batch(Array &a) {
    if (a.shape[0] > 1 && a.shape[1] > 1 && a.strides[0] != a.shape[1] * a.strides[1]) return false;
    if (a.shape[1] == 1) a.strides[1] = a.strides[0];
    a.shape[1] *= a.shape[0];
    for (int i = 0; i < 2; ++i) {
        a.shape[i] = a.shape[i + 1];
        a.strides[i] = a.strides[i + 1];
    }
    a.ndim = 2;
    return true;
}

memory::desc inner_desc(const Array &a) {
    const Operand o(a);
    return (is_plain_matrix(a) && o.expressible() ? o.normalised() : o.dense()).desc();
}

// out = a @ b + bias through oneDNN; nothing empty.
void onednn_matmul(const Array &a, const Array &b, const Array *bias, const Array &out) {
    if (!bias && !is_row_major(out) && is_plain_matrix(out)) {
        return onednn_matmul(transposed(b), transposed(a), nullptr, transposed(out));
    }
    Key key(op_matmul);
    key.add(a);
    key.add(b);
    key.add(out);
    key.add(bias ? int64_t(bias->dtype) : -1);
    key.add(bias ? bias->strides[0] : 0);
    const int threads = threads_for(out.size * a.shape[a.ndim - 1]);
    const auto plan = plan_for(key, threads, [&](Plan &p) {
        const Operand left(a), right(b), result(out);
        const memory::desc left_desc = inner_desc(a), right_desc = inner_desc(b);
        const memory::desc out_desc = is_row_major(out) ? inner_desc(out) : result.dense().desc();
        using Primitive = dnnl::matmul;
        if (bias) {
            Array row = *bias;
            row.ndim = out.ndim;
            for (int i = 0; i + 1 < out.ndim; ++i) {
                row.shape[i] = 1;
                row.strides[i] = bias->shape[0];
            }
            row.shape[out.ndim - 1] = bias->shape[0];
            row.strides[out.ndim - 1] = bias->strides[0];
            const Operand shift(row);
            const Primitive::primitive_desc pd(onednn_engine(), left_desc, right_desc,
                                               shift.dense().desc(), out_desc, user_scratchpad());
            p.input(DNNL_ARG_SRC, left, pd.src_desc());
            p.input(DNNL_ARG_WEIGHTS, right, pd.weights_desc());
            p.input(DNNL_ARG_BIAS, shift, pd.bias_desc());
            p.output(DNNL_ARG_DST, result, pd.dst_desc());
            p.finish(Primitive(pd), pd.scratchpad_desc());
        } else {
            const Primitive::primitive_desc pd(onednn_engine(), left_desc, right_desc, out_desc,
                                               user_scratchpad());
            p.input(DNNL_ARG_SRC, left, pd.src_desc());
            p.input(DNNL_ARG_WEIGHTS, right, pd.weights_desc());
            p.output(DNNL_ARG_DST, result, pd.dst_desc());
            p.finish(Primitive(pd), pd.scratchpad_desc());
        }
    });
    if (bias) {
        plan->execute({a.data, b.data, bias->data, out.data});
    } else {
        plan->execute({a.data, b.data, out.data});
    }
}

// Our own kernels, where they are the faster ones: dot products of rows for few rows or columns,
// and one row times a matrix.
bool small_matmul(const Array &a, const Array &b, const Array *bias, const Array &out) {
    if (a.ndim != 2 || a.dtype != DType::float32 || out.dtype != DType::float32) return false;
    const int64_t rows = a.shape[0], depth = a.shape[1], columns = b.shape[1];
    const float *shift = bias ? bias->as<float>() : nullptr;
    const int64_t shift_stride = bias ? bias->strides[0] : 0;
    const int64_t work = 500000;  // multiply-adds worth another thread
    if (steps_by_one(a, 1) && steps_by_one(b, 0) && (columns <= 16 || rows <= 4)) {
        const auto &kernels = dot_gemm_kernels();
        if (rows >= columns) {
            parallel_for(rows, work / (depth * columns) + 1, [&](int64_t begin, int64_t end) {
                kernels.nt(end - begin, columns, depth, a.as<float>() + begin * a.strides[0],
                           a.strides[0], b.as<float>(), b.strides[1], shift, shift_stride,
                           out.as<float>() + begin * out.strides[0], out.strides[0],
                           out.strides[1]);
            });
        } else {
            parallel_for(columns, work / (depth * rows) + 1, [&](int64_t begin, int64_t end) {
                kernels.nt(rows, end - begin, depth, a.as<float>(), a.strides[0],
                           b.as<float>() + begin * b.strides[1], b.strides[1],
                           shift ? shift + begin * shift_stride : nullptr, shift_stride,
                           out.as<float>() + begin * out.strides[1], out.strides[0],
                           out.strides[1]);
            });
        }
        return true;
    }
    if (rows == 1 && steps_by_one(b, 1) && steps_by_one(out, 1)) {
        const auto &kernels = dot_gemm_kernels();
        parallel_for(columns, work / depth + 1, [&](int64_t begin, int64_t end) {
            kernels.row(end - begin, depth, a.as<float>(), a.strides[1], b.as<float>() + begin,
                        b.strides[0], shift ? shift + begin * shift_stride : nullptr, shift_stride,
                        out.as<float>() + begin);
        });
        return true;
    }
    if (rows <= 12 && columns >= 16 && steps_by_one(b, 1) && steps_by_one(out, 1)) {
        const auto &kernels = dot_gemm_kernels();
        parallel_for(columns, work / (depth * rows) + 64, [&](int64_t begin, int64_t end) {
            kernels.few_rows(rows, end - begin, depth, a.as<float>(), a.strides[0], a.strides[1],
                             b.as<float>() + begin, b.strides[0],
                             shift ? shift + begin * shift_stride : nullptr, shift_stride,
                             out.as<float>() + begin, out.strides[0]);
        });
        return true;
    }
    if (columns == 1 && !bias && steps_by_one(a, 0) && steps_by_one(out, 0)) {
        return small_matmul(transposed(b), transposed(a), nullptr, transposed(out));
    }
    return false;
}

}  // namespace

void run_matmul(const Array &a, const Array &b, const Array *bias, const Array &out) {
    if (out.size == 0) return;
    if (a.size == 0) {
        fill_zero_strided(out.itemsize, out.ndim, out.shape, out.data, out.strides);
        if (!bias) return;
        Array row = out;
        for (int i = 0; i < out.ndim; ++i)
            row.strides[i] = i == out.ndim - 1 ? bias->strides[0] : 0;
        if (bias->dtype != out.dtype)
            refuse("matmul", "bias must have the dtype of out where a has no columns");
        copy_strided(out.itemsize, out.ndim, out.shape, bias->data, row.strides, out.data,
                     out.strides);
        return;
    }
    if (out.ndim == 3) {
        Array left = a, right = without_repetition(b), result = out;
        if (right.shape[0] == 1 && fold_batch(left) && fold_batch(result)) {
            right.ndim = 2;
            for (int i = 0; i < 2; ++i) {
                right.shape[i] = b.shape[i + 1];
                right.strides[i] = b.strides[i + 1];
            }
            return run_matmul(left, right, bias, result);
        }
        // oneDNN repeats one of the two, not both.
        return onednn_matmul(right.shape[0] == 1 ? a : without_repetition(a), right, bias, out);
    }
    if (!small_matmul(a, b, bias, out)) onednn_matmul(a, b, bias, out);
}

namespace {

void check_result(const Array &out, const Array &a, const char *what) {
    if (out.dtype == DType::float32 && a.dtype == DType::bfloat16)
        return expect_dtype(out, DType::float32, what);
    expect_dtype(out, a.dtype, what);
}

void check_lengths(const char *fn, const Array &a) {
    for (int i = 0; i < a.ndim; ++i) {
        if (a.shape[i] > INT_MAX) refuse(fn, "a dimension is longer than 2**31 - 1");
    }
}

void matmul(const Array &a, const Array &b, const OptionalArray &bias, const Array &out) {
    expect_compute_dtype(a, "matmul: a");
    expect_dtype(b, a.dtype, "matmul: b");
    check_result(out, a, "matmul: out");
    expect_ndim(a, 2, 3, "matmul: a");
    const int n = a.ndim;
    expect_ndim(b, n, n, "matmul: b");
    check_lengths("matmul", a);
    check_lengths("matmul", b);
    if (b.shape[n - 2] != a.shape[n - 1] || (n == 3 && b.shape[0] != a.shape[0])) {
        refuse("matmul", "a " + describe_shape(a.shape, n) + " and b " +
                             describe_shape(b.shape, n) +
                             " do not fit: the columns of a must be the rows of b" +
                             (n == 3 ? ", and the batches equal" : ""));
    }
    if (n == 3) {
        expect_shape(out, {a.shape[0], a.shape[1], b.shape[2]}, "matmul: out");
    } else {
        expect_shape(out, {a.shape[0], b.shape[1]}, "matmul: out");
    }
    expect_writeable(out, "matmul: out");
    if (bias) {
        if (bias.dtype != DType::float32) expect_dtype(bias, a.dtype, "matmul: bias");
        expect_dtype(bias, bias.dtype, "matmul: bias");
        expect_shape(bias, {b.shape[n - 1]}, "matmul: bias");
    }
    nb::gil_scoped_release nogil;
    run_matmul(a, b, bias ? &bias : nullptr, out);
}

void bias_gradient(const Array &g, const Array &gb) {
    if (steps_by_one(g, 1)) {
        const auto &kernels = dot_gemm_kernels();
        const int64_t grain = std::max<int64_t>(16, 500000 / std::max<int64_t>(g.shape[0], 1));
        parallel_for(g.shape[1], grain, [&](int64_t begin, int64_t end) {
            kernels.column_sums(g.shape[0], end - begin, g.as<float>() + begin, g.strides[0],
                                gb.as<float>() + begin * gb.strides[0], gb.strides[0]);
        });
        return;
    }
    parallel_for(g.shape[1], std::max<int64_t>(1, 500000 / std::max<int64_t>(g.shape[0], 1)),
                 [&](int64_t begin, int64_t end) {
                     for (int64_t n = begin; n < end; ++n) {
                         double total = 0;
                         for (int64_t m = 0; m < g.shape[0]; ++m) {
                             total += double(g.as<float>()[m * g.strides[0] + n * g.strides[1]]);
                         }
                         gb.as<float>()[n * gb.strides[0]] = float(total);
                     }
                 });
}

void linear_backward(const Array &g, const Array &x, const Array &w, const OptionalArray &gx,
                     const OptionalArray &gw, const OptionalArray &gb) {
    expect_dtype(g, DType::float32, "linear_backward: g");
    expect_dtype(x, DType::float32, "linear_backward: x");
    expect_dtype(w, DType::float32, "linear_backward: w");
    for (const Array *a : {&g, &x, &w}) {
        expect_ndim(*a, 2, 2, "linear_backward: g, x and w");
        check_lengths("linear_backward", *a);
    }
    expect_shape(g, {x.shape[0], w.shape[0]}, "linear_backward: g");
    expect_shape(x, {g.shape[0], w.shape[1]}, "linear_backward: x");
    if (gx) {
        expect_dtype(gx, DType::float32, "linear_backward: gx");
        expect_same_shape(gx, x, "linear_backward: gx");
        expect_writeable(gx, "linear_backward: gx");
    }
    if (gw) {
        expect_dtype(gw, DType::float32, "linear_backward: gw");
        expect_same_shape(gw, w, "linear_backward: gw");
        expect_writeable(gw, "linear_backward: gw");
    }
    if (gb) {
        expect_dtype(gb, DType::float32, "linear_backward: gb");
        expect_shape(gb, {w.shape[0]}, "linear_backward: gb");
        expect_writeable(gb, "linear_backward: gb");
    }
    nb::gil_scoped_release nogil;
    if (gx) run_matmul(g, w, nullptr, gx);
    if (gw) run_matmul(transposed(g), x, nullptr, gw);
    if (gb) bias_gradient(g, gb);
}

}  // namespace

RUSHLIGHT_BIND(matmul) {
    m.def("matmul", &matmul, "a"_a, "b"_a, nb::arg("bias").none(), "out"_a,
          "out = a @ b + bias. a (M, K), b (K, N), bias (N,) or None, out (M, N); or all but bias "
          "with a batch in front. "
          "Any strides.");
    m.def("linear_backward", &linear_backward, "g"_a, "x"_a, "w"_a, nb::arg("gx").none(),
          nb::arg("gw").none(), nb::arg("gb").none(),
          "The gradients of x @ w.T + bias that are asked for: gx = g @ w, gw = g.T @ x, gb = sum "
          "of g over rows.");
}

}  // namespace rushlight
