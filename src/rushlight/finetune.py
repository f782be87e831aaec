"""Fine-tuning: take what fits of a trained model, keep parts of it still, train the rest at other rates.

>>> from rushlight import finetune
>>> def network(classes):
...     return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, classes))
>>> trained, model = network(10), network(2)
>>> print(finetune.load_matching(model, trained.state_dict()))
loaded 7 of 9 tensors
skipped:
  3.weight  shape (10, 8) in the checkpoint, (2, 8) in the model
  3.bias    shape (10,) in the checkpoint, (2,) in the model
>>> finetune.freeze(model, "0", "1")
['0.weight', '0.bias', '1.weight', '1.bias', '1.running_mean', '1.running_var']
>>> groups = finetune.param_groups(model, {"3": 0.1})
>>> optimizer = rushlight.optim.SGD(groups, lr=0.01)
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from .dtypes import can_cast
from .nn import Conv1d, Conv2d, Conv3d, Linear, Module, Parameter
from .serialization import load
from .tensor import Tensor

__all__ = [
    "LoadReport",
    "Skipped",
    "freeze",
    "load_matching",
    "param_groups",
    "replace_head",
    "unfreeze",
]

# Under which names programs put a model among other things into one file, the likeliest first.
_ENTRIES = ("state_dict", "model_state_dict", "model", "net", "network", "weights", "module")
# What wrappers (several devices, a compiled model, a trainer) put before the names of a model.
_WRAPPERS = ("module.", "_orig_mod.", "model.", "net.", "network.")
_STATISTICS = ("running_mean", "running_var")
_CONVOLUTIONS = (Conv1d, Conv2d, Conv3d)


# ---- loading what fits


class Skipped(NamedTuple):
    """A tensor that was not loaded.

    Attributes:
        name: its name in the model, or in the checkpoint if the model has none like it.
        reason: why.
    """

    name: str
    reason: str


class LoadReport(NamedTuple):
    """What `load_matching` did; printed, it is a table.

    Attributes:
        loaded: the names of the model's tensors that were loaded.
        skipped: a `Skipped` for every other tensor of the model or of the checkpoint.
        fresh: the names of the model's tensors that stayed as they were.
        source: where they came from.
    """

    loaded: list[str]
    skipped: list[Skipped]
    fresh: list[str]
    source: str = ""

    def __str__(self) -> str:
        total = len(self.loaded) + len(self.fresh)
        lines = [f"loaded {len(self.loaded)} of {total} tensors{self.source}"]
        if self.skipped:
            lines.append("skipped:")
            shown = self.skipped[:20]
            width = max(len(one.name) for one in shown)
            lines += [f"  {one.name.ljust(width)}  {one.reason}" for one in shown]
        if len(self.skipped) > 20:
            lines.append(f"  and {len(self.skipped) - 20} more, in .skipped")
        return "\n".join(lines)

    __repr__ = __str__


def load_matching(
    model: Module,
    checkpoint: str | os.PathLike | Mapping[str, Any] | Module,
    *,
    rename: Mapping[str, str | None] | Callable[[str], str | None] | None = None,
) -> LoadReport:
    """Loads those tensors of a checkpoint that fit the model, and tells what it did with each.

    A tensor is loaded where the model has one of the same name and shape, and a dtype that can hold
    its values. What wrappers put before names (``module.``, ``model.``, ``net.``, ``_orig_mod.``) is
    seen through, and of a file with other things beside the model, the model is taken.

    Args:
        model: what is loaded into.
        checkpoint: a path; or what such a file holds; or another model.
        rename: other names for those in the checkpoint: a dict from a name, or from the beginning of
            names up to a dot, to another (``{"backbone": "encoder", "fc": "head.out"}``; ``""`` takes
            it away, ``{"": "encoder"}`` puts it before all); or a function of a name. None leaves out.

    Raises:
        RuntimeError: nothing fits.
        ValueError: no entry of the checkpoint is a model, or a name to be changed is not in it.
        TypeError: ``checkpoint`` is none of the above.

    >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    >>> checkpoint = {"epoch": 7, "model": {"module.old.weight": rushlight.ones(3, 2)}}
    >>> load_matching(model, checkpoint, rename={"module.old": "0"})
    loaded 1 of 4 tensors (entry 'model')
    skipped:
      0.bias    not in the checkpoint
      1.weight  not in the checkpoint
      1.bias    not in the checkpoint
    """
    given, source = _state_of(checkpoint)
    own = model.state_dict()
    fits: OrderedDict[str, Any] = OrderedDict()
    metadata: dict[str, Any] = {}
    came_from: dict[str, str] = {}
    skipped: dict[str, Skipped] = {}
    names = _renamed(given, rename)
    # Those with the model's very names go first, so that no wrapped name takes their place.
    for name, renamed in sorted(names.items(), key=lambda pair: pair[1] not in own):
        target = _name_in(own, renamed)
        if target is None:
            skipped[name] = Skipped(name, "not in the model")
        elif target in came_from:
            reason = f"{came_from[target]} was taken for {target} of the model"
            skipped[name] = Skipped(name, reason)
        else:
            came_from[target] = name
            problem = _misfit(target, given[name], own[target])
            if problem:
                skipped[target] = Skipped(target, problem)
            else:
                fits[target] = given[name]
                old_module, new_module = name.rpartition(".")[0], target.rpartition(".")[0]
                versions = getattr(given, "_metadata", None) or {}
                metadata[new_module] = versions.get(old_module, {})
    if not fits:
        raise RuntimeError(_nothing_fits(model, own, names, came_from, skipped, source))
    fits._metadata = metadata
    model.load_state_dict(fits, strict=False)
    for name in own:
        if name not in came_from:
            skipped[name] = Skipped(name, "not in the checkpoint")
    # In the model's order, and then what it does not know.
    in_order = [skipped.pop(name) for name in own if name in skipped] + list(skipped.values())
    loaded = [name for name in own if name in fits]
    return LoadReport(loaded, in_order, [name for name in own if name not in fits], source)


def _state_of(checkpoint: Any) -> tuple[Mapping[str, Any], str]:
    """The tensors of a checkpoint by name, and where they were found."""
    source = ""
    if isinstance(checkpoint, (str, os.PathLike)):
        source = f" from {os.fspath(checkpoint)}"
        checkpoint = load(checkpoint, map_location="cpu")
    entry = None
    while True:
        if isinstance(checkpoint, Module):
            checkpoint = checkpoint.state_dict()
        if not isinstance(checkpoint, Mapping):
            raise TypeError(
                "load_matching: expected a path, a state_dict, or a model, "
                f"but got {type(checkpoint).__name__}"
            )
        inside = _model_entry(checkpoint)
        if inside is None:
            return checkpoint, source if entry is None else f"{source} (entry {entry!r})"
        entry, checkpoint = inside, checkpoint[inside]


def _model_entry(checkpoint: Mapping[str, Any]) -> str | None:
    """The entry of a checkpoint with the model in it; None if it is the model's state itself."""
    nested = [key for key, value in checkpoint.items() if isinstance(value, (Mapping, Module))]
    for name in _ENTRIES:
        if name in nested:
            return name
    if any(isinstance(value, Tensor) for value in checkpoint.values()):
        return None
    if len(nested) == 1:
        return nested[0]
    raise ValueError(
        f"load_matching: the checkpoint has the entries {', '.join(map(repr, checkpoint)) or 'none'}, "
        "and none that is known to be a model; give checkpoint[...] itself"
    )


