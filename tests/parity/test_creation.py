"""Making tensors, and asking them what they are, against PyTorch."""

from __future__ import annotations

import pytest

import rushlight

from .side_by_side import assert_same_gradients, differentiable, gradients, outcome

torch = pytest.importorskip("torch")


def made_tensors(torch):
    """A matrix."""
    return {"x": torch.arange(12.0).reshape(3, 4)}


MADE = """
torch.zeros(2, requires_grad=True).resize_(3)
torch.zeros(3).set_(x).shape
x.new(2, 3).shape
x.new([1, 2])
x.new()
x.new(torch.Size([2])).shape
x.int().new([1.7])
torch.FloatTensor(2, 3).shape
torch.FloatTensor([1, 2])
torch.LongTensor([1.7])
torch.LongTensor(x.int())
torch.Tensor(2.5)
torch.FloatTensor(torch.Size([2, 3])).shape
torch.HalfTensor([1])
torch.BoolTensor([1, 0])
torch.DoubleTensor([1])
torch.ShortTensor([1])
torch.CharTensor([1])
torch.Tensor((2, 3))
torch.Tensor(2, -1)
torch.Tensor('a')
torch.Tensor(range(3))
torch.tensor([]).new_tensor([1, 2])
torch.empty_strided((2, 2), (1, 2)).stride()
torch.range(1, 3)
torch.zeros(2, 3, 4).T.shape
torch.zeros(2, 3, 4).mT.shape
torch.zeros(2, 3, 4).mH.shape
torch.zeros(3).mT
torch.zeros(3).T
torch.tensor(1.).T
torch.zeros(2, 3, 4).H
torch.zeros(2, 3, 4, 5).contiguous(memory_format=torch.channels_last).stride()
torch.from_numpy(np.broadcast_to(np.zeros(3), (2, 3)))
torch.tensor(x)
torch.as_tensor(range(3))
torch.as_tensor([torch.tensor(1), torch.tensor(2)])
torch.tensor([torch.tensor([1]), torch.tensor([2])])
torch.tensor([torch.tensor(1.), 2])
torch.tensor([[1, 2], [3]])
torch.tensor([1, [2]])
torch.tensor('a')
torch.tensor(['a'])
torch.tensor(None)
torch.tensor([None])
torch.tensor({1:2})
torch.tensor([1, 2.5, True])
torch.tensor([True, 2])
torch.tensor([1j, 2])
torch.tensor([2**63])
torch.tensor(2**70)
torch.tensor([1.5], dtype=torch.int8)
torch.tensor([300], dtype=torch.uint8)
torch.tensor([-1], dtype=torch.uint8)
torch.tensor(1.5, dtype=torch.bool)
torch.tensor([0.0, 2], dtype=torch.bool)
torch.tensor([1, 2], requires_grad=True)
torch.tensor([1j], dtype=torch.float32)
torch.tensor(float('nan'), dtype=torch.int32)
torch.tensor([[], []]).shape
torch.tensor([])
torch.tensor([[]]).dtype
torch.tensor((1, 2))
torch.tensor(range(3))
torch.tensor(b'ab')
torch.tensor(np.float64(3))
torch.tensor([np.float64(3)])
torch.tensor([np.float32(3)])
torch.tensor(np.array([1, 2], dtype='int16'))
torch.tensor([np.ones(2), np.zeros(2)])
torch.tensor([np.int8(2)])
torch.tensor(np.array(['a']))
torch.tensor(np.array([1], dtype='>i4'))
torch.tensor(3.).flatten()
torch.tensor(3.).view(1, 1)
torch.tensor(1.).unsqueeze(0)
torch.tensor(1.).squeeze(0)
torch.tensor(1.).chunk(2)
torch.tensor(1.).view(torch.int16)
x.new_zeros(2)
x.new_ones((2, 3))
x.new_full((2,), 7)
x.new_empty(3).shape
x.int().new_full((2,), 1.5)
torch.zeros(2, 3)
torch.zeros((2, 3))
torch.zeros([2])
torch.zeros(size=(2,))
torch.zeros(())
torch.zeros(-1)
torch.zeros(2.5)
torch.zeros('a')
torch.zeros(2, dtype=torch.int32)
torch.ones(2, dtype=bool)
torch.zeros(2, dtype=float)
torch.zeros(2, dtype='float32')
torch.zeros(2, 3, device='cpu')
torch.zeros(2, requires_grad=True).requires_grad
torch.zeros(2, dtype=torch.int32, requires_grad=True)
torch.zeros_like(x)
torch.ones_like(x, dtype=torch.int64)
torch.full_like(x, 7)
torch.empty_like(x).shape
torch.zeros_like(x.t()).stride()
torch.zeros_like([1])
torch.full((2, 3), 7)
torch.full((2,), 7.5)
torch.full((2,), True)
torch.full((), 2)
torch.full((2,), 1j)
torch.full((2,), 7, dtype=torch.float16)
torch.full([2], torch.tensor(3.))
torch.full(2, 3)
torch.full((2,), 300, dtype=torch.uint8)
torch.full_like(x.int(), 1.5)
torch.arange(5)
torch.arange(1, 5)
torch.arange(1, 5, 2)
torch.arange(5.)
torch.arange(0, 1, 0.3)
torch.arange(5, 0, -1)
torch.arange(5, dtype=torch.float32)
torch.arange(start=1, end=3)
torch.arange(end=3)
torch.arange(1, 0)
torch.arange(0, 5, 0)
torch.arange(3, dtype=torch.int8)
torch.arange(torch.tensor(3))
torch.arange(0.5, 3)
torch.arange(-1, 1, 0.5)
torch.arange(0, 1, 0.1)
torch.arange(1, 2.5, 0.5, dtype=torch.float64)
torch.arange()
torch.arange(float('nan'))
torch.arange(2**40, 2**40+3)
torch.arange(3)[1].dtype
torch.arange(True)
torch.linspace(0, 1, 5)
torch.linspace(0, 10, 11)
torch.linspace(3, 1, 3)
torch.linspace(0, 1, 1)
torch.linspace(0, 1, 0)
torch.linspace(0, 10, 5, dtype=torch.int64)
torch.linspace(0, 1, 7, dtype=torch.float64)
torch.linspace(-3.3, 7.7, 100)
torch.linspace(0, 1, -1)
torch.linspace(0, 1)
torch.linspace(start=0, end=1, steps=3)
torch.logspace(0, 2, 3)
torch.logspace(0, 1, 4, base=2)
torch.logspace(-2, 2, 5, dtype=torch.float64)
torch.eye(3)
torch.eye(2, 3)
torch.eye(3, dtype=torch.int32)
torch.eye(0)
torch.eye(-1)
torch.scalar_tensor(3)
torch.scalar_tensor(2.5, dtype=torch.float64)
torch.as_tensor([1, 2.])
torch.as_tensor(np.ones(2))
torch.as_tensor(x) is x
torch.as_tensor(3)
torch.asarray([1, 2])
torch.asarray(np.ones(2))
torch.asarray(x, copy=True) is x
torch.from_numpy([1])
torch.from_numpy(np.arange(3)[::-1])
torch.from_numpy(np.array(['a']))
torch.from_numpy(np.zeros((2, 3))[:, ::2]).stride()
torch.from_numpy(np.zeros((2, 3)).T).stride()
torch.from_dlpack(np.arange(3))
torch.from_dlpack(x)
torch.frombuffer(bytearray(b'abcd'), dtype=torch.uint8)
torch.frombuffer(bytearray(5), dtype=torch.float32)
torch.frombuffer(bytearray(0), dtype=torch.float32)
torch.frombuffer(b'abcd', dtype=torch.uint8)
torch.empty(2, 3).shape
torch.empty(0).shape
torch.tensor([1.0]).to(torch.int32)
x.to('cpu') is x
x.to(torch.float32) is x
x.to(x.int()).dtype
x.to('cpu', torch.int8).dtype
torch.tensor([300., -1., 1e10, float('nan'), 2.7, -2.7]).int()
torch.tensor([300., -1., 2.7, -2.7]).byte()
torch.tensor([300., -129.]).char()
torch.tensor([1e10]).long()
torch.tensor([300, -1]).byte()
torch.tensor([0., 2., float('nan')]).bool()
torch.tensor([1e10]).half()
torch.tensor([1.5]).bfloat16()
torch.tensor([1+2j]).to(torch.float32)
torch.tensor(3).item()
torch.tensor([2.5]).item()
torch.tensor(True).item()
torch.tensor(1j).item()
torch.tensor([torch.ones(2), torch.zeros(2)])
torch.tensor([[torch.tensor(1.)], [torch.tensor(2)]])
torch.tensor([torch.tensor([[1]])])
torch.tensor([np.ones(2), [1, 2]])
torch.tensor([np.ones(2, dtype='float32'), np.ones(2, dtype='int64')])
torch.tensor([np.float32(1), 2.5])
torch.tensor([np.int32(1), 2])
torch.tensor([np.float64(1), np.float32(1)])
torch.tensor([np.bool_(True), False])
torch.tensor([np.ones(2), np.ones(3)])
torch.tensor([1, np.ones(2)])
torch.tensor([[1, 2], 3])
torch.tensor([[1, 2], [3,'a']])
torch.tensor([1,'a'])
torch.tensor(['a','b'])
torch.tensor([[1, 2], [3, [4]]])
torch.tensor([object()])
torch.tensor(object())
torch.tensor([1.5, 2], dtype=torch.int64)
torch.tensor([1.5j], dtype=torch.int64)
torch.tensor([float('inf')], dtype=torch.int64)
torch.tensor([3e10], dtype=torch.int32)
torch.tensor([2**40], dtype=torch.int32)
torch.tensor([-200], dtype=torch.int8)
torch.tensor([1e300])
torch.tensor([1e300], dtype=torch.float16)
torch.tensor(1e300)
torch.tensor(1e300, dtype=torch.float16)
torch.tensor(70000, dtype=torch.float16)
torch.tensor([2], dtype=torch.complex64)
torch.tensor(np.array(2.5))
torch.tensor(np.array([True]))
torch.tensor(np.array([300.]), dtype=torch.uint8)
torch.tensor([[1, 2], [3, 4]], dtype=torch.bool)
torch.tensor(torch.Size([1, 2]))
torch.tensor({1, 2})
torch.tensor('abc')
torch.tensor([b'a'])
torch.as_tensor([np.ones(2), np.zeros(2)])
torch.FloatTensor('a')
torch.FloatTensor(torch.ones(2).double())
torch.FloatTensor(np.ones(2))
torch.FloatTensor(np.ones(2, dtype='int64'))
torch.FloatTensor(2.5)
torch.FloatTensor(torch.tensor(3)).shape
torch.Tensor(torch.tensor(3)).shape
torch.Tensor(True)
torch.FloatTensor([[1, 2], [3]])
torch.full((2,), float('nan'), dtype=torch.int32)
torch.full('a', 1)
torch.full((2,),'a')
torch.full((2,), None)
torch.full((2,), torch.ones(2))
torch.full((2, -1), 1)
torch.full(size=(2,), fill_value=1)
torch.range(0, 1, 0.25)
torch.empty_strided((2,), (-1,))
torch.zeros(2, 2).new_tensor(3, dtype=torch.int8)
torch.zeros(2, dtype=torch.int64).new_tensor([1.5])
torch.tensor([1, 2]).new_tensor(torch.ones(2))
torch.linspace(0, 1, 3, dtype=torch.int32)
torch.linspace(torch.tensor(0.), torch.tensor(2.), 3)
torch.linspace(0, 1j, 3)
torch.arange(0, 3, 1j)
torch.eye(2.5)
torch.zeros(2, device='foo')
torch.tensor([True, 2.5])
torch.tensor([None, 1])
torch.tensor([[]], dtype=torch.int32).shape
""".strip().splitlines()


