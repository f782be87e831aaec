// Element-wise operations over dense arrays: one opcode, one pass.
#include "kernels/pointwise.h"

#include "array.h"
#include "dense.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

const char *const unary_names[] = {
#define RUSHLIGHT_TEXT(name) #name,
    RUSHLIGHT_UNARY_OPS(RUSHLIGHT_TEXT)};
const char *const binary_names[] = {RUSHLIGHT_BINARY_OPS(RUSHLIGHT_TEXT)};
const char *const ternary_names[] = {RUSHLIGHT_TERNARY_OPS(RUSHLIGHT_TEXT)};

// Elements that are worth a thread, and worth letting go of the GIL for.
constexpr int64_t grain_of_moves = 32768;
constexpr int64_t grain_of_functions = 8192;

int64_t grain(Unary op) {
    switch (op) {
        case Unary::neg:
        case Unary::abs:
        case Unary::square:
        case Unary::reciprocal:
        case Unary::relu:
        case Unary::leaky_relu:
        case Unary::hardsigmoid:
        case Unary::hardswish:
        case Unary::clamp:
        case Unary::affine: return grain_of_moves;
        default: return grain_of_functions;
    }
}

int64_t grain(Binary op) {
    switch (op) {
        case Binary::elu_backward:
        case Binary::celu_backward:
        case Binary::silu_backward:
        case Binary::gelu_backward:
        case Binary::gelu_tanh_backward:
        case Binary::mish_backward:
        case Binary::softplus_backward:
        case Binary::logsigmoid_backward:
        case Binary::pow_backward: return grain_of_functions;
        default: return grain_of_moves;
    }
}

template <typename Op>
Op opcode(int64_t op, const char *what) {
    if (op < 0 || op >= int64_t(Op::count))
        fail(std::string(what) + ": unknown opcode " + std::to_string(op));
    return Op(op);
}

template <typename F>
void run(int64_t n, int64_t grain, const F &f) {
    if (n <= grain) {
        if (n > 0) f(0, n);
        return;
    }
    nb::gil_scoped_release nogil;
    parallel_for(n, grain, f);
}

// Calls f(loops, S()) with the loops for the dtype.
template <typename F>
void with_loops(DType dtype, const F &f) {
    const PointwiseKernels &kernels = pointwise_kernels();
    switch (dtype) {
        case DType::float32: return f(kernels.f32, float());
        case DType::float64: return f(kernels.f64, double());
        case DType::bfloat16: return f(kernels.bf16, bfloat16());
        default: return f(kernels.f16, float16());
    }
}

void expect_input(const Array &x, const char *what) {
    expect_floating(x, what);
    expect_dense(x, what);
}

void expect_peer(const Array &y, const Array &x, const char *what) {
    expect_dtype(y, x.dtype, what);
    expect_layout_of(y, x, what);
}

void expect_out(const Array &out, const Array &x, const char *what) {
    expect_peer(out, x, what);
    expect_writeable(out, what);
}

void unary(int64_t code, const Array &x, const Array &out, double alpha, double beta) {
    const Unary op = opcode<Unary>(code, "unary");
    expect_input(x, "unary: x");
    expect_out(out, x, "unary: out");
    expect_same_or_apart(out, x, "unary: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        using T = Wide<S>;
        const S *from = x.as<const S>();
        S *to = out.as<S>();
        run(x.size, grain(op), [=, &loops](int64_t begin, int64_t end) {
            loops.unary(op, from + begin, to + begin, end - begin, T(alpha), T(beta));
        });
    });
}

void binary(int64_t code, const Array &x, const Array &y, const Array &out, double alpha,
            double beta) {
    const Binary op = opcode<Binary>(code, "binary");
    expect_input(x, "binary: x");
    expect_peer(y, x, "binary: y");
    expect_out(out, x, "binary: out");
    expect_same_or_apart(out, x, "binary: out");
    expect_same_or_apart(out, y, "binary: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        using T = Wide<S>;
        const S *left = x.as<const S>(), *right = y.as<const S>();
        S *to = out.as<S>();
        run(x.size, grain(op), [=, &loops](int64_t begin, int64_t end) {
            loops.binary(op, left + begin, right + begin, to + begin, end - begin, T(alpha),
                         T(beta));
        });
    });
}

void expect_arithmetic(Binary op, const char *what) {
    if (op > Binary::minimum) {
        fail(std::string(what) + ": " + binary_names[int(op)] +
             " takes two arrays of one shape; use binary");
    }
}

void binary_scalar(int64_t code, const Array &x, double y, const Array &out, double alpha) {
    const Binary op = opcode<Binary>(code, "binary_scalar");
    expect_arithmetic(op, "binary_scalar");
    expect_input(x, "binary_scalar: x");
    expect_out(out, x, "binary_scalar: out");
    expect_same_or_apart(out, x, "binary_scalar: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        using T = Wide<S>;
        const S *from = x.as<const S>();
        S *to = out.as<S>();
        run(x.size, grain_of_moves, [=, &loops](int64_t begin, int64_t end) {
            loops.binary_scalar(op, from + begin, T(y), to + begin, end - begin, T(alpha));
        });
    });
}

