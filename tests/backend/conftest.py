"""What the tests of the extension share."""

import pytest

from rushlight import _native


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def isa(request):
    """Each instruction set that this processor has."""
    before = _native.get_isa()
    try:
        _native.set_isa(request.param)
    except ValueError:
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    _native.set_isa(before)


@pytest.fixture(params=[1, 3])
def threads(request):
    before = _native.get_num_threads()
    _native.set_num_threads(request.param)
    yield request.param
    _native.set_num_threads(before)
