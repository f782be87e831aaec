#include "reduce.h"

#include "lanes.h"

namespace rushlight {
namespace {

// Vectors of T take part sums of at most this many elements a lane, which then are added up in double: enough for speed,
// few enough for a float sum over a million elements to be right to the last digit or two.
constexpr int64_t part = 32;

struct Sum {
    template <typename V>
    static RL_MEMBER V value(const V &v) {
        return v;
    }
    template <typename V>
    static RL_MEMBER V join(const V &a, const V &b) {
        return a + b;
    }
    static constexpr double start = 0;
};

struct SumSquares {
    template <typename V>
    static RL_MEMBER V value(const V &v) {
        return v * v;
    }
    template <typename V>
    static RL_MEMBER V join(const V &a, const V &b) {
        return a + b;
    }
    static constexpr double start = 0;
};

// A NaN on either side stays.
struct Max {
    template <typename V>
    static RL_MEMBER V value(const V &v) {
        return v;
    }
    template <typename V>
    static RL_MEMBER V join(const V &a, const V &b) {
        return (b > a) | (b != b) ? b : a;
    }
    static constexpr double start = -__builtin_inf();
};

struct Min {
    template <typename V>
    static RL_MEMBER V value(const V &v) {
        return v;
    }
    template <typename V>
    static RL_MEMBER V join(const V &a, const V &b) {
        return (b < a) | (b != b) ? b : a;
    }
    static constexpr double start = __builtin_inf();
};

template <typename Op, typename T, int V>
RL_INLINE double across(Lanes<T, V> v) {
    double result = Op::start;
    for (int l = 0; l < V; ++l) result = Op::join(result, double(v[l]));
    return result;
}

template <typename Op, typename T>
RL_INLINE double line(const T *x, int64_t n) {
    constexpr int V = vector_bytes / int(sizeof(T)), group = 4 * V;
    using Vector = Lanes<T, V>;
    double result = Op::start;
    int64_t i = 0;
    while (i + group <= n) {
        // Four vectors, because the next addition to one has to wait for the last.
        const int64_t end = n - i < part * group ? i + (n - i) / group * group : i + part * group;
        Vector sum[4];
        for (int k = 0; k < 4; ++k) sum[k] = Op::value(load<V>(x + i + k * V));
        for (i += group; i < end; i += group) {
            for (int k = 0; k < 4; ++k) sum[k] = Op::join(sum[k], Vector(Op::value(load<V>(x + i + k * V))));
        }
        const Vector all = Op::join(Vector(Op::join(sum[0], sum[1])), Vector(Op::join(sum[2], sum[3])));
        result = Op::join(result, across<Op, T, V>(all));
    }
    for (; i < n; ++i) result = Op::join(result, double(Op::value(x[i])));
    return result;
}

template <typename Op, typename T>
void lines_of(const T *x, int64_t count, int64_t stride, int64_t n, double *results) {
    constexpr int together = 8;
    int64_t i = 0;
    if (n < 64) {
        // Short lines side by side: one alone would wait for each of its additions.
        for (; i + together <= count; i += together) {
            const T *from = x + i * stride;
            double partial[together];
            for (int l = 0; l < together; ++l) partial[l] = results[i + l];
            for (int64_t j = 0; j < n; ++j) {
                for (int l = 0; l < together; ++l) {
                    partial[l] = Op::join(partial[l], double(Op::value(from[l * stride + j])));
                }
            }
            for (int l = 0; l < together; ++l) results[i + l] = partial[l];
        }
    }
    for (; i < count; ++i) results[i] = Op::join(results[i], line<Op>(x + i * stride, n));
}

// K vectors of columns at a time.
template <typename Op, typename T, int V, int K>
RL_INLINE void columns_block(const T *x, int64_t count, int64_t stride, double *results) {
    using Vector = Lanes<T, V>;
    for (int64_t begin = 0; begin < count; begin += part) {
        const int64_t end = begin + part < count ? begin + part : count;
        const T *from = x + begin * stride;
        Vector sum[K];
        for (int k = 0; k < K; ++k) sum[k] = Op::value(load<V>(from + k * V));
        for (int64_t i = begin + 1; i < end; ++i) {
            from += stride;
            for (int k = 0; k < K; ++k) sum[k] = Op::join(sum[k], Vector(Op::value(load<V>(from + k * V))));
        }
        for (int k = 0; k < K; ++k) {
            const auto more = convert<double, V>(sum[k]);
            store<V>(results + k * V, Lanes<double, V>(Op::join(load<V>(results + k * V), more)));
        }
    }
}

template <typename Op, typename T>
void columns_of(const T *x, int64_t count, int64_t stride, int64_t n, double *results) {
    constexpr int widest = vector_bytes / int(sizeof(T));
    int64_t j = 0;
    for (; j + 4 * widest <= n; j += 4 * widest) columns_block<Op, T, widest, 4>(x + j, count, stride, results + j);
    for (; j + widest <= n; j += widest) columns_block<Op, T, widest, 1>(x + j, count, stride, results + j);
    if constexpr (widest > 4) {
        for (; j + 4 <= n; j += 4) columns_block<Op, T, 4, 1>(x + j, count, stride, results + j);
    }
    for (; j < n; ++j) columns_block<Op, T, 1, 1>(x + j, count, stride, results + j);
}

template <typename T>
void lines(Reduction op, const T *x, int64_t count, int64_t stride, int64_t n, double *results) {
    switch (op) {
        case Reduction::sum:
        case Reduction::mean: return lines_of<Sum>(x, count, stride, n, results);
        case Reduction::max: return lines_of<Max>(x, count, stride, n, results);
        case Reduction::min: return lines_of<Min>(x, count, stride, n, results);
        case Reduction::sum_squares: return lines_of<SumSquares>(x, count, stride, n, results);
        case Reduction::count: return;
    }
}

template <typename T>
void columns(Reduction op, const T *x, int64_t count, int64_t stride, int64_t n, double *results) {
    switch (op) {
        case Reduction::sum:
        case Reduction::mean: return columns_of<Sum>(x, count, stride, n, results);
        case Reduction::max: return columns_of<Max>(x, count, stride, n, results);
        case Reduction::min: return columns_of<Min>(x, count, stride, n, results);
        case Reduction::sum_squares: return columns_of<SumSquares>(x, count, stride, n, results);
        case Reduction::count: return;
    }
}

}  // namespace

#define RL_REDUCE(T) {lines<T>, columns<T>}
RUSHLIGHT_KERNELS(ReduceKernels, reduce_kernels) {RL_REDUCE(float), RL_REDUCE(double)};

}  // namespace rushlight
