"""Every example in a docstring runs and prints what it says."""

import builtins
import doctest
import importlib
import pkgutil

import pytest

import rushlight

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(rushlight.__path__, "rushlight.")
    if not module.name.endswith(("__main__", "_native"))
)


PUBLIC = {name: value for name, value in vars(rushlight).items() if not hasattr(builtins, name)}


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    module = importlib.import_module(name)
    # Examples name what users import: the public names, and those of the module itself.
    names = {**PUBLIC, **vars(module), "rushlight": rushlight, "torch": rushlight}
    examples = doctest.DocTestFinder(exclude_empty=True).find(module, globs=names)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    with rushlight.random.fork_rng():
        for example in examples:
            rushlight.manual_seed(0)
            runner.run(example)
    assert runner.failures == 0
