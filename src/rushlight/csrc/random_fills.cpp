// Filling arrays from PyTorch's generator. Every fill writes a C-contiguous array in order and draws what PyTorch
// draws for a tensor of that dtype and size; strided arrays are the caller's matter.
#include <algorithm>
#include <cmath>
#include <limits>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "array.h"
#include "random.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

// Words worth a thread, for a loop of a few instructions each and for one that calls the mathematical library.
constexpr int64_t light = 1 << 21, heavy = 1 << 14;
constexpr int64_t tile = 1024;

// Holds the stream for one fill, and gives the interpreter away meanwhile where the fill is long. The order matters: the
// stream is released before the interpreter is taken back, so that nobody waits for one while holding the other.
class Drawing {
public:
    Drawing(RandomEngine &engine, int64_t elements) {
        if (elements > 2048) released_ = PyEval_SaveThread();
        engine_ = &engine;
        engine_->mutex().lock();
    }
    ~Drawing() {
        engine_->mutex().unlock();
        if (released_) PyEval_RestoreThread(released_);
    }
    Drawing(const Drawing &) = delete;
    Drawing &operator=(const Drawing &) = delete;

private:
    RandomEngine *engine_;
    PyThreadState *released_ = nullptr;
};

[[noreturn]] void fail_value(const std::string &message) { throw std::runtime_error(message); }

void expect_output(const Array &out, const char *what) {
    expect_writeable(out, what);
    if (!is_contiguous(out) || !out.aligned) {
        fail(std::string(what) + ": expected an aligned C-contiguous array; fill a new one and copy it over");
    }
}

[[noreturn]] void fail_output_dtype(const Array &out, const char *what, const char *expected) {
    fail_type(std::string(what) + ": expected " + expected + ", got " + dtype_name(out.dtype));
}

struct Half {
    uint16_t bits;
};
struct BFloat {
    uint16_t bits;
};

void convert(const float *x, Half *out, int64_t n) {
    random_kernels().to_f16(x, reinterpret_cast<uint16_t *>(out), n);
}
void convert(const float *x, BFloat *out, int64_t n) {
    random_kernels().to_bf16(x, reinterpret_cast<uint16_t *>(out), n);
}

// A number of PyTorch's double-precision arithmetic, or an integer, as an element.
template <typename T, typename V>
struct Cast {
    static T of(V value) { return T(value); }
};
template <typename V>
struct Cast<Half, V> {
    static Half of(V value) {
        const float x = float(value);
        Half out;
        convert(&x, &out, 1);
        return out;
    }
};
template <typename V>
struct Cast<BFloat, V> {
    static BFloat of(V value) {
        const float x = float(value);
        BFloat out;
        convert(&x, &out, 1);
        return out;
    }
};
template <>
struct Cast<bool, int64_t> {
    static bool of(int64_t value) { return value & 1; }
};
// The conversion of x86, also where the value has no int64.
inline int64_t truncated(double value) {
    return value >= -0x1p63 && value < 0x1p63 ? int64_t(value) : std::numeric_limits<int64_t>::min();
}
template <>
struct Cast<int64_t, double> {
    static int64_t of(double value) { return truncated(value); }
};
template <>
struct Cast<int32_t, double> {
    static int32_t of(double value) { return int32_t(truncated(value)); }
};
template <>
struct Cast<int16_t, double> {
    static int16_t of(double value) { return int16_t(truncated(value)); }
};
template <>
struct Cast<int8_t, double> {
    static int8_t of(double value) { return int8_t(truncated(value)); }
};
template <>
struct Cast<uint8_t, double> {
    static uint8_t of(double value) { return uint8_t(truncated(value)); }
};

template <typename T>
struct Of {
    using type = T;
};

// Calls f(Of<T>()) for the dtype; false where it is none of the family.
template <typename F>
bool for_floating(DType dtype, const F &f) {
    switch (dtype) {
        case DType::float32: f(Of<float>()); return true;
        case DType::float64: f(Of<double>()); return true;
        case DType::float16: f(Of<Half>()); return true;
        case DType::bfloat16: f(Of<BFloat>()); return true;
        default: return false;
    }
}
template <typename F>
bool for_integer(DType dtype, const F &f) {
    switch (dtype) {
        case DType::uint8: f(Of<uint8_t>()); return true;
        case DType::int8: f(Of<int8_t>()); return true;
        case DType::int16: f(Of<int16_t>()); return true;
        case DType::int32: f(Of<int32_t>()); return true;
        case DType::int64: f(Of<int64_t>()); return true;
        default: return false;
    }
}

