"""Operations whose gradient the user writes."""

from __future__ import annotations

from typing import Any

from .graph import Node, Output, next_number
from .modes import no_grad, state
from .views import advance, check_writable, history, rewrite


class _FunctionNode(Node):
    """The node of one call of a `Function`; it is the ``ctx`` of forward and backward too."""

    __slots__ = (
        "function", "inputs_are_tensors", "output_is_tuple", "marked_dirty", "not_differentiable",
        "materialize", "needs_input_grad", "__dict__",
    )  # fmt: skip


class FunctionCtx(_FunctionNode):
    """What forward and backward of a `Function` share.

    Attributes:
        needs_input_grad: for each input of forward, whether its gradient is wanted.
        saved_tensors: what `save_for_backward` kept.
    """

    __slots__ = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keeps tensors (or None) for backward; a later in-place write to them is noticed.

        Raises:
            TypeError: something else is given.
        """
        from ..tensor import Tensor

        for x in tensors:
            if x is not None and not isinstance(x, Tensor):
                raise TypeError(
                    "save_for_backward can only save variables, but argument is of type "
                    f"{type(x).__name__}; keep it as "
                    "an attribute, as in ctx.size = ..."
                )
        self.saved = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Accepted; forward-mode gradients are not computed."""

    def mark_dirty(self, *tensors: Any) -> None:
        """Says which inputs forward has written to in place."""
        self.marked_dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Says which outputs have no gradient."""
        self.not_differentiable = {id(x) for x in tensors}

    def set_materialize_grads(self, value: bool) -> None:
        """Whether a gradient that did not come back reaches backward as zeros (the default) or as None."""
        self.materialize = value

    @property
    def saved_tensors(self) -> tuple:
        """What `save_for_backward` kept.

        Raises:
            RuntimeError: it was freed by an earlier backward, or written to in place.
        """
        if self.freed and self.saved is None:
            raise RuntimeError(
                "Trying to backward through the graph a second time (or directly access saved tensors after they have "
                "already been freed). Specify retain_graph=True for the first backward, or detach() what comes from an "
                "earlier iteration."
            )
        kept = []
        for i, x in enumerate(self.saved or ()):
            if x is None:
                kept.append(None)
                continue
            version, index = self.versions[i]
            if x._version != version:
                raise RuntimeError(
                    "one of the variables needed for gradient computation has been modified by an inplace operation: "
                    f"{self.name()} saved a tensor of shape {list(x.shape)}, which is at version "
                    f"{x._version}; expected "
                    f"version {version} instead"
                )
            if index is not None:
                x = self._output_again(x, index)
            kept.append(x)
        return tuple(kept)

    def _output_again(self, x: Any, index: int) -> Any:
        out = x.detach()
        if state.grad:
            out._node = Output(self, index, out._array)
        return out

    def release(self) -> None:
        """Frees what was saved for backward."""
        self.saved = None
        self.freed = True

    @property
    def saved_variables(self) -> tuple:
        """The old name of `saved_tensors`."""
        return self.saved_tensors

    def name(self) -> str:
        return self.function.__name__ + "Backward"

    def backward(self, g: Any) -> Any:
        """The gradients of the tensor inputs, by the user's rule."""
        from ..ops.creation import wrap_zeros
        from ..tensor import Tensor

        incoming = list(g)
        if self.materialize:
            for i, x in enumerate(incoming):
                if x is None and self.dtype[i] is not None:
                    incoming[i] = wrap_zeros(self.shape[i], self.dtype[i])
        answer = self.function.backward(self, *incoming)
        if not isinstance(answer, (tuple, list)):
            answer = (answer,)
        wanted = len(self.inputs_are_tensors)
        if len(answer) > wanted and all(x is None for x in answer[wanted:]):
            answer = answer[:wanted]
        if len(answer) != wanted:
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients (expected "
                f"{wanted}, got {len(answer)}): "
                "backward gives one for each argument of forward, None for those that are no tensors"
            )
        gradients = []
        for i, (is_tensor, x) in enumerate(zip(self.inputs_are_tensors, answer)):
            if not is_tensor:
                if x is not None:
                    raise RuntimeError(
                        f"function {self.name()} returned a gradient different from None at position {i + 1}, but the "
                        "corresponding forward input was not a Variable"
                    )
                continue
            if x is not None and not isinstance(x, Tensor):
                raise RuntimeError(
                    f"{self.name()}: expected Variable or None (got {type(x).__name__}) as gradient {i}; "
                    "a gradient is a tensor"
                )
            edge = self.edges[len(gradients)]
            if x is not None and edge is not None:
                self._check_shape(i, x, edge.shape)
            gradients.append(x)
        return gradients

    def _check_shape(self, i: int, x: Any, shape: tuple) -> None:
        from ..ops.family import broadcast

        try:
            fits = broadcast(x._array.shape, shape) == x._array.shape
        except RuntimeError:
            fits = False
        if not fits:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {i} - got {list(x.shape)} but expected "
                f"shape compatible with {list(shape)}"
            )


class _FunctionType(type):
    def __repr__(cls) -> str:
        return f"<class '{cls.__module__}.{cls.__qualname__}'>"


