#include "onednn.h"

#include <algorithm>
#include <cstring>
#include <list>
#include <numeric>
#include <unordered_map>

#include <nanobind/stl/string.h>

#include "allocator.h"
#include "registry.h"
#include "strided.h"

namespace nb = nanobind;

namespace rushlight {

using dnnl::memory;

namespace {

// A plan of a convolution holds some 200 KB of code; a large network has a few hundred.
constexpr size_t most_plans = 512;

const dnnl::stream &onednn_stream() {
    static const auto *const stream = new dnnl::stream(onednn_engine());
    return *stream;
}

void check(dnnl_status_t status, const char *what) {
    if (status != dnnl_success) {
        throw std::runtime_error(std::string("oneDNN failed to ") + what + " (status " +
                                 std::to_string(int(status)) + ")");
    }
}

void point(const memory &m, void *data) {
    check(dnnl_memory_set_data_handle(m.get(), data), "set a buffer");
}

memory::data_type type_of(DType dtype) {
    switch (dtype) {
        case DType::float32: return memory::data_type::f32;
        case DType::bfloat16: return memory::data_type::bf16;
        default:
            fail_type(std::string("oneDNN kernels take float32 and bfloat16, got ") +
                      dtype_name(dtype));
    }
}

// Whether a descriptor is this very layout, whatever its strides along dimensions of length 1.
bool lies_as(const Operand &o, const memory::desc &desc) {
    return desc.get_format_kind() == memory::format_kind::blocked && desc.get_inner_nblks() == 0 &&
           desc.get_data_type() == o.type && desc.get_padded_dims() == desc.get_dims() &&
           o.agrees(desc.get_strides().data());
}

struct KeyHash {
    size_t operator()(const Key &key) const { return key.hash(); }
};

struct Cache {
    struct Entry {
        Key key;
        std::shared_ptr<Plan> plan;
    };
    std::mutex mutex;
    std::list<Entry> entries;  // the most recently used first
    std::unordered_map<Key, std::list<Entry>::iterator, KeyHash> index;
};

Cache &cache() {
    // Never destroyed: oneDNN's own state may be gone before it at the end of the process.
    static auto *const instance = new Cache;
    return *instance;
}

}  // namespace

const dnnl::engine &onednn_engine() {
    static const auto *const engine = [] {
        dnnl::set_primitive_cache_capacity(int(most_plans));
        return new dnnl::engine(dnnl::engine::kind::cpu, 0);
    }();
    return *engine;
}

bool onednn_has_bfloat16() {
    // Without these instructions oneDNN imitates them, at a third of float32's speed.
    constexpr int needed = int(dnnl::cpu_isa::avx512_core_bf16);
    static const bool has = (int(dnnl::get_effective_cpu_isa()) & needed) == needed;
    return has;
}

void expect_compute_dtype(const Array &a, const char *what) {
    if (a.dtype != DType::bfloat16) return expect_dtype(a, DType::float32, what);
    expect_dtype(a, DType::bfloat16, what);
    if (!onednn_has_bfloat16()) {
        fail_type(std::string(what) +
                  " is bfloat16, for which this processor has no fast kernels (it lacks AVX-512 "
                  "BF16); convert to float32");
    }
}

Operand::Operand(const Array &a) : type(type_of(a.dtype)), itemsize(a.itemsize) {
    for (int i = 0; i < a.ndim; ++i) add(a.shape[i], a.strides[i]);
}

void Operand::add(int64_t length, int64_t stride) {
    if (ndim == most) throw std::logic_error("oneDNN operand has too many dimensions");
    shape[ndim] = length;
    strides[ndim++] = stride;
}

int64_t Operand::size() const {
    return std::accumulate(shape, shape + ndim, int64_t(1), std::multiplies<int64_t>());
}

Operand Operand::dense(const int *order) const {
    Operand result = *this;
    int64_t stride = 1;
    for (int k = ndim - 1; k >= 0; --k) {
        result.strides[order[k]] = stride;
        if (__builtin_mul_overflow(stride, std::max<int64_t>(shape[order[k]], 1), &stride))
            throw std::bad_alloc();
    }
    return result;
}

Operand Operand::dense() const {
    int order[max_ndim];
    std::iota(order, order + ndim, 0);
    return dense(order);
}

Operand Operand::channels_last() const {
    int order[max_ndim];
    order[0] = 0;
    for (int i = 2; i < ndim; ++i) order[i - 1] = i;
    order[ndim - 1] = 1;
    return dense(order);
}

bool Operand::expressible() const {
    int order[max_ndim];
    int n = 0;
    for (int i = 0; i < ndim; ++i) {
        if (shape[i] != 1) order[n++] = i;
    }
    std::sort(order, order + n, [&](int i, int j) { return strides[i] < strides[j]; });
    int64_t least = 1;
    for (int k = 0; k < n; ++k) {
        if (strides[order[k]] < least) return false;
        least = strides[order[k]] * shape[order[k]];
    }
    return true;
}

bool Operand::agrees(const int64_t *other) const {
    for (int i = 0; i < ndim; ++i) {
        if (shape[i] != 1 && strides[i] != other[i]) return false;
    }
    return true;
}

Operand Operand::normalised() const {
    const Operand plain = dense(), last = channels_last();
    if (agrees(plain.strides)) return plain;
    if (agrees(last.strides)) return last;
    int64_t span = 1;
    for (int i = 0; i < ndim; ++i) {
        if (shape[i] != 1) span = std::max(span, strides[i] * shape[i]);
    }
    Operand result = *this;
    for (int i = 0; i < ndim; ++i) {
        if (shape[i] == 1) result.strides[i] = span;
    }
    return result;
}

memory::desc Operand::desc() const {
    return memory::desc(memory::dims(shape, shape + ndim), type,
                        memory::dims(strides, strides + ndim));
}

memory::desc Operand::any() const {
    return memory::desc(memory::dims(shape, shape + ndim), type, memory::format_tag::any);
}

void Key::add(const Array &a) {
    add(int64_t(a.dtype) * 64 + a.ndim);
    for (int i = 0; i < a.ndim; ++i) {
        add(a.shape[i]);
        add(a.shape[i] == 1 ? 0 : a.strides[i]);
    }
}

bool Key::operator==(const Key &other) const {
    return size_ == other.size_ &&
           std::memcmp(words_, other.words_, size_t(size_) * sizeof(int64_t)) == 0;
}

size_t Key::hash() const {
    uint64_t h = uint64_t(size_);
    for (int i = 0; i < size_; ++i) {
        h = (h ^ uint64_t(words_[i])) * 0x9e3779b97f4a7c15;
        h ^= h >> 32;
    }
    return size_t(h);
}

size_t Plan::reserve(size_t bytes) {
    const size_t offset = scratch_bytes_;
    scratch_bytes_ += (bytes + 127) & ~size_t(127);
    return offset;
}

void Plan::add_port(int arg, bool is_output, const Operand &user, const memory::desc &inner) {
    Port port(user);
    port.arg = arg;
    port.is_output = is_output;
    Operand plain = user;
    if (!user.expressible()) {
        port.copies = true;
        plain = user.dense();
        port.plain_strides.assign(plain.strides, plain.strides + plain.ndim);
        port.plain_offset = reserve(size_t(plain.size()) * size_t(plain.itemsize));
    }
    plain = plain.normalised();
    const bool direct = lies_as(plain, inner);
    const memory::desc plain_desc = direct ? inner : plain.desc();
    port.plain = memory(plain_desc, onednn_engine(), DNNL_MEMORY_NONE);
    if (!direct) {
        port.reorders = true;
        port.inner_offset = reserve(inner.get_size());
        port.inner = memory(inner, onednn_engine(), DNNL_MEMORY_NONE);
        const auto pd = dnnl::reorder::primitive_desc(
            onednn_engine(), is_output ? inner : plain_desc, onednn_engine(),
            is_output ? plain_desc : inner, user_scratchpad());
        port.reorder = dnnl::reorder(pd);
        port.reorder_offset = reserve(pd.scratchpad_desc().get_size());
        port.reorder_scratch = memory(pd.scratchpad_desc(), onednn_engine(), DNNL_MEMORY_NONE);
    }
    ports_.push_back(std::move(port));
}

void Plan::input(int arg, const Operand &user, const memory::desc &inner) {
    add_port(arg, false, user, inner);
}

void Plan::output(int arg, const Operand &user, const memory::desc &inner) {
    add_port(arg, true, user, inner);
}

void Plan::finish(const dnnl::primitive &primitive, const memory::desc &scratchpad) {
    primitive_ = primitive;
    scratchpad_offset_ = reserve(scratchpad.get_size());
    scratchpad_ = memory(scratchpad, onednn_engine(), DNNL_MEMORY_NONE);
    for (const Port &port : ports_)
        args_.push_back({port.arg, (port.reorders ? port.inner : port.plain).get()});
    args_.push_back({DNNL_ARG_SCRATCHPAD, scratchpad_.get()});
}

void Plan::copy(const Port &port, char *user, char *plain) const {
    const Operand &o = port.user;
    if (port.is_output) {
        copy_strided(o.itemsize, o.ndim, o.shape, plain, port.plain_strides.data(), user,
                     o.strides);
    } else {
        copy_strided(o.itemsize, o.ndim, o.shape, user, o.strides, plain,
                     port.plain_strides.data());
    }
}

void Plan::run_reorder(const Port &port) const {
    const dnnl_exec_arg_t args[] = {
        {DNNL_ARG_FROM, (port.is_output ? port.inner : port.plain).get()},
        {DNNL_ARG_TO, (port.is_output ? port.plain : port.inner).get()},
        {DNNL_ARG_SCRATCHPAD, port.reorder_scratch.get()}};
    check(dnnl_primitive_execute(port.reorder.get(), onednn_stream().get(), 3, args),
          "reorder a buffer");
}

void Plan::execute(std::initializer_list<const void *> pointers) {
    if (pointers.size() != ports_.size())
        throw std::logic_error("oneDNN plan got a wrong number of buffers");
    const Scratch scratch(scratch_bytes_);
    char *const base = scratch.data();
    std::lock_guard<std::mutex> lock(mutex_);
    const void *const *pointer = pointers.begin();
    for (const Port &port : ports_) {
        char *user = static_cast<char *>(const_cast<void *>(*pointer++));
        point(port.plain, port.copies ? base + port.plain_offset : user);
        if (port.copies && !port.is_output) copy(port, user, base + port.plain_offset);
        if (port.reorders) {
            point(port.inner, base + port.inner_offset);
            point(port.reorder_scratch, base + port.reorder_offset);
            if (!port.is_output) run_reorder(port);
        }
    }
    point(scratchpad_, base + scratchpad_offset_);
    check(dnnl_primitive_execute(primitive_.get(), onednn_stream().get(), int(args_.size()),
                                 args_.data()),
          "run an operation");
    pointer = pointers.begin();
    for (const Port &port : ports_) {
        char *user = static_cast<char *>(const_cast<void *>(*pointer++));
        if (!port.is_output) continue;
        if (port.reorders) run_reorder(port);
        if (port.copies) copy(port, user, base + port.plain_offset);
    }
}

std::shared_ptr<Plan> find_plan(const Key &key) {
    Cache &c = cache();
    std::lock_guard<std::mutex> lock(c.mutex);
    const auto found = c.index.find(key);
    if (found == c.index.end()) return nullptr;
    c.entries.splice(c.entries.begin(), c.entries, found->second);
    return found->second->plan;
}

std::shared_ptr<Plan> keep_plan(const Key &key, std::shared_ptr<Plan> plan) {
    Cache &c = cache();
    std::lock_guard<std::mutex> lock(c.mutex);
    const auto found = c.index.find(key);
    if (found != c.index.end()) return found->second->plan;  // another thread made it meanwhile
    c.entries.push_front({key, plan});
    c.index.emplace(key, c.entries.begin());
    if (c.entries.size() > most_plans) {
        c.index.erase(c.entries.back().key);
        c.entries.pop_back();
    }
    return plan;
}

dnnl::primitive_attr user_scratchpad() {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    return attr;
}

RUSHLIGHT_BIND(onednn) {
    m.def(
        "onednn_version",
        [] {
            const auto *v = dnnl::version();
            return std::to_string(v->major) + "." + std::to_string(v->minor) + "." +
                   std::to_string(v->patch);
        },
        "The version of oneDNN in use.");
    m.def("has_bfloat16", &onednn_has_bfloat16,
          "Whether conv and matmul have bfloat16 kernels on this processor.");
}

}  // namespace rushlight