uint64_t pair_of(const uint32_t *raw) { return uint64_t(tempered(raw[0])) << 32 | tempered(raw[1]); }

// out[i] = make(the 64 bits of two words), for make without side effects.
template <typename T, typename Make>
void fill_from_pairs(RandomEngine &engine, T *out, int64_t n, const Make &make) {
    engine.words(2 * n, heavy, [&](const uint32_t *raw, int64_t first, int64_t count) {
        T *to = out + first / 2;
        for (int64_t i = 0; i < count / 2; ++i) to[i] = Cast<T, double>::of(make(pair_of(raw + 2 * i)));
    });
}

// --- uniform -----------------------------------------------------------------------------------------------------

void fill_uniform(RandomEngine &engine, float *out, int64_t n, double low, double high) {
    const auto &kernels = random_kernels();
    engine.words(n, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
        kernels.uniform_f32(raw, out + first, count, float(low), float(high));
    });
}

void fill_uniform(RandomEngine &engine, double *out, int64_t n, double low, double high) {
    const auto &kernels = random_kernels();
    engine.words(2 * n, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
        kernels.uniform_f64(raw, out + first / 2, count / 2, low, high);
    });
}

// Drawn in single precision, then rounded; the rounding can reach the excluded end once more.
template <typename T>
void fill_uniform(RandomEngine &engine, T *out, int64_t n, double low, double high) {
    const auto &kernels = random_kernels();
    const T first_value = Cast<T, double>::of(low), excluded = Cast<T, double>::of(high);
    const uint16_t compared = excluded.bits & 0x7fff ? 0xffff : 0x7fff;
    engine.words(n, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
        float values[tile];
        for (int64_t i = 0; i < count; i += tile) {
            const int64_t some = std::min(tile, count - i);
            T *to = out + first + i;
            kernels.uniform_f32(raw + i, values, some, float(low), float(high));
            convert(values, to, some);
            for (int64_t k = 0; k < some; ++k) {
                if (((to[k].bits ^ excluded.bits) & compared) == 0) to[k] = first_value;
            }
        }
    });
}

void uniform(RandomEngine &engine, const Array &out, double low, double high) {
    expect_output(out, "uniform: out");
    const Drawing drawing(engine, out.size);
    const bool known = for_floating(out.dtype, [&](auto of) {
        fill_uniform(engine, out.as<typename decltype(of)::type>(), out.size, low, high);
    });
    if (!known) fail_output_dtype(out, "uniform: out", "a floating dtype");
}

// --- normal ------------------------------------------------------------------------------------------------------

// Box-Muller on 16 numbers in [0, 1): 8 radii, then 8 angles.
void normal_group(const double *unit, double *out, double mean, double std) {
    for (int i = 0; i < 8; ++i) {
        const double radius = std::sqrt(-2 * std::log(1 - unit[i])), angle = 2 * pi * unit[8 + i];
        out[i] = std::fma(radius * std::cos(angle), std, mean);
        out[8 + i] = std::fma(radius * std::sin(angle), std, mean);
    }
}

// `groups` groups of 16 numbers.
void fill_groups(RandomEngine &engine, float *out, int64_t groups, double mean, double std) {
    const auto &kernels = random_kernels();
    engine.words(16 * groups, light / 4, [&](const uint32_t *raw, int64_t first, int64_t count) {
        kernels.normal_f32(raw, out + first, count / 16, float(mean), float(std));
    });
}

void fill_groups(RandomEngine &engine, double *out, int64_t groups, double mean, double std) {
    engine.words(32 * groups, heavy, [&](const uint32_t *raw, int64_t first, int64_t count) {
        double unit[16];
        for (int64_t g = 0; g < count / 32; ++g) {
            for (int i = 0; i < 16; ++i) unit[i] = unit53(pair_of(raw + 32 * g + 2 * i));
            normal_group(unit, out + first / 2 + 16 * g, mean, std);
        }
    });
}

