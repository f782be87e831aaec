"""Weights by name, models by name, and the functions that build models."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import inspect
import json
import sys
import typing
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from importlib import resources
from types import ModuleType
from typing import Any, Optional

from ... import nn
from ...hub import load_state_dict_from_url

__all__ = [
    "Weights",
    "WeightsEnum",
    "get_model",
    "get_model_builder",
    "get_model_weights",
    "get_weight",
    "list_models",
]


@dataclass(eq=False)
class Weights:
    """A file of weights for a model.

    Attributes:
        url: its address; the name tells how its SHA256 sum begins.
        transforms: called without arguments, gives the transform of an image before the model.
        meta: ``categories`` (the names of the classes), ``num_params``, ``min_size`` (of an image),
            ``recipe`` (how the weights came about).
    """

    url: str
    transforms: Callable
    meta: dict[str, Any]


class WeightsEnum(Enum):
    """The files of weights that there are for one model.

    >>> from rushlight.vision.models import ResNet18_Weights
    >>> ResNet18_Weights.DEFAULT
    ResNet18_Weights.IMAGENET1K_V1
    >>> ResNet18_Weights.DEFAULT.meta["categories"][:3]
    ['tench', 'goldfish', 'great white shark']
    """

    @classmethod
    def verify(cls, obj: Any) -> WeightsEnum | None:
        """The member that is meant: itself, its name (``"DEFAULT"``) with or without the enum's, or None.

        Raises:
            KeyError: there is none of this name.
            TypeError: it is neither a member of this enum nor a name.
        """
        if isinstance(obj, str):
            return _member(cls, obj.removeprefix(cls.__name__ + "."))
        if obj is not None and not isinstance(obj, cls):
            raise TypeError(
                f"Invalid Weight class provided; expected {cls.__name__} but received "
                f"{type(obj).__name__}."
            )
        return obj

    def get_state_dict(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The weights, from the network or as kept; takes what `hub.load_state_dict_from_url` takes."""
        return load_state_dict_from_url(self.url, *args, **kwargs)

    def __repr__(self) -> str:
        return f"{type(self).__name__}.{self.name}"

    def __reduce_ex__(self, protocol: int) -> tuple:
        return getattr, (type(self), self.name)

    @property
    def url(self) -> str:
        return self.value.url

    @property
    def transforms(self) -> Callable:
        return self.value.transforms

    @property
    def meta(self) -> dict[str, Any]:
        return self.value.meta


def _member(enum: type[WeightsEnum], name: str) -> WeightsEnum:
    if name not in enum.__members__:
        raise KeyError(f"{enum.__name__} has no {name!r}; it has {', '.join(enum.__members__)}")
    return enum[name]


# ---- what is known of the weights of torchvision


@functools.cache
def _table() -> dict[str, Any]:
    """For each model, its enum of weights: weights.json."""
    return json.loads(_data("weights.json"))


@functools.cache
def _imagenet() -> list[str]:
    """The names of ImageNet's 1,000 classes."""
    return _data("imagenet_categories.txt").splitlines()


