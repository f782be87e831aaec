// Batch normalisation over (N, C, *) with channels-last memory, or (N, C): two passes each way.
//
// Other layouts are copied to channels-last scratch first. Every thread sums its rows in float for
// a while and then in double, relative to the first row: so neither a mean far from zero nor a long
// batch costs precision.
#include <cmath>
#include <memory>
#include <vector>

#include "allocator.h"
#include "array.h"
#include "kernels/batch_norm.h"
#include "registry.h"
#include "strided.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain_elements = 32768;

// An array seen as rows of channels, in its own memory or in scratch.
struct Rows {
    char *data = nullptr;
    int64_t count = 0, stride = 0;
    std::unique_ptr<Scratch> scratch;
    int64_t scratch_strides[max_ndim];

    explicit Rows(const Array &a) {
        const int64_t channels = a.shape[1];
        count = channels ? a.size / channels : 0;
        if ((a.strides[1] == 1 || channels == 1) && one_stride(a)) {
            data = a.data;
            return;
        }
        stride = channels;
        int64_t next = channels;
        scratch_strides[1] = 1;
        for (int i = a.ndim - 1; i >= 2; --i) {
            scratch_strides[i] = next;
            next *= a.shape[i];
        }
        scratch_strides[0] = next;
        scratch = std::make_unique<Scratch>(size_t(a.nbytes()));
        data = scratch->data();
    }

    void read(const Array &a) {
        if (scratch)
            copy_strided(a.itemsize, a.ndim, a.shape, a.data, a.strides, data, scratch_strides);
    }
    void write(const Array &a) const {
        if (scratch)
            copy_strided(a.itemsize, a.ndim, a.shape, data, scratch_strides, a.data, a.strides);
    }

private:
    // Whether all dimensions but the channels' are one, in C order.
    bool one_stride(const Array &a) {
        bool first = true;
        int64_t next = 0;
        for (int k = a.ndim - 1; k >= 1; --k) {
            const int i = k == 1 ? 0 : k;
            if (a.shape[i] == 1) continue;
            if (first) {
                stride = a.strides[i];
            } else if (a.strides[i] != next) {
                return false;
            }
            first = false;
            next = a.strides[i] * a.shape[i];
        }
        return true;
    }
};

// The threads' double sums of two quantities, and the per-channel floats that the loops read.
class Channels {
public:
    explicit Channels(int64_t channels)
        : channels_(channels),
          threads_(get_num_threads()),
          sums_(size_t(2 * channels * threads_)),
          floats_(size_t(channels * (4 + 2 * threads_))) {}

    // The setting may change while a kernel runs.
    int threads() const { return threads_; }
    double *first(int thread) { return sums_.data() + 2 * channels_ * thread; }
    double *second(int thread) { return first(thread) + channels_; }
    float *loop_scratch(int thread) { return floats_.data() + channels_ * (4 + 2 * thread); }
    float *values(int which) { return floats_.data() + channels_ * which; }

    void gather() {
        for (int t = 1; t < threads_; ++t) {
            for (int64_t c = 0; c < 2 * channels_; ++c) sums_[size_t(c)] += first(t)[c];
        }
    }

private:
    int64_t channels_;
    int threads_;
    std::vector<double> sums_;
    std::vector<float> floats_;
};

float value_of(const Array &a, int64_t c) { return a.as<const float>()[c * a.strides[0]]; }

void check_channels(const Array &a, int64_t channels, bool written, const char *what) {
    expect_dtype(a, DType::float32, what);
    expect_shape(a, {channels}, what);
    if (written) expect_writeable(a, what);
}

void check_batch(const Array &x, const char *what) {
    if (x.dtype != DType::bfloat16) expect_dtype(x, DType::float32, what);
    expect_dtype(x, x.dtype, what);
    expect_ndim(x, 2, max_ndim, what);
}

void check_like(const Array &a, const Array &x, bool written, const char *what) {
    expect_dtype(a, x.dtype, what);
    expect_same_shape(a, x, what);
    if (written) expect_writeable(a, what);
}

int64_t rows_per_thread(int64_t channels) { return grain_elements / channels + 1; }

template <typename T>
void normalize_rows(const BatchNormLoops<T> &loops, const Rows &x, int64_t channels, Channels &per,
                    const Rows &out) {
    parallel_for(x.count, rows_per_thread(channels), [&](int64_t begin, int64_t end) {
        loops.normalize(end - begin, channels,
                        reinterpret_cast<const T *>(x.data) + begin * x.stride, x.stride,
                        per.values(0), per.values(1), per.values(2),
                        reinterpret_cast<T *>(out.data) + begin * out.stride, out.stride);
    });
}

