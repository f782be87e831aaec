#include "program.h"

#include "vmath.h"

namespace rushlight {
namespace {

// `omp simd` because out may be one of the inputs.
#define RL_EACH(formula)                                      \
    {                                                         \
        _Pragma("omp simd") for (int64_t i = 0; i < n; ++i) { \
            out[i] = formula;                                 \
        }                                                     \
        return;                                               \
    }

template <typename T>
void run(Extra op, const T *x, const T *y, const T *z, T *out, int64_t n, T a, T b, T c) {
    switch (op) {
        case Extra::copy: RL_EACH(x[i])
        case Extra::fill: RL_EACH(a)
        case Extra::lerp: {
            // From the nearer end, so that weights 0 and 1 give x and y themselves.
            const T rest = T(1) - a;
            if (abs_of(a) < T(0.5)) RL_EACH(x[i] + a * (y[i] - x[i]))
            RL_EACH(y[i] - rest * (y[i] - x[i]))
        }
        // NaN has no sign, but PyTorch gives it 0.
        case Extra::sign: RL_EACH(x[i] > T(0) ? T(1) : (x[i] < T(0) ? T(-1) : T(0)))
        case Extra::greater: RL_EACH(x[i] > a ? T(1) : T(0))
        case Extra::less: RL_EACH(x[i] < a ? T(1) : T(0))
        case Extra::equal: RL_EACH(x[i] == a ? T(1) : T(0))
        case Extra::where: RL_EACH(x[i] != T(0) ? y[i] : z[i])
        case Extra::scale_and_add: RL_EACH(x[i] * a + b * y[i])
        case Extra::scale_and_addcmul: RL_EACH(x[i] * a + b * y[i] * z[i])
        case Extra::addcdiv_by_root: RL_EACH(x[i] + a * y[i] / (sqrt_of(z[i]) * b + c))
        case Extra::count: return;
    }
}

#undef RL_EACH

}  // namespace

RUSHLIGHT_KERNELS(ProgramKernels, program_kernels){{run<float>}, {run<double>}};

}  // namespace rushlight
