// CRC-32 as zip files have it, at the speed of memory: by carry-less multiplication, where the
// processor has it. The loop and its constants are those of Gopal et al. 2009, "Fast CRC Computation
// for Generic Polynomials Using PCLMULQDQ Instruction", for the reflected polynomial 0xEDB88320.
#include <array>
#include <cstdint>
#include <cstring>

#include "registry.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace nb = nanobind;

namespace rushlight {
namespace {

constexpr size_t block = 64;
// Below this, letting other threads run costs more than the work.
constexpr size_t release_size = 1 << 15;

std::array<uint32_t, 256> make_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int bit = 0; bit < 8; bit++) {
            c = (c >> 1) ^ (c & 1 ? 0xEDB88320u : 0);
        }
        table[i] = c;
    }
    return table;
}

uint32_t by_bytes(const uint8_t *data, size_t size, uint32_t c) {
    static const std::array<uint32_t, 256> table = make_table();
    for (size_t i = 0; i < size; i++) {
        c = table[(c ^ data[i]) & 0xFF] ^ (c >> 8);
    }
    return c;
}

#if defined(__x86_64__)

#define RUSHLIGHT_PCLMUL __attribute__((target("pclmul,sse4.1")))

RUSHLIGHT_PCLMUL inline __m128i load(const uint8_t *data) {
    return _mm_loadu_si128(reinterpret_cast<const __m128i *>(data));
}

// Moves `x` forward by as many bits as the pair of constants stands for, onto `next`.
RUSHLIGHT_PCLMUL inline __m128i fold(__m128i x, __m128i constants, __m128i next) {
    __m128i low = _mm_clmulepi64_si128(x, constants, 0x00);
    __m128i high = _mm_clmulepi64_si128(x, constants, 0x11);
    return _mm_xor_si128(_mm_xor_si128(low, high), next);
}

// `size` is a multiple of 16, and at least 64.
RUSHLIGHT_PCLMUL uint32_t by_folding(const uint8_t *data, size_t size, uint32_t c) {
    // x^(n+32) and x^(n-32) modulo the polynomial, for n bits of distance.
    const __m128i by_512 = _mm_set_epi64x(0x1C6E41596, 0x154442BD4);
    const __m128i by_128 = _mm_set_epi64x(0x0CCAA009E, 0x1751997D0);
    const __m128i by_64 = _mm_set_epi64x(0, 0x163CD6124);
    // The polynomial, and the quotient of x^64 by it, for the division that is left.
    const __m128i division = _mm_set_epi64x(0x1F7011641, 0x1DB710641);
    const __m128i low_words = _mm_set_epi32(0, -1, 0, -1);

    __m128i a = _mm_xor_si128(load(data), _mm_cvtsi32_si128(static_cast<int>(c)));
    __m128i b = load(data + 16), d = load(data + 32), e = load(data + 48);
    for (data += 64, size -= 64; size >= 64; data += 64, size -= 64) {
        a = fold(a, by_512, load(data));
        b = fold(b, by_512, load(data + 16));
        d = fold(d, by_512, load(data + 32));
        e = fold(e, by_512, load(data + 48));
    }
    a = fold(a, by_128, b);
    a = fold(a, by_128, d);
    a = fold(a, by_128, e);
    for (; size >= 16; data += 16, size -= 16) {
        a = fold(a, by_128, load(data));
    }
    a = _mm_xor_si128(_mm_srli_si128(a, 8), _mm_clmulepi64_si128(a, by_128, 0x10));
    __m128i rest = _mm_srli_si128(a, 4);
    a = _mm_xor_si128(_mm_clmulepi64_si128(_mm_and_si128(a, low_words), by_64, 0x00), rest);
    __m128i q = _mm_clmulepi64_si128(_mm_and_si128(a, low_words), division, 0x10);
    q = _mm_clmulepi64_si128(_mm_and_si128(q, low_words), division, 0x00);
    return static_cast<uint32_t>(_mm_extract_epi32(_mm_xor_si128(a, q), 1));
}

bool can_fold() {
    static const bool can = __builtin_cpu_supports("pclmul") && __builtin_cpu_supports("sse4.1");
    return can;
}

#else

uint32_t by_folding(const uint8_t *data, size_t size, uint32_t c) { return by_bytes(data, size, c); }

bool can_fold() { return false; }

#endif

uint32_t continue_crc32(const uint8_t *data, size_t size, uint32_t before) {
    uint32_t c = ~before;
    if (size >= block && can_fold()) {
        size_t folded = size & ~static_cast<size_t>(15);
        c = by_folding(data, folded, c);
        data += folded;
        size -= folded;
    }
    return ~by_bytes(data, size, c);
}

// Holds a buffer that any object with the buffer protocol lends.
struct Lent {
    explicit Lent(PyObject *object) {
        if (PyObject_GetBuffer(object, &view, PyBUF_SIMPLE) != 0) {
            throw nb::python_error();
        }
    }
    ~Lent() { PyBuffer_Release(&view); }
    Lent(const Lent &) = delete;
    Lent &operator=(const Lent &) = delete;

    Py_buffer view;
};

uint32_t crc32(nb::handle object, uint32_t before) {
    Lent lent(object.ptr());
    auto *data = static_cast<const uint8_t *>(lent.view.buf);
    auto size = static_cast<size_t>(lent.view.len);
    if (size < release_size) {
        return continue_crc32(data, size, before);
    }
    nb::gil_scoped_release release;
    return continue_crc32(data, size, before);
}

}  // namespace

RUSHLIGHT_BIND(checksum) {
    m.def("crc32", &crc32, nb::arg("data"), nb::arg("before") = 0,
          "The CRC-32 of a contiguous buffer, continued from that of what came before it.");
    m.def("has_fast_crc32", &can_fold, "Whether this processor multiplies without carry.");
}

}  // namespace rushlight
