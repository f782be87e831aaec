#include "loss.h"

#include "softmax_core.h"

namespace rushlight {
namespace {

// Of classes y with weight w, smoothing s and logits x over n classes, with l = log(sum(exp(x))):
//   loss = (1 - s) w_y (l - x_y) + s / n (sum(w) l - sum(w x))
// as in Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", with
// class weights.
template <typename T>
struct CrossEntropy {
    const LossTask<T> &task;
    LossSums sums{0, 0, -1};

    RL_MEMBER void add(int64_t item, const T *x, int64_t stride, T largest, T log_sum, T weighted) {
        const int64_t label = task.labels[item];
        if (label < 0 || label >= task.n || label == task.ignore) {
            if (label != task.ignore && sums.bad < 0) sums.bad = item;
            if (task.losses) task.losses[item] = T(0);
            return;
        }
        const T w = task.weight ? task.weight[label] : T(1);
        T loss = w * (log_sum - (x[label * stride] - largest));
        if (task.smoothing != T(0)) {
            loss = (T(1) - task.smoothing) * loss +
                   task.smoothing / T(task.n) * (task.weight_total * log_sum - weighted);
        }
        if (task.losses) task.losses[item] = loss;
        sums.loss += double(loss);
        sums.weight += double(w);
    }

    template <int L>
    RL_MEMBER void lanes(const T *x, const T *, T *out, int64_t stride, int lanes, int64_t item,
                         int64_t valid) {
        alignas(64) T largest[L], sum[L], weighted[L] = {};
        exponentials<L>(x, out, task.n, stride, lanes, largest, sum);
        if (out) {
            alignas(64) T factor[L];
#pragma omp simd
            for (int l = 0; l < lanes; ++l) factor[l] = T(1) / sum[l];
            for (int64_t j = 0; j < task.n; ++j) {
                T *out_j = out + j * stride;
#pragma omp simd
                for (int l = 0; l < lanes; ++l) out_j[l] *= factor[l];
            }
        }
#pragma omp simd
        for (int l = 0; l < lanes; ++l) sum[l] = log_of(sum[l]);
        if (task.smoothing != T(0) && task.weight) {
            const T *weight = task.weight;
            sums_of_lanes<L>(task.n, lanes, weighted, [&](int64_t j, int l) {
                return weight[j] * (x[j * stride + l] - largest[l]);
            });
        } else if (task.smoothing != T(0)) {
            sums_of_lanes<L>(task.n, lanes, weighted,
                             [&](int64_t j, int l) { return x[j * stride + l] - largest[l]; });
        }
        for (int64_t l = 0; l < valid; ++l)
            add(item + l, x + l, stride, largest[l], sum[l], weighted[l]);
    }