def _renamed(given: Mapping[str, Any], rename: Any) -> dict[str, str]:
    """For each name of the checkpoint the one to look for in the model; without those left out."""
    given_names = [name for name in given if isinstance(name, str)]
    if rename is None:
        return {name: name for name in given_names}
    change = rename if callable(rename) else _changes(given_names, rename)
    pairs = ((name, change(name)) for name in given_names)
    return {name: renamed for name, renamed in pairs if renamed is not None}


def _changes(given: list[str], rename: Mapping[str, str | None]) -> Callable:
    # The longest first, since it says the most.
    pairs = sorted(rename.items(), key=lambda pair: -len(pair[0]))
    pairs = [(old.strip("."), new and new.strip(".")) for old, new in pairs]
    for old, _ in pairs:
        if not any(_begins(name, old) for name in given):
            raise ValueError(
                f"load_matching: no name in the checkpoint is {old!r} or begins with it"
                f"{_near(old, [*given, *_modules_in(given)])}"
            )

    def change(name: str) -> str | None:
        for old, new in pairs:
            if _begins(name, old):
                rest = name[len(old) :].strip(".")
                return None if new is None else ".".join(part for part in (new, rest) if part)
        return name

    return change


def _modules_in(names: Iterable[str]) -> list[str]:
    """The modules that the tensors of these names belong to, at all depths."""
    modules: dict[str, None] = {}
    for name in names:
        parts = name.split(".")
        modules.update(dict.fromkeys(".".join(parts[:end]) for end in range(1, len(parts))))
    return list(modules)