def _data(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


def _preset(**settings: Any) -> Any:
    """The transform of an image for classification; vision.transforms is imported only now."""
    from ..transforms import InterpolationMode
    from ..transforms._presets import ImageClassification

    if "interpolation" in settings:
        settings["interpolation"] = InterpolationMode(settings["interpolation"])
    return ImageClassification(**settings)


def _weights_enum(model: str, module: str) -> type[WeightsEnum]:
    entry = _table()[model]
    members = {name: _weights(**weights) for name, weights in entry["weights"].items()}
    members["DEFAULT"] = members[entry["default"]]
    return WeightsEnum(entry["enum"], members, module=module, qualname=entry["enum"])


def _weights(url: str, transforms: dict[str, Any], meta: dict[str, Any]) -> Weights:
    settings = {k: tuple(v) if isinstance(v, list) else v for k, v in transforms.items()}
    meta = {"categories": _imagenet(), **meta, "min_size": tuple(meta["min_size"])}
    return Weights(url, functools.partial(_preset, **settings), meta)


# ---- builders

_MODELS: dict[str, Callable[..., nn.Module]] = {}


def builder(
    name: str, model: type[nn.Module], *settings: Any, make: Callable[..., nn.Module] | None = None,
    pretrained: Callable[..., nn.Module] | None = None, fixed: dict[str, Any] | None = None,
    rename: Callable[[dict[str, Any]], dict[str, Any]] | None = None, **defaults: Any,
) -> tuple[Callable[..., nn.Module], type[WeightsEnum]]:  # fmt: skip
    """A function that builds a model, with or without weights, and the enum of its weights.

    Args:
        name: the function's name; weights.json tells which weights there are for it.
        model: the class of the model.
        settings: arguments of ``make``, before the keyword arguments.
        make: gives the model; ``model`` itself if None.
        pretrained: called instead of ``make`` where there are weights, with a function before
            ``settings`` that loads them into a model and gives it.
        fixed: keyword arguments that make the model what it is, so that no others may be given.
        rename: turns a state dict from the network into one of the model.
        defaults: keyword arguments for what is not given.
    """
    enum = _weights_enum(name, model.__module__)
    make = make or model

    def build(*args: Any, **kwargs: Any) -> nn.Module:
        weights, progress = _weights_asked_for(name, enum, args, kwargs)
        for key, value in (fixed or {}).items():
            _set(kwargs, key, value, f"it makes {name} what it is")
        kwargs = {**defaults, **kwargs}
        if weights is None:
            return make(*settings, **kwargs)
        if weights.meta["categories"] is not None:
            cure = "load the weights, then put a new last layer in the place of the old"
            _set(kwargs, "num_classes", len(weights.meta["categories"]), cure)

        def load(model: nn.Module) -> nn.Module:
            state = weights.get_state_dict(progress=progress, check_hash=True)
            model.load_state_dict(rename(state) if rename else state)
            return model

        if pretrained is not None:
            return pretrained(load, *settings, **kwargs)
        return load(make(*settings, **kwargs))

    build.__name__ = build.__qualname__ = name
    build.__module__ = model.__module__
    build.__doc__ = _documentation(name, model, enum)
    build.__signature__ = _signature(model, enum)
    return register_model(name)(build), enum


def _weights_asked_for(
    name: str, enum: type[WeightsEnum], args: tuple, kwargs: dict[str, Any]
) -> tuple[WeightsEnum | None, bool]:
    """Takes ``weights`` and ``progress`` from a call's arguments, or what they were called before."""
    if len(args) > 2:
        raise TypeError(f"{name}() takes its arguments by name, but got {len(args)} without")
    given = dict(zip(("weights", "progress"), args))
    for key in ("weights", "progress", "pretrained"):
        if key in kwargs:
            if key in given:
                raise TypeError(f"{name}() got multiple values for argument '{key}'")
            given[key] = kwargs.pop(key)
    weights = given.get("weights")
    if "pretrained" in given and weights is None:
        weights = bool(given["pretrained"])
    if args or isinstance(weights, bool):
        if isinstance(weights, bool):
            weights = _first_weights(name, enum) if weights else None
        now = "None" if weights is None else weights
        warnings.warn(f"{name}: write weights={now}; pretrained= was its name", stacklevel=3)
    return enum.verify(weights), given.get("progress", True)


def _first_weights(name: str, enum: type[WeightsEnum]) -> WeightsEnum:
    """What ``pretrained=True`` has always meant."""
    if "IMAGENET1K_V1" not in enum.__members__:
        raise ValueError(
            f"No weights available for model {name} with pretrained=True; give weights="
            + " or ".join(map(repr, enum))
        )
    return enum["IMAGENET1K_V1"]


def _set(kwargs: dict[str, Any], key: str, value: Any, why: str) -> None:
    if kwargs.setdefault(key, value) != value:
        raise ValueError(
            f"The parameter '{key}' expected value {value} but got {kwargs[key]} instead: {why}."
        )


def _documentation(name: str, model: type[nn.Module], enum: type[WeightsEnum]) -> str:
    parameters = enum.DEFAULT.meta["num_params"]
    return f"""The `{model.__name__}` that is known as {name}: {parameters:,} parameters for 1,000 classes.

    Args:
        weights: one of {enum.__name__} or its name, such as ``"DEFAULT"``; None is untrained.
        progress: show a bar while the weights are downloaded.
        kwargs: the other arguments, such as ``num_classes``.

    Raises:
        KeyError: there are no such weights.
        ValueError: an argument does not fit the weights.
    """


def _signature(model: type[nn.Module], enum: type[WeightsEnum]) -> inspect.Signature:
    keyword, rest = inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD
    return inspect.Signature(
        [
            inspect.Parameter("weights", keyword, default=None, annotation=Optional[enum]),  # noqa: UP045
            inspect.Parameter("progress", keyword, default=True, annotation=bool),
            inspect.Parameter("kwargs", rest, annotation=Any),
        ],
        return_annotation=model,
    )


# ---- models and weights by name


def register_model(name: str | None = None) -> Callable[[Callable], Callable]:
    """A decorator that makes a builder known to `list_models` and `get_model`.

    Raises:
        ValueError: another one has this name.
    """

    def registered(build: Callable) -> Callable:
        key = name or build.__name__
        if key in _MODELS:
            raise ValueError(f"An entry is already registered under the name '{key}'.")
        _MODELS[key] = build
        return build

    return registered


def list_models(
    module: ModuleType | None = None,
    include: Iterable[str] | str | None = None,
    exclude: Iterable[str] | str | None = None,
) -> list[str]:
    """The names of the models, in alphabetical order.

    Args:
        module: only those of this package, such as ``rushlight.vision.models``.
        include: only those that match one of these patterns (``*`` and ``?``).
        exclude: none that matches one of these.

    >>> list_models(include="resne*", exclude=["*50*", "*101*"])
    ['resnet152', 'resnet18', 'resnet34']
    """

    def matches(name: str, patterns: Iterable[str] | str) -> bool:
        patterns = [patterns] if isinstance(patterns, str) else patterns
        return any(fnmatch.fnmatch(name, pattern) for pattern in patterns)

    return sorted(
        name
        for name, build in _MODELS.items()
        if (module is None or build.__module__.rpartition(".")[0] == module.__name__)
        and (not include or matches(name, include))
        and (not exclude or not matches(name, exclude))
    )


def get_model_builder(name: str) -> Callable[..., nn.Module]:
    """The function that builds a model.

    Raises:
        ValueError: there is none of this name.

    >>> get_model_builder("alexnet").__name__
    'alexnet'
    """
    if name.lower() not in _MODELS:
        raise ValueError(f"Unknown model {name}{_meant(name.lower(), _MODELS)}")
    return _MODELS[name.lower()]


def get_model(name: str, **config: Any) -> nn.Module:
    """The model of this name; the arguments are those of its builder.

    Raises:
        ValueError: there is none of this name.

    >>> get_model("squeezenet1_1", num_classes=10)(rushlight.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 10])
    """
    return get_model_builder(name)(**config)


def get_model_weights(name: Callable | str) -> type[WeightsEnum]:
    """The enum of a model's weights, by the model's builder or name.

    Raises:
        ValueError: there is no such model, or it has no weights.

    >>> get_model_weights("alexnet")
    <enum 'AlexNet_Weights'>
    """
    build = get_model_builder(name) if isinstance(name, str) else name
    parameter = inspect.signature(build).parameters.get("weights")
    if parameter is None:
        raise ValueError(f"The method is missing the 'weights' argument: {build.__name__}")
    for kind in (parameter.annotation, *typing.get_args(parameter.annotation)):
        if inspect.isclass(kind) and issubclass(kind, WeightsEnum):
            return kind
    raise ValueError(
        f"The annotation of {build.__name__}'s argument 'weights' names no WeightsEnum, "
        f"but {parameter.annotation}"
    )


def get_weight(name: str) -> WeightsEnum:
    """The weights of this full name.

    Raises:
        KeyError: the enum has no such weights.
        ValueError: there is no such enum, or the name has not both parts.

    >>> get_weight("AlexNet_Weights.DEFAULT")
    AlexNet_Weights.IMAGENET1K_V1
    """
    enum_name, point, member = name.partition(".")
    if not point or "." in member:
        raise ValueError(
            f"Invalid weight name provided: {name!r}; it has the form 'ResNet18_Weights.DEFAULT'"
        )
    models = vars(sys.modules[__package__])
    enums = {n: e for n, e in models.items() if inspect.isclass(e) and issubclass(e, WeightsEnum)}
    if enum_name not in enums:
        raise ValueError(f"There is no enum of weights {enum_name!r}{_meant(enum_name, enums)}")
    return _member(enums[enum_name], member)


def _meant(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known)
    return (
        f"; did you mean {' or '.join(near)}?" if near else "; list_models() tells which there are"
    )
