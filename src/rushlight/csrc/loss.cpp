// Cross entropy and negative log-likelihood with integer labels, both ways.
#include "kernels/loss.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <nanobind/stl/pair.h>

#include "array.h"
#include "dense.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 8192;  // elements worth a thread

// Logits (C), (N, C) or (N, C, d1, ...), with the classes of an item side by side or apart.
struct Layout {
    int64_t items, classes, inner;
};

Layout layout_of(const Array &x, const Array &labels, const char *what, const char *labels_what) {
    if (x.ndim == 0) fail(std::string(what) + " must have a dimension of classes, got shape ()");
    const int dim = x.ndim == 1 ? 0 : 1;
    int64_t expected[max_ndim];
    int ndim = 0;
    for (int i = 0; i < x.ndim; ++i) {
        if (i != dim) expected[ndim++] = x.shape[i];
    }
    expect_dtype(labels, DType::int64, labels_what);
    expect_shape(labels, expected, ndim, labels_what);
    expect_contiguous(labels, labels_what);
    if (x.shape[dim] == 0)
        fail(std::string(what) + " has no classes: shape " + describe_shape(x.shape, x.ndim));
    // Items are counted in the order of the labels, which leaves two places for the classes.
    if (x.ndim > 1 && is_contiguous(x)) {
        const Split split = split_at(x, dim, what);
        return {labels.size, split.length, split.length == 1 ? 1 : split.inner};
    }
    if (x.ndim == 2 && x.strides[0] == 1 && x.strides[1] == x.shape[0])
        return {labels.size, x.shape[1], x.shape[0]};
    if (!is_channels_last(x)) {
        fail(
            std::string(what) +
            " must be contiguous, or have its classes innermost in memory; pass a contiguous copy");
    }
    return {labels.size, x.shape[dim], 1};
}

void expect_weight(const OptionalArray &weight, const Array &x, int64_t classes, const char *what) {
    if (!weight) return;
    expect_dtype(weight, x.dtype, what);
    expect_shape(weight, {classes}, what);
    expect_contiguous(weight, what);
}

void expect_like_labels(const OptionalArray &a, const Array &x, const Array &labels,
                        const char *what) {
    if (!a) return;
    expect_dtype(a, x.dtype, what);
    expect_same_shape(a, labels, what);
    expect_contiguous(a, what);
}

void expect_smoothing(double smoothing, const char *what) {
    if (!(smoothing >= 0.0 && smoothing <= 1.0)) {
        fail(std::string(what) + ": label_smoothing must lie between 0 and 1, got " +
             std::to_string(smoothing));
    }
}

[[noreturn]] void fail_label(const char *what, const Array &labels, int64_t item, int64_t classes,
                             int64_t ignore) {
    std::string where;
    if (labels.ndim == 1) {
        where = std::to_string(item);
    } else {
        int64_t index[max_ndim], rest = item;
        for (int i = labels.ndim - 1; i >= 0; --i) {
            index[i] = rest % labels.shape[i];
            rest /= labels.shape[i];
        }
        where = describe_shape(index, labels.ndim);
    }
    throw std::out_of_range(std::string(what) + ": target " +
                            std::to_string(labels.as<const int64_t>()[item]) + " at position " +
                            where + " is out of bounds for " + std::to_string(classes) +
                            " classes; targets must lie in 0 to " + std::to_string(classes - 1) +
                            ", or be ignore_index (" + std::to_string(ignore) + ")");
}

// Items are handled in chunks whose size depends on the shape alone, so that the sums do not depend
// on the number of threads.
int64_t chunk_of(int64_t classes) {
    return std::max<int64_t>(16, std::min<int64_t>(1024, grain / classes) / 64 * 64);
}

// Calls f(chunk, begin, end) for each chunk of items.
template <typename F>
void over_chunks(int64_t items, int64_t classes, const F &f) {
    const int64_t each = chunk_of(classes), chunks = (items + each - 1) / each;
    const auto run = [&](int64_t begin, int64_t end) {
        for (int64_t c = begin; c < end; ++c) f(c, c * each, std::min(items, (c + 1) * each));
    };
    if (items * classes <= grain) {
        run(0, chunks);
        return;
    }
    nb::gil_scoped_release nogil;
    parallel_for(chunks, std::max<int64_t>(1, grain / (each * classes)), run);
}

template <typename F>
auto with_loops(DType dtype, const F &f) {
    const LossKernels &kernels = loss_kernels();
    return dtype == DType::float32 ? f(kernels.f32, float()) : f(kernels.f64, double());
}

