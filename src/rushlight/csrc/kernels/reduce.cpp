#include "reduce.h"

namespace rushlight {
namespace {

// Vectors of T take part sums of at most this many elements a lane, which then are added up in
// double: enough for speed, few enough for a float sum over a million elements to be right to the
// last digit or two.
constexpr int64_t part = 32;

template <bool Squared>
struct Sums {
    template <typename T>
    using Exact = double;
    template <typename V>
    static RL_MEMBER V value(const V &v) {
        return Squared ? v * v : v;
    }
    template <typename V>
    static RL_MEMBER V join(const V &a, const V &b) {
        return a + b;
    }
    static constexpr double start = 0;
};

// A NaN on either side stays.
template <bool Largest>
struct Extremes {
    template <typename T>
    using Exact = T;
    template <typename V>
    static RL_MEMBER V value(const V &v) {
        return v;
    }
    template <typename V>
    static RL_MEMBER V join(const V &a, const V &b) {
        return (Largest ? b > a : b < a) | (b != b) ? b : a;
    }
    static constexpr double start = Largest ? -__builtin_inf() : __builtin_inf();
};

// Halves join, so that no addition waits for more than log2(V) others.
template <typename Op, typename T, int V>
RL_INLINE T halved(const Lanes<T, V> &v) {
    if constexpr (V == 1) {
        return v;
    } else {
        T lanes[V];
        store<V>(lanes, v);
        using Half = Lanes<T, V / 2>;
        return halved<Op, T, V / 2>(Half(Op::join(load<V / 2>(lanes), load<V / 2>(lanes + V / 2))));
    }
}

template <typename Op, typename T, int V>
RL_INLINE double across(const Lanes<T, V> &v) {
    using Exact = typename Op::template Exact<T>;
    return double(halved<Op, Exact, V>(convert<Exact, V>(v)));
}

template <typename Op, typename S>
RL_INLINE double line(const S *x, int64_t n) {
    using T = Wide<S>;
    constexpr int V = vector_bytes / int(sizeof(T)), group = 4 * V;
    using Vector = Lanes<T, V>;
    double result = Op::start;
    int64_t i = 0;
    while (i + group <= n) {
        // Four vectors, because the next addition to one has to wait for the last.
        const int64_t end = n - i < part * group ? i + (n - i) / group * group : i + part * group;
        Vector sum[4];
        for (int k = 0; k < 4; ++k) sum[k] = Op::value(load_wide<V>(x + i + k * V));
        for (i += group; i < end; i += group) {
            for (int k = 0; k < 4; ++k)
                sum[k] = Op::join(sum[k], Vector(Op::value(load_wide<V>(x + i + k * V))));
        }
        Vector all = Op::join(Vector(Op::join(sum[0], sum[1])), Vector(Op::join(sum[2], sum[3])));
        if (n - i < group) {
            for (; i + V <= n; i += V) all = Op::join(all, Vector(Op::value(load_wide<V>(x + i))));
        }
        result = Op::join(result, across<Op, T, V>(all));
    }
    for (; i < n; ++i) result = Op::join(result, double(Op::value(widen(x[i]))));
    return result;
}

template <typename Op, typename S>
void lines_of(const S *x, int64_t count, int64_t stride, int64_t n, double *results) {
    constexpr int together = 8;
    int64_t i = 0;
    if (n < 48) {
        // Short lines side by side: one alone would wait for each of its additions.
        for (; i + together <= count; i += together) {
            const S *from = x + i * stride;
            double partial[together];
            for (int l = 0; l < together; ++l) partial[l] = results[i + l];
            for (int64_t j = 0; j < n; ++j) {
                for (int l = 0; l < together; ++l) {
                    partial[l] =
                        Op::join(partial[l], double(Op::value(widen(from[l * stride + j]))));
                }
            }
            for (int l = 0; l < together; ++l) results[i + l] = partial[l];
        }
    }
    for (; i < count; ++i) results[i] = Op::join(results[i], line<Op>(x + i * stride, n));
}

// K vectors of columns at a time.
template <typename Op, typename S, int V, int K>
RL_INLINE void columns_block(const S *x, int64_t count, int64_t stride, double *results) {
    using T = Wide<S>;
    using Vector = Lanes<T, V>;
    for (int64_t begin = 0; begin < count; begin += part) {
        const int64_t end = begin + part < count ? begin + part : count;
        const S *from = x + begin * stride;
        Vector sum[K];
        for (int k = 0; k < K; ++k) sum[k] = Op::value(load_wide<V>(from + k * V));
        for (int64_t i = begin + 1; i < end; ++i) {
            from += stride;
            for (int k = 0; k < K; ++k)
                sum[k] = Op::join(sum[k], Vector(Op::value(load_wide<V>(from + k * V))));
        }
        T sums[K * V];
        for (int k = 0; k < K; ++k) store<V>(sums + k * V, sum[k]);
#pragma omp simd
        for (int j = 0; j < K * V; ++j) results[j] = Op::join(results[j], double(sums[j]));
    }
}

template <typename Op, typename S>
void columns_of(const S *x, int64_t count, int64_t stride, int64_t n, double *results) {
    constexpr int widest = vector_bytes / int(sizeof(Wide<S>));
    constexpr int64_t together = 64;
    if (stride == n && n < 4 * widest && count >= 2 * together) {
        // A few columns without gaps: many rows at a time are as many columns again.
        double wide[4 * widest * together];
        for (int64_t j = 0; j < n * together; ++j) wide[j] = Op::start;
        const int64_t rows = count / together;
        columns_of<Op>(x, rows, n * together, n * together, wide);
        for (int64_t j = 0; j < n * together; ++j)
            results[j % n] = Op::join(results[j % n], wide[j]);
        x += rows * together * n;
        count -= rows * together;
    }
    int64_t j = 0;
    for (; j + 4 * widest <= n; j += 4 * widest)
        columns_block<Op, S, widest, 4>(x + j, count, stride, results + j);
    for (; j + widest <= n; j += widest)
        columns_block<Op, S, widest, 1>(x + j, count, stride, results + j);
    if constexpr (widest > 4) {
        for (; j + 4 <= n; j += 4) columns_block<Op, S, 4, 1>(x + j, count, stride, results + j);
    }
    for (; j < n; ++j) columns_block<Op, S, 1, 1>(x + j, count, stride, results + j);
}

template <typename S>
void lines(Reduction op, const S *x, int64_t count, int64_t stride, int64_t n, double *results) {
    switch (op) {
        case Reduction::sum:
        case Reduction::mean: return lines_of<Sums<false>>(x, count, stride, n, results);
        case Reduction::max: return lines_of<Extremes<true>>(x, count, stride, n, results);
        case Reduction::min: return lines_of<Extremes<false>>(x, count, stride, n, results);
        case Reduction::sum_squares: return lines_of<Sums<true>>(x, count, stride, n, results);
        case Reduction::count: return;
    }
}

template <typename S>
void columns(Reduction op, const S *x, int64_t count, int64_t stride, int64_t n, double *results) {
    switch (op) {
        case Reduction::sum:
        case Reduction::mean: return columns_of<Sums<false>>(x, count, stride, n, results);
        case Reduction::max: return columns_of<Extremes<true>>(x, count, stride, n, results);
        case Reduction::min: return columns_of<Extremes<false>>(x, count, stride, n, results);
        case Reduction::sum_squares: return columns_of<Sums<true>>(x, count, stride, n, results);
        case Reduction::count: return;
    }
}

}  // namespace

#define RL_REDUCE(S) {lines<S>, columns<S>}
RUSHLIGHT_KERNELS(ReduceKernels, reduce_kernels){RL_REDUCE(float), RL_REDUCE(double),
                                                 RL_REDUCE(bfloat16)};

}  // namespace rushlight