def _begins(name: str, beginning: str) -> bool:
    return beginning in ("", name) or name.startswith(f"{beginning}.")


def _name_in(own: Mapping[str, Any], name: str) -> str | None:
    """The model's name for what the checkpoint calls ``name``, with or without a wrapper on either side."""
    bare = name
    while True:
        if bare in own:
            return bare
        wrapper = next((w for w in _WRAPPERS if bare.startswith(w)), None)
        if wrapper is None:
            return next((w + bare for w in _WRAPPERS if w + bare in own), None)
        bare = bare[len(wrapper) :]


def _misfit(name: str, given: Any, held: Any) -> str | None:
    """Why a value cannot be loaded into what the model holds, if it cannot."""
    if name.rpartition(".")[2] == "_extra_state":
        return None
    if not isinstance(given, Tensor):
        return f"no tensor but {type(given).__name__} in the checkpoint"
    # Numbers were saved with one dimension by PyTorch before 0.4.
    if given.shape != held.shape and (held.dim(), tuple(given.shape)) != (0, (1,)):
        return f"shape {tuple(given.shape)} in the checkpoint, {tuple(held.shape)} in the model"
    if not can_cast(given.dtype, held.dtype):
        return f"{given.dtype} in the checkpoint cannot become {held.dtype} of the model"
    return None


def _nothing_fits(
    model: Module, own: Mapping, names: dict, came_from: dict, skipped: dict, source: str
) -> str:
    text = f"load_matching: nothing fits {type(model).__name__}{source}. "
    if came_from:
        listed = "\n".join(f"  {name}: {reason}" for name, reason in list(skipped.values())[:5])
        return f"{text}The names agree, but:\n{listed}"
    text += f"The model has {_some(own)}; the checkpoint has {_some(names.values())}. "
    for name in names.values():
        for other in own:
            if name.endswith(f".{other}"):
                return f"{text}Try rename={{{name[: -len(other) - 1]!r}: ''}}."
            if other.endswith(f".{name}"):
                return f"{text}Try rename={{'': {other[: -len(name) - 1]!r}}}."
    return f"{text}Say with rename= which is which{_near(next(iter(own), ''), names.values())}."


def _some(names: Iterable[str]) -> str:
    names = list(names)
    shown = ", ".join(names[:3])
    return f"{shown} and {len(names) - 3} more" if len(names) > 3 else shown or "nothing"


def _near(name: str, names: Iterable[str]) -> str:
    """The names most like ``name``, as the end of a sentence."""
    import difflib

    near = difflib.get_close_matches(name, list(names), n=3, cutoff=0.4)
    return f"; nearest to {name!r} are {', '.join(map(repr, near))}" if near else ""


# ---- keeping still


def freeze(model: Module, *patterns: str, statistics: bool = True) -> list[str]:
    """Keeps parts of a model as they are: they get no gradients, and their running statistics stay.

    Without the latter, batch normalisation goes on to adapt its running mean and variance to the new
    data, and a "frozen" part changes with every batch. So layers whose statistics are frozen compute
    as in evaluation, also after ``model.train()``.

    Args:
        model: the model.
        patterns: names of parameters or of modules, which may have ``*``, ``?`` and ``[...]``
            (``"layer1"``, ``"*.bias"``, ``"layer[12].*.weight"``); all without any.
        statistics: also keep running statistics; a pattern must take them in, as the name of their
            layer does.

    Returns:
        The names of what is frozen now by these patterns, parameters and statistics.

    Raises:
        ValueError: a pattern matches nothing.

    >>> model = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Flatten(), nn.Linear(8, 2))
    >>> freeze(model, "1")
    ['1.weight', '1.bias', '1.running_mean', '1.running_var']
    >>> model.train()[1](rushlight.ones(1, 8, 1, 1)).requires_grad, model[1].training
    (False, False)
    """
    chosen = _chosen(model, patterns)
    frozen = set()
    for name, parameter in _parameters(model):
        if name in chosen:
            parameter.requires_grad_(False)
            # An optimizer moves whatever has a gradient, wanted or not.
            parameter.grad = None
            frozen.add(name)
    for layer, names in _statistics(model) if statistics else ():
        if not chosen.isdisjoint(names):
            _release(layer)
            layer.register_forward_pre_hook(_hold_still)
            layer.eval()
            frozen.update(names)
    return [name for name in _names(model) if name in frozen]