// values(0..2) = mean, scale, bias
void prepare(Channels &per, int64_t c, double mean, double var, double eps,
             const OptionalArray &weight, const OptionalArray &bias) {
    per.values(0)[c] = float(mean);
    per.values(1)[c] = float((weight ? double(value_of(weight, c)) : 1.0) / std::sqrt(var + eps));
    per.values(2)[c] = bias ? value_of(bias, c) : 0.0f;
}

template <typename T>
T first_of(const Rows &x, int64_t c) {
    return reinterpret_cast<const T *>(x.data)[c];
}

template <typename T>
void forward(const BatchNormLoops<T> &loops, const Array &x, const OptionalArray &weight,
             const OptionalArray &bias, const Array &mean_out, const Array &var_out,
             const Array &out, double eps) {
    const int64_t channels = x.shape[1];
    Rows from(x), to(out);
    from.read(x);
    Channels per(channels);
    float *shift = per.values(3);
    for (int64_t c = 0; c < channels; ++c) shift[c] = widen(first_of<T>(from, c));
    parallel_for(from.count, rows_per_thread(channels), per.threads(),
                 [&](int64_t begin, int64_t end, int t) {
                     loops.moments(end - begin, channels,
                                   reinterpret_cast<const T *>(from.data) + begin * from.stride,
                                   from.stride, shift, per.first(t), per.second(t),
                                   per.loop_scratch(t));
                 });
    per.gather();
    for (int64_t c = 0; c < channels; ++c) {
        const double offset = per.first(0)[c] / double(from.count);
        const double spread = per.second(0)[c] / double(from.count) - offset * offset;
        const double mean = double(shift[c]) + offset,
                     var = spread > 0 || spread != spread ? spread : 0.0;
        mean_out.as<float>()[c * mean_out.strides[0]] = float(mean);
        var_out.as<float>()[c * var_out.strides[0]] = float(var);
        prepare(per, c, mean, var, eps, weight, bias);
    }
    normalize_rows(loops, from, channels, per, to);
    to.write(out);
}

void batch_norm_forward(const Array &x, const OptionalArray &weight, const OptionalArray &bias,
                        const Array &mean_out, const Array &var_out, const Array &out, double eps) {
    check_batch(x, "batch_norm_forward: x");
    check_like(out, x, true, "batch_norm_forward: out");
    const int64_t channels = x.shape[1];
    if (weight) check_channels(weight, channels, false, "batch_norm_forward: weight");
    if (bias) check_channels(bias, channels, false, "batch_norm_forward: bias");
    check_channels(mean_out, channels, true, "batch_norm_forward: mean_out");
    check_channels(var_out, channels, true, "batch_norm_forward: var_out");
    if (channels == 0) return;
    if (x.size == 0) {
        fail("batch_norm_forward: x must have at least one value in each channel, got shape " +
             describe_shape(x.shape, x.ndim));
    }
    nb::gil_scoped_release nogil;
    const auto &kernels = batch_norm_kernels();
    if (x.dtype == DType::float32) {
        forward(kernels.f32, x, weight, bias, mean_out, var_out, out, eps);
    } else {
        forward(kernels.bf16, x, weight, bias, mean_out, var_out, out, eps);
    }
}

void batch_norm_inference(const Array &x, const OptionalArray &weight, const OptionalArray &bias,
                          const Array &mean, const Array &var, const Array &out, double eps) {
    check_batch(x, "batch_norm_inference: x");
    check_like(out, x, true, "batch_norm_inference: out");
    const int64_t channels = x.shape[1];
    if (weight) check_channels(weight, channels, false, "batch_norm_inference: weight");
    if (bias) check_channels(bias, channels, false, "batch_norm_inference: bias");
    check_channels(mean, channels, false, "batch_norm_inference: mean");
    check_channels(var, channels, false, "batch_norm_inference: var");
    if (x.size == 0) return;
    nb::gil_scoped_release nogil;
    Rows from(x), to(out);
    from.read(x);
    Channels per(channels);
    for (int64_t c = 0; c < channels; ++c) {
        prepare(per, c, double(value_of(mean, c)), double(value_of(var, c)), eps, weight, bias);
    }
    const auto &kernels = batch_norm_kernels();
    if (x.dtype == DType::float32) {
        normalize_rows(kernels.f32, from, channels, per, to);
    } else {
        normalize_rows(kernels.bf16, from, channels, per, to);
    }
    to.write(out);
}