template <typename T>
T weight_total(const OptionalArray &weight, int64_t classes) {
    if (!weight) return T(classes);
    double total = 0;
    for (int64_t j = 0; j < classes; ++j) total += double(weight.as<const T>()[j]);
    return T(total);
}

// The sum of all losses, and of the weights of their labels.
template <typename T, typename Loop>
std::pair<double, double> forward(const char *what, const LossTask<T> &task, const Array &labels,
                                  Loop loop) {
    const int64_t items = labels.size, each = chunk_of(task.n);
    std::vector<LossSums> sums(size_t((items + each - 1) / each));
    over_chunks(items, task.n, [&](int64_t c, int64_t begin, int64_t end) {
        sums[size_t(c)] = loop(task, begin, end);
    });
    std::pair<double, double> total{0.0, 0.0};
    for (const LossSums &s : sums) {
        if (s.bad >= 0) fail_label(what, labels, s.bad, task.n, task.ignore);
        total.first += s.loss;
        total.second += s.weight;
    }
    return total;
}

template <typename T, typename Loop>
void backward(const char *what, const LossGradTask<T> &task, const Array &labels, Loop loop) {
    const int64_t items = labels.size, each = chunk_of(task.n);
    std::vector<int64_t> bad(size_t((items + each - 1) / each));
    over_chunks(items, task.n, [&](int64_t c, int64_t begin, int64_t end) {
        bad[size_t(c)] = loop(task, begin, end);
    });
    for (const int64_t item : bad) {
        if (item >= 0) fail_label(what, labels, item, task.n, task.ignore);
    }
}

void expect_losses_out(const OptionalArray &losses, const Array &x, const OptionalArray &weight,
                       const Array &labels, const char *what) {
    expect_like_labels(losses, x, labels, what);
    if (!losses) return;
    expect_writeable(losses, what);
    expect_apart(losses, x, what);
    expect_apart(losses, labels, what);
    if (weight) expect_apart(losses, weight, what);
}

std::pair<double, double> cross_entropy(const Array &logits, const Array &labels,
                                        const OptionalArray &weight, int64_t ignore_index,
                                        double label_smoothing, const OptionalArray &probs,
                                        const OptionalArray &losses) {
    const char *const what = "cross_entropy";
    expect_real(logits, "cross_entropy: logits");
    const Layout layout =
        layout_of(logits, labels, "cross_entropy: logits", "cross_entropy: labels");
    expect_weight(weight, logits, layout.classes, "cross_entropy: weight");
    expect_smoothing(label_smoothing, what);
    expect_losses_out(losses, logits, weight, labels, "cross_entropy: losses");
    if (probs) {
        const char *const probs_what = "cross_entropy: probs";
        expect_dtype(probs, logits.dtype, probs_what);
        expect_layout_of(probs, logits, probs_what);
        expect_writeable(probs, probs_what);
        expect_apart(probs, logits, probs_what);
        expect_apart(probs, labels, probs_what);
        if (weight) expect_apart(probs, weight, probs_what);
        if (losses) expect_apart(probs, losses, probs_what);
    }
    return with_loops(logits.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        const LossTask<T> task{logits.as<const T>(),
                               probs ? probs.as<T>() : nullptr,
                               labels.as<const int64_t>(),
                               weight ? weight.as<const T>() : nullptr,
                               losses ? losses.as<T>() : nullptr,
                               layout.classes,
                               layout.inner,
                               ignore_index,
                               T(label_smoothing),
                               weight_total<T>(weight, layout.classes)};
        return forward(what, task, labels, loops.cross_entropy);
    });
}

std::pair<double, double> nll_loss(const Array &log_probs, const Array &labels,
                                   const OptionalArray &weight, int64_t ignore_index,
                                   const OptionalArray &losses) {
    expect_real(log_probs, "nll_loss: log_probs");
    const Layout layout = layout_of(log_probs, labels, "nll_loss: log_probs", "nll_loss: labels");
    expect_weight(weight, log_probs, layout.classes, "nll_loss: weight");
    expect_losses_out(losses, log_probs, weight, labels, "nll_loss: losses");
    return with_loops(log_probs.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        const LossTask<T> task{log_probs.as<const T>(),
                               nullptr,
                               labels.as<const int64_t>(),
                               weight ? weight.as<const T>() : nullptr,
                               losses ? losses.as<T>() : nullptr,
                               layout.classes,
                               layout.inner,
                               ignore_index,
                               T(0),
                               T(0)};
        return forward("nll_loss", task, labels, loops.nll);
    });
}