def unfreeze(model: Module, *patterns: str) -> list[str]:
    """Lets parts of a model learn again; the opposite of `freeze`, with the same patterns.

    An optimizer that was made without them needs them by ``optimizer.add_param_group``.

    Returns:
        The names of what is no longer frozen by these patterns, parameters and statistics.

    Raises:
        ValueError: a pattern matches nothing.

    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    >>> _ = freeze(model)
    >>> unfreeze(model, "1")
    ['1.weight', '1.bias']
    """
    chosen = _chosen(model, patterns)
    free = set()
    for name, parameter in _parameters(model):
        # Whole numbers, as quantised weights are, have no gradient.
        if name in chosen and (parameter.is_floating_point() or parameter.is_complex()):
            parameter.requires_grad_(True)
            free.add(name)
    for layer, names in _statistics(model):
        if not chosen.isdisjoint(names):
            if _release(layer):
                layer.train(model.training)
            free.update(names)
    return [name for name in _names(model) if name in free]


def _hold_still(layer: Module, args: Any) -> None:
    """Before each call of a frozen layer. A function of the module, so that models stay picklable."""
    layer.training = False


def _release(layer: Module) -> bool:
    """Takes the hook of `freeze` away, if there is one."""
    held = [key for key, hook in layer._forward_pre_hooks.items() if hook is _hold_still]
    for key in held:
        del layer._forward_pre_hooks[key]
    return bool(held)


def _statistics(model: Module) -> Iterator[tuple[Module, list[str]]]:
    """The layers that keep running statistics, with the names of these."""
    for path, layer in model.named_modules(remove_duplicate=False):
        kept = [name for name in _STATISTICS if layer._buffers.get(name) is not None]
        if kept:
            yield layer, [f"{path}.{name}" if path else name for name in kept]


def _parameters(model: Module) -> list[tuple[str, Parameter]]:
    """The parameters by all their names: a shared one has several."""
    return list(model.named_parameters(remove_duplicate=False))


def _names(model: Module) -> list[str]:
    """The names of all parameters and buffers, layer by layer."""
    names = []
    for path, module in model.named_modules(remove_duplicate=False):
        own = {**module._parameters, **module._buffers}
        names += [
            f"{path}.{name}" if path else name for name, held in own.items() if held is not None
        ]
    return names


def _chosen(model: Module, patterns: Iterable[str]) -> set[str]:
    """The names that the patterns match, or that are in a module that they match; all without any."""
    names = _names(model)
    chosen = set() if patterns else set(names)
    for pattern in patterns:
        if not isinstance(pattern, str):
            raise TypeError(
                f"expected the name of a parameter or module, or a pattern of names, but got "
                f"{type(pattern).__name__}; a list of them is given as *names"
            )
        matched = [n for n in names if fnmatchcase(n, pattern) or fnmatchcase(n, f"{pattern}.*")]
        if not matched:
            raise ValueError(
                f"{pattern!r} matches no parameter and no module of {type(model).__name__}"
                f"{_near(pattern, [*_modules_in(names), *names])}"
            )
        chosen.update(matched)
    return chosen


# ---- rates by layer


