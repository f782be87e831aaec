#include "pooling.h"

namespace rushlight {
namespace {

// A stretch of one line of output (or input) positions: those of [begin, end) along the last
// dimension.
struct Line {
    int64_t n, group, at[2], begin, end;

    RL_MEMBER int64_t offset(const PoolStrides &s) const {
        return n * s.n + group * s.group + at[0] * s.at[0] + at[1] * s.at[1];
    }
};

// Calls f(line) for the stretches that make up positions [begin, end) of an array with these
// spatial sizes.
template <typename F>
RL_INLINE void over_lines(const PoolTask &task, int64_t size_0, int64_t size_1, int64_t size_2,
                          int64_t begin, int64_t end, const F &f) {
    for (int64_t item = begin; item < end;) {
        int64_t rest = item / size_2;
        Line line;
        line.begin = item % size_2;
        line.end = line.begin + (end - item) < size_2 ? line.begin + (end - item) : size_2;
        line.at[1] = rest % size_1;
        rest /= size_1;
        line.at[0] = rest % size_0;
        rest /= size_0;
        line.group = rest % task.groups;
        line.n = rest / task.groups;
        f(line);
        item += line.end - line.begin;
    }
}

template <typename F>
RL_INLINE void over_outputs(const PoolTask &task, int64_t begin, int64_t end, const F &f) {
    over_lines(task, task.axis[0].out, task.axis[1].out, task.axis[2].out, begin, end, f);
}

// The taps of one window that lie inside: offsets from the first of them, and the name that an
// index gives each.
struct Window {
    int64_t start;  // offset of the first tap in the large array
    int64_t count[3], stride[3];
    int64_t name, name_stride[3];
};

// What all windows of a line of outputs have in common.
RL_INLINE Window windows_of_line(const PoolTask &task, const Line &line) {
    const PoolAxis *a = task.axis;
    const PoolStrides &s = task.large;
    const bool taps = task.index == PoolIndex::tap;
    Window w;
    for (int i = 0; i < 2; ++i) w.count[i] = a[i].count[line.at[i]];
    for (int i = 0; i < 3; ++i) w.stride[i] = a[i].step * s.at[i];
    const int64_t first_0 = a[0].first[line.at[0]], first_1 = a[1].first[line.at[1]];
    w.start = line.n * s.n + line.group * s.group + first_0 * s.at[0] + first_1 * s.at[1];
    if (taps) {
        w.name_stride[2] = 1;
        w.name_stride[1] = a[2].window;
        w.name_stride[0] = a[1].window * a[2].window;
        w.name = (a[0].skipped[line.at[0]] * a[1].window + a[1].skipped[line.at[1]]) * a[2].window;
    } else {
        w.name_stride[2] = a[2].step;
        w.name_stride[1] = a[1].step * a[2].in;
        w.name_stride[0] = a[0].step * a[1].in * a[2].in;
        w.name = (first_0 * a[1].in + first_1) * a[2].in;
    }
    return w;
}

// Calls f(window, output position along the line).
template <typename F>
RL_INLINE void over_windows(const PoolTask &task, const Line &line, const F &f) {
    const PoolAxis &a = task.axis[2];
    const int64_t *names = task.index == PoolIndex::tap ? a.skipped : a.first;
    const Window common = windows_of_line(task, line);
    for (int64_t o = line.begin; o < line.end; ++o) {
        Window w = common;
        w.start += a.first[o] * task.large.at[2];
        w.count[2] = a.count[o];
        w.name += names[o];
        f(w, o);
    }
}

// Calls f(offset, name) for each tap of a window of c0 x c1 x c2 taps.
template <typename F>
RL_INLINE void over_taps(const Window &w, int64_t c0, int64_t c1, int64_t c2, const F &f) {
    for (int64_t i = 0; i < c0; ++i) {
        for (int64_t j = 0; j < c1; ++j) {
            int64_t at = w.start + i * w.stride[0] + j * w.stride[1];
            int64_t name = w.name + i * w.name_stride[0] + j * w.name_stride[1];
            for (int64_t k = 0; k < c2; ++k) {
                f(at, name);
                at += w.stride[2];
                name += w.name_stride[2];
            }
        }
    }
}

template <typename F>
RL_INLINE void over_taps(const Window &w, const F &f) {
    // By far the most frequent window, as constants that the compiler unrolls.
    if (w.count[0] == 1 && w.count[1] == 2 && w.count[2] == 2) return over_taps(w, 1, 2, 2, f);
    over_taps(w, w.count[0], w.count[1], w.count[2], f);
}

// --- maximum ------------------------------------------------------------------------------------

struct NoIndex {};

template <int V, typename S, typename I>
__attribute__((noinline)) void max_loop(const PoolTask &task, const S *x, S *out, I *index,
                                        int64_t begin, int64_t end) {
    using T = Wide<S>;
    over_outputs(task, begin, end, [&](const Line &line) {
        const int64_t row = line.offset(task.small);
        over_windows(task, line, [&](const Window &w, int64_t o) {
            const int64_t to = row + o * task.small.at[2];
            cover<V>(task.lanes, [&](int64_t c) {
                using Ints = Lanes<Integer<T>, V>;
                Lanes<T, V> most = load_wide<V>(x + w.start + c);
                Ints name = Ints{} + Integer<T>(w.name);
                over_taps(w, [&](int64_t at, int64_t tap) {
                    if (__builtin_constant_p(at == w.start) && at == w.start) return;
                    const Lanes<T, V> v = load_wide<V>(x + at + c);
                    // A NaN replaces what there is, and nothing is greater than a NaN.
                    const Ints better = (v > most) | (v != v);
                    most = better ? v : most;
                    if constexpr (!__is_same(I, NoIndex))
                        name = better ? Ints{} + Integer<T>(tap) : name;
                });
                store_exact<V>(out + to + c, most);
                if constexpr (!__is_same(I, NoIndex)) store<V>(index + to + c, convert<I, V>(name));
            });
        });
    });
}

// Calls f(index) with indices of the kind that the task names. Beside bfloat16 that is the tap, as
// in training: any other would be one more loop for every width.
template <typename S, typename F>
RL_INLINE void with_index(const PoolTask &task, void *index, const F &f) {
    if (task.index == PoolIndex::tap) return f((uint8_t *)index);
    if constexpr (!__is_same(S, bfloat16)) {
        if (task.index == PoolIndex::flat32) return f((int32_t *)index);
        if (task.index == PoolIndex::flat64) return f((int64_t *)index);
    }
}

template <typename S>
void max(const PoolTask &task, const S *x, S *out, void *index, int64_t begin, int64_t end) {
    by_width<Wide<S>>(task.lanes, [&](auto width) {
        constexpr int V = decltype(width)::lanes;
        if (task.index == PoolIndex::none)
            return max_loop<V>(task, x, out, (NoIndex *)nullptr, begin, end);
        with_index<S>(task, index, [&](auto *i) { max_loop<V>(task, x, out, i, begin, end); });
    });
}

// Each output position hands its gradient to the taps of its window, 0 to all but one.
template <int V, typename S, typename I>
__attribute__((noinline)) void spread_loop(const PoolTask &task, const S *g, const I *index, S *out,
                                           int64_t begin, int64_t end) {
    using T = Wide<S>;
    over_outputs(task, begin, end, [&](const Line &line) {
        const int64_t row = line.offset(task.small);
        over_windows(task, line, [&](const Window &w, int64_t o) {
            const int64_t from = row + o * task.small.at[2];
            cover<V>(task.lanes, [&](int64_t c) {
                const Lanes<T, V> value = load_wide<V>(g + from + c);
                const auto name = convert<Integer<T>, V>(load<V>(index + from + c));
                over_taps(w, [&](int64_t at, int64_t tap) {
                    store_exact<V>(out + at + c,
                                   Lanes<T, V>(name == Integer<T>(tap) ? value : Lanes<T, V>{}));
                });
            });
        });
    });
}

template <typename S>
void max_spread(const PoolTask &task, const S *g, const void *index, S *out, int64_t begin,
                int64_t end) {
    by_width<Wide<S>>(task.lanes, [&](auto width) {
        constexpr int V = decltype(width)::lanes;
        with_index<S>(task, (void *)index,
                      [&](auto *i) { spread_loop<V>(task, g, i, out, begin, end); });
    });
}

// Sets slices [begin, end) along one of the first two dimensions to 0, for channels [0, lanes) of
// out.
template <typename T>
void clear(const PoolTask &task, int along, int64_t begin, int64_t end, int64_t lanes, T *out) {
    const PoolAxis *a = task.axis;
    const PoolStrides &s = task.large;
    for (int64_t i = begin; i < end; ++i) {
        for (int64_t j = 0; j < (along == 0 ? a[1].in : 1); ++j) {
            T *line = out + i * s.at[along] + j * s.at[1];
            for (int64_t k = 0; k < a[2].in; ++k)
                memset(line + k * s.at[2], 0, size_t(lanes) * sizeof(T));
        }
    }
}

// Adds the gradients of one window's channels at the taps that their indices name; false where a
// name is no tap inside.
template <typename T>
RL_INLINE bool scatter_window(const int64_t *offsets, const T *g, const uint8_t *names, T *window,
                              int64_t lanes) {
    bool good = true;
    for (int64_t l = 0; l < lanes; ++l) {
        const int64_t at = offsets[names[l]];
        good &= at >= 0;
        if (at >= 0) window[at + l] += g[l];
    }
    return good;
}

// The same for indices in the plane.
template <typename T, typename I>
RL_INLINE bool scatter_plane(const PoolTask &task, const T *g, const I *names, T *image,
                             int64_t lanes) {
    const PoolAxis *a = task.axis;
    const PoolStrides &s = task.large;
    const int64_t plane = a[0].in * a[1].in * a[2].in;
    bool good = true;
    for (int64_t l = 0; l < lanes; ++l) {
        const int64_t name = names[l];
        if (name < 0 || name >= plane) {
            good = false;
            continue;
        }
        int64_t at = name * s.at[2];
        if (!task.planar) {
            const int64_t row = name / a[2].in;
            at = row / a[1].in * s.at[0] + row % a[1].in * s.at[1] + name % a[2].in * s.at[2];
        }
        image[at + l] += g[l];
    }
    return good;
}

// Offsets, from the first tap inside, of the taps by name; -1 for what is no tap inside.
RL_INLINE void offsets_of_window(Window w, int64_t (&offsets)[256]) {
    for (int k = 0; k < 256; ++k) offsets[k] = -1;
    w.start = 0;
    over_taps(w, [&](int64_t at, int64_t name) { offsets[name] = at; });
}

RL_INLINE bool is_whole(const PoolTask &task, const Window &w) {
    return w.count[0] == task.axis[0].window && w.count[1] == task.axis[1].window &&
           w.count[2] == task.axis[2].window;
}

// Where windows overlap, an item is a whole image, or a block of its channels. It is cleared just
// ahead of the windows, while its memory is in cache.
template <typename T, typename I>
int64_t scatter_loop(const PoolTask &task, const T *g, const I *index, T *out, int64_t begin,
                     int64_t end) {
    const PoolAxis *a = task.axis;
    const int along = a[0].in > 1 ? 0 : 1;
    const int64_t blocks = (task.lanes + task.block - 1) / task.block;
    int64_t whole[256], cut[256];
    bool whole_known = false;
    for (int64_t item = begin; item < end; ++item) {
        const int64_t image = item / blocks, c = item % blocks * task.block;
        const int64_t lanes = task.lanes - c < task.block ? task.lanes - c : task.block;
        Line line{image / task.groups, image % task.groups, {0, 0}, 0, a[2].out};
        T *const to = out + line.offset(task.large) + c;
        int64_t cleared = 0;
        bool good = true;
        for (int64_t i = 0; i < a[0].out * a[1].out; ++i) {
            line.at[0] = i / a[1].out;
            line.at[1] = i % a[1].out;
            const int64_t o = line.at[along];
            const int64_t needed = a[along].first[o] + (a[along].count[o] - 1) * a[along].step + 1;
            if (cleared < needed) {
                clear(task, along, cleared, needed, lanes, to);
                cleared = needed;
            }
            const int64_t row = line.offset(task.small) + c;
            over_windows(task, line, [&](const Window &w, int64_t o) {
                const int64_t from = row + o * task.small.at[2];
                if constexpr (sizeof(I) == 1) {
                    const bool is_cut = !is_whole(task, w);
                    if (is_cut) offsets_of_window(w, cut);
                    if (!is_cut && !whole_known) {
                        offsets_of_window(w, whole);
                        whole_known = true;
                    }
                    good &= scatter_window(is_cut ? cut : whole, g + from, index + from,
                                           out + w.start + c, lanes);
                } else {
                    good &= scatter_plane(task, g + from, index + from, to, lanes);
                }
            });
        }
        clear(task, along, cleared, a[along].in, lanes, to);
        if (!good) return item;
    }
    return -1;
}

template <typename T>
int64_t max_scatter(const PoolTask &task, const T *g, const void *index, T *out, int64_t begin,
                    int64_t end) {
    switch (task.index) {
        case PoolIndex::none: return -1;
        case PoolIndex::tap: return scatter_loop(task, g, (const uint8_t *)index, out, begin, end);
        case PoolIndex::flat32:
            return scatter_loop(task, g, (const int32_t *)index, out, begin, end);
        case PoolIndex::flat64:
            return scatter_loop(task, g, (const int64_t *)index, out, begin, end);
    }
    return -1;
}

// --- average ------------------------------------------------------------------------------------

template <int V, typename S>
__attribute__((noinline)) void avg_loop(const PoolTask &task, const S *x, S *out, int64_t begin,
                                        int64_t end) {
    using T = Wide<S>;
    const PoolAxis *a = task.axis;
    over_outputs(task, begin, end, [&](const Line &line) {
        const int64_t row = line.offset(task.small);
        const int64_t counted = a[0].divisor[line.at[0]] * a[1].divisor[line.at[1]];
        over_windows(task, line, [&](const Window &w, int64_t o) {
            const T divisor = T(task.divisor_override != 0 ? task.divisor_override
                                                           : double(counted * a[2].divisor[o]));
            const int64_t to = row + o * task.small.at[2];
            cover<V>(task.lanes, [&](int64_t c) {
                // A sum of sums of lines: over a large window, such as all of an image, that loses
                // fewer digits.
                Lanes<T, V> sum = {};
                for (int64_t i = 0; i < w.count[0]; ++i) {
                    for (int64_t j = 0; j < w.count[1]; ++j) {
                        const S *from = x + w.start + i * w.stride[0] + j * w.stride[1] + c;
                        Lanes<T, V> some = {};
                        for (int64_t k = 0; k < w.count[2]; ++k)
                            some += load_wide<V>(from + k * w.stride[2]);
                        sum += some;
                    }
                }
                store_narrow<V>(out + to + c, Lanes<T, V>(sum / divisor));
            });
        });
    });
}

// Each output position hands its share to all taps of its window.
template <int V, typename S>
__attribute__((noinline)) void avg_spread_loop(const PoolTask &task, const S *g, S *out,
                                               int64_t begin, int64_t end) {
    using T = Wide<S>;
    const PoolAxis *a = task.axis;
    over_outputs(task, begin, end, [&](const Line &line) {
        const int64_t row = line.offset(task.small);
        const int64_t counted = a[0].divisor[line.at[0]] * a[1].divisor[line.at[1]];
        over_windows(task, line, [&](const Window &w, int64_t o) {
            const T divisor = T(task.divisor_override != 0 ? task.divisor_override
                                                           : double(counted * a[2].divisor[o]));
            const int64_t from = row + o * task.small.at[2];
            cover<V>(task.lanes, [&](int64_t c) {
                const Lanes<T, V> share = load_wide<V>(g + from + c) / divisor;
                over_taps(w, [&](int64_t at, int64_t) { store_narrow<V>(out + at + c, share); });
            });
        });
    });
}

// Where windows overlap, each input position collects from those that it lies in, so that no two
// threads meet.
template <int V, typename S>
__attribute__((noinline)) void avg_collect_loop(const PoolTask &task, const S *g, S *out,
                                                int64_t begin, int64_t end) {
    using T = Wide<S>;
    const PoolAxis *a = task.axis;
    const PoolStrides &small = task.small;
    const double override = task.divisor_override;
    over_lines(task, a[0].in, a[1].in, a[2].in, begin, end, [&](const Line &line) {
        const int64_t row = line.offset(task.large),
                      base = line.n * small.n + line.group * small.group;
        const int64_t at_0 = a[0].reverse_first[line.at[0]], at_1 = a[1].reverse_first[line.at[1]];
        const int64_t count_0 = a[0].reverse_count[line.at[0]],
                      count_1 = a[1].reverse_count[line.at[1]];
        for (int64_t p = line.begin; p < line.end; ++p) {
            const int64_t at_2 = a[2].reverse_first[p], count_2 = a[2].reverse_count[p];
            cover<V>(task.lanes, [&](int64_t c) {
                Lanes<T, V> sum = {};
                for (int64_t i = at_0; i < at_0 + count_0; ++i) {
                    for (int64_t j = at_1; j < at_1 + count_1; ++j) {
                        const double share =
                            override != 0 ? 1.0 / override : a[0].share[i] * a[1].share[j];
                        const S *from = g + base + i * small.at[0] + j * small.at[1] + c;
                        for (int64_t k = at_2; k < at_2 + count_2; ++k) {
                            sum += load_wide<V>(from + k * small.at[2]) *
                                   T(override != 0 ? share : share * a[2].share[k]);
                        }
                    }
                }
                store_narrow<V>(out + row + p * task.large.at[2] + c, sum);
            });
        }
    });
}

// Loops by width are functions of their own: inlined side by side they would compete for registers.
template <typename S>
void avg(const PoolTask &task, const S *x, S *out, int64_t begin, int64_t end) {
    by_width<Wide<S>>(task.lanes, [&](auto width) {
        avg_loop<decltype(width)::lanes>(task, x, out, begin, end);
    });
}

template <typename S>
void avg_spread(const PoolTask &task, const S *g, S *out, int64_t begin, int64_t end) {
    by_width<Wide<S>>(task.lanes, [&](auto width) {
        avg_spread_loop<decltype(width)::lanes>(task, g, out, begin, end);
    });
}

template <typename S>
void avg_collect(const PoolTask &task, const S *g, S *out, int64_t begin, int64_t end) {
    by_width<Wide<S>>(task.lanes, [&](auto width) {
        avg_collect_loop<decltype(width)::lanes>(task, g, out, begin, end);
    });
}

}  // namespace

#define RL_POOL(S, scatter) {max<S>, avg<S>, max_spread<S>, scatter, avg_spread<S>, avg_collect<S>}
RUSHLIGHT_KERNELS(PoolKernels, pool_kernels){RL_POOL(float, max_scatter<float>),
                                             RL_POOL(double, max_scatter<double>),
                                             RL_POOL(bfloat16, nullptr)};

}  // namespace rushlight
