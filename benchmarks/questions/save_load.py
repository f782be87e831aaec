"""How long does it take to save and to load a checkpoint, with the files in the disk cache?

500 MB in 100 tensors, and 5,000 tensors of 100 numbers. Rushlight's `save` writes checksums, has the content
on the disk before it replaces the old file, and `load` checks the checksums; PyTorch's `save` writes
checksums and leaves the rest to the system, and its `load` checks nothing.

Where the safetensors library is installed, the 500 MB are saved and loaded in its format as well: by
`save` and `load` here, by its own functions for PyTorch. Both map such a file instead of reading it.
"""

import atexit
import importlib
import importlib.util
import tempfile
from pathlib import Path

LARGE = (100, (1250, 1000))
SMALL = (5000, (100,))

_folder = tempfile.TemporaryDirectory(prefix="rushlight-benchmark-")
atexit.register(_folder.cleanup)


def cases(torch):
    torch.manual_seed(0)
    functions = {}
    for label, (count, shape) in (("500 MB", LARGE), ("5,000 tensors", SMALL)):
        state = {f"layers.{i}.weight": torch.randn(*shape) for i in range(count)}
        functions |= checkpoint_cases(torch, label, state)
        if shape is LARGE[1] and importlib.util.find_spec("safetensors"):
            functions |= safetensors_cases(torch, label, state)
    return functions


def checkpoint_cases(torch, label, state):
    path = Path(_folder.name) / f"{torch.__name__} {label}.pt"
    torch.save(state, path)
    return {
        f"save {label}": lambda: torch.save(state, path),
        f"load {label}": lambda: some_value(torch.load(path)),
        f"load {label}, mapped": lambda: some_value(torch.load(path, mmap=True)),
    }


def safetensors_cases(torch, label, state):
    path = Path(_folder.name) / f"{torch.__name__} {label}.safetensors"
    save, load = torch.save, torch.load
    if torch.__name__ == "torch":
        library = importlib.import_module("safetensors.torch")
        save, load = library.save_file, library.load_file
    save(state, path)
    return {
        f"save {label}, safetensors": lambda: save(state, path),
        f"load {label}, safetensors": lambda: some_value(load(path)),
    }


def some_value(state):
    return state["layers.7.weight"].flatten()[3]