@pytest.mark.parametrize("expression", MADE)
def test_made(expression):
    assert outcome(rushlight, expression, made_tensors) == outcome(torch, expression, made_tensors)


def asked_tensors(torch):
    """A matrix."""
    return {"x": torch.arange(12.0).reshape(3, 4)}


ASKED = """
x.pin_memory()
x.is_pinned()
x.is_shared()
x.resize_(2, 2)
x.resize_(3, 5).shape
x.t().resize_(2, 2)
x[1:].resize_(2, 2)
x.resize_(-1)
x.untyped_storage().nbytes()
x.untyped_storage().data_ptr()==x.data_ptr()
len(x.untyped_storage())
x.untyped_storage()[0]
x.storage().tolist()[:3]
x.set_(x.storage(), 0, (2, 2)).stride()
x.set_(x.untyped_storage(), 1, (2, 2), (1, 1)).tolist()
torch.numel(x)
torch.is_floating_point(x)
torch.is_complex(x)
torch.is_nonzero(torch.tensor(2.))
torch.get_device(x)
torch.typename(x)
torch.typename(1)
torch.is_storage(x.storage())
torch.is_tensor(1)
x.dim_order()
x.apply_(lambda v:v+1)
x.is_nonzero()
x.contiguous(memory_format=torch.channels_last)
x.clone(memory_format=torch.channels_last)
x.is_contiguous(memory_format=torch.channels_last)
x.layout
x.layout==torch.strided
torch.channels_last
repr(torch.contiguous_format)
str(torch.preserve_format)
x.to('channels_last')
x.is_contiguous(memory_format='a')
x.float(memory_format=torch.channels_last)
x.element_size()
x.nbytes
x.itemsize
x.is_inference()
x.is_neg()
x.is_conj()
x.is_distributed()
x.contiguous().stride()
x.t().contiguous().stride()
len(x)
x.dim()
x.ndimension()
x.nelement()
x.size()
x.size(0)
x.size(-1)
x.shape[1]
x.size(2)
x.size(dim=1)
x.stride()
x.stride(0)
x[1:].storage_offset()
x.t().is_contiguous()
x.stride(5)
len(torch.tensor(1))
[r for r in x]
x.to(dtype=torch.float64).dtype
x.to(torch.float32, copy=True) is x
x.to(device='cpu', dtype=torch.int64).dtype
x.to('foo')
x.to(foo=1)
x.to('meta').device
x.to('meta').shape
x.double().dtype
x.half().dtype
x.bfloat16().dtype
x.int().dtype
x.long().dtype
x.short().dtype
x.char().dtype
x.byte().dtype
x.bool().dtype
x.float() is x
x.cfloat().dtype
x.cdouble().dtype
x.type(torch.int32).dtype
x.type('torch.DoubleTensor').dtype
x.type(torch.LongTensor).dtype
x.type()
x.int().type()
x.type_as(x.int()).dtype
x.type('foo')
(x+1).log().double()
x.clone()
x.t().clone().stride()
x.clone(memory_format=torch.contiguous_format)
x.numpy()
x.tolist()
x[0, 1].item()
x.int().tolist()
x.bool()[0].tolist()
x.item()
float(torch.tensor(2))
int(torch.tensor(2.7))
bool(torch.tensor([0.]))
complex(torch.tensor(1.))
[10, 20, 30][torch.tensor(1)]
bool(x)
bool(torch.zeros(0))
float(x)
np.asarray(x).dtype
np.array(x, dtype=np.float64).dtype
np.add(x.numpy(), 1).sum()
x.data.shape
x.detach().requires_grad
x.cpu() is x
x.is_cuda
x.is_cpu
x.device
x.requires_grad
x.is_leaf
x.grad
x.grad_fn
x.output_nr
x._version
2 in torch.tensor([1, 2])
5 in torch.tensor([1, 2])
'a' in x
x.tolist() == [list(r) for r in x.numpy()]
f'{torch.tensor(2.5):.2f}'
f'{x[0]}'
str(torch.tensor(3))
format(torch.tensor(3),'d')
torch.is_tensor(x)
torch.zeros(2, dtype=torch.bool).element_size()
""".strip().splitlines()


@pytest.mark.parametrize("expression", ASKED)
def test_asked(expression):
    assert outcome(rushlight, expression, asked_tensors) == outcome(
        torch, expression, asked_tensors
    )


@pytest.mark.parametrize("expression", differentiable(torch, ASKED, asked_tensors))
def test_gradients_of_asked(expression):
    expected = gradients(torch, expression, asked_tensors)
    assert_same_gradients(gradients(rushlight, expression, asked_tensors), expected)
