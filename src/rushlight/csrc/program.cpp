// Programs of element-wise operations over lists of arrays.
//
// A program is a list of instructions over registers: the operands (one list of arrays each; the
// arrays at one place of the lists have one shape and dtype) and temporaries. It is run block by
// block: an instruction is one pass over a block that stays in the first-level cache, so however
// long the program, main memory is read and written once.
#include "kernels/program.h"

#include <algorithm>
#include <array>
#include <memory>
#include <vector>

#include "array.h"
#include "dense.h"
#include "kernels/pointwise.h"
#include "registry.h"
#include "strided.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 16384;  // elements worth a thread
constexpr int64_t block = 512;    // elements of a pass
constexpr int max_operands = 16, max_temporaries = 16, max_length = 256;
constexpr int first_temporary = max_operands;  // registers before it are operands

enum class Family : int { unary, binary, binary_scalar, ternary, extra, count };

struct Instruction {
    Family family;
    int op;
    int out, x, y, z;  // registers
    double a, b, c;
};

using Program = std::vector<Instruction>;

// --- reading a program --------------------------------------------------------------------------

int64_t integer_at(PyObject *tuple, Py_ssize_t place, const char *what, int64_t end) {
    const int64_t value = PyLong_AsLongLong(PyTuple_GET_ITEM(tuple, place));
    if (value == -1 && PyErr_Occurred()) throw nb::python_error();
    if (value < 0 || value >= end) {
        fail(std::string("run_program: ") + what + " " + std::to_string(value) +
             " of an instruction is outside 0 to " + std::to_string(end - 1));
    }
    return value;
}

int register_at(PyObject *tuple, Py_ssize_t place, int64_t operands, int64_t temporaries) {
    const int64_t r = integer_at(tuple, place, "register", first_temporary + temporaries);
    if (r >= operands && r < first_temporary)
        fail("run_program: register " + std::to_string(r) + " of an instruction is no operand");
    return int(r);
}

double number_at(PyObject *tuple, Py_ssize_t place) {
    const double value = PyFloat_AsDouble(PyTuple_GET_ITEM(tuple, place));
    if (value == -1.0 && PyErr_Occurred()) throw nb::python_error();
    return value;
}

int opcodes_of(Family family) {
    switch (family) {
        case Family::unary: return int(Unary::count);
        case Family::binary: return int(Binary::count);
        case Family::binary_scalar: return int(Binary::minimum) + 1;
        case Family::ternary: return int(Ternary::count);
        case Family::extra: return int(Extra::count);
        case Family::count: break;
    }
    return 0;
}

// Each instruction is a tuple (family, opcode, out, x, y, z, a, b).
Program read_program(nb::list instructions, const std::vector<bool> &written,
                     int64_t temporaries) {
    Program program;
    const int64_t length = int64_t(instructions.size()), operands = int64_t(written.size());
    if (length > max_length) {
        fail("run_program: " + std::to_string(length) + " instructions, but at most " +
             std::to_string(max_length) + " are taken");
    }
    program.reserve(size_t(length));
    std::array<bool, max_temporaries> filled{};
    for (nb::handle item : instructions) {
        PyObject *t = item.ptr();
        if (!PyTuple_Check(t) || PyTuple_GET_SIZE(t) != 8)
            fail_type("run_program: an instruction must be a tuple of 8 numbers");
        Instruction i;
        i.family = Family(integer_at(t, 0, "family", int64_t(Family::count)));
        i.op = int(integer_at(t, 1, "opcode", opcodes_of(i.family)));
        i.out = register_at(t, 2, operands, temporaries);
        i.x = register_at(t, 3, operands, temporaries);
        i.y = register_at(t, 4, operands, temporaries);
        i.z = register_at(t, 5, operands, temporaries);
        i.a = number_at(t, 6);
        i.b = number_at(t, 7);
        i.c = 0.0;
        // A temporary that was never written would give somebody's memory away.
        for (const int r : {i.x, i.y, i.z}) {
            if (r >= first_temporary && !filled[size_t(r - first_temporary)])
                fail("run_program: register " + std::to_string(r) + " is read before it is written");
        }
        if (i.out >= first_temporary) filled[size_t(i.out - first_temporary)] = true;
        if (i.out < operands && !written[size_t(i.out)])
            fail("run_program: operand " + std::to_string(i.out) + " may only be read");
        program.push_back(i);
    }
    return program;
}

// --- joining instructions -----------------------------------------------------------------------

