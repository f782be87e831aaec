#include "softmax.h"

#include "softmax_core.h"

namespace rushlight {
namespace {

template <typename T>
struct Softmax {
    int64_t n;

    template <int L>
    RL_INLINE void lanes(const T *x, const T *, T *out, int64_t stride, int lanes, int64_t, int64_t) {
        alignas(64) T largest[L], sum[L];
        exponentials(x, out, n, stride, lanes, largest, sum);
        for (int l = 0; l < lanes; ++l) sum[l] = T(1) / sum[l];
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) out[j * stride + l] *= sum[l];
        }
    }

    RL_INLINE void row(const T *x, const T *, T *out, int64_t) {
        const T factor = T(1) / exponentials_of_row(x, out, n, largest_of(x, n));
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] *= factor;
    }
};

template <typename T>
struct LogSoftmax {
    int64_t n;

    template <int L>
    RL_INLINE void lanes(const T *x, const T *, T *out, int64_t stride, int lanes, int64_t, int64_t) {
        alignas(64) T largest[L], sum[L];
        exponentials<T>(x, nullptr, n, stride, lanes, largest, sum);
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[l] = log_of(sum[l]);
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) out[j * stride + l] = x[j * stride + l] - largest[l] - sum[l];
        }
    }

    RL_INLINE void row(const T *x, const T *, T *out, int64_t) {
        const T largest = largest_of(x, n);
        const T log_sum = log_of(exponentials_of_row<T>(x, nullptr, n, largest));
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] = x[i] - largest - log_sum;
    }
};

template <typename T>
struct SoftmaxBackward {
    int64_t n;

    template <int L>
    RL_INLINE void lanes(const T *g, const T *probs, T *out, int64_t stride, int lanes, int64_t, int64_t) {
        alignas(64) T dot[L] = {};
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) dot[l] += g[j * stride + l] * probs[j * stride + l];
        }
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) out[j * stride + l] = probs[j * stride + l] * (g[j * stride + l] - dot[l]);
        }
    }

    RL_INLINE void row(const T *g, const T *probs, T *out, int64_t) {
        double total = 0;
        for (int64_t begin = 0; begin < n; begin += sum_block) {
            const int64_t end = begin + sum_block < n ? begin + sum_block : n;
            T sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = begin; i < end; ++i) sum += g[i] * probs[i];
            total += double(sum);
        }
        const T dot = T(total);
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] = probs[i] * (g[i] - dot);
    }
};

template <typename T>
struct LogSoftmaxBackward {
    int64_t n;

    template <int L>
    RL_INLINE void lanes(const T *g, const T *log_probs, T *out, int64_t stride, int lanes, int64_t, int64_t) {
        alignas(64) T sum[L] = {};
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) sum[l] += g[j * stride + l];
        }
        for (int64_t j = 0; j < n; ++j) {
#pragma omp simd
            for (int l = 0; l < lanes; ++l) {
                out[j * stride + l] = g[j * stride + l] - exp_of(log_probs[j * stride + l]) * sum[l];
            }
        }
    }

    RL_INLINE void row(const T *g, const T *log_probs, T *out, int64_t) {
        double total = 0;
        for (int64_t begin = 0; begin < n; begin += sum_block) {
            const int64_t end = begin + sum_block < n ? begin + sum_block : n;
            T sum = 0;
#pragma omp simd reduction(+ : sum)
            for (int64_t i = begin; i < end; ++i) sum += g[i];
            total += double(sum);
        }
        const T sum = T(total);
#pragma omp simd
        for (int64_t i = 0; i < n; ++i) out[i] = g[i] - exp_of(log_probs[i]) * sum;
    }
};

template <typename T, typename Op>
void one_input(const T *x, T *out, int64_t n, int64_t inner, int64_t begin, int64_t end) {
    Op op{n};
    over_items<T>(op, x, nullptr, out, n, inner, begin, end);
}

template <typename T, typename Op>
void two_inputs(const T *g, const T *saved, T *out, int64_t n, int64_t inner, int64_t begin, int64_t end) {
    Op op{n};
    over_items<T>(op, g, saved, out, n, inner, begin, end);
}

}  // namespace

#define RL_SOFTMAX(T)                                                                                          \
    {one_input<T, Softmax<T>>, one_input<T, LogSoftmax<T>>, two_inputs<T, SoftmaxBackward<T>>,                 \
     two_inputs<T, LogSoftmaxBackward<T>>}
RUSHLIGHT_KERNELS(SoftmaxKernels, softmax_kernels) {RL_SOFTMAX(float), RL_SOFTMAX(double)};

}  // namespace rushlight