    RL_MEMBER void rows(const T *x, const T *, T *out, int64_t count, int64_t item) {
        const int64_t n = task.n;
        alignas(64) T largest[tile_items], sum[tile_items], log_sum[tile_items] = {};
        for (int64_t r = 0; r < count; ++r) largest[r] = largest_of(x + r * n, n);
        for (int64_t r = 0; r < count; ++r) {
            const T *x_r = x + r * n, most = largest[r];
            if (out) {
                sum[r] = store_exponentials(x_r, out + r * n, n, most);
            } else {
                sum[r] = sum_of<T>(n, [=](int64_t i) { return exp_of_nonpositive(x_r[i] - most); });
            }
        }
#pragma omp simd
        for (int64_t r = 0; r < count; ++r) log_sum[r] = log_of(sum[r]);
        for (int64_t r = 0; r < count; ++r) {
            const T *x_r = x + r * n, most = largest[r];
            if (out) {
                const T factor = T(1) / sum[r];
                T *out_r = out + r * n;
#pragma omp simd
                for (int64_t j = 0; j < n; ++j) out_r[j] *= factor;
            }
            T weighted = 0;
            if (task.smoothing != T(0) && task.weight) {
                const T *weight = task.weight;
                weighted = sum_of<T>(n, [=](int64_t j) { return weight[j] * (x_r[j] - most); });
            } else if (task.smoothing != T(0)) {
                weighted = sum_of<T>(n, [=](int64_t j) { return x_r[j] - most; });
            }
            add(item + r, x_r, 1, most, log_sum[r], weighted);
        }
    }
};

template <typename T>
LossSums cross_entropy(const LossTask<T> &task, int64_t begin, int64_t end) {
    CrossEntropy<T> op{task};
    over_items<T>(op, task.x, nullptr, task.probs, task.n, task.inner, begin, end);
    return op.sums;
}

// What an item's gradient is made of: probability times `slope`, minus `at_label` at the label,
// minus `spread` times the weight of each class.
template <typename T>
struct GradFactors {
    T slope, at_label, spread;
    int64_t label;  // -1 where the item is ignored or bad
    bool bad;
};

// Labels are read once: another Python thread may be writing to them.
template <typename T>
RL_INLINE GradFactors<T> grad_factors(const LossGradTask<T> &task, int64_t item) {
    const int64_t label = task.labels[item];
    if (label == task.ignore) return {T(0), T(0), T(0), -1, false};
    if (label < 0 || label >= task.n) return {T(0), T(0), T(0), -1, true};
    const T g = task.g ? task.g[item] * task.scale : task.scale;
    const T w = task.weight ? task.weight[label] : T(1);
    const T at_label = g * ((T(1) - task.smoothing) * w);
    const T spread = g * (task.smoothing / T(task.n));
    return {at_label + spread * task.weight_total, at_label, spread, label, false};
}

// Items of one row each. An ignored item's gradient is 0 even where its probabilities are NaN.
template <typename T>
int64_t rows_backward(const LossGradTask<T> &task, int64_t begin, int64_t end) {
    const int64_t n = task.n;
    int64_t bad = -1;
    for (int64_t item = begin; item < end; ++item) {
        const GradFactors<T> f = grad_factors(task, item);
        const T *probs = task.probs + item * n;
        T *out = task.out + item * n;
        if (f.bad && bad < 0) bad = item;
        if (f.label < 0) {
            memset(out, 0, size_t(n) * sizeof(T));
            continue;
        }
        const T slope = f.slope, spread = f.spread;
        if (spread == T(0)) {
#pragma omp simd
            for (int64_t j = 0; j < n; ++j) out[j] = probs[j] * slope;
        } else if (task.weight) {
            const T *weight = task.weight;
#pragma omp simd
            for (int64_t j = 0; j < n; ++j) out[j] = probs[j] * slope - weight[j] * spread;
        } else {
#pragma omp simd
            for (int64_t j = 0; j < n; ++j) out[j] = probs[j] * slope - spread;
        }
        out[f.label] -= f.at_label;
    }
    return bad;
}

// The usual case, all items alike: one pass over all rows at once, then the labels.
template <typename T>
int64_t even_rows_backward(const LossGradTask<T> &task, int64_t begin, int64_t end) {
    const int64_t n = task.n;
    const T scale = task.scale;
    const T *probs = task.probs + begin * n;
    T *out = task.out + begin * n;
#pragma omp simd
    for (int64_t i = 0; i < (end - begin) * n; ++i) out[i] = probs[i] * scale;
    int64_t bad = -1;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t label = task.labels[item];
        T *row = task.out + item * n;
        if (label >= 0 && label < n && label != task.ignore) {
            row[label] -= scale;
            continue;
        }
        if (label != task.ignore && bad < 0) bad = item;
        memset(row, 0, size_t(n) * sizeof(T));
    }
    return bad;
}

template <typename T>
int64_t planes_backward(const LossGradTask<T> &task, int64_t begin, int64_t end) {
    const int64_t n = task.n, inner = task.inner;
    int64_t bad = -1;
    alignas(64) T slope[most_lanes], spread[most_lanes];
    GradFactors<T> factors[most_lanes];
    for (int64_t item = begin; item < end;) {
        const int64_t at = item / inner * n * inner + item % inner;
        int64_t lanes = inner - item % inner;
        lanes = lanes < end - item ? lanes : end - item;
        lanes = lanes < most_lanes ? lanes : most_lanes;
        for (int64_t l = 0; l < lanes; ++l) {
            factors[l] = grad_factors(task, item + l);
            if (factors[l].bad && bad < 0) bad = item + l;
            slope[l] = factors[l].slope;
            spread[l] = factors[l].spread;
        }
        for (int64_t j = 0; j < n; ++j) {
            const T *probs = task.probs + at + j * inner;
            T *out = task.out + at + j * inner;
            // A slope of 0 is an ignored item, whose probabilities may be NaN.
#pragma omp simd
            for (int64_t l = 0; l < lanes; ++l)
                out[l] = slope[l] == T(0) ? T(0) : probs[l] * slope[l];
            if (task.smoothing != T(0)) {
                const T w = task.weight ? task.weight[j] : T(1);
#pragma omp simd
                for (int64_t l = 0; l < lanes; ++l) out[l] -= w * spread[l];
            }
        }
        for (int64_t l = 0; l < lanes; ++l) {
            if (factors[l].label >= 0)
                task.out[at + factors[l].label * inner + l] -= factors[l].at_label;
        }
        item += lanes;
    }
    return bad;
}

template <typename T>
int64_t cross_entropy_backward(const LossGradTask<T> &task, int64_t begin, int64_t end) {
    if (task.inner != 1) return planes_backward(task, begin, end);
    if (!task.g && !task.weight && task.smoothing == T(0))
        return even_rows_backward(task, begin, end);
    return rows_backward(task, begin, end);
}

template <typename T>
LossSums nll(const LossTask<T> &task, int64_t begin, int64_t end) {
    LossSums sums{0, 0, -1};
    for (int64_t item = begin; item < end; ++item) {
        const int64_t label = task.labels[item];
        if (label < 0 || label >= task.n || label == task.ignore) {
            if (label != task.ignore && sums.bad < 0) sums.bad = item;
            if (task.losses) task.losses[item] = T(0);
            continue;
        }
        const T w = task.weight ? task.weight[label] : T(1);
        const T loss =
            -w * task.x[(item / task.inner * task.n + label) * task.inner + item % task.inner];
        if (task.losses) task.losses[item] = loss;
        sums.loss += double(loss);
        sums.weight += double(w);
    }
    return sums;
}

// The rest of `out` has been set to 0.
template <typename T>
int64_t nll_backward(const LossGradTask<T> &task, int64_t begin, int64_t end) {
    int64_t bad = -1;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t label = task.labels[item];
        if (label < 0 || label >= task.n || label == task.ignore) {
            if (label != task.ignore && bad < 0) bad = item;
            continue;
        }
        const T w = task.weight ? task.weight[label] : T(1);
        const T g = task.g ? task.g[item] * task.scale : task.scale;
        task.out[(item / task.inner * task.n + label) * task.inner + item % task.inner] = -w * g;
    }
    return bad;
}

}  // namespace

#define RL_LOSS(T) {cross_entropy<T>, cross_entropy_backward<T>, nll<T>, nll_backward<T>}
RUSHLIGHT_KERNELS(LossKernels, loss_kernels){RL_LOSS(float), RL_LOSS(double)};

}  // namespace rushlight