def param_groups(
    model: Module,
    rates: Mapping[str, float | Mapping[str, Any]],
    default: float | Mapping[str, Any] | None = None,
) -> list[dict[str, Any]]:
    """Groups for an optimizer, in which every trainable parameter is once, with rates by layer.

    Args:
        model: the model; its frozen parameters are left out.
        rates: from patterns, as for `freeze`, to learning rates, or to dicts of any options of the
            optimizer. A parameter that several match gets the options of all.
        default: the same for what no pattern matches; without it, the optimizer's own options hold.

    Returns:
        A dict for each group: its options, its patterns as ``"name"``, and its parameters with their
        names as ``"params"``.

    Raises:
        ValueError: a pattern matches nothing that is trained, or two give one option two values, or
            nothing is trained at all.

    >>> model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    >>> for group in param_groups(model, {"0": 0.001, "*.bias": {"weight_decay": 0.0}}, default=0.1):
    ...     print(group["name"], group["lr"], [name for name, _ in group["params"]])
    0 0.001 ['0.weight']
    0, *.bias 0.001 ['0.bias']
    default 0.1 ['1.weight']
    *.bias 0.1 ['1.bias']
    """
    matched = {pattern: _chosen(model, [pattern]) for pattern in rates}
    names_of: dict[Parameter, list[str]] = {}
    for name, parameter in _parameters(model):
        if parameter.requires_grad:
            names_of.setdefault(parameter, []).append(name)
    if not names_of:
        raise ValueError("param_groups: all parameters are frozen; unfreeze those to be trained")
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    for parameter, names in names_of.items():
        hits = tuple(pattern for pattern in rates if not matched[pattern].isdisjoint(names))
        if hits not in groups:
            options = {**_options(default), **_joined(names[0], hits, rates)}
            groups[hits] = {**options, "name": ", ".join(hits) or "default", "params": []}
        groups[hits]["params"].append((names[0], parameter))
    for pattern in rates:
        if not any(pattern in hits for hits in groups):
            raise ValueError(
                f"param_groups: all that {pattern!r} matches is frozen; unfreeze it, or leave it out"
            )
    return list(groups.values())


def _options(rate: Any) -> dict[str, Any]:
    if rate is None:
        return {}
    return dict(rate) if isinstance(rate, Mapping) else {"lr": rate}


def _joined(name: str, hits: tuple[str, ...], rates: Mapping[str, Any]) -> dict[str, Any]:
    """The options that all patterns give to the parameter ``name``."""
    options: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for pattern in hits:
        for option, value in _options(rates[pattern]).items():
            if options.setdefault(option, value) != value:
                raise ValueError(
                    f"param_groups: {name} has {option}={options[option]} by {origin[option]!r}, but "
                    f"{option}={value} by {pattern!r}; let only one of them match it"
                )
            origin.setdefault(option, pattern)
    return options


# ---- another head


def replace_head(model: Module, num_classes: int, name: str | None = None) -> Module:
    """Puts a new, untrained layer with ``num_classes`` outputs in the place of a model's last one.

    Args:
        model: the model; its last linear layer or convolution, in the order in which it has them, is
            taken for its head.
        num_classes: how many outputs the new layer has.
        name: the head, or the module whose last layer it is, where it is not the model's last.

    Returns:
        The new layer, of the same inputs, dtype and device as the old one, and with gradients even
        where the model is frozen.

    Raises:
        ValueError: there is no such layer, or it is a convolution that looks at more than one place,
            or ``num_classes`` is less than 1.

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1000))
    >>> replace_head(model, 2)
    Linear(in_features=8, out_features=2, bias=True)
    """
    if num_classes < 1:
        raise ValueError(f"replace_head: expected num_classes of at least 1, but got {num_classes}")
    modules = dict(model.named_modules())
    if name is not None and name not in modules:
        raise ValueError(
            f"replace_head: {type(model).__name__} has no module {name!r}{_near(name, modules)}"
        )
    layers = [
        path
        for path, module in modules.items()
        if isinstance(module, (Linear, *_CONVOLUTIONS)) and (name is None or _begins(path, name))
    ]
    if not layers or not layers[-1]:
        where = f"{name!r} of {type(model).__name__}" if name else type(model).__name__
        raise ValueError(f"replace_head: {where} has no linear layer or convolution in it")
    path = layers[-1]
    old = modules[path]
    options = {
        "bias": old.bias is not None,
        "device": old.weight.device,
        "dtype": old.weight.dtype,
    }
    if isinstance(old, Linear):
        new = Linear(old.in_features, num_classes, **options)
    elif set(old.kernel_size) == {1}:
        # As SqueezeNet has it: a linear layer at every place, before the mean over all places.
        new = type(old)(old.in_channels, num_classes, 1, old.stride, **options)
    else:
        raise ValueError(
            f"replace_head: the last layer, {path!r}, is a convolution with a kernel of "
            f"{tuple(old.kernel_size)}, which is no head; say with name= which layer is"
        )
    model.set_submodule(path, new.train(old.training))
    return new