class Function(metaclass=_FunctionType):
    """An operation with a gradient of its own: subclass it with static ``forward`` and ``backward``, call ``apply``.

    ``forward(ctx, *args)`` computes (without recording), and keeps what backward needs by
    ``ctx.save_for_backward(...)``; ``backward(ctx, *gradients)`` takes one gradient for each output and gives one for
    each argument of forward. A forward without ``ctx`` goes with a static ``setup_context(ctx, inputs, output)``.

    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = rushlight.ones(2, requires_grad=True)
    >>> Double.apply(x).sum().backward()
    >>> x.grad
    tensor([2., 2.])
    """

    generate_vmap_rule = False

    def __init__(self, *args: Any, **kwargs: Any):
        raise RuntimeError(
            f"{type(self).__name__} should not be instantiated. Methods on autograd functions are all static, so you "
            f"should invoke them on the class itself: {type(self).__name__}.apply(...)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Computes the result; subclasses give it."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple, output: Any) -> Any:
        """Keeps what backward needs, where forward takes no ``ctx``; subclasses give it."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """The gradients of forward's arguments; subclasses give it."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom autograd.Function to use it with "
            "backward mode AD."
        )

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Runs forward on ``args`` and records the call.

        Raises:
            TypeError: forward gives something else than tensors.
        """
        from ..tensor import Tensor

        ctx = object.__new__(FunctionCtx)
        ctx.function = cls
        ctx.saved, ctx.versions, ctx.hooks, ctx.where, ctx.freed = (), (), None, None, False
        ctx.marked_dirty, ctx.not_differentiable, ctx.materialize = (), frozenset(), True
        edges = [history(x) if isinstance(x, Tensor) else None for x in args]
        recording = state.grad and any(e is not None for e in edges)
        ctx.needs_input_grad = tuple(e is not None and state.grad for e in edges)
        ctx.inputs_are_tensors = [isinstance(x, Tensor) for x in args]
        with no_grad():
            if cls.setup_context is not Function.setup_context:
                output = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, output)
            else:
                output = cls.forward(ctx, *args, **kwargs)
        several = isinstance(output, (tuple, list))
        outputs = list(output) if several else [output]
        kept = {id(x) for x in outputs}
        for x in ctx.marked_dirty:
            if id(x) not in kept:
                raise RuntimeError(
                    "Some elements marked as dirty during the forward method were not returned as output. The inputs "
                    "that are modified inplace must all be outputs of the Function: return them from "
                    f"{cls.__name__}.forward"
                )
            if recording:
                check_writable(x, True)
            advance(x)
        if not recording:
            ctx.saved = ()
            return output
        ctx.edges = tuple(e for e, is_tensor in zip(edges, ctx.inputs_are_tensors) if is_tensor)
        ctx.number = next_number()
        inputs = {id(x) for x in args if isinstance(x, Tensor)}
        dirty = {id(x) for x in ctx.marked_dirty}
        made = []
        for x in outputs:
            if isinstance(x, Tensor) and id(x) in inputs and id(x) not in dirty:
                # An input given back as it is becomes an output of its own.
                x = x.detach()
            made.append(x)
        ctx.shape = [x._array.shape if isinstance(x, Tensor) else () for x in made]
        ctx.dtype = [x._array.dtype if isinstance(x, Tensor) else None for x in made]
        place = {id(x): i for i, x in enumerate(outputs)}
        ctx.versions = [
            None if x is None else (x._version, place.get(id(x)) if id(x) not in inputs else None)
            for x in ctx.saved
        ]
        # An output that is saved must not hold the node that holds it.
        ctx.saved = tuple(
            x.detach() if x is not None and v[1] is not None else x
            for x, v in zip(ctx.saved, ctx.versions)
        )
        for i, x in enumerate(made):
            if isinstance(x, Tensor) and id(x) not in ctx.not_differentiable and x.dtype.rank >= 2:
                node = Output(ctx, i, x._array)
                if id(x) in dirty:
                    rewrite(x, node)
                else:
                    x._node = node
        return tuple(made) if several else made[0]


class _OnceOnly:
    """The history of a gradient that cannot be differentiated: a walk that comes here fails."""

    __slots__ = ("edges", "shape", "dtype", "number", "hooks", "where", "__weakref__")
    freed = False
    saved = None

    def __init__(self, edges: list[Any], array: Any):
        self.edges = tuple(edges)
        self.shape = array.shape
        self.dtype = array.dtype
        self.number = next_number()
        self.hooks = None
        self.where = None

    def backward(self, g: Any) -> Any:
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable; take the mark away "
            "and write its backward in differentiable operations"
        )

    def name(self) -> str:
        return "DelayedError"


def once_differentiable(function: Any) -> Any:
    """Marks a ``backward`` whose own operations are not recorded: gradients of its gradients are refused.

    >>> class Square(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     @once_differentiable
    ...     def backward(ctx, g):
    ...         return 2 * ctx.saved_tensors[0] * g
    """
    import functools

    from ..tensor import Tensor

    @functools.wraps(function)
    def wrapped(ctx: Any, *gradients: Any) -> Any:
        with no_grad():
            answer = function(ctx, *gradients)
        edges = [history(g) for g in gradients if isinstance(g, Tensor)]
        if not state.grad or not any(edges):
            return answer
        several = isinstance(answer, (tuple, list))
        made = []
        for x in answer if several else (answer,):
            if isinstance(x, Tensor):
                x = x.detach()
                x._node = _OnceOnly(edges, x._array)
            made.append(x)
        return tuple(made) if several else made[0]

    return wrapped


__all__ = ["Function", "FunctionCtx", "once_differentiable"]
