// Optimizer steps over all parameters at once: one traversal, whatever the rule.
#include "kernels/optimizer.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <variant>
#include <vector>

#include <nanobind/stl/variant.h>
#include <nanobind/stl/vector.h>

#include "array.h"
#include "dense.h"
#include "registry.h"
#include "threads.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace rushlight {
namespace {

constexpr int64_t grain = 16384;  // elements worth a thread

// --- the traversal ------------------------------------------------------------------------------

// One parameter with what belongs to it.
struct StepTensor {
    void *data[max_operands];
    const void *rule;
    int64_t begin, size;  // elements of the parameters before it, and its own
    int strided;  // where its arrays are kept if they are not dense or not in one order, else -1
    bool is_double;
};

using Operands = std::array<Array, max_operands>;

// A list of arrays that a rule reads (gradients) or updates (everything else).
struct OperandList {
    const char *what;
    nb::handle arrays;
    bool written;
};

nb::handle item_of(nb::handle list, size_t i) {
    return PyList_Check(list.ptr()) ? PyList_GET_ITEM(list.ptr(), Py_ssize_t(i))
                                    : PyTuple_GET_ITEM(list.ptr(), Py_ssize_t(i));
}

size_t length_of(const OperandList &list) {
    PyObject *arrays = list.arrays.ptr();
    if (PyList_Check(arrays)) return size_t(PyList_GET_SIZE(arrays));
    if (PyTuple_Check(arrays)) return size_t(PyTuple_GET_SIZE(arrays));
    fail_type(std::string(list.what) + " must be a list or tuple of arrays, got " +
              Py_TYPE(arrays)->tp_name);
}

class Step {
public:
    // The first list is that of the parameters.
    Step(const std::vector<OperandList> &lists) : operands(int(lists.size())) {
        for (int k = 0; k < operands; ++k) written[k] = lists[size_t(k)].written;
        const size_t count = length_of(lists[0]);
        for (const OperandList &list : lists) {
            if (length_of(list) != count) {
                fail(std::string(list.what) + " has " + std::to_string(length_of(list)) +
                     " arrays for " + std::to_string(count) + " parameters");
            }
        }
        tensors.resize(count);
        alive.reserve(count * lists.size());
        for (size_t i = 0; i < count; ++i) add(lists, i);
    }

    size_t size() const { return tensors.size(); }
    void set_rule(size_t i, const void *rule) { tensors[i].rule = rule; }

    // Runs the loops over all elements, split by elements and not by tensors.
    void run(StepLoop<float> loop32, StepLoop<double> loop64) const {
        const auto range = [&](int64_t begin, int64_t end) {
            auto at = std::upper_bound(tensors.begin(), tensors.end(), begin,
                                       [](int64_t b, const StepTensor &t) { return b < t.begin; }) -
                      1;
            for (; at != tensors.end() && at->begin < end; ++at) {
                const int64_t from = std::max<int64_t>(begin - at->begin, 0),
                              to = std::min(end - at->begin, at->size);
                if (from >= to) continue;
                at->is_double ? piece(*at, loop64, from, to) : piece(*at, loop32, from, to);
            }
        };
        if (total <= grain) {
            if (total > 0) range(0, total);
            return;
        }
        nb::gil_scoped_release nogil;
        parallel_for(total, grain, range);
    }

private:
    void add(const std::vector<OperandList> &lists, size_t i) {
        StepTensor &t = tensors[i];
        Operands &all = scratch;
        const Array &p = all[0];
        for (int k = 0; k < operands; ++k) {
            const OperandList &list = lists[size_t(k)];
            Array &a = all[size_t(k)];
            const nb::handle array = item_of(list.arrays, i);
            if (!view_array(array.ptr(), a)) {
                fail_type(std::string(list.what) + "[" + std::to_string(i) +
                          "] must be a numpy.ndarray, got " + Py_TYPE(array.ptr())->tp_name);
            }
            // Another thread may take the array out of its list once the GIL is released.
            alive.push_back(nb::borrow(array));
            if (k == 0) expect_real(a, list.what);
            expect_dtype(a, p.dtype, list.what);
            expect_same_shape(a, p, list.what);
            if (list.written) expect_writeable(a, list.what);
            t.data[k] = a.data;
        }
        t.begin = total;
        t.size = p.size;
        t.is_double = p.dtype == DType::float64;
        t.strided = -1;
        total += p.size;
        bool flat = dense(p);
        for (int k = 1; k < operands; ++k) flat = flat && same_layout(all[size_t(k)], p);
        if (!flat && p.size > 0) {
            t.strided = int(strided.size());
            strided.push_back(all);
            return;
        }
        for (int k = 0; k < operands; ++k) {
            for (int j = 0; j < k; ++j) {
                if (written[k] || written[j])
                    expect_apart(all[size_t(k)], all[size_t(j)], lists[size_t(k)].what);
            }
        }
    }

    template <typename T>
    void piece(const StepTensor &t, StepLoop<T> loop, int64_t begin, int64_t end) const {
        if (t.strided >= 0)
            return strided_piece(strided[size_t(t.strided)], t.rule, loop, begin, end);
        T *at[max_operands];
        for (int k = 0; k < operands; ++k) at[k] = static_cast<T *>(t.data[k]) + begin;
        loop(t.rule, at, end - begin);
    }