bool is(const Instruction &i, Unary op) { return i.family == Family::unary && i.op == int(op); }
bool is(const Instruction &i, Ternary op) { return i.family == Family::ternary && i.op == int(op); }
bool is_scalar(const Instruction &i, Binary op) {
    return i.family == Family::binary_scalar && i.op == int(op);
}

bool reads(const Instruction &i, int r) { return i.x == r || i.y == r || i.z == r; }

// Whether register r is a temporary whose value nobody asks for after instruction `at`.
bool dies_at(const Program &program, size_t at, int r) {
    if (r < first_temporary) return false;
    for (size_t k = at + 1; k < program.size(); ++k) {
        if (reads(program[k], r)) return false;
        if (program[k].out == r) return true;
    }
    return true;
}

// v = v * a, then v = v + b * y or v = v + b * y * z, as one instruction, if that is what ends at
// `at`.
bool join_average(const Program &program, size_t at, Instruction &result) {
    if (at < 1) return false;
    const Instruction &scale = program[at - 1], &add = program[at];
    const bool plain = add.family == Family::binary && add.op == int(Binary::add);
    if (!is_scalar(scale, Binary::mul) || !(plain || is(add, Ternary::addcmul))) return false;
    const int v = add.out;
    if (scale.out != v || scale.x != v || add.x != v || add.y == v) return false;
    if (!plain && add.z == v) return false;
    const Extra op = plain ? Extra::scale_and_add : Extra::scale_and_addcmul;
    result = {Family::extra, int(op), v, v, add.y, plain ? add.y : add.z, scale.b, add.a, 0};
    return true;
}

// t = sqrt(v), t = t / a, t = t + b, p = p + c * m / t as one instruction, if that is what ends at
// `at`; the division may be missing. Returns how many instructions it replaces.
size_t join_step(const Program &program, size_t at, Instruction &result) {
    if (at < 2 || !is(program[at], Ternary::addcdiv)) return 0;
    const Instruction &step = program[at], &shift = program[at - 1];
    if (!is_scalar(shift, Binary::add) || shift.a != 1.0 || shift.out != step.z) return 0;
    const bool scaled = is_scalar(program[at - 2], Binary::div);
    if (scaled && at < 3) return 0;
    const Instruction &root = program[at - (scaled ? 3 : 2)];
    const Instruction &before = program[at - 2];
    if (!is(root, Unary::sqrt) || before.out != shift.x || (scaled && before.x != root.out))
        return 0;
    for (const int t : {root.out, before.out, shift.out}) {
        if (t == step.x || t == step.y || t == root.x || !dies_at(program, at, t)) return 0;
    }
    const double scale = scaled ? 1.0 / before.b : 1.0;
    result = {Family::extra, int(Extra::addcdiv_by_root), step.out, step.x, step.y, root.x,
              step.a, scale, shift.b};
    return scaled ? 4 : 3;
}

// The program with the sequences joined in which optimizers spend their time.
Program joined(const Program &program) {
    Program result;
    for (size_t at = 0; at < program.size(); ++at) {
        result.push_back(program[at]);
        Instruction one;
        const size_t count = join_average(program, at, one) ? 2 : join_step(program, at, one);
        if (count == 0) continue;
        result.resize(result.size() - count);
        result.push_back(one);
    }
    return result;
}

// --- running it ---------------------------------------------------------------------------------

struct Loops32 {
    using type = float;
    const PointwiseLoops<float> &pointwise = pointwise_kernels().f32;
    const ProgramLoops<float> &extra = program_kernels().f32;
};

struct Loops64 {
    using type = double;
    const PointwiseLoops<double> &pointwise = pointwise_kernels().f64;
    const ProgramLoops<double> &extra = program_kernels().f64;
};

template <typename Loops, typename T>
void run_instruction(const Loops &loops, const Instruction &i, T *const *registers, int64_t n) {
    const T *x = registers[i.x], *y = registers[i.y], *z = registers[i.z];
    T *out = registers[i.out];
    const T a = T(i.a), b = T(i.b);
    switch (i.family) {
        case Family::unary: return loops.pointwise.unary(Unary(i.op), x, out, n, a, b);
        case Family::binary: return loops.pointwise.binary(Binary(i.op), x, y, out, n, a, b);
        case Family::binary_scalar:
            return loops.pointwise.binary_scalar(Binary(i.op), x, b, out, n, a);
        case Family::ternary: return loops.pointwise.ternary(Ternary(i.op), x, y, z, out, n, a);
        case Family::extra: return loops.extra.run(Extra(i.op), x, y, z, out, n, a, b, T(i.c));
        case Family::count: return;
    }
}

