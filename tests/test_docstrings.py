"""The example in every docstring runs and prints what it says."""

import doctest
import importlib
import pkgutil

import numpy as np
import pytest

import rushlight
from rushlight.primitive import EXPORTS, PRIMITIVES

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def modules():
    for found in pkgutil.walk_packages(rushlight.__path__, "rushlight."):
        if found.name.split(".")[-1] not in ("__main__", "_native"):
            yield found.name


def run(tests, scope):
    runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
    text = []
    for test in tests:
        test.globs.update(scope)
        runner.run(test, out=text.append)
    assert runner.failures == 0, "".join(text)


@pytest.mark.parametrize("name", list(modules()))
def test_module(name):
    module = importlib.import_module(name)
    finder = doctest.DocTestFinder(exclude_empty=True)
    scope = {**vars(module), "rushlight": rushlight, "nn": rushlight.nn, "np": np}
    rushlight.manual_seed(0)
    run(finder.find(module, name, globs=scope), scope)


@pytest.mark.parametrize(
    "name", [n for n, op in PRIMITIVES.items() if ">>>" in op.declared.__doc__]
)
def test_op(name):
    """Ops live in scopes of their own, where doctest does not look."""
    declared = PRIMITIVES[name].declared
    scope = {
        **vars(importlib.import_module(declared.__module__)),
        "rushlight": rushlight,
        "nn": rushlight.nn,
        "np": np,
    }
    rushlight.manual_seed(0)
    run([doctest.DocTestParser().get_doctest(declared.__doc__, scope, name, None, 0)], scope)


@pytest.mark.parametrize(
    "place, name", [(p, n) for p in ("torch", "nn.functional") for n in sorted(EXPORTS[p])]
)
def test_exported_op_says_what_it_does(place, name):
    assert EXPORTS[place][name].__doc__
