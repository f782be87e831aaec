"""Changing all tensors of a module at once: dtype, device, memory format."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..autograd import no_grad
from ..devices import device as Device
from ..dtypes import dtype as DType
from ..ops.creation import empty_like
from ..tensor import Tensor


class Moves:
    """The part of `Module` that changes where and how its parameters and buffers are stored.

    The module's parameters stay the same objects and get other values behind them, so an optimizer
    that was made before keeps working.
    """

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Replaces the values of all parameters, of their gradients, and of all buffers by ``fn`` of them."""
        if recurse:
            for child in self.children():
                child._apply(fn)
        with no_grad():
            for parameter in self._parameters.values():
                if parameter is None:
                    continue
                changed = fn(parameter)
                if changed is not parameter:
                    parameter.data = changed
                gradient = parameter.grad
                if gradient is not None:
                    changed = fn(gradient)
                    if changed is not gradient:
                        gradient.data = changed
            for name, buffer in self._buffers.items():
                if buffer is not None:
                    self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Any:
        """Moves and casts parameters and buffers, in place.

        Called as ``to(device)``, ``to(dtype)``, ``to(device, dtype)``, ``to(tensor)`` (the tensor's
        dtype and device) or ``to(memory_format=...)``.

        Args:
            device: where to.
            dtype: a floating or complex dtype; integer buffers keep theirs.
            non_blocking: accepted; copies are always finished on return.
            memory_format: for parameters and buffers of four or five dimensions.

        Returns:
            The module itself.

        Raises:
            TypeError: the dtype is not floating or complex, or an argument has no meaning here.

        >>> layer = rushlight.nn.Linear(2, 1).to(rushlight.float64)
        >>> layer.weight.dtype
        torch.float64
        """
        place, dtype, memory_format = _read_destination(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, "
                f"but got desired dtype={dtype}"
            )

        def convert(t: Tensor) -> Tensor:
            casts = t.is_floating_point() or t.is_complex()
            target = dtype if casts and dtype is not None else t.dtype
            where = t.device if place is None else place
            if memory_format is not None and t.dim() in (4, 5):
                return t.to(where, target, memory_format=memory_format)
            return t.to(where, target)

        return self._apply(convert)

    def to_empty(self, *, device: Any, recurse: bool = True) -> Any:
        """Moves parameters and buffers to ``device`` without their values, which are then undefined.

        >>> layer = rushlight.nn.Linear(2, 1, device="meta").to_empty(device="cpu")
        >>> layer.weight.device
        device(type='cpu')
        """
        return self._apply(lambda t: empty_like(t, device=device), recurse=recurse)

    def cpu(self) -> Any:
        """Moves parameters and buffers to the CPU, in place; returns the module."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device: Any = None) -> Any:
        """Moves parameters and buffers to a CUDA device, in place; returns the module."""
        return self._apply(lambda t: t.cuda(device))

    def type(self, dst_type: Any) -> Any:
        """Casts all parameters and buffers to ``dst_type``, a dtype or a name like "torch.DoubleTensor"."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Any:
        """Casts floating parameters and buffers to float32, in place; returns the module."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Any:
        """Casts floating parameters and buffers to float64, in place; returns the module."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Any:
        """Casts floating parameters and buffers to float16, in place; returns the module."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Any:
        """Casts floating parameters and buffers to bfloat16, in place; returns the module."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def share_memory(self) -> Any:
        """Puts parameters and buffers where other processes see them; returns the module."""
        return self._apply(lambda t: t.share_memory_())


def _read_destination(args: tuple, kwargs: dict) -> tuple[Any, Any, Any]:
    """The device, dtype and memory format that the arguments of ``to`` ask for, None where they do not."""
    unknown = set(kwargs) - {"device", "dtype", "tensor", "non_blocking", "copy", "memory_format"}
    if unknown or len(args) > 4:
        what = f"the keyword {min(unknown)!r}" if unknown else f"{len(args)} positional arguments"
        raise TypeError(
            f"to() takes a device, a dtype or a tensor, non_blocking and memory_format; got {what}."
        )
    place, dtype = kwargs.get("device"), kwargs.get("dtype")
    for value in (*args, kwargs.get("tensor")):
        if isinstance(value, Tensor):
            place, dtype = value.device, value.dtype
        elif isinstance(value, DType):
            dtype = value
        elif isinstance(value, (str, Device)) or (
            isinstance(value, int) and not isinstance(value, bool)
        ):
            place = value
        elif value is not None and not isinstance(value, bool):
            raise TypeError(
                "to() takes a device, a dtype or a tensor, non_blocking and memory_format; "
                f"got {value!r}."
            )
    return None if place is None else Device(place), dtype, kwargs.get("memory_format")