    // Operands in different orders meet in small buffers, element by element in the order of the
    // shape.
    template <typename T>
    void strided_piece(const Operands &all, const void *rule, StepLoop<T> loop, int64_t begin,
                       int64_t end) const {
        constexpr int64_t room = 256;
        T buffers[max_operands][room];
        int64_t offsets[max_operands][room];
        T *at[max_operands];
        for (int k = 0; k < operands; ++k) at[k] = buffers[k];
        const Array &shape = all[0];
        int64_t index[max_ndim], rest = begin;
        for (int d = shape.ndim - 1; d >= 0; --d) {
            index[d] = rest % shape.shape[d];
            rest /= shape.shape[d];
        }
        while (begin < end) {
            const int64_t count = std::min(room, end - begin);
            for (int64_t i = 0; i < count; ++i) {
                for (int k = 0; k < operands; ++k) {
                    int64_t offset = 0;
                    for (int d = 0; d < shape.ndim; ++d)
                        offset += index[d] * all[size_t(k)].strides[d];
                    offsets[k][i] = offset;
                    buffers[k][i] = all[size_t(k)].as<const T>()[offset];
                }
                for (int d = shape.ndim - 1; d >= 0 && ++index[d] == shape.shape[d]; --d)
                    index[d] = 0;
            }
            loop(rule, at, count);
            for (int k = 0; k < operands; ++k) {
                if (!written[k]) continue;
                for (int64_t i = 0; i < count; ++i)
                    all[size_t(k)].as<T>()[offsets[k][i]] = buffers[k][i];
            }
            begin += count;
        }
    }

    std::vector<StepTensor> tensors;
    std::vector<Operands> strided;
    std::vector<nb::object> alive;
    Operands scratch;
    int operands;
    bool written[max_operands];
    int64_t total = 0;
};

void expect_finite(double value, double least, const char *what) {
    if (!(value >= least) || std::isinf(value)) {
        fail(std::string(what) + " must be a finite number of at least " + std::to_string(least) +
             ", got " + std::to_string(value));
    }
}

// --- the rules ----------------------------------------------------------------------------------

void sgd_step(nb::handle params, nb::handle grads, nb::handle momentum_buffers, double lr,
              double momentum, double dampening, double weight_decay, bool nesterov, bool maximize,
              bool first) {
    std::vector<OperandList> lists{{"sgd_step: params", params, true},
                                   {"sgd_step: grads", grads, false}};
    const bool has_momentum = !momentum_buffers.is_none();
    if (has_momentum) lists.push_back({"sgd_step: momentum_buffers", momentum_buffers, true});
    Step step(lists);
    const SgdMomentum mode = !has_momentum ? SgdMomentum::none
                             : first       ? SgdMomentum::first
                                           : SgdMomentum::later;
    const SgdRule rule{lr, momentum, dampening, weight_decay, mode, nesterov, maximize};
    for (size_t i = 0; i < step.size(); ++i) step.set_rule(i, &rule);
    step.run(optimizer_kernels().f32.sgd, optimizer_kernels().f64.sgd);
}

void adam_step(nb::handle params, nb::handle grads, nb::handle exp_avgs, nb::handle exp_avg_sqs,
               nb::handle max_exp_avg_sqs, const std::variant<double, std::vector<double>> &steps,
               double lr, double beta1, double beta2, double eps, double weight_decay,
               bool decoupled, bool maximize) {
    std::vector<OperandList> lists{{"adam_step: params", params, true},
                                   {"adam_step: grads", grads, false},
                                   {"adam_step: exp_avgs", exp_avgs, true},
                                   {"adam_step: exp_avg_sqs", exp_avg_sqs, true}};
    const bool amsgrad = !max_exp_avg_sqs.is_none();
    if (amsgrad) lists.push_back({"adam_step: max_exp_avg_sqs", max_exp_avg_sqs, true});
    Step step(lists);
    const auto rule_at = [&](double count) {
        expect_finite(count, 1.0, "adam_step: steps");
        return AdamRule{lr,
                        beta1,
                        beta2,
                        eps,
                        weight_decay,
                        1.0 - std::pow(beta1, count),
                        1.0 - std::pow(beta2, count),
                        decoupled,
                        amsgrad,
                        maximize};
    };
    std::vector<AdamRule> rules;
    if (const double *count = std::get_if<double>(&steps)) {
        rules.push_back(rule_at(*count));
        for (size_t i = 0; i < step.size(); ++i) step.set_rule(i, &rules[0]);
    } else {
        const std::vector<double> &counts = std::get<std::vector<double>>(steps);
        if (counts.size() != step.size()) {
            fail("adam_step: steps has " + std::to_string(counts.size()) + " numbers for " +
                 std::to_string(step.size()) + " parameters");
        }
        for (const double count : counts) rules.push_back(rule_at(count));
        for (size_t i = 0; i < step.size(); ++i) step.set_rule(i, &rules[i]);
    }
    step.run(optimizer_kernels().f32.adam, optimizer_kernels().f64.adam);
}

}  // namespace

RUSHLIGHT_BIND(optimizer) {
    m.def("sgd_step", &sgd_step, "params"_a, "grads"_a, "momentum_buffers"_a.none(), "lr"_a,
          "momentum"_a, "dampening"_a, "weight_decay"_a, "nesterov"_a, "maximize"_a, "first"_a,
          "One step of SGD, in place, over all parameters");
    m.def("adam_step", &adam_step, "params"_a, "grads"_a, "exp_avgs"_a, "exp_avg_sqs"_a,
          "max_exp_avg_sqs"_a.none(), "steps"_a, "lr"_a, "beta1"_a, "beta2"_a, "eps"_a,
          "weight_decay"_a, "decoupled"_a, "maximize"_a,
          "One step of Adam or AdamW, in place, over all parameters");
}

}  // namespace rushlight
