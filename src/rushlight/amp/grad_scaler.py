"""`GradScaler`: multiplies the loss so that small float16 gradients do not vanish, and the gradients back."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from .. import devices
from ..autograd.modes import no_grad
from ..dtypes import float16, float32
from ..ops.creation import full
from ..tensor import Tensor

_LARGEST = float(np.finfo(np.float32).max)


class _Progress:
    """How far this step has come for one optimizer."""

    __slots__ = ("optimizer", "unscaled", "stepped", "checked", "found_inf")

    def __init__(self, optimizer: Any):
        self.optimizer = optimizer  # Held, so that no other optimizer gets its id.
        self.unscaled = self.stepped = self.checked = self.found_inf = False


class GradScaler:
    """Scales the loss, so that gradients too small for float16 are not lost, and finds the scale by itself.

    A step whose gradients hold an infinity or NaN is left out, and the scale shrinks; after
    ``growth_interval`` good steps in a row it grows. bfloat16 has the range of float32 and needs none of this.

    Args:
        device: ``"cuda"`` or ``"cpu"``. Without CUDA, ``"cuda"`` warns and does nothing.
        init_scale: the first scale.
        growth_factor: what the scale is multiplied by after enough good steps; above 1.
        backoff_factor: what it is multiplied by after a step left out; below 1.
        growth_interval: how many good steps in a row are enough.
        enabled: False makes `step` the optimizer's own, and the rest do nothing.

    Raises:
        AssertionError: a factor is on the wrong side of 1.

    >>> layer = rushlight.nn.Linear(2, 1)
    >>> optimizer = rushlight.optim.SGD(layer.parameters(), lr=0.1)
    >>> scaler = GradScaler("cpu", init_scale=1024.0)
    >>> scaler.scale(layer(rushlight.ones(1, 2)).sum()).backward()
    >>> scaler.step(optimizer)
    >>> scaler.update()
    >>> layer.weight.grad, scaler.get_scale()
    (tensor([[1., 1.]]), 1024.0)
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ):
        self._device = getattr(device, "type", device)
        self._enabled = bool(enabled)
        if enabled and self._device == "cuda" and not devices.is_available("cuda"):
            warnings.warn(
                "GradScaler is enabled, but CUDA is not available. Disabling: losses are not scaled, and "
                "step(optimizer) is optimizer.step().",
                stacklevel=2,
            )
            self._enabled = False
        if not self._enabled:
            return
        if growth_factor <= 1.0:
            raise AssertionError(f"The growth factor must be > 1.0, not {growth_factor}.")
        if backoff_factor >= 1.0:
            raise AssertionError(f"The backoff factor must be < 1.0, not {backoff_factor}.")
        self._init_scale = init_scale
        self._scale: Tensor | None = None
        self._growth_factor = growth_factor
        self._backoff_factor = backoff_factor
        self._growth_interval = growth_interval
        self._growth_tracker = 0
        self._progress: dict[int, _Progress] = {}

    # ---- a training step --------------------------------------------------------------------------

    def scale(self, outputs: Any) -> Any:
        """``outputs`` times the scale.

        Args:
            outputs: a tensor, or tensors nested in iterables.

        Returns:
            The same form: lists and tuples stay what they are, other iterables come as iterators.

        Raises:
            ValueError: there is something else among them.
        """
        if not self._enabled:
            return outputs
        if isinstance(outputs, Tensor):
            if self._scale is None:
                self._scale = full((), self._init_scale, dtype=float32, device=outputs.device)
            return outputs * self._scale
        if not isinstance(outputs, Iterable):
            raise ValueError(
                f"outputs must be a Tensor or an iterable of Tensors, not {type(outputs).__name__}"
            )
        scaled = map(self.scale, outputs)
        return type(outputs)(scaled) if isinstance(outputs, (list, tuple)) else scaled

    def unscale_(self, optimizer: Any) -> None:
        """Divides the gradients of an optimizer's parameters by the scale, to clip or to look at them before `step`.

        Args:
            optimizer: all of its gradients must have been computed; once for each `update`.

        Raises:
            AssertionError: nothing was scaled yet.
            RuntimeError: it has been done since the last `update`, or `step` has.
            ValueError: a gradient is float16: the parameters themselves must stay float32.
        """
        if not self._enabled:
            return
        scale = self._scale_for("unscale_")
        progress = self._progress_of(optimizer)
        if progress.unscaled:
            raise RuntimeError(
                "unscale_() has already been called on this optimizer since the last update(): its gradients would "
                "be divided twice"
            )
        if progress.stepped:
            raise RuntimeError(
                "unscale_() is being called after step(), which has done it: call it before, or update() first"
            )
        gradients = [
            p.grad
            for group in optimizer.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        if any([g.dtype is float16 for g in gradients]):
            raise ValueError(
                "Attempting to unscale FP16 gradients: a parameter is float16, so its gradients lose what scaling "
                "saves. Keep the model in float32, without .half(), and let autocast lower what runs fast in float16."
            )
        # Through float64, so that this is the scale's nearest reciprocal.
        inverse = float(np.float32(1.0 / scale.item()))
        with no_grad():
            for g in gradients:
                progress.found_inf |= not bool(np.isfinite(g._array).all())
                if inverse != 1.0:
                    g.mul_(inverse)
        progress.unscaled = True
        progress.checked = bool(gradients)

    def step(self, optimizer: Any, *args: Any, **kwargs: Any) -> Any:
        """``optimizer.step()`` with unscaled gradients, unless one of them holds an infinity or NaN.

        Args:
            optimizer: whose step; its gradients are unscaled first, unless `unscale_` has done so.
            args, kwargs: go to ``optimizer.step``.

        Returns:
            What ``optimizer.step`` returns; None where it was left out.

        Raises:
            AssertionError: nothing was scaled yet, or no parameter has a gradient.
            RuntimeError: a second time since the last `update`, or with a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError(
                "Closure use is not currently supported if GradScaler is enabled: it would compute gradients that "
                "nobody unscales"
            )
        self._scale_for("step")
        progress = self._progress_of(optimizer)
        if progress.stepped:
            raise RuntimeError(
                "step() has already been called since the last update(): call scaler.update() after each step"
            )
        if not progress.unscaled:
            self.unscale_(optimizer)
        if not progress.checked:
            raise AssertionError(
                "No inf checks were recorded for this optimizer: none of its parameters has a gradient. Is backward() "
                "called, and does the loss depend on them?"
            )
        made = None if progress.found_inf else optimizer.step(*args, **kwargs)
        progress.stepped = True
        return made

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """Adjusts the scale, at the end of each step.

        Args:
            new_scale: sets it to this number, or to that in a tensor of one element, instead.

        Raises:
            AssertionError: nothing was scaled or unscaled since the last time, or ``new_scale`` is no such tensor.
        """
        if not self._enabled:
            return
        scale = self._scale_for("update")
        if new_scale is None:
            checked = [p for p in self._progress.values() if p.checked]
            if not checked:
                raise AssertionError(
                    "No inf checks were recorded prior to update: call scaler.step(optimizer) first"
                )
            self._adjust(scale, any([p.found_inf for p in checked]))
        elif isinstance(new_scale, Tensor):
            if new_scale.numel() != 1 or new_scale.requires_grad:
                raise AssertionError(
                    "new_scale must be a float, or a tensor of one element that requires no gradient, not one of "
                    f"shape {list(new_scale.shape)}{' that does' if new_scale.requires_grad else ''}"
                )
            scale.fill_(new_scale.item())
        else:
            scale.fill_(float(new_scale))
        self._progress = {}

    def _adjust(self, scale: Tensor, found_inf: bool) -> None:
        if found_inf:
            scale.fill_(scale.item() * self._backoff_factor)
            self._growth_tracker = 0
            return
        self._growth_tracker += 1
        if self._growth_tracker == self._growth_interval:
            grown = scale.item() * self._growth_factor
            if grown <= _LARGEST:
                scale.fill_(grown)
            self._growth_tracker = 0

    def _scale_for(self, method: str) -> Tensor:
        if self._scale is None:
            raise AssertionError(
                f"Attempted {method} but _scale is None: scale a loss first, scaler.scale(loss).backward()"
            )
        return self._scale

    def _progress_of(self, optimizer: Any) -> _Progress:
        return self._progress.setdefault(id(optimizer), _Progress(optimizer))

    # ---- settings and state -----------------------------------------------------------------------

    def is_enabled(self) -> bool:
        """Whether anything is scaled."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale; 1.0 where scaling is not enabled."""
        if not self._enabled:
            return 1.0
        return self._init_scale if self._scale is None else self._scale.item()

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by after enough good steps."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Sets what the scale is multiplied by after enough good steps."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after a step left out."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Sets what the scale is multiplied by after a step left out."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """How many good steps in a row let the scale grow."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Sets how many good steps in a row let the scale grow."""
        self._growth_interval = new_interval

    def state_dict(self) -> dict[str, Any]:
        """The scale, the settings, and the good steps since it last changed; empty where scaling is not enabled.

        Take it after `update`.
        """
        if not self._enabled:
            return {}
        return {
            "scale": self.get_scale(),
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over what `state_dict` gave; does nothing where scaling is not enabled.

        Raises:
            RuntimeError: ``state_dict`` is empty.
            KeyError: it lacks an entry.
        """
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError(
                "The source state dict is empty: the GradScaler that it was saved from was probably not enabled"
            )
        self._init_scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]
        if self._scale is not None:
            self._scale.fill_(self._init_scale)

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        if self._enabled:
            if self._progress:
                raise AssertionError(
                    "A GradScaler can only be pickled or copied between steps: after scaler.update(), or before the "
                    "step's first call of it"
                )
            state["_init_scale"] = self.get_scale()
            state["_scale"] = None
        return state
