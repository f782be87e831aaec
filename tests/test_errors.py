"""Wrong uses: PyTorch's type of error, and a text that says what was expected, what came and what to do."""

import pytest

import rushlight as torch
from rushlight import nn

F = nn.functional
ones, tensor = torch.ones, torch.tensor
IMAGE, KERNEL = ones(1, 3, 5, 5), ones(4, 3, 3, 3)
LABELS, SCORES = tensor([0, 2]), ones(2, 3)

WRONG = [
    # convolution
    (lambda: F.conv2d(IMAGE, ones(4, 2, 3, 3)), RuntimeError, "to have 2 channels, but got 3 channels"),
    (lambda: F.conv2d(ones(5, 5), KERNEL), RuntimeError, "Expected 3D (unbatched) or 4D (batched) input"),
    (lambda: F.conv2d(ones(1, 3, 2, 2), KERNEL), RuntimeError, "Kernel size: (3 x 3)"),
    (lambda: F.conv2d(IMAGE, KERNEL, ones(3)), RuntimeError, "1-dimensional with 4 elements"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=0), RuntimeError, "non-positive stride"),
    (lambda: F.conv2d(IMAGE, KERNEL, padding=-1), RuntimeError, "negative padding"),
    (lambda: F.conv2d(IMAGE, KERNEL, dilation=0), RuntimeError, "dilation should be greater than zero"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=(1, 2, 3)), RuntimeError, "a list of 2 values, but got [1, 2, 3]"),
    (lambda: F.conv2d(IMAGE, KERNEL, stride=1.5), TypeError, "must be an int or a tuple of 2 ints, not 1.5"),
    (lambda: F.conv2d(IMAGE, KERNEL, groups=0), RuntimeError, "non-positive groups"),
    (lambda: F.conv2d(IMAGE, KERNEL, groups=1.5), TypeError, "argument 'groups' (position 7) must be int"),
    (lambda: F.conv2d(IMAGE, KERNEL, padding="same", stride=2), RuntimeError, "strided convolutions"),
    (lambda: F.conv2d(IMAGE.double(), KERNEL), RuntimeError, "convert the input with .to(torch.float32)"),
    (lambda: F.conv2d([1.0], KERNEL), TypeError, "argument 'input' (position 1) must be Tensor, not list"),
    (lambda: F.conv2d(ones(1, 3, 0, 5), KERNEL, padding=2), RuntimeError, "Only zero batch"),
    (lambda: F.conv_transpose2d(ones(1, 4, 5, 5), KERNEL, output_padding=1), RuntimeError, "output padding must be"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    (lambda: nn.Conv2d(3, 4, -3), RuntimeError, "negative dimension -3"),
    (lambda: nn.Conv2d(3, 4, 3, padding_mode="foo"), ValueError, "padding_mode must be one of"),
    # pooling
    (lambda: F.max_pool2d(ones(1, 1, 2, 2), 3), RuntimeError, "Output size is too small"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 2, padding=2), RuntimeError, "at most half of effective kernel size"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4), 0), RuntimeError, "kernel_size must be at least 1"),
    (lambda: F.max_pool2d(ones(4, 4), 2), RuntimeError, "Expected 3D or 4D"),
    (lambda: F.max_pool2d(ones(1, 1, 4, 4).bool(), 2), NotImplementedError, "not implemented for 'Bool'"),
    (lambda: F.avg_pool2d(ones(1, 1, 4, 4), 2, divisor_override=0), RuntimeError, "divisor"),
    (lambda: F.adaptive_avg_pool2d(ones(1, 1, 4, 4), 2.5), TypeError, "output_size must be an int"),
    (lambda: F.max_unpool2d(ones(1, 1, 2, 2), torch.full((1, 1, 2, 2), 99), 2), RuntimeError, "invalid max index: 99"),
    # matrices
    (lambda: F.linear(SCORES, ones(4, 5)), RuntimeError, "has 3 features in its last dimension, but weight expects 5"),
    (lambda: nn.Linear(12, 2)(ones(2, 3, 4)), RuntimeError, "flatten(1) gives exactly 12"),
    (lambda: F.linear(SCORES, ones(4, 3, 2)), RuntimeError, "weight"),
    (lambda: nn.Linear(3, 2)(SCORES.long()), RuntimeError, "same dtype, but got Long and Float"),
    (lambda: ones(2, 3) @ ones(2, 3), RuntimeError, "cannot be multiplied (2x3 and 2x3)"),
    (lambda: ones(2, 3) @ 3, TypeError, "unsupported operand"),
    (lambda: torch.bmm(ones(2, 3, 4), ones(3, 4, 2)), RuntimeError, "to be: [2, 4] but got: [3, 4]"),
    # normalisation
    (lambda: nn.BatchNorm2d(3)(ones(2, 3)), ValueError, "expected 4D input (got 2D input)"),
    (lambda: nn.BatchNorm2d(3)(ones(2, 4, 2, 2)), RuntimeError, "4 elements not 3"),
    (lambda: nn.BatchNorm1d(3)(ones(1, 3)), ValueError, "use drop_last=True in the DataLoader, or call eval()"),
    (lambda: nn.BatchNorm1d(3)(SCORES.double()), RuntimeError, "mixed dtype"),
    (lambda: F.batch_norm(SCORES, ones(3), None, training=True), ValueError, "both be None"),
    # losses
    (lambda: F.cross_entropy(SCORES, tensor([0, 5])), IndexError, "5"),
    (lambda: F.cross_entropy(SCORES, tensor([0, -1])), IndexError, "-1"),
    (lambda: F.cross_entropy(SCORES, tensor([0, 1, 2])), ValueError, "batch_size (2) to match target batch_size (3)"),
    (lambda: F.cross_entropy(SCORES, tensor([0.0, 1.0])), RuntimeError, "convert them with .long()"),
    (lambda: F.cross_entropy(SCORES, tensor([[0], [1]])), RuntimeError, "target.squeeze(1)"),
    (lambda: F.cross_entropy(SCORES, tensor([[0, 1, 0], [1, 0, 0]])), RuntimeError, "target.argmax(1)"),
    (lambda: F.cross_entropy(SCORES, LABELS, weight=ones(2)), RuntimeError, "all 3 classes"),
    (lambda: F.cross_entropy(SCORES, LABELS, reduction="foo"), ValueError, "use 'none', 'mean' or 'sum'"),
    (lambda: F.cross_entropy(SCORES, [0, 1]), TypeError, "make it one with torch.tensor(...)"),
    (lambda: F.cross_entropy(ones(2, 0), tensor([0, 0])), IndexError, "0"),
    (lambda: F.nll_loss(SCORES, tensor([0, 5])), IndexError, "Target 5 is out of bounds"),
    (lambda: F.nll_loss(1, 2), TypeError, "must be Tensor, not int"),
    (lambda: F.mse_loss(ones(2).long(), ones(2).long()), NotImplementedError, "convert it with .float()"),
    (lambda: F.binary_cross_entropy(tensor([2.0]), tensor([1.0])), RuntimeError, "binary_cross_entropy_with_logits"),
    (lambda: F.binary_cross_entropy(tensor([0.5]), tensor([2.0])), RuntimeError, "elements of target"),
    (lambda: F.binary_cross_entropy_with_logits(ones(1), ones(2)), ValueError, "must be the same as input size"),
    (lambda: F.binary_cross_entropy_with_logits(ones(1), ones(1).long()), RuntimeError, "convert it with .float()"),
    # dropout
    (lambda: F.dropout(ones(2), p=1.5), ValueError, "between 0 and 1, but got 1.5"),
    (lambda: F.dropout([1.0]), TypeError, "must be Tensor, not list"),
    # joining, shapes, indices
    (lambda: torch.cat([ones(2, 3), ones(3, 2)]), RuntimeError, "Expected size 3 but got size 2"),
    (lambda: torch.cat([ones(2), 3]), TypeError, "element 1"),
    (lambda: torch.cat([]), (RuntimeError, ValueError), "non-empty list"),
    (lambda: torch.stack([ones(2), ones(3)]), RuntimeError, "equal size, but got [2] at entry 0 and [3] at entry 1"),
    (lambda: ones(6).view(4), RuntimeError, "shape '[4]' is invalid for input of size 6"),
    (lambda: ones(2, 3).t().view(6), RuntimeError, "Use .reshape(...) instead"),
    (lambda: ones(6).view("a"), TypeError, "must be a tuple of ints"),
    (lambda: ones(6).view(ones(3)), TypeError, "must be a tuple of ints"),
    (lambda: ones(2, 3)[2], IndexError, "index 2 is out of bounds for dimension 0 with size 2"),
    (lambda: ones(2, 3)[0, 0, 0], IndexError, "too many indices"),
    (lambda: ones(2, 3)[tensor([0, 5])], IndexError, "out of bounds"),
    (lambda: ones(2, 3)[tensor([0.0])], IndexError, "convert it with .long()"),
    (lambda: ones(2, 3).sum(5), IndexError, "Dimension out of range"),
    (lambda: ones(0).log_softmax(5), IndexError, "Dimension out of range"),
    # arithmetic, creation, devices
    (lambda: ones(2) + ones(3), RuntimeError, "size of tensor a (2) must match the size of tensor b (3)"),
    (lambda: ones(2) + "a", TypeError, "unsupported operand"),
    (lambda: torch.exp([1.0]), TypeError, "torch.as_tensor(...)"),
    (lambda: F.elu(ones(2), [1]), TypeError, "argument 'alpha' (position 2) must be float, not list"),
    (lambda: ones(2).view_as(3), TypeError, "argument 'other' (position 2) must be Tensor, not int"),
    (lambda: torch.isclose(ones(2), ones(3)), RuntimeError, "must match"),
    (lambda: ones(2).add_(ones(2, device="meta")), RuntimeError, "same device"),
    (lambda: torch.zeros(2, -3), RuntimeError, "negative dimension -3"),
    (lambda: torch.zeros(float("nan")), TypeError, "tuple of ints"),
    (lambda: torch.zeros(2**62), RuntimeError, "not enough memory"),
    (lambda: ones(3).expand(2**40, 3).contiguous(), RuntimeError, "not enough memory"),
    (lambda: torch.randint(0, 5, 3), TypeError, "must be tuple of ints"),
    (lambda: torch.randperm(2.5), TypeError, "must be int"),
    (lambda: ones(2).bernoulli_(ones(3)), RuntimeError, "broadcast"),
    (lambda: ones(2).normal_("a"), TypeError, "must be a number"),
    (lambda: ones(2, device="cuda"), AssertionError, "torch.cuda.is_available()"),
    (lambda: ones(2).to("cuda:0"), AssertionError, "use device='cpu'"),
    (lambda: tensor([1, 2], requires_grad=True), RuntimeError, "convert it with .float()"),
]  # fmt: skip