template <typename T>
void fill_groups(RandomEngine &engine, T *out, int64_t groups, double mean, double std) {
    const auto &kernels = random_kernels();
    engine.words(16 * groups, light / 4, [&](const uint32_t *raw, int64_t first, int64_t count) {
        float values[tile];
        for (int64_t i = 0; i < count; i += tile) {
            const int64_t some = std::min(tile, count - i);
            kernels.normal_f32(raw + i, values, some / 16, float(mean), float(std));
            convert(values, out + first + i, some);
        }
    });
}

// What PyTorch draws, and drops, for the elements behind the last whole group: the last 16 are drawn anew.
template <typename T>
constexpr int words_dropped_for_tail = std::is_same<T, double>::value ? 2 : std::is_same<T, float>::value ? 1 : 0;

template <typename T>
void fill_normal(RandomEngine &engine, T *out, int64_t n, double mean, double std) {
    fill_groups(engine, out, n / 16, mean, std);
    if (n % 16 == 0) return;
    engine.skip(n % 16 * words_dropped_for_tail<T>);
    fill_groups(engine, out + n - 16, 1, mean, std);
}

template <typename T>
void fill_normal_singly(RandomEngine &engine, T *out, int64_t n, double mean, double std) {
    for (int64_t i = 0; i < n; ++i) out[i] = Cast<T, double>::of(std::fma(engine.next_normal(), std, mean));
}

void normal(RandomEngine &engine, const Array &out, double mean, double std, bool singly) {
    expect_output(out, "normal: out");
    const Drawing drawing(engine, out.size);
    const bool known = for_floating(out.dtype, [&](auto of) {
        auto *to = out.as<typename decltype(of)::type>();
        if (singly || out.size < 16) {
            fill_normal_singly(engine, to, out.size, mean, std);
        } else {
            fill_normal(engine, to, out.size, mean, std);
        }
    });
    if (!known) fail_output_dtype(out, "normal: out", "a floating dtype");
}

void log_normal(RandomEngine &engine, const Array &out, double mean, double std) {
    expect_output(out, "log_normal: out");
    const Drawing drawing(engine, out.size);
    const bool known = for_floating(out.dtype, [&](auto of) {
        using T = typename decltype(of)::type;
        T *to = out.as<T>();
        for (int64_t i = 0; i < out.size; ++i) {
            to[i] = Cast<T, double>::of(std::exp(std::fma(engine.next_normal(), std, mean)));
        }
    });
    if (!known) fail_output_dtype(out, "log_normal: out", "a floating dtype");
}

// --- from one number in [0, 1) each --------------------------------------------------------------------------------

void exponential(RandomEngine &engine, const Array &out, double rate) {
    expect_output(out, "exponential: out");
    if (!(rate > 0)) fail_value("exponential: expected rate > 0, got " + std::to_string(rate));
    const Drawing drawing(engine, out.size);
    const double scale = -1 / rate;
    const bool known = for_floating(out.dtype, [&](auto of) {
        fill_from_pairs(engine, out.as<typename decltype(of)::type>(), out.size,
                        [=](uint64_t bits) { return scale * std::log1p(-unit53(bits)); });
    });
    if (!known) fail_output_dtype(out, "exponential: out", "a floating dtype");
}

void cauchy(RandomEngine &engine, const Array &out, double median, double sigma) {
    expect_output(out, "cauchy: out");
    if (!(sigma > 0)) fail_value("cauchy: expected sigma > 0, got " + std::to_string(sigma));
    const Drawing drawing(engine, out.size);
    const bool known = for_floating(out.dtype, [&](auto of) {
        fill_from_pairs(engine, out.as<typename decltype(of)::type>(), out.size, [=](uint64_t bits) {
            return std::fma(sigma, std::tan(pi * (unit53(bits) - 0.5)), median);
        });
    });
    if (!known) fail_output_dtype(out, "cauchy: out", "a floating dtype");
}