// One place of the lists: the arrays that belong together, in one order of memory.
struct Row {
    void *data[max_operands];
    int64_t begin, size;  // elements in the rows before it, and its own
    bool is_double;
};

// An array in another order than the others of its row: it is copied, and copied back if written.
struct Staged {
    Array array;
    int64_t strides[max_ndim];
    std::unique_ptr<char[]> copy;
    bool written;
};

class Run {
public:
    Run(const Program &program, int operands, const std::vector<bool> &written)
        : program(program), operands(operands), written(written) {}

    void add(const std::vector<nb::handle> &lists, size_t place) {
        Row row;
        Array arrays[max_operands];
        for (int k = 0; k < operands; ++k) {
            const nb::handle array = item_of(lists[size_t(k)], place);
            const std::string what = "run_program: operands[" + std::to_string(k) + "][" +
                                     std::to_string(place) + "]";
            if (!view_array(array.ptr(), arrays[k])) {
                fail_type(what + " must be a numpy.ndarray, got " + Py_TYPE(array.ptr())->tp_name);
            }
            // Another thread may take the array out of its list once the GIL is released.
            alive.push_back(nb::borrow(array));
            if (k == 0) expect_real(arrays[k], what.c_str());
            expect_dtype(arrays[k], arrays[0].dtype, what.c_str());
            expect_same_shape(arrays[k], arrays[0], what.c_str());
            if (written[size_t(k)]) expect_writeable(arrays[k], what.c_str());
        }
        const Array &first = arrays[0];
        row.begin = total;
        row.size = first.size;
        row.is_double = first.dtype == DType::float64;
        total += first.size;
        if (first.size == 0) return;
        int64_t strides[max_ndim];
        order_of(first, strides);
        for (int k = 0; k < operands; ++k) {
            row.data[k] = in_order(arrays[k], strides) ? arrays[k].data
                                                       : stage(arrays[k], strides, k);
        }
        expect_rows_apart(row);
        rows.push_back(row);
    }

    void run() {
        if (total == 0) return;
        nb::gil_scoped_release nogil;
        for (const Staged &s : staged) {
            copy_strided(s.array.itemsize, s.array.ndim, s.array.shape, s.array.data,
                         s.array.strides, s.copy.get(), s.strides);
        }
        const auto range = [this](int64_t begin, int64_t end) { run_range(begin, end); };
        total <= grain ? range(0, total) : parallel_for(total, grain, range);
        for (const Staged &s : staged) {
            if (!s.written) continue;
            copy_strided(s.array.itemsize, s.array.ndim, s.array.shape, s.copy.get(), s.strides,
                         s.array.data, s.array.strides);
        }
    }

private:
    static nb::handle item_of(nb::handle list, size_t i) {
        return PyList_Check(list.ptr()) ? PyList_GET_ITEM(list.ptr(), Py_ssize_t(i))
                                        : PyTuple_GET_ITEM(list.ptr(), Py_ssize_t(i));
    }

    // The order of memory of a row: that of its first array, or C order where that is not dense.
    static void order_of(const Array &first, int64_t *strides) {
        if (dense(first)) {
            std::copy(first.strides, first.strides + first.ndim, strides);
            return;
        }
        int64_t stride = 1;
        for (int d = first.ndim - 1; d >= 0; --d) {
            strides[d] = stride;
            stride *= first.shape[d];
        }
    }

    static bool in_order(const Array &a, const int64_t *strides) {
        for (int d = 0; d < a.ndim; ++d) {
            if (a.shape[d] != 1 && a.strides[d] != strides[d]) return false;
        }
        return a.aligned;
    }

    void *stage(const Array &a, const int64_t *strides, int k) {
        Staged s;
        s.array = a;
        std::copy(strides, strides + a.ndim, s.strides);
        s.copy.reset(new char[size_t(a.nbytes())]);
        s.written = written[size_t(k)];
        staged.push_back(std::move(s));
        return staged.back().copy.get();
    }

    // What one operand writes, no other may touch.
    void expect_rows_apart(const Row &row) const {
        const int64_t bytes = row.size * (row.is_double ? 8 : 4);
        for (int k = 0; k < operands; ++k) {
            for (int j = 0; j < k; ++j) {
                if (!written[size_t(k)] && !written[size_t(j)]) continue;
                const char *one = static_cast<const char *>(row.data[k]);
                const char *other = static_cast<const char *>(row.data[j]);
                if (one < other + bytes && other < one + bytes) {
                    fail("run_program: operands " + std::to_string(j) + " and " +
                         std::to_string(k) + " share memory");
                }
            }
        }
    }

