// One loop, three instruction sets.
//
// Every kernels/*.cpp file is compiled once per instruction set, with RUSHLIGHT_ISA naming it, and
// defines a table of function pointers in that namespace. A kernel file may include C headers only:
// an inline function or template of the C++ library compiled with AVX-512 could be the copy that
// the linker keeps for the whole extension.
#pragma once

#ifdef RUSHLIGHT_ISA

// Inside a kernel file: RUSHLIGHT_KERNELS(SoftmaxKernels, softmax_kernels) {softmax, log_softmax};
#define RUSHLIGHT_DECLARE_KERNELS(Table, name) \
    namespace RUSHLIGHT_ISA {                  \
    extern const Table name##_table;           \
    }
#define RUSHLIGHT_KERNELS(Table, name) const Table RUSHLIGHT_ISA::name##_table =

#else

namespace rushlight {

// The instruction set in use: 0 baseline, 1 avx2, 2 avx512. The best that this processor has, unless
// set_isa() chose a lower one.
extern int current_isa;

}  // namespace rushlight

#if defined(__x86_64__)
// Elsewhere: softmax_kernels().softmax(...) is the function for the processor at hand.
#define RUSHLIGHT_DECLARE_KERNELS(Table, name)                                              \
    namespace baseline {                                                                    \
    extern const Table name##_table;                                                        \
    }                                                                                       \
    namespace avx2 {                                                                        \
    extern const Table name##_table;                                                        \
    }                                                                                       \
    namespace avx512 {                                                                      \
    extern const Table name##_table;                                                        \
    }                                                                                       \
    inline const Table &name() {                                                            \
        static const Table *const tables[] = {&baseline::name##_table, &avx2::name##_table, \
                                              &avx512::name##_table};                       \
        return *tables[current_isa];                                                        \
    }
#else
#define RUSHLIGHT_DECLARE_KERNELS(Table, name) \
    namespace baseline {                       \
    extern const Table name##_table;           \
    }                                          \
    inline const Table &name() { return baseline::name##_table; }
#endif

#endif