void geometric(RandomEngine &engine, const Array &out, double p) {
    expect_output(out, "geometric: out");
    if (!(p > 0 && p < 1)) fail_value("geometric: expected p between 0 and 1, got " + std::to_string(p));
    const Drawing drawing(engine, out.size);
    const double log_failure = std::log(1 - p);
    const auto fill = [&](auto of) {
        fill_from_pairs(engine, out.as<typename decltype(of)::type>(), out.size,
                        [=](uint64_t bits) { return std::ceil(std::log(unit53(bits)) / log_failure); });
    };
    if (!for_floating(out.dtype, fill) && !for_integer(out.dtype, fill)) {
        fail_output_dtype(out, "geometric: out", "a floating or integer dtype");
    }
}

// --- bernoulli ---------------------------------------------------------------------------------------------------

void bernoulli(RandomEngine &engine, const Array &out, double p) {
    expect_output(out, "bernoulli: out");
    if (!(p >= 0 && p <= 1)) fail_value("bernoulli: expected p in [0, 1], got " + std::to_string(p));
    const Drawing drawing(engine, out.size);
    const auto &kernels = random_kernels();
    const uint64_t limit = uint64_t(std::ceil(p * 0x1p53));  // exact: u < p for u a multiple of 2^-53
    const int64_t words = 2 * out.size;
    if (out.dtype == DType::float32) {
        engine.words(words, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
            kernels.below_f32(raw, out.as<float>() + first / 2, count / 2, limit);
        });
        return;
    }
    if (out.itemsize == 1 && out.dtype != DType::other) {
        engine.words(words, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
            kernels.below_u8(raw, out.as<uint8_t>() + first / 2, count / 2, limit);
        });
        return;
    }
    const auto fill = [&](auto of) {
        using T = typename decltype(of)::type;
        const T values[2] = {Cast<T, double>::of(0), Cast<T, double>::of(1)};
        engine.words(words, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
            T *to = out.as<T>() + first / 2;
            uint8_t hits[tile];
            for (int64_t i = 0; i < count / 2; i += tile) {
                const int64_t some = std::min(tile, count / 2 - i);
                kernels.below_u8(raw + 2 * i, hits, some, limit);
                for (int64_t k = 0; k < some; ++k) to[i + k] = values[hits[k]];
            }
        });
    };
    if (!for_floating(out.dtype, fill) && !for_integer(out.dtype, fill)) {
        fail_output_dtype(out, "bernoulli: out", "a floating, integer or bool dtype");
    }
}

// One word for each element where the probabilities are single or half precision, two where they are double.
void bernoulli_each(RandomEngine &engine, const Array &out, const Array &p) {
    expect_output(out, "bernoulli_each: out");
    expect_same_shape(p, out, "bernoulli_each: p");
    if (!is_contiguous(p) || !p.aligned) fail("bernoulli_each: p: expected an aligned C-contiguous array");
    const bool wide = p.dtype == DType::float64;
    if (!wide && p.dtype != DType::float32) {
        fail_output_dtype(p, "bernoulli_each: p", "float32 or float64");
    }
    const int64_t n = out.size;
    const auto within = [n](const auto *x) {
        bool good = true;
        for (int64_t i = 0; i < n; ++i) good &= x[i] >= 0 && x[i] <= 1;
        return good;
    };
    if (!(wide ? within(p.as<double>()) : within(p.as<float>()))) {
        fail_value("bernoulli: expected every probability in [0, 1], got one outside it or nan");
    }
    const Drawing drawing(engine, n);
    const auto fill = [&](auto of) {
        using T = typename decltype(of)::type;
        const T no = Cast<T, double>::of(0), yes = Cast<T, double>::of(1);
        T *to = out.as<T>();
        if (wide) {
            const double *limit = p.as<double>();
            engine.words(2 * n, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
                for (int64_t i = 0; i < count / 2; ++i) {
                    const int64_t k = first / 2 + i;
                    to[k] = unit53(pair_of(raw + 2 * i)) < limit[k] ? yes : no;
                }
            });
        } else {
            const float *limit = p.as<float>();
            engine.words(n, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
                for (int64_t i = 0; i < count; ++i) {
                    const float u = float(tempered(raw[i]) & 0xffffffu) * 0x1p-24f;
                    to[first + i] = u < limit[first + i] ? yes : no;
                }
            });
        }
    };
    if (out.dtype == DType::boolean) {
        fill(Of<bool>());
    } else if (!for_floating(out.dtype, fill) && !for_integer(out.dtype, fill)) {
        fail_output_dtype(out, "bernoulli_each: out", "a floating, integer or bool dtype");
    }
}