    // The elements [begin, end) of all rows laid end to end.
    void run_range(int64_t begin, int64_t end) const {
        auto row = std::upper_bound(rows.begin(), rows.end(), begin,
                                    [](int64_t b, const Row &r) { return b < r.begin; }) -
                   1;
        for (; row != rows.end() && row->begin < end; ++row) {
            const int64_t from = std::max<int64_t>(begin - row->begin, 0);
            const int64_t to = std::min(end - row->begin, row->size);
            if (from >= to) continue;
            row->is_double ? run_row(Loops64(), *row, from, to) : run_row(Loops32(), *row, from, to);
        }
    }

    template <typename Loops>
    void run_row(const Loops &loops, const Row &row, int64_t begin, int64_t end) const {
        using T = typename Loops::type;
        alignas(64) T temporaries[max_temporaries][block];
        T *registers[max_operands + max_temporaries];
        for (int k = 0; k < max_temporaries; ++k) registers[first_temporary + k] = temporaries[k];
        for (; begin < end; begin += block) {
            const int64_t n = std::min(block, end - begin);
            for (int k = 0; k < operands; ++k) registers[k] = static_cast<T *>(row.data[k]) + begin;
            for (const Instruction &i : program) run_instruction(loops, i, registers, n);
        }
    }

    const Program &program;
    const int operands;
    const std::vector<bool> &written;
    std::vector<Row> rows;
    std::vector<Staged> staged;
    std::vector<nb::object> alive;
    int64_t total = 0;
};

size_t length_of(nb::handle list) {
    PyObject *arrays = list.ptr();
    if (PyList_Check(arrays)) return size_t(PyList_GET_SIZE(arrays));
    if (PyTuple_Check(arrays)) return size_t(PyTuple_GET_SIZE(arrays));
    fail_type(std::string("run_program: operands must be lists of arrays, got ") +
              Py_TYPE(arrays)->tp_name);
}

void run_program(nb::list instructions, nb::list operands, int64_t written, int64_t temporaries) {
    const size_t count = operands.size();
    if (count < 1 || count > size_t(max_operands)) {
        fail("run_program: there must be 1 to " + std::to_string(max_operands) +
             " operands, got " + std::to_string(count));
    }
    if (temporaries < 0 || temporaries > max_temporaries) {
        fail("run_program: there may be 0 to " + std::to_string(max_temporaries) +
             " temporaries, got " + std::to_string(temporaries));
    }
    std::vector<nb::handle> lists;
    std::vector<bool> may_write;
    for (nb::handle list : operands) {
        lists.push_back(list);
        may_write.push_back(((written >> may_write.size()) & 1) != 0);
        if (length_of(list) != length_of(lists[0])) {
            fail("run_program: operands[" + std::to_string(lists.size() - 1) + "] has " +
                 std::to_string(length_of(list)) + " arrays, but the first operand has " +
                 std::to_string(length_of(lists[0])));
        }
    }
    const Program program =
        joined(read_program(instructions, may_write, temporaries));
    Run run(program, int(count), may_write);
    const size_t rows = length_of(lists[0]);
    for (size_t place = 0; place < rows; ++place) run.add(lists, place);
    run.run();
}

}  // namespace

RUSHLIGHT_BIND(program) {
    m.def("run_program", &run_program, "instructions"_a, "operands"_a, "written"_a, "temporaries"_a,
          "Runs a program of element-wise instructions over the arrays of all operands");
    nb::dict families;
    families["unary"] = int(Family::unary);
    families["binary"] = int(Family::binary);
    families["binary_scalar"] = int(Family::binary_scalar);
    families["ternary"] = int(Family::ternary);
    families["extra"] = int(Family::extra);
    m.attr("PROGRAM_FAMILIES") = families;
    nb::dict extra;
    int code = 0;
#define RUSHLIGHT_TEXT(name) extra[#name] = code++;
    RUSHLIGHT_PROGRAM_OPS(RUSHLIGHT_TEXT)
#undef RUSHLIGHT_TEXT
    m.attr("PROGRAM_EXTRA") = extra;
    m.attr("FIRST_TEMPORARY") = first_temporary;
}

}  // namespace rushlight
