"""Public functions with hostile arguments: never a crash, and no error but those that Python's users expect."""

import subprocess
import sys

import pytest

PROGRAM = """
import random, resource, sys, warnings
import numpy as np
import rushlight as torch
from rushlight.primitive import EXPORTS

resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
warnings.simplefilter("ignore")
pick = random.Random(int(sys.argv[1]))
SHAPES = [(), (0,), (1,), (3,), (2, 3), (3, 3), (0, 3), (2, 3, 4), (1, 2, 4, 4), (1, 2, 3, 4, 4)]
DTYPES = [torch.float32] * 6 + [torch.float64, torch.int64, torch.bool, torch.complex64, torch.bfloat16, torch.uint8]
OTHERS = [
    None, True, False, 0, 1, -1, 2, 7, -2, 10**6, 2**63, 1.5, float("nan"), float("inf"), 1j, "a", "mean", b"x", [],
    [1, 2], (0, 1), (-1,), [1.5], [[1], [2]], {}, object(), slice(None), Ellipsis, np.ones(3), np.int64(1),
    torch.float32, torch.int64, "cpu", "cuda", "meta", torch.channels_last, int, len, (10**5, 10**5), (2**40,),
    range(3),
]
# They change how everything after them works, or take files.
SKIPPED = {
    "set_default_dtype", "set_default_tensor_type", "set_default_device", "set_num_threads", "set_num_interop_threads",
    "set_printoptions", "save", "load", "set_rng_state", "set_grad_enabled", "tensor_split", "mvlgamma",
}
ALLOWED = (
    TypeError, ValueError, RuntimeError, IndexError, NotImplementedError, OverflowError, AssertionError, MemoryError,
    BufferError,
)
RAW = ("broadcast together", "_ArrayMemoryError", "incompatible function arguments", "'_array'", "nanobind", "_native")

def tensor():
    shape, dtype = pick.choice(SHAPES), pick.choice(DTYPES)
    values = [pick.choice([0, 1, -1, 2, 0.5, -3, 5]) for _ in range(int(np.prod(shape)))]
    x = torch.tensor(np.array(values, float).reshape(shape)).to(dtype)
    kind = pick.random()
    if kind < 0.1 and len(shape) > 1:
        x = x.transpose(0, -1)
    elif kind < 0.2 and shape:
        x = x[..., ::2]
    elif kind < 0.25:
        x = x.expand(2, *x.shape)
    if dtype.is_floating_point and pick.random() < 0.3:
        x = x.detach().requires_grad_()
        x = x * 1 if pick.random() < 0.5 else x
    return x

def value():
    return tensor() if pick.random() < 0.5 else pick.choice(OTHERS)

targets = [
    (f"{place}.{name}", f)
    for place in ("torch", "nn.functional", "Tensor")
    for name, f in EXPORTS[place].items()
    if callable(f) and name not in SKIPPED and not name.startswith("__")
]
for name, f in pick.sample(targets * 3, int(sys.argv[2])):
    arguments = [tensor() if name.startswith("Tensor") or pick.random() < 0.9 else value()]
    arguments += [value() for _ in range(pick.choice([0, 0, 1, 1, 2, 3, 4]))]
    try:
        made = f(*arguments)
        for x in made if isinstance(made, (tuple, list)) else [made]:
            if isinstance(x, torch.Tensor):
                repr(x)
                if x.requires_grad and x.numel() < 10000 and not x.is_complex():
                    x.sum().backward(retain_graph=True)
    except ALLOWED as error:
        if any(text in str(error) for text in RAW):
            print(name, type(error).__name__, error)
    except AttributeError as error:
        if "_" == str(error).split("attribute '")[-1][:1]:
            print(name, error)
    except Exception as error:
        print(name, type(error).__name__, error)
print("done")
"""


@pytest.mark.parametrize("seed", range(3))
def test_hostile_arguments(seed):
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", PROGRAM, str(seed), "2000"],
        capture_output=True,
        text=True,
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout == "done\n"
