// Adding slices at indices along one dimension: the gradient of taking them.
//
// Both arrays are C-contiguous and count as (before, n, after) around that dimension: the target
// has n slices, the values have one for each index.
#include <stdexcept>
#include <string>
#include <vector>

#include "array.h"
#include "dense.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 65536;  // additions worth a thread

struct Slices {
    int64_t before = 1, n, count, after = 1;
    // The indices counted from the front: a copy, which stays right whatever becomes of the array.
    std::vector<int64_t> rows;
};

// The counts of `whole` and of `part`, the array of the same shape with `index` in the place of
// `dim`, and the checked indices.
Slices check(const Array &whole, const Array &part, const Array &index, int64_t dim,
             const std::string &what) {
    if (dim < 0 || dim >= whole.ndim) {
        throw std::out_of_range(what + ": there is no dimension " + std::to_string(dim));
    }
    expect_dtype(index, DType::int64, (what + ": index").c_str());
    if (part.dtype != whole.dtype) fail_type(what + ": the two arrays have different dtypes");
    for (const Array *a : {&whole, &part, &index}) {
        if (!a->aligned || !is_contiguous(*a)) fail(what + ": arrays must be C-contiguous");
    }
    Slices s;
    for (int i = 0; i < dim; ++i) s.before *= whole.shape[i];
    for (int i = int(dim) + 1; i < whole.ndim; ++i) s.after *= whole.shape[i];
    s.n = whole.shape[dim];
    s.count = index.size;
    if (part.size != s.before * s.count * s.after) {
        fail(what + ": " + std::to_string(s.count) + " indices of slices of " +
             describe_shape(whole.shape, whole.ndim) + " do not fit an array of shape " +
             describe_shape(part.shape, part.ndim));
    }
    s.rows.resize(size_t(s.count));
    const int64_t *at = index.as<const int64_t>();
    for (int64_t i = 0; i < s.count; ++i) {
        const int64_t row = at[i];
        if (row < -s.n || row >= s.n) {
            throw std::out_of_range("index " + std::to_string(row) +
                                    " is out of bounds for dimension " + std::to_string(dim) +
                                    " with size " + std::to_string(s.n));
        }
        s.rows[size_t(i)] = row < 0 ? row + s.n : row;
    }
    return s;
}

// Adds columns [from, to) of the slices whose target row lies in [low, high).
template <typename T>
void add(const T *values, T *out, const Slices &s, int64_t from, int64_t to, int64_t low,
         int64_t high) {
    const int64_t *rows = s.rows.data();
    for (int64_t block = 0; block < s.before; ++block) {
        const T *source = values + block * s.count * s.after;
        T *target = out + block * s.n * s.after;
        for (int64_t i = 0; i < s.count; ++i) {
            const int64_t row = rows[i];
            if (row < low || row >= high) continue;
            const T *from_row = source + i * s.after;
            T *to_row = target + row * s.after;
            for (int64_t j = from; j < to; ++j) to_row[j] += from_row[j];
        }
    }
}

template <typename T>
void add_typed(const Array &values, const Array &out, const Slices &s) {
    const T *source = values.as<const T>();
    T *target = out.as<T>();
    constexpr int64_t columns = 64;
    // No two threads may write to one place: they share the columns where these are many, else the
    // rows. Either way each place is summed in the order of the indices.
    if (s.after >= 2 * columns) {
        const int64_t pieces = (s.after + columns - 1) / columns;
        parallel_for(pieces, grain / (s.before * s.count * columns) + 1,
                     [&](int64_t begin, int64_t end) {
                         const int64_t to = end * columns < s.after ? end * columns : s.after;
                         add(source, target, s, begin * columns, to, 0, s.n);
                     });
    } else {
        const int64_t work = s.before * s.count * s.after;
        parallel_for(s.n, grain * s.n / (work + 1) + 1, [&](int64_t begin, int64_t end) {
            add(source, target, s, 0, s.after, begin, end);
        });
    }
}

void add_slices(const Array &values, const Array &index, int64_t dim, const Array &out) {
    const Slices s = check(out, values, index, dim, "add_slices");
    expect_real(values, "add_slices: values");
    expect_writeable(out, "add_slices: out");
    expect_apart(out, values, "add_slices: out");
    if (values.size == 0) return;
    nb::gil_scoped_release nogil;
    if (values.dtype == DType::float32) {
        add_typed<float>(values, out, s);
    } else {
        add_typed<double>(values, out, s);
    }
}

}  // namespace

RUSHLIGHT_BIND(indexing) {
    m.def("add_slices", &add_slices, "values"_a, "index"_a, "dim"_a, "out"_a,
          "Adds the slices of values to those of out at index along dim; float32 or float64.");
}

}  // namespace rushlight
