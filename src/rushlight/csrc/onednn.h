// oneDNN primitives, made once per combination of shapes, strides and attributes, and kept.
//
// A Plan is a primitive with one port for each argument. A port takes the user's buffer as it is
// where its layout is the one that the primitive wants, and otherwise stages it: inputs are
// reordered into scratch space before the primitive runs, outputs out of it afterwards.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include <oneapi/dnnl/dnnl.hpp>

#include "array.h"
#include "threads.h"

namespace rushlight {

const dnnl::engine &onednn_engine();
bool onednn_has_bfloat16();

// Throws TypeError unless the dtype is one that the fast kernels compute in here; what:
// "conv_forward: x".
void expect_compute_dtype(const Array &a, const char *what);

// A user's buffer as oneDNN is to see it: an array's shape and strides (in elements), perhaps with
// a dimension split or added.
struct Operand {
    static constexpr int most = 6;
    dnnl::memory::data_type type;
    int itemsize;
    int ndim = 0;
    int64_t shape[most];
    int64_t strides[most];

    explicit Operand(const Array &a);

    void add(int64_t length, int64_t stride);
    int64_t size() const;
    // The same shape over dense memory, dimension order[0] outermost.
    Operand dense(const int *order) const;
    Operand dense() const;
    Operand channels_last() const;

    // Whether the strides are these, but for those along dimensions of length 1.
    bool agrees(const int64_t *other) const;
    // Whether oneDNN can describe it: strides positive, no overlap.
    bool expressible() const;
    // Strides along dimensions of length 1, which NumPy leaves to chance, as a dense layout has them.
    Operand normalised() const;

    dnnl::memory::desc desc() const;
    // The shape and type, in the layout that the primitive likes best.
    dnnl::memory::desc any() const;
};

// What a plan was made for. Words beyond the capacity are an error of the caller's.
class Key {
public:
    explicit Key(int64_t operation) { add(operation); }
    void add(int64_t word) {
        if (size_ == capacity) throw std::logic_error("oneDNN plan key is too long");
        words_[size_++] = word;
    }
    void add(const Array &a);
    bool operator==(const Key &other) const;
    size_t hash() const;

private:
    static constexpr int capacity = 80;
    int size_ = 0;
    int64_t words_[capacity];
};

class Plan {
public:
    // The ports, in the order in which execute() takes their pointers.
    void input(int arg, const Operand &user, const dnnl::memory::desc &inner);
    void output(int arg, const Operand &user, const dnnl::memory::desc &inner);
    // After the last port. Made with scratchpad_mode::user.
    void finish(const dnnl::primitive &primitive, const dnnl::memory::desc &scratchpad);

    void execute(std::initializer_list<const void *> pointers);

private:
    struct Port {
        int arg;
        bool is_output;
        bool copies = false;    // between the user's buffer and the plain one, by copy_strided
        bool reorders = false;  // between the plain one and the primitive's, by oneDNN
        Operand user;
        std::vector<int64_t> plain_strides;
        size_t plain_offset = 0, inner_offset = 0, reorder_offset = 0;
        dnnl::memory plain, inner, reorder_scratch;
        dnnl::primitive reorder;
        explicit Port(const Operand &user) : user(user) {}
    };
    void add_port(int arg, bool is_output, const Operand &user, const dnnl::memory::desc &inner);
    void copy(const Port &port, char *user, char *plain) const;
    void run_reorder(const Port &port) const;
    size_t reserve(size_t bytes);

    std::mutex mutex_;
    std::vector<Port> ports_;
    dnnl::primitive primitive_;
    dnnl::memory scratchpad_;
    size_t scratchpad_offset_ = 0, scratch_bytes_ = 0;
    std::vector<dnnl_exec_arg_t> args_;
};

// The plan for a key and a thread count: a kept one, or what `make` builds. The least recently used
// of some hundreds are dropped.
std::shared_ptr<Plan> find_plan(const Key &key);
std::shared_ptr<Plan> keep_plan(const Key &key, std::shared_ptr<Plan> plan);

template <typename Make>
std::shared_ptr<Plan> plan_for(Key &key, int threads, const Make &make) {
    // A primitive divides its work by the threads that there are when it is made.
    use_threads(threads);
    key.add(threads);
    if (auto plan = find_plan(key)) return plan;
    try {
        auto plan = std::make_shared<Plan>();
        make(*plan);
        return keep_plan(key, std::move(plan));
    } catch (const dnnl::error &e) {
        throw std::runtime_error(std::string("oneDNN cannot make this operation: ") + e.what());
    }
}

dnnl::primitive_attr user_scratchpad();

}  // namespace rushlight
