#include <climits>
#include <cstdlib>
#include "array.h"
#include "onednn.h"
#include "registry.h"
#include "strided.h"
namespace nb = nanobind;
using namespace nb::literals;
namespace rushlight {
namespace {
void matmul(const Array &a, const Array &b, const OptionalArray &bias, const Array &out) {
    nb::gil_scoped_release nogil;
    Key key(4);
    key.add(a); key.add(b); key.add(out);
    key.add(bias ? bias.strides[0] : INT64_MIN);
    const auto plan = plan_for(key, [&](Plan &p) {
        const Operand left(a), right(b), result(out);
        const auto pd = bias ? dnnl::matmul::primitive_desc(onednn_engine(), left.desc(), right.desc(), dnnl::memory::desc({1, bias.shape[0]}, dnnl::memory::data_type::f32, dnnl::memory::format_tag::ab), result.desc(), user_scratchpad())
            : dnnl::matmul::primitive_desc(onednn_engine(), left.desc(), right.desc(), result.desc(), user_scratchpad());
        p.input(DNNL_ARG_SRC, left, pd.src_desc());
        p.input(DNNL_ARG_WEIGHTS, right, pd.weights_desc());
        if (bias) { Array row = bias; row.ndim = 2; row.shape[1] = bias.shape[0]; row.shape[0]=1; row.strides[1]=bias.strides[0]; row.strides[0]=0; p.input(DNNL_ARG_BIAS, Operand(row), pd.bias_desc()); }
        p.output(DNNL_ARG_DST, result, pd.dst_desc());
        p.finish(dnnl::matmul(pd), pd.scratchpad_desc());
    });
    if (bias) plan->execute({a.data, b.data, bias.data, out.data});
    else plan->execute({a.data, b.data, out.data});
}
void sgemm(const Array &a, const Array &b, const Array &out) {
    nb::gil_scoped_release nogil;
    use_num_threads();
    bool ta = a.strides[1] != 1, tb = b.strides[1] != 1;
    dnnl_sgemm(ta ? 'T' : 'N', tb ? 'T' : 'N', a.shape[0], b.shape[1], a.shape[1], 1.f, a.as<float>(), ta ? a.strides[1] : a.strides[0], b.as<float>(), tb ? b.strides[1] : b.strides[0], 0.f, out.as<float>(), out.strides[0]);
}
void ip(const Array &a, const Array &b, const Array &out) {  // b is (K, N) view of (N, K)
    nb::gil_scoped_release nogil;
    Key key(5);
    key.add(a); key.add(b); key.add(out);
    const auto plan = plan_for(key, [&](Plan &p) {
        Array bt = b; std::swap(bt.shape[0], bt.shape[1]); std::swap(bt.strides[0], bt.strides[1]);
        const Operand left(a), right(bt), result(out);
        const auto pd = dnnl::inner_product_forward::primitive_desc(onednn_engine(), dnnl::prop_kind::forward_training, left.any(), right.any(), result.desc(), user_scratchpad());
        p.input(DNNL_ARG_SRC, left, pd.src_desc());
        p.input(DNNL_ARG_WEIGHTS, right, pd.weights_desc());
        p.output(DNNL_ARG_DST, result, pd.dst_desc());
        p.finish(dnnl::inner_product_forward(pd), pd.scratchpad_desc());
    });
    plan->execute({a.data, b.data, out.data});
}
}
RUSHLIGHT_BIND(matmul) { m.def("matmul", &matmul, "a"_a, "b"_a, nb::arg("bias").none(), "out"_a); m.def("sgemm", &sgemm); m.def("ip", &ip); }
}
