#include "softmax.h"

#include "softmax_core.h"

namespace rushlight {
namespace {

template <typename T>
struct Softmax {
    int64_t n;

    template <int L>
    RL_MEMBER void lanes(const T *x, const T *, T *out, int64_t stride, int lanes, int64_t,
                         int64_t) {
        alignas(64) T largest[L], sum[L];
        exponentials<L>(x, out, n, stride, lanes, largest, sum);
        for (int l = 0; l < lanes; ++l) sum[l] = T(1) / sum[l];
        for (int64_t j = 0; j < n; ++j) {
            T *out_j = out + j * stride;
#pragma omp simd
            for (int l = 0; l < lanes; ++l) out_j[l] *= sum[l];
        }
    }

    RL_MEMBER void rows(const T *x, const T *, T *out, int64_t count, int64_t) {
        T largest[tile_items], sum[tile_items];
        for (int64_t r = 0; r < count; ++r) largest[r] = largest_of(x + r * n, n);
        for (int64_t r = 0; r < count; ++r)
            sum[r] = store_exponentials(x + r * n, out + r * n, n, largest[r]);
        for (int64_t r = 0; r < count; ++r) {
            const T factor = T(1) / sum[r];
            T *out_r = out + r * n;
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) out_r[i] *= factor;
        }
    }
};

template <typename T>
struct LogSoftmax {
    int64_t n;

    template <int L>
    RL_MEMBER void lanes(const T *x, const T *, T *out, int64_t stride, int lanes, int64_t,
                         int64_t) {
        alignas(64) T largest[L], sum[L];
        exponentials<L, T>(x, nullptr, n, stride, lanes, largest, sum);
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[l] = log_of(sum[l]);
        for (int64_t j = 0; j < n; ++j) {
            const T *x_j = x + j * stride;
            T *out_j = out + j * stride;
#pragma omp simd
            for (int l = 0; l < lanes; ++l) out_j[l] = x_j[l] - largest[l] - sum[l];
        }
    }

    RL_MEMBER void rows(const T *x, const T *, T *out, int64_t count, int64_t) {
        T largest[tile_items], sum[tile_items];
        for (int64_t r = 0; r < count; ++r) largest[r] = largest_of(x + r * n, n);
        for (int64_t r = 0; r < count; ++r) {
            const T *x_r = x + r * n, most = largest[r];
            sum[r] = sum_of<T>(n, [=](int64_t i) { return exp_of_nonpositive(x_r[i] - most); });
        }
        for (int64_t r = 0; r < count; ++r) {
            const T *x_r = x + r * n, most = largest[r], log_sum = log_of(sum[r]);
            T *out_r = out + r * n;
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) out_r[i] = x_r[i] - most - log_sum;
        }
    }
};

template <typename T>
struct SoftmaxBackward {
    int64_t n;

    template <int L>
    RL_MEMBER void lanes(const T *g, const T *probs, T *out, int64_t stride, int lanes, int64_t,
                         int64_t) {
        alignas(64) T dot[L];
        sums_of_lanes<L>(n, lanes, dot, [=](int64_t j, int l) {
            return g[j * stride + l] * probs[j * stride + l];
        });
        for (int64_t j = 0; j < n; ++j) {
            const T *g_j = g + j * stride, *probs_j = probs + j * stride;
            T *out_j = out + j * stride;
#pragma omp simd
            for (int l = 0; l < lanes; ++l) out_j[l] = probs_j[l] * (g_j[l] - dot[l]);
        }
    }

    RL_MEMBER void rows(const T *g, const T *probs, T *out, int64_t count, int64_t) {
        for (int64_t r = 0; r < count; ++r) {
            const T *g_r = g + r * n, *probs_r = probs + r * n;
            T *out_r = out + r * n;
            const T dot = sum_of<T>(n, [=](int64_t i) { return g_r[i] * probs_r[i]; });
#pragma omp simd
            for (int64_t i = 0; i < n; ++i) out_r[i] = probs_r[i] * (g_r[i] - dot);
        }
    }
};

template <typename T>
struct LogSoftmaxBackward {
    int64_t n;

    template <int L>
    RL_MEMBER void lanes(const T *g, const T *log_probs, T *out, int64_t stride, int lanes, int64_t,
                         int64_t) {
        alignas(64) T sum[L];
        sums_of_lanes<L>(n, lanes, sum, [=](int64_t j, int l) { return g[j * stride + l]; });
        for (int64_t j = 0; j < n; ++j) {
            const T *g_j = g + j * stride, *log_probs_j = log_probs + j * stride;
            T *out_j = out + j * stride;
#pragma omp simd
            for (int l = 0; l < lanes; ++l)
                out_j[l] = g_j[l] - exp_of_nonpositive(log_probs_j[l]) * sum[l];
        }
    }

    RL_MEMBER void rows(const T *g, const T *log_probs, T *out, int64_t count, int64_t) {
        for (int64_t r = 0; r < count; ++r) {
            const T *g_r = g + r * n, *log_probs_r = log_probs + r * n;
            T *out_r = out + r * n;
            const T sum = sum_of<T>(n, [=](int64_t i) { return g_r[i]; });
#pragma omp simd
            for (int64_t i = 0; i < n; ++i)
                out_r[i] = g_r[i] - exp_of_nonpositive(log_probs_r[i]) * sum;
        }
    }
};

template <typename T, typename Op>
void one_input(const T *x, T *out, int64_t n, int64_t inner, int64_t begin, int64_t end) {
    Op op{n};
    over_items<T>(op, x, nullptr, out, n, inner, begin, end);
}

template <typename T, typename Op>
void two_inputs(const T *g, const T *saved, T *out, int64_t n, int64_t inner, int64_t begin,
                int64_t end) {
    Op op{n};
    over_items<T>(op, g, saved, out, n, inner, begin, end);
}

}  // namespace

#define RL_SOFTMAX(T)                                                                          \
    {one_input<T, Softmax<T>>, one_input<T, LogSoftmax<T>>, two_inputs<T, SoftmaxBackward<T>>, \
     two_inputs<T, LogSoftmaxBackward<T>>}
RUSHLIGHT_KERNELS(SoftmaxKernels, softmax_kernels){RL_SOFTMAX(float), RL_SOFTMAX(double)};

}  // namespace rushlight
