"""The finder, in processes of its own, because it changes ``import torch`` for a whole one."""

import subprocess
import sys

import pytest

from rushlight.compat.finder import alias_name, real_name


def python(text):
    return subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)


@pytest.mark.parametrize(
    ("name", "real"),
    [
        ("torch", "rushlight"),
        ("torch.nn.functional", "rushlight.nn.functional"),
        ("torchvision.models", "rushlight.vision.models"),
        ("torchaudio", None),
        ("nottorch.nn", None),
        ("numpy.torch", None),
    ],
)
def test_real_name(name, real):
    assert real_name(name) == real


@pytest.mark.parametrize(
    ("name", "alias"),
    [
        ("rushlight", "torch"),
        ("rushlight.nn", "torch.nn"),
        ("rushlight.vision", "torchvision"),
        ("rushlight.vision.models", "torchvision.models"),
        ("rushlight.visionary", "torch.visionary"),
        ("rushlights", None),
    ],
)
def test_alias_name(name, alias):
    assert alias_name(name) == alias


def test_modules_are_the_same_objects_and_keep_their_own_spec():
    done = python(
        "import rushlight.compat; rushlight.compat.install(); rushlight.compat.install()\n"
        "import sys, torch, torch.nn.functional, torch.utils.data\n"
        "for name in [n for n in sys.modules if n.split('.')[0] == 'torch']:\n"
        "    module = sys.modules[name]\n"
        "    real = 'rushlight' + name[5:]\n"
        "    assert module is sys.modules[real], name\n"
        "    assert module.__name__ == module.__spec__.name == real, name\n"
        "assert sum('AliasFinder' in repr(f) for f in sys.meta_path) == 1\n"
        "print(torch.__version__, torch.nn.Linear.__module__.split('.')[0])\n"
    )
    assert done.stdout == "2.13.0+rushlight rushlight\n", done.stderr


def test_classes_pickled_under_either_name_are_found():
    done = python(
        "import pickle, rushlight.compat; rushlight.compat.install()\n"
        "import torch\n"
        "text = pickle.dumps(torch.nn.Linear, protocol=0).decode()\n"
        "assert 'rushlight' in text\n"
        "other = pickle.loads(text.replace('rushlight', 'torch').encode())\n"
        "print(other is torch.nn.Linear)\n"
    )
    assert done.stdout == "True\n", done.stderr


def test_without_install_torch_is_not_rushlight():
    done = python(
        "import importlib.util, rushlight\n"
        "spec = importlib.util.find_spec('torch')\n"
        "print(spec is None or 'rushlight' not in spec.origin)\n"
    )
    assert done.stdout == "True\n", done.stderr


def test_install_after_torch_is_refused():
    done = python(
        "import sys, types; sys.modules['torch'] = types.ModuleType('torch')\n"
        "import rushlight.compat; rushlight.compat.install()\n"
    )
    assert done.stderr.splitlines()[-1].startswith(
        "RuntimeError: torch was already imported from elsewhere, so it cannot become Rushlight"
    )


def test_a_missing_module_is_named_as_the_program_names_it():
    done = python(
        "import rushlight.compat; rushlight.compat.install()\n"
        "try:\n"
        "    import torch.no.such.module\n"
        "except ModuleNotFoundError as error:\n"
        "    print(error.name, '|', error)\n"
    )
    assert done.stdout.startswith("torch.no | torch.no is not in Rushlight yet."), done.stderr
