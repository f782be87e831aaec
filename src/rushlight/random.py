"""The random stream: PyTorch's, number for number, on the CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from . import devices
from .backend import random_streams as streams
from .tensor import Tensor, values_of, wrap


class Generator:
    """A stream of random numbers of its own.

    Args:
        device: only ``"cpu"``.

    >>> g = Generator().manual_seed(0)
    >>> rushlight.rand(2, generator=g)
    tensor([0.4963, 0.7682])
    """

    def __init__(self, device: Any = "cpu"):
        place = devices.resolve(device)
        if place.type != "cpu":
            raise RuntimeError(
                f"Device type {place.type} is not supported for torch.Generator() api."
            )
        self.engine = streams.Engine(streams.DEFAULT_SEED)

    @property
    def device(self) -> devices.device:
        """Where its numbers are drawn."""
        return devices.CPU

    def manual_seed(self, seed: int) -> Generator:
        """Starts the stream that belongs to ``seed``, and returns the generator.

        Args:
            seed: from -2**63 to 2**64 - 1.

        Raises:
            RuntimeError: ``seed`` is no int.
        """
        if isinstance(seed, (float, str)) or not hasattr(seed, "__index__"):
            raise RuntimeError(
                f"manual_seed expected a long, but got {type(seed).__name__}; write a whole number"
            )
        self.engine.seed(streams.seed_bits(seed.__index__()))
        return self

    def seed(self) -> int:
        """Starts a stream that the operating system chooses, and returns its seed."""
        fresh = streams.fresh_seed()
        self.engine.seed(fresh)
        return fresh

    def initial_seed(self) -> int:
        """The seed with which the present stream was started."""
        return self.engine.initial_seed()

    def get_state(self) -> Tensor:
        """Where the stream stands: a uint8 tensor of 5056 bytes, PyTorch's own."""
        return wrap(streams.get_state(self.engine))

    def set_state(self, new_state: Tensor) -> Generator:
        """Continues a stream from where ``get_state`` found it, here or in PyTorch.

        Raises:
            TypeError: ``new_state`` is no uint8 tensor.
            RuntimeError: its size or content is no state.
        """
        if not isinstance(new_state, Tensor):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
        if new_state._array.dtype != np.uint8:
            raise TypeError(f"RNG state must be a torch.ByteTensor, but got {new_state.dtype}")
        streams.set_state(self.engine, np.ascontiguousarray(values_of(new_state)))
        return self

    def clone_state(self) -> Generator:
        """A generator that goes on from here independently."""
        other = Generator()
        other.engine = self.engine.copy()
        return other

    def __deepcopy__(self, memo: dict) -> Generator:
        return self.clone_state()

    def __reduce__(self) -> tuple:
        return _generator_from, (streams.get_state(self.engine),)

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {id(self):#x}>"


def _generator_from(state: np.ndarray) -> Generator:
    made = Generator()
    streams.set_state(made.engine, state)
    return made


default_generator = Generator()


def engine_of(generator: Generator | None) -> Any:
    """The engine of a generator; of the default one for None.

    Raises:
        TypeError: it is no Generator.
    """
    if generator is None:
        return default_generator.engine
    if not isinstance(generator, Generator):
        raise TypeError(
            f"generator must be a torch.Generator or None, not {type(generator).__name__}"
        )
    return generator.engine


def manual_seed(seed: Any) -> Generator:
    """Starts the default stream anew from ``seed``, and returns its generator.

    Args:
        seed: from -2**63 to 2**64 - 1.

    >>> _ = manual_seed(0)
    >>> rushlight.rand(2)
    tensor([0.4963, 0.7682])
    """
    default_generator.engine.seed(streams.seed_bits(int(seed)))
    return default_generator


def seed() -> int:
    """Starts a default stream that the operating system chooses, and returns its seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed with which the default stream was started."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """Where the default stream stands."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continues the default stream from where ``get_rng_state`` found it."""
    default_generator.set_state(new_state)


class fork_rng:
    """A context at whose end the default stream goes on from where it began.

    Args:
        devices, device_type: accepted; only the CPU has a stream.
        enabled: False does nothing.
    """

    def __init__(
        self, devices: Any = None, enabled: bool = True, device_type: str = "cpu", **names: Any
    ):
        self.enabled = enabled

    def __enter__(self) -> None:
        self._before = get_rng_state() if self.enabled else None

    def __exit__(self, *exception: Any) -> None:
        if self._before is not None:
            set_rng_state(self._before)
