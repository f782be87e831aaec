// Conversion between float32 and the half-precision types, in the order of memory.
#include "array.h"
#include "dense.h"
#include "kernels/convert.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 32768;  // elements worth a thread

bool is_half(const Array &a) { return a.dtype == DType::bfloat16 || a.dtype == DType::float16; }

template <typename From, typename To>
void run(void (*kernel)(int64_t, const From *, To *), const Array &x, const Array &out) {
    parallel_for(x.size, grain, [&](int64_t begin, int64_t end) {
        kernel(end - begin, x.as<From>() + begin, out.as<To>() + begin);
    });
}

void convert(const Array &x, const Array &out) {
    const bool widens = is_half(x) && out.dtype == DType::float32;
    if (!widens && !(x.dtype == DType::float32 && is_half(out))) {
        fail_type(std::string("convert: x and out must be float32 and one of bfloat16 and float16 "
                              "(either way round), got ") +
                  dtype_name(x.dtype) + " and " + dtype_name(out.dtype));
    }
    expect_dtype(x, x.dtype, "convert: x");
    expect_dtype(out, out.dtype, "convert: out");
    expect_dense(x, "convert: x");
    expect_layout_of(out, x, "convert: out");
    expect_writeable(out, "convert: out");
    expect_apart(out, x, "convert: out");

    nb::gil_scoped_release nogil;
    const auto &kernels = convert_kernels();
    if (widens) {
        run(x.dtype == DType::bfloat16 ? kernels.from_bfloat16 : kernels.from_float16, x, out);
    } else {
        run(out.dtype == DType::bfloat16 ? kernels.to_bfloat16 : kernels.to_float16, x, out);
    }
}

}  // namespace

RUSHLIGHT_BIND(convert) {
    m.def("convert", &convert, "x"_a, "out"_a,
          "out = x in another dtype, from float32 to bfloat16 or float16 (to the nearest, ties to "
          "even) or back; both dense, in one memory order.");
}

}  // namespace rushlight