void expect_gradient_out(const Array &out, const Array &labels, const OptionalArray &weight,
                         const OptionalArray &g, const char *what) {
    expect_writeable(out, what);
    expect_apart(out, labels, what);
    if (weight) expect_apart(out, weight, what);
    if (g) expect_apart(out, g, what);
}

void cross_entropy_backward(const Array &probs, const Array &labels, const OptionalArray &weight,
                            int64_t ignore_index, double label_smoothing, double scale,
                            const OptionalArray &g, const Array &out) {
    const char *const what = "cross_entropy_backward", *const out_what =
                                                           "cross_entropy_backward: out";
    expect_real(probs, "cross_entropy_backward: probs");
    const Layout layout =
        layout_of(probs, labels, "cross_entropy_backward: probs", "cross_entropy_backward: labels");
    expect_weight(weight, probs, layout.classes, "cross_entropy_backward: weight");
    expect_smoothing(label_smoothing, what);
    expect_like_labels(g, probs, labels, "cross_entropy_backward: g");
    expect_dtype(out, probs.dtype, out_what);
    expect_layout_of(out, probs, out_what);
    expect_same_or_apart(out, probs, out_what);
    expect_gradient_out(out, labels, weight, g, out_what);
    with_loops(probs.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        const LossGradTask<T> task{probs.as<const T>(),
                                   labels.as<const int64_t>(),
                                   weight ? weight.as<const T>() : nullptr,
                                   g ? g.as<const T>() : nullptr,
                                   out.as<T>(),
                                   layout.classes,
                                   layout.inner,
                                   ignore_index,
                                   T(label_smoothing),
                                   weight_total<T>(weight, layout.classes),
                                   T(scale)};
        backward(what, task, labels, loops.cross_entropy_backward);
    });
}

void nll_loss_backward(const Array &labels, const OptionalArray &weight, int64_t ignore_index,
                       double scale, const OptionalArray &g, const Array &out) {
    const char *const what = "nll_loss_backward", *const out_what = "nll_loss_backward: out";
    expect_real(out, out_what);
    const Layout layout = layout_of(out, labels, out_what, "nll_loss_backward: labels");
    expect_weight(weight, out, layout.classes, "nll_loss_backward: weight");
    expect_like_labels(g, out, labels, "nll_loss_backward: g");
    expect_gradient_out(out, labels, weight, g, out_what);
    with_loops(out.dtype, [&](const auto &loops, auto zero) {
        using T = decltype(zero);
        over_chunks(out.size, 1, [&](int64_t, int64_t begin, int64_t end) {
            std::fill(out.as<T>() + begin, out.as<T>() + end, T(0));
        });
        const LossGradTask<T> task{nullptr,
                                   labels.as<const int64_t>(),
                                   weight ? weight.as<const T>() : nullptr,
                                   g ? g.as<const T>() : nullptr,
                                   out.as<T>(),
                                   layout.classes,
                                   layout.inner,
                                   ignore_index,
                                   T(0),
                                   T(0),
                                   T(scale)};
        backward(what, task, labels, loops.nll_backward);
    });
}

}  // namespace

RUSHLIGHT_BIND(loss) {
    m.def("cross_entropy", &cross_entropy, "logits"_a, "labels"_a, "weight"_a.none(),
          "ignore_index"_a, "label_smoothing"_a, "probs"_a.none(), "losses"_a.none(),
          "Writes softmax(logits) and the loss of each item; returns the sums of losses and of "
          "label weights");
    m.def("cross_entropy_backward", &cross_entropy_backward, "probs"_a, "labels"_a,
          "weight"_a.none(), "ignore_index"_a, "label_smoothing"_a, "scale"_a, "g"_a.none(),
          "out"_a, "The gradient of the logits, where item i's loss has the gradient scale * g[i]");
    m.def("nll_loss", &nll_loss, "log_probs"_a, "labels"_a, "weight"_a.none(), "ignore_index"_a,
          "losses"_a.none(),
          "Writes the loss of each item; returns the sums of losses and of label weights");
    m.def("nll_loss_backward", &nll_loss_backward, "labels"_a, "weight"_a.none(), "ignore_index"_a,
          "scale"_a, "g"_a.none(), "out"_a,
          "The gradient of log_probs, where item i's loss has the gradient scale * g[i]");
}

}  // namespace rushlight
