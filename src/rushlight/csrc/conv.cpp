// Convolution, forward and both gradients. A transposed convolution is the same three with the
// roles changed.
#include <algorithm>
#include <climits>

#include "array.h"
#include "conv_patches.h"
#include "ints.h"
#include "onednn.h"
#include "registry.h"
#include "strided.h"

namespace nb = nanobind;
using namespace nb::literals;
using dnnl::memory;

namespace rushlight {
namespace {

enum Operation : int64_t { op_conv_forward = 1, op_conv_data = 2, op_conv_weights = 3 };

// One convolution's geometry, checked: x (N, C, *in), w (O, C / groups, *kernel), out (N, O, *out).
struct Geometry {
    int spatial;
    int64_t groups;
    memory::dims stride, dilation, left, right;
    int64_t used[3];  // how many elements of each spatial dimension of x some window can reach

    Geometry(const char *fn, const Array &x, const Array &w, const Array &out, const Ints &stride,
             const Ints &padding, const Ints &dilation, int64_t groups);
    bool crops(const Array &x) const {
        for (int i = 0; i < spatial; ++i) {
            if (used[i] != x.shape[2 + i]) return true;
        }
        return false;
    }
};

[[noreturn]] void refuse(const char *fn, const std::string &message) {
    fail(std::string(fn) + ": " + message);
}

Geometry::Geometry(const char *fn, const Array &x, const Array &w, const Array &out,
                   const Ints &stride_, const Ints &padding, const Ints &dilation_, int64_t groups_)
    : spatial(x.ndim - 2), groups(groups_) {
    if (x.ndim < 3 || x.ndim > 5) {
        refuse(fn, "x must have shape (N, C, *spatial) with 1 to 3 spatial dimensions, got " +
                       describe_shape(x.shape, x.ndim));
    }
    if (w.ndim != x.ndim || out.ndim != x.ndim) {
        refuse(fn, "x, w and out must have equally many dimensions, got " +
                       describe_shape(x.shape, x.ndim) + ", " + describe_shape(w.shape, w.ndim) +
                       " and " + describe_shape(out.shape, out.ndim));
    }
    if (stride_.size != spatial || padding.size != spatial || dilation_.size != spatial) {
        refuse(fn, "stride, padding and dilation must each have " + std::to_string(spatial) +
                       " entries, got " + std::to_string(stride_.size) + ", " +
                       std::to_string(padding.size) + " and " + std::to_string(dilation_.size));
    }
    for (const Array *a : {&x, &w, &out}) {
        for (int i = 0; i < a->ndim; ++i) {
            if (a->shape[i] > INT_MAX) refuse(fn, "a dimension is longer than 2**31 - 1");
        }
    }
    if (groups < 1 || x.shape[1] % groups != 0 || w.shape[0] % groups != 0) {
        refuse(fn, "groups must be at least 1 and divide the channels of x (" +
                       std::to_string(x.shape[1]) + ") and of out (" + std::to_string(w.shape[0]) +
                       "), got " + std::to_string(groups));
    }
    if (w.shape[1] != x.shape[1] / groups) {
        refuse(fn, "w has " + std::to_string(w.shape[1]) + " channels in each group, but x has " +
                       std::to_string(x.shape[1]) + " in " + std::to_string(groups) + " groups");
    }
    if (out.shape[0] != x.shape[0] || out.shape[1] != w.shape[0]) {
        refuse(fn, "out must have shape (" + std::to_string(x.shape[0]) + ", " +
                       std::to_string(w.shape[0]) + ", ...), got " +
                       describe_shape(out.shape, out.ndim));
    }
    for (int i = 0; i < spatial; ++i) {
        const int64_t in = x.shape[2 + i], k = w.shape[2 + i], n = out.shape[2 + i];
        const int64_t s = stride_[i], d = dilation_[i], p = padding[i];
        if (s < 1 || d < 1 || p < 0 || s > INT_MAX || d > INT_MAX || p > INT_MAX) {
            refuse(fn, "stride and dilation must be at least 1 and padding at least 0, got " +
                           std::to_string(s) + ", " + std::to_string(d) + " and " +
                           std::to_string(p));
        }
        if (k < 1)
            refuse(fn, "w must have kernel sizes of at least 1, got " +
                           describe_shape(w.shape, w.ndim));
        const int64_t extent = (k - 1) * d + 1;
        if (extent > INT_MAX || p + in > INT_MAX)
            refuse(fn, "the dilated kernel or the padded input is too large");
        // Where the last window ends, beyond x: the padding on the right. padding="same" has one
        // more there, a transposed convolution with output_padding less.
        const int64_t r = (n - 1) * s + extent - p - in;
        if (n > 0 && (r > p + 1 || r <= -std::max(s, d) || in + std::min<int64_t>(r, 0) < 1)) {
            refuse(fn, "out has " + std::to_string(n) + " elements in spatial dimension " +
                           std::to_string(i) + ", which does not fit " + std::to_string(in) +
                           " elements of x, kernel " + std::to_string(k) + ", stride " +
                           std::to_string(s) + ", padding " + std::to_string(p) + " and dilation " +
                           std::to_string(d));
        }
        // oneDNN takes an unused rest of x that is shorter than the stride.
        used[i] = n > 0 && r <= -s ? in + r : in;
        stride.push_back(s);
        dilation.push_back(d - 1);
        left.push_back(p);
        right.push_back(used[i] == in ? r : 0);
    }
}

void add_geometry(Key &key, const Geometry &geo, const Ints &stride, const Ints &padding,
                  const Ints &dilation) {
    key.add(geo.groups);
    for (int i = 0; i < geo.spatial; ++i) {
        key.add(stride[i]);
        key.add(padding[i]);
        key.add(dilation[i]);
    }
}

// x without what no window reaches.
Array cropped(const Array &x, const Geometry &geo) {
    Array part = x;
    for (int i = 0; i < geo.spatial; ++i) part.shape[2 + i] = geo.used[i];
    return part;
}

Operand weight_operand(const Array &w, int64_t groups) {
    if (groups == 1) return Operand(w);
    Array first = w;
    first.shape[0] = w.shape[0] / groups;
    Operand o = Operand(first);
    for (int i = o.ndim; i > 0; --i) {
        o.shape[i] = o.shape[i - 1];
        o.strides[i] = o.strides[i - 1];
    }
    o.ndim += 1;
    o.shape[0] = groups;
    o.strides[0] = w.strides[0] * first.shape[0];
    return o;
}

void check_bias(const OptionalArray &bias, const Array &w, DType dtype, const char *what) {
    if (!bias) return;
    expect_dtype(bias, dtype, what);
    expect_shape(bias, {w.shape[0]}, what);
}

int conv_threads(const Array &w, const Array &out) {
    return threads_for(w.shape[0] ? out.size * (w.size / w.shape[0]) : 0);
}

void fill_zero(const Array &a) {
    fill_zero_strided(a.itemsize, a.ndim, a.shape, a.data, a.strides);
}

void conv_forward(const Array &x, const Array &w, const OptionalArray &bias, const Array &out,
                  const Ints &stride, const Ints &padding, const Ints &dilation, int64_t groups) {
    expect_compute_dtype(x, "conv_forward: x");
    expect_dtype(w, x.dtype, "conv_forward: w");
    expect_dtype(out, x.dtype, "conv_forward: out");
    const Geometry geo("conv_forward", x, w, out, stride, padding, dilation, groups);
    check_bias(bias, w, x.dtype, "conv_forward: bias");
    expect_writeable(out, "conv_forward: out");
    if (out.size == 0) return;
    if (w.size == 0) refuse("conv_forward", "x must have at least one channel");

    nb::gil_scoped_release nogil;
    Key key(op_conv_forward);
    key.add(x);
    key.add(w);
    key.add(out);
    key.add(bias ? bias.strides[0] : INT64_MIN);
    add_geometry(key, geo, stride, padding, dilation);
    const auto plan = plan_for(key, conv_threads(w, out), [&](Plan &p) {
        const Operand source(cropped(x, geo)), weights = weight_operand(w, groups), result(out);
        const memory::desc source_desc = source.channels_last().desc(),
                           result_desc = result.channels_last().desc();
        using Primitive = dnnl::convolution_forward;
        const auto kind = dnnl::prop_kind::forward_training;
        const auto algorithm = dnnl::algorithm::convolution_direct;
        const auto pd =
            bias ? Primitive::primitive_desc(onednn_engine(), kind, algorithm, source_desc,
                                             weights.any(), Operand(bias).dense().desc(),
                                             result_desc, geo.stride, geo.dilation, geo.left,
                                             geo.right, user_scratchpad())
                 : Primitive::primitive_desc(onednn_engine(), kind, algorithm, source_desc,
                                             weights.any(), result_desc, geo.stride, geo.dilation,
                                             geo.left, geo.right, user_scratchpad());
        p.input(DNNL_ARG_SRC, source, pd.src_desc());
        p.input(DNNL_ARG_WEIGHTS, weights, pd.weights_desc());
        if (bias) p.input(DNNL_ARG_BIAS, Operand(bias), pd.bias_desc());
        p.output(DNNL_ARG_DST, result, pd.dst_desc());
        p.finish(Primitive(pd), pd.scratchpad_desc());
    });
    if (bias) {
        plan->execute({x.data, w.data, bias.data, out.data});
    } else {
        plan->execute({x.data, w.data, out.data});
    }
}

// oneDNN builds a gradient's primitive with the forward one as a hint.
dnnl::convolution_forward::primitive_desc forward_hint(const Geometry &geo, const memory::desc &x,
                                                       const memory::desc &w,
                                                       const memory::desc &out) {
    return dnnl::convolution_forward::primitive_desc(
        onednn_engine(), dnnl::prop_kind::forward_training, dnnl::algorithm::convolution_direct, x,
        w, out, geo.stride, geo.dilation, geo.left, geo.right, user_scratchpad());
}

void conv_backward_data(const Array &g, const Array &w, const Array &gx, const Ints &stride,
                        const Ints &padding, const Ints &dilation, int64_t groups) {
    expect_compute_dtype(g, "conv_backward_data: g");
    expect_dtype(w, g.dtype, "conv_backward_data: w");
    expect_dtype(gx, g.dtype, "conv_backward_data: gx");
    const Geometry geo("conv_backward_data", gx, w, g, stride, padding, dilation, groups);
    expect_writeable(gx, "conv_backward_data: gx");
    if (gx.size == 0) return;

    nb::gil_scoped_release nogil;
    if (g.size == 0 || geo.crops(gx)) fill_zero(gx);
    if (g.size == 0) return;
    Key key(op_conv_data);
    key.add(g);
    key.add(w);
    key.add(gx);
    add_geometry(key, geo, stride, padding, dilation);
    const auto plan = plan_for(key, conv_threads(w, g), [&](Plan &p) {
        const Operand incoming(g), weights = weight_operand(w, groups), result(cropped(gx, geo));
        const memory::desc g_desc = incoming.channels_last().desc(),
                           gx_desc = result.channels_last().desc();
        const auto pd = dnnl::convolution_backward_data::primitive_desc(
            onednn_engine(), dnnl::algorithm::convolution_direct, gx_desc, weights.any(), g_desc,
            geo.stride, geo.dilation, geo.left, geo.right,
            forward_hint(geo, gx_desc, weights.any(), g_desc), user_scratchpad());
        p.input(DNNL_ARG_DIFF_DST, incoming, pd.diff_dst_desc());
        p.input(DNNL_ARG_WEIGHTS, weights, pd.weights_desc());
        p.output(DNNL_ARG_DIFF_SRC, result, pd.diff_src_desc());
        p.finish(dnnl::convolution_backward_data(pd), pd.scratchpad_desc());
    });
    plan->execute({g.data, w.data, gx.data});
}

void conv_backward_weights(const Array &x, const Array &g, const Array &gw, const OptionalArray &gb,
                           const Ints &stride, const Ints &padding, const Ints &dilation,
                           int64_t groups) {
    expect_compute_dtype(x, "conv_backward_weights: x");
    expect_dtype(g, x.dtype, "conv_backward_weights: g");
    // Sums over a batch may stay in float32.
    expect_dtype(gw, gw.dtype == DType::float32 ? DType::float32 : x.dtype,
                 "conv_backward_weights: gw");
    const Geometry geo("conv_backward_weights", x, gw, g, stride, padding, dilation, groups);
    expect_writeable(gw, "conv_backward_weights: gw");
    check_bias(gb, gw, gw.dtype, "conv_backward_weights: gb");
    if (gb) expect_writeable(gb, "conv_backward_weights: gb");

    nb::gil_scoped_release nogil;
    if (g.size == 0 || x.size == 0) {
        fill_zero(gw);
        if (gb) fill_zero(gb);
        return;
    }
    if (!gb && groups == 1 && geo.spatial == 2 && dilation[0] == 1 && dilation[1] == 1) {
        const PatchGeometry patches{{stride[0], stride[1]}, {padding[0], padding[1]}};
        if (patches_suit(x, g, gw, patches)) return patch_weights(x, g, gw, patches);
    }
    Key key(op_conv_weights);
    key.add(x);
    key.add(g);
    key.add(gw);
    key.add(gb ? gb.strides[0] : INT64_MIN);
    add_geometry(key, geo, stride, padding, dilation);
    const auto plan = plan_for(key, conv_threads(gw, g), [&](Plan &p) {
        const Operand source(cropped(x, geo)), incoming(g), result = weight_operand(gw, groups);
        const memory::desc x_desc = source.channels_last().desc(),
                           g_desc = incoming.channels_last().desc();
        Operand weights = result;
        weights.type = source.type;
        const auto hint = forward_hint(geo, x_desc, weights.any(), g_desc);
        using Primitive = dnnl::convolution_backward_weights;
        const auto algorithm = dnnl::algorithm::convolution_direct;
        const auto pd =
            gb ? Primitive::primitive_desc(
                     onednn_engine(), algorithm, x_desc, result.any(), Operand(gb).dense().desc(),
                     g_desc, geo.stride, geo.dilation, geo.left, geo.right, hint, user_scratchpad())
               : Primitive::primitive_desc(onednn_engine(), algorithm, x_desc, result.any(), g_desc,
                                           geo.stride, geo.dilation, geo.left, geo.right, hint,
                                           user_scratchpad());
        p.input(DNNL_ARG_SRC, source, pd.src_desc());
        p.input(DNNL_ARG_DIFF_DST, incoming, pd.diff_dst_desc());
        p.output(DNNL_ARG_DIFF_WEIGHTS, result, pd.diff_weights_desc());
        if (gb) p.output(DNNL_ARG_DIFF_BIAS, Operand(gb), pd.diff_bias_desc());
        p.finish(Primitive(pd), pd.scratchpad_desc());
    });
    if (gb) {
        plan->execute({x.data, g.data, gw.data, gb.data});
    } else {
        plan->execute({x.data, g.data, gw.data});
    }
}

}  // namespace

RUSHLIGHT_BIND(conv) {
    m.def("conv_forward", &conv_forward, "x"_a, "w"_a, nb::arg("bias").none(), "out"_a, "stride"_a,
          "padding"_a, "dilation"_a, "groups"_a,
          "out = conv(x, w) + bias. x (N, C, *in), w (O, C / groups, *kernel), bias (O,) or None, "
          "out (N, O, *out); "
          "the padding on the right follows from out's shape.");
    m.def("conv_backward_data", &conv_backward_data, "g"_a, "w"_a, "gx"_a, "stride"_a, "padding"_a,
          "dilation"_a, "groups"_a, "gx = the gradient with respect to conv_forward's x.");
    m.def("conv_backward_weights", &conv_backward_weights, "x"_a, "g"_a, "gw"_a,
          nb::arg("gb").none(), "stride"_a, "padding"_a, "dilation"_a, "groups"_a,
          "gw, gb = the gradients with respect to conv_forward's w and bias.");
}

}  // namespace rushlight
