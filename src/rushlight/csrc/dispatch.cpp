#include "dispatch.h"

#include <stdexcept>
#include <string>

#include <nanobind/stl/string.h>

#include "registry.h"

namespace nb = nanobind;

namespace rushlight {
namespace {

const char *const isa_names[] = {"baseline", "avx2", "avx512"};

int best_isa() {
#if defined(__x86_64__)
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
                    __builtin_cpu_supports("f16c");
    const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    return v3 ? (v4 ? 2 : 1) : 0;
#else
    return 0;
#endif
}

std::string get_isa() { return isa_names[current_isa]; }

void set_isa(const std::string &name) {
    for (int i = 0; i < 3; ++i) {
        if (name == isa_names[i]) {
            if (i > best_isa()) {
                throw std::invalid_argument("set_isa: this processor has no " + name +
                                            "; its best is " + isa_names[best_isa()]);
            }
            current_isa = i;
            return;
        }
    }
    throw std::invalid_argument("set_isa: expected 'baseline', 'avx2' or 'avx512', got '" + name +
                                "'");
}

}  // namespace

int current_isa = best_isa();

RUSHLIGHT_BIND(dispatch) {
    m.def("get_isa", &get_isa, "The instruction set that our own loops use.");
    m.def("set_isa", &set_isa, nb::arg("name"), "Makes our own loops use a given instruction set.");
}

}  // namespace rushlight