template <typename T>
void backward(const BatchNormLoops<T> &loops, const Array &g, const Array &x,
              const OptionalArray &weight, const Array &mean, const Array &var,
              const OptionalArray &gx, const OptionalArray &gweight, const OptionalArray &gbias,
              double eps, bool training) {
    const int64_t channels = x.shape[1];
    Rows incoming(g), at(x);
    incoming.read(g);
    at.read(x);
    Channels per(channels);
    const int64_t rows = incoming.count, grain = rows_per_thread(channels);
    const T *g_data = reinterpret_cast<const T *>(incoming.data),
            *x_data = reinterpret_cast<const T *>(at.data);
    float *means = per.values(0), *scale = per.values(1), *slope = per.values(2),
          *offset = per.values(3);
    for (int64_t c = 0; c < channels; ++c) means[c] = value_of(mean, c);
    if (gweight || gbias || (gx && training)) {
        parallel_for(rows, grain, per.threads(), [&](int64_t begin, int64_t end, int t) {
            loops.gradient_moments(end - begin, channels, g_data + begin * incoming.stride,
                                   incoming.stride, x_data + begin * at.stride, at.stride, means,
                                   per.first(t), per.second(t), per.loop_scratch(t));
        });
        per.gather();
    }
    for (int64_t c = 0; c < channels; ++c) {
        const double inverse = 1.0 / std::sqrt(double(value_of(var, c)) + eps);
        const double sum = per.first(0)[c], dot = per.second(0)[c];
        const double by = inverse * (weight ? double(value_of(weight, c)) : 1.0);
        scale[c] = float(by);
        slope[c] = float(by * inverse * inverse * dot / double(rows));
        offset[c] = float(by * sum / double(rows));
        if (gweight) gweight.as<float>()[c * gweight.strides[0]] = float(dot * inverse);
        if (gbias) gbias.as<float>()[c * gbias.strides[0]] = float(sum);
    }
    if (!gx) return;
    Rows to(gx);
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
        T *gx_data = reinterpret_cast<T *>(to.data) + begin * to.stride;
        if (training) {
            loops.gradient(end - begin, channels, g_data + begin * incoming.stride, incoming.stride,
                           x_data + begin * at.stride, at.stride, means, scale, slope, offset,
                           gx_data, to.stride);
        } else {
            loops.scale(end - begin, channels, g_data + begin * incoming.stride, incoming.stride,
                        scale, gx_data, to.stride);
        }
    });
    to.write(gx);
}

void batch_norm_backward(const Array &g, const Array &x, const OptionalArray &weight,
                         const Array &mean, const Array &var, const OptionalArray &gx,
                         const OptionalArray &gweight, const OptionalArray &gbias, double eps,
                         bool training) {
    check_batch(x, "batch_norm_backward: x");
    check_like(g, x, false, "batch_norm_backward: g");
    if (gx) check_like(gx, x, true, "batch_norm_backward: gx");
    const int64_t channels = x.shape[1];
    if (weight) check_channels(weight, channels, false, "batch_norm_backward: weight");
    check_channels(mean, channels, false, "batch_norm_backward: mean");
    check_channels(var, channels, false, "batch_norm_backward: var");
    if (gweight) check_channels(gweight, channels, true, "batch_norm_backward: gweight");
    if (gbias) check_channels(gbias, channels, true, "batch_norm_backward: gbias");
    nb::gil_scoped_release nogil;
    if (x.size == 0) {
        for (const OptionalArray *a : {&gweight, &gbias}) {
            if (*a) fill_zero_strided(a->itemsize, a->ndim, a->shape, a->data, a->strides);
        }
        return;
    }
    const auto &kernels = batch_norm_kernels();
    if (x.dtype == DType::float32) {
        backward(kernels.f32, g, x, weight, mean, var, gx, gweight, gbias, eps, training);
    } else {
        backward(kernels.bf16, g, x, weight, mean, var, gx, gweight, gbias, eps, training);
    }
}

}  // namespace

RUSHLIGHT_BIND(norm) {
    m.def("batch_norm_forward", &batch_norm_forward, "x"_a, nb::arg("weight").none(),
          nb::arg("bias").none(), "mean_out"_a, "var_out"_a, "out"_a, "eps"_a,
          "out = x (N, C, *) normalised over all but C by its own mean and biased variance, which "
          "are returned too.");
    m.def("batch_norm_inference", &batch_norm_inference, "x"_a, nb::arg("weight").none(),
          nb::arg("bias").none(), "mean"_a, "var"_a, "out"_a, "eps"_a,
          "out = x (N, C, *) normalised by a given mean and variance.");
    m.def("batch_norm_backward", &batch_norm_backward, "g"_a, "x"_a, nb::arg("weight").none(),
          "mean"_a, "var"_a, nb::arg("gx").none(), nb::arg("gweight").none(),
          nb::arg("gbias").none(), "eps"_a, "training"_a,
          "The gradients of batch_norm_forward (training) or batch_norm_inference that are asked "
          "for.");
}

}  // namespace rushlight
