// The extension module: every other source file registers its own functions (registry.h).
#include "array.h"
#include "registry.h"

NB_MODULE(_native, m) {
    // A random engine that a module still holds when the interpreter ends is no leak to tell users of.
    nanobind::set_leak_warnings(false);
    m.doc() = "Rushlight's CPU kernels: NumPy buffers in, NumPy buffers out.";
    rushlight::import_numpy();
    for (auto *part = rushlight::Registrar::head; part; part = part->next) {
        part->bind(m);
    }
}