// --- integers ----------------------------------------------------------------------------------------------------

// Lemire, Kaser and Kurz 2019, "Faster remainder by direct computation": exact for 32-bit numbers.
class Remainder {
public:
    explicit Remainder(uint32_t divisor) : divisor_(divisor), inverse_(~uint64_t(0) / divisor + 1) {}
    uint32_t operator()(uint32_t x) const {
        return uint32_t((unsigned __int128)(inverse_ * x) * divisor_ >> 64);
    }

private:
    uint32_t divisor_;
    uint64_t inverse_;
};

template <typename T>
void fill_integers(RandomEngine &engine, T *out, int64_t n, uint64_t low, uint64_t count_of, bool wide) {
    using To = Cast<T, int64_t>;
    if (wide) {
        engine.words(2 * n, light / 4, [&](const uint32_t *raw, int64_t first, int64_t count) {
            for (int64_t i = 0; i < count / 2; ++i) {
                const uint64_t bits = pair_of(raw + 2 * i);
                out[first / 2 + i] = To::of(int64_t((count_of ? bits % count_of : bits) + low));
            }
        });
        return;
    }
    const Remainder remainder{uint32_t(count_of)};
    engine.words(n, light, [&](const uint32_t *raw, int64_t first, int64_t count) {
        uint32_t words[tile];
        for (int64_t i = 0; i < count; i += tile) {
            const int64_t some = std::min(tile, count - i);
            random_kernels().temper(raw + i, words, some);
            for (int64_t k = 0; k < some; ++k) {
                out[first + i + k] = To::of(int64_t(remainder(words[k]) + low));
            }
        }
    });
}

void integers(RandomEngine &engine, const Array &out, int64_t low, uint64_t count, bool wide) {
    expect_output(out, "integers: out");
    if (!wide && (count == 0 || count > std::numeric_limits<uint32_t>::max())) {
        fail("integers: expected a count of 1 to 2^32 - 1 from one word, got " + std::to_string(count));
    }
    const Drawing drawing(engine, out.size);
    const auto fill = [&](auto of) {
        fill_integers(engine, out.as<typename decltype(of)::type>(), out.size, uint64_t(low), count, wide);
    };
    bool known = for_floating(out.dtype, fill) || for_integer(out.dtype, fill);
    if (!known) {
        known = true;
        switch (out.dtype) {
            case DType::boolean: fill(Of<bool>()); break;
            case DType::uint16: fill(Of<uint16_t>()); break;
            case DType::uint32: fill(Of<uint32_t>()); break;
            case DType::uint64: fill(Of<uint64_t>()); break;
            default: known = false;
        }
    }
    if (!known) fail_output_dtype(out, "integers: out", "a floating, integer or bool dtype");
}

// For every step, draws the place it acts on from `words_each` words, then acts. The places do not depend on the acts, so
// one batch of them is fetched into the cache while another is acted on.
template <int words_each, typename Place, typename Act>
void shuffle(RandomEngine &engine, const int64_t *x, int64_t steps, const Place &place_of, const Act &act) {
    constexpr int64_t batch = 64;
    const int64_t total = words_each * steps;
    engine.words(total, total, [&](const uint32_t *raw, int64_t first_word, int64_t word_count) {
        const int64_t first = first_word / words_each, count = word_count / words_each;
        int64_t places[2][batch];
        const auto prepare = [&](int64_t begin, int64_t *to) {
            const int64_t end = std::min(begin + batch, count);
            for (int64_t i = begin; i < end; ++i) {
                const int64_t place = place_of(raw + words_each * i, first + i);
                to[i - begin] = place;
                __builtin_prefetch(x + place, 1);
            }
        };
        prepare(0, places[0]);
        for (int64_t begin = 0, turn = 0; begin < count; begin += batch, turn ^= 1) {
            prepare(begin + batch, places[turn ^ 1]);
            const int64_t end = std::min(begin + batch, count);
            for (int64_t i = begin; i < end; ++i) act(first + i, places[turn][i - begin]);
        }
    });
}