@pytest.mark.parametrize(
    "use, error, text", [pytest.param(*case, id=case[2][:40]) for case in WRONG]
)
def test_wrong_use(use, error, text):
    with pytest.raises(error) as caught:
        use()
    assert text in str(caught.value)


def test_a_kernels_own_words_are_not_shown():
    with pytest.raises(RuntimeError) as caught:
        ones(2) + ones(3)
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    "use, shape",
    [
        (lambda: F.conv2d(ones(0, 3, 5, 5), KERNEL), (0, 4, 3, 3)),
        (lambda: F.max_pool2d(ones(0, 1, 4, 4), 2), (0, 1, 2, 2)),
        (lambda: F.avg_pool2d(ones(0, 1, 4, 4), 2), (0, 1, 2, 2)),
        (lambda: F.linear(ones(0, 3), ones(4, 3)), (0, 4)),
        (lambda: nn.BatchNorm2d(3)(ones(0, 3, 2, 2)), (0, 3, 2, 2)),
        (
            lambda: F.cross_entropy(ones(0, 3), torch.zeros(0, dtype=torch.long), reduction="none"),
            (0,),
        ),
        (lambda: F.dropout(ones(0, 3)), (0, 3)),
    ],
)
def test_empty_batches(use, shape):
    assert tuple(use().shape) == shape


def test_an_empty_batch_leaves_running_statistics_alone():
    layer = nn.BatchNorm1d(3)
    layer(ones(0, 3))
    assert layer.running_mean.tolist() == [0.0] * 3 and layer.running_var.tolist() == [1.0] * 3


def test_batch_norm_can_train_between_an_eval_pass_and_its_backward():
    layer, x = nn.BatchNorm1d(2).eval(), torch.rand(3, 2, requires_grad=True)
    y = layer(x)
    layer.train()(torch.rand(3, 2))
    y.sum().backward()
    assert torch.allclose(x.grad, ones(3, 2), atol=1e-4)
