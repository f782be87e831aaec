// How a source file adds functions to rushlight._native without any other file being edited.
#pragma once

#include <nanobind/nanobind.h>

namespace rushlight {

struct Registrar {
    using Bind = void (*)(nanobind::module_ &);
    explicit Registrar(Bind bind) : bind(bind), next(head) { head = this; }

    Bind bind;
    Registrar *next;
    inline static Registrar *head = nullptr;
};

}  // namespace rushlight

// RUSHLIGHT_BIND(conv) { m.def("conv_forward", &conv_forward, "x"_a, ...); }
#define RUSHLIGHT_BIND(name)                                   \
    static void bind_##name(nanobind::module_ &m);             \
    static rushlight::Registrar registrar_##name(bind_##name); \
    static void bind_##name([[maybe_unused]] nanobind::module_ &m)