void permutation(RandomEngine &engine, const Array &out) {
    expect_dtype(out, DType::int64, "permutation: out");
    expect_ndim(out, 1, 1, "permutation: out");
    expect_output(out, "permutation: out");
    const int64_t n = out.size;
    const Drawing drawing(engine, n);
    int64_t *x = out.as<int64_t>();
    if (n < std::numeric_limits<uint32_t>::max() / 20) {
        for (int64_t i = 0; i < n; ++i) x[i] = i;
        shuffle<1>(
            engine, x, std::max<int64_t>(n - 1, 0),
            [n](const uint32_t *raw, int64_t i) { return i + int64_t(tempered(*raw) % uint32_t(n - i)); },
            [x](int64_t i, int64_t place) { std::swap(x[i], x[place]); });
    } else {
        // PyTorch's road for so many: two words, lest the remainder favour small numbers, and from the inside out.
        shuffle<2>(
            engine, x, n, [](const uint32_t *raw, int64_t i) { return int64_t(pair_of(raw) % uint64_t(i + 1)); },
            [x](int64_t i, int64_t place) {
                x[i] = x[place];
                x[place] = i;
            });
    }
}

// --- the binding -------------------------------------------------------------------------------------------------

void get_state(const RandomEngine &engine, const Array &out) {
    expect_dtype(out, DType::uint8, "get_state: out");
    expect_shape(out, {RandomEngine::state_bytes}, "get_state: out");
    expect_output(out, "get_state: out");
    engine.save(out.as<uint8_t>());
}

void set_state(RandomEngine &engine, const Array &state) {
    expect_dtype(state, DType::uint8, "set_state: state");
    if (!is_contiguous(state)) fail("set_state: state: expected a C-contiguous array");
    engine.restore(state.as<uint8_t>(), state.size);
}

uint64_t next64(RandomEngine &engine) {
    const Drawing drawing(engine, 1);
    return engine.next64();
}

uint32_t next32(RandomEngine &engine) {
    const Drawing drawing(engine, 1);
    return engine.next32();
}

}  // namespace

RUSHLIGHT_BIND(random) {
    nb::class_<RandomEngine>(m, "RandomEngine", "PyTorch's CPU generator: MT19937 and its saved state.")
        .def(nb::init<uint64_t>(), "seed"_a)
        .def("seed", &RandomEngine::seed, "seed"_a, "Starts the stream of `seed`.")
        .def("initial_seed", &RandomEngine::initial_seed, "The seed of the stream.")
        .def("copy", [](const RandomEngine &engine) { return new RandomEngine(engine); },
             nb::rv_policy::take_ownership, "A second engine at the same place of the same stream.")
        .def_ro_static("state_bytes", &RandomEngine::state_bytes, "Size of a saved state.")
        .def("get_state", &get_state, "out"_a, "Writes the state, in PyTorch's form, into 5056 bytes.")
        .def("set_state", &set_state, "state"_a, "Continues from a saved state.")
        .def("next32", &next32, "One word of the stream.")
        .def("next64", &next64, "Two words of the stream, the first one high.")
        .def("uniform", &uniform, "out"_a, "low"_a = 0.0, "high"_a = 1.0, "Numbers in [low, high).")
        .def("normal", &normal, "out"_a, "mean"_a = 0.0, "std"_a = 1.0, "singly"_a = false,
             "Normal numbers; `singly` as PyTorch draws them for a tensor that is not contiguous.")
        .def("log_normal", &log_normal, "out"_a, "mean"_a = 1.0, "std"_a = 2.0)
        .def("exponential", &exponential, "out"_a, "rate"_a = 1.0)
        .def("cauchy", &cauchy, "out"_a, "median"_a = 0.0, "sigma"_a = 1.0)
        .def("geometric", &geometric, "out"_a, "p"_a)
        .def("bernoulli", &bernoulli, "out"_a, "p"_a, "1 with probability p, else 0.")
        .def("bernoulli_each", &bernoulli_each, "out"_a, "p"_a, "1 with the probability in the same place of p.")
        .def("integers", &integers, "out"_a, "low"_a, "count"_a, "wide"_a,
             "low + a number below `count` (0: 2^64) from one word, or from two where `wide`.")
        .def("permutation", &permutation, "out"_a, "0 .. n - 1, shuffled.");
}

}  // namespace rushlight