void binary_channel(int64_t code, const Array &x, const Array &y, const Array &out, int64_t dim,
                    double alpha) {
    const Binary op = opcode<Binary>(code, "binary_channel");
    expect_arithmetic(op, "binary_channel");
    expect_input(x, "binary_channel: x");
    expect_out(out, x, "binary_channel: out");
    const Split split = split_at(x, dim, "binary_channel");
    expect_dtype(y, x.dtype, "binary_channel: y");
    expect_shape(y, {split.length}, "binary_channel: y");
    expect_contiguous(y, "binary_channel: y");
    expect_same_or_apart(out, x, "binary_channel: out");
    expect_apart(out, y, "binary_channel: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        using T = Wide<S>;
        const S *from = x.as<const S>(), *vector = y.as<const S>();
        S *to = out.as<S>();
        const int64_t each = split.length * split.inner;
        if (x.size == 0) return;
        if (split.rows > 1) {
            run(split.rows, (grain_of_moves + each - 1) / each,
                [=, &loops](int64_t begin, int64_t end) {
                    loops.binary_channel(op, from + begin * each, vector, to + begin * each,
                                         end - begin, split.length, split.inner, T(alpha));
                });
        } else {
            const int64_t inner = split.inner;
            run(split.length, (grain_of_moves + inner - 1) / inner,
                [=, &loops](int64_t begin, int64_t end) {
                    loops.binary_channel(op, from + begin * inner, vector + begin,
                                         to + begin * inner, 1, end - begin, inner, T(alpha));
                });
        }
    });
}

void ternary(int64_t code, const Array &x, const Array &y, const Array &z, const Array &out,
             double alpha) {
    const Ternary op = opcode<Ternary>(code, "ternary");
    expect_input(x, "ternary: x");
    expect_peer(y, x, "ternary: y");
    expect_peer(z, x, "ternary: z");
    expect_out(out, x, "ternary: out");
    for (const Array *input : {&x, &y, &z}) expect_same_or_apart(out, *input, "ternary: out");
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        using T = Wide<S>;
        const S *a = x.as<const S>(), *b = y.as<const S>(), *c = z.as<const S>();
        S *to = out.as<S>();
        run(x.size, grain_of_moves, [=, &loops](int64_t begin, int64_t end) {
            loops.ternary(op, a + begin, b + begin, c + begin, to + begin, end - begin, T(alpha));
        });
    });
}

void bernoulli_mask_apply(const Array &x, const Array &mask, double scale, const Array &out) {
    const char *const what = "bernoulli_mask_apply: out";
    expect_input(x, "bernoulli_mask_apply: x");
    expect_out(out, x, what);
    expect_layout_of(mask, x, "bernoulli_mask_apply: mask");
    expect_same_or_apart(out, x, what);
    const bool bytes = mask.dtype == DType::uint8 || mask.dtype == DType::boolean;
    if (bytes) {
        expect_apart(out, mask, what);
    } else {
        expect_dtype(mask, x.dtype, "bernoulli_mask_apply: mask");
        expect_same_or_apart(out, mask, what);
    }
    with_loops(x.dtype, [&](const auto &loops, auto zero) {
        using S = decltype(zero);
        using T = Wide<S>;
        const S *from = x.as<const S>(), *reals = mask.as<const S>();
        const uint8_t *flags = mask.as<const uint8_t>();
        S *to = out.as<S>();
        run(x.size, grain_of_moves, [=, &loops](int64_t begin, int64_t end) {
            if (bytes) {
                loops.mask_bytes(from + begin, flags + begin, to + begin, end - begin, T(scale));
            } else {
                loops.binary(Binary::mask_scale, from + begin, reals + begin, to + begin,
                             end - begin, T(scale), T(0));
            }
        });
    });
}

template <typename Names>
nb::dict opcodes(const Names &names) {
    nb::dict codes;
    int64_t code = 0;
    for (const char *name : names) codes[name] = code++;
    return codes;
}

}  // namespace

RUSHLIGHT_BIND(pointwise) {
    m.attr("UNARY") = opcodes(unary_names);
    m.attr("BINARY") = opcodes(binary_names);
    m.attr("TERNARY") = opcodes(ternary_names);
    m.def("unary", &unary, "opcode"_a, "x"_a, "out"_a, "alpha"_a = 0.0, "beta"_a = 0.0,
          "out = f(x)");
    m.def("binary", &binary, "opcode"_a, "x"_a, "y"_a, "out"_a, "alpha"_a = 1.0, "beta"_a = 0.0,
          "out = f(x, y)");
    m.def("binary_scalar", &binary_scalar, "opcode"_a, "x"_a, "y"_a, "out"_a, "alpha"_a = 1.0,
          "out = f(x, y) with a number as y");
    m.def("binary_channel", &binary_channel, "opcode"_a, "x"_a, "y"_a, "out"_a, "dim"_a,
          "alpha"_a = 1.0, "out = f(x, y) with one y for each index along a dimension");
    m.def("ternary", &ternary, "opcode"_a, "x"_a, "y"_a, "z"_a, "out"_a, "alpha"_a = 1.0,
          "out = f(x, y, z)");
    m.def("bernoulli_mask_apply", &bernoulli_mask_apply, "x"_a, "mask"_a, "scale"_a, "out"_a,
          "out = x * mask * scale, as dropout does both ways");
}

}  // namespace rushlight
