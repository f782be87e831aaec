"""The device modules, `rushlight.cpu`, `cuda` and `accelerator`: what programs ask before they choose a device."""

import pytest

import rushlight


def test_cpu():
    assert rushlight.cpu.is_available() and rushlight.cpu.is_initialized()
    assert (rushlight.cpu.device_count(), rushlight.cpu.current_device()) == (1, "cpu")
    rushlight.cpu.set_device("cpu")
    rushlight.cpu.synchronize()


def test_cuda():
    assert not rushlight.cuda.is_available() and not rushlight.cuda.is_bf16_supported()
    assert rushlight.cuda.device_count() == 0
    with pytest.raises(AssertionError, match="ask torch.cuda.is_available"):
        rushlight.cuda.current_device()


@pytest.mark.parametrize(
    "device_type, available", [("cpu", True), ("meta", True), ("cuda", False), ("mps", False)]
)
def test_available(device_type, available):
    assert rushlight.devices.is_available(device_type) is available


def test_accelerator():
    accelerator = rushlight.accelerator
    assert not accelerator.is_available()
    assert accelerator.current_accelerator() is None
    assert accelerator.device_count() == 0
    for ask in (
        accelerator.current_device_index,
        accelerator.synchronize,
        accelerator.memory_stats,
    ):
        with pytest.raises(RuntimeError, match="ask torch.accelerator.is_available"):
            ask()
