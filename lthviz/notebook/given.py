"""What a caller may give, made one: masks in any form, settings as a value or as keywords, names of layers in full or short."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

import numpy as np

from lthviz.errors import AddressError, ConfigError, MaskError, did_you_mean
from lthviz.knobs import known
from lthviz.methods import UNSTRUCTURED, Structure
from lthviz.records import Blocks, Masks, Structured, Ticket

F = TypeVar("F", bound=Callable[..., Any])
S = TypeVar("S", bound=Structure)


class Given(NamedTuple):
    """Masks with what is known of them. structural: a row without weights is a removed channel. label: of the structure, as far as it can be told."""

    masks: Masks
    blocks: Mapping[str, Blocks]
    structural: bool
    label: str


def is_module(value: Any) -> bool:
    """Whether it is a torch network; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.nn.Module)


def ticket(value: Any, structural: bool | None = None) -> Given:
    """Masks, a structure's result, a stored ticket or arrays by parameter name. structural: instead of what the value itself says."""
    if isinstance(value, Structured):
        told = next(iter(value.notes.values()), {})
        found = Given(value.masks, value.blocks, True, "regroup" if "parts" in told else "refill" if "channels" in told else UNSTRUCTURED)
    elif isinstance(value, Ticket):
        found = Given(value.masks, value.blocks, value.structural, value.structure)
    elif isinstance(value, Masks):
        found = Given(value, {}, False, UNSTRUCTURED)
    elif isinstance(value, Mapping):
        found = Given(Masks.of({str(name): _bits(str(name), array) for name, array in value.items()}), {}, False, UNSTRUCTURED)
    else:
        raise MaskError(f"masks should be Masks, what refill or regroup gave, or arrays by parameter name; this is a {type(value).__name__}")
    if not found.masks:
        raise MaskError("there is no mask in the masks; lt.magnitude(model, density=0.2) makes some")
    return found if structural is None else found._replace(structural=structural)


def _bits(name: str, value: Any) -> np.ndarray:
    if hasattr(value, "detach"):
        value = value.detach()
        if getattr(value, "is_meta", False):
            raise MaskError(f"mask {name!r} has no values: it is on the meta device")
        value = (value.to_dense() if "sparse" in str(value.layout) else value).cpu()
    array = np.asarray(value)
    if array.dtype != bool and not np.isin(array, (0, 1)).all():
        raise MaskError(f"mask {name!r} holds other values than 0 and 1; give array != 0 for what is kept")
    return array.astype(bool)


def settings(kind: type[S], value: S | None, knobs: Mapping[str, Any], own: Iterable[str] = ()) -> S:
    """A structure's settings from its value, from keywords, or from a value that keywords change. own: the function's other keywords, for near misses."""
    names = [f.name for f in dataclasses.fields(kind)]
    for key in knobs:
        if key not in names:
            raise ConfigError(f"{key!r} is not a setting of {kind.kind}; {did_you_mean(key, [*names, *own])}")
    if value is None:
        return kind(**known(kind, knobs))
    if not isinstance(value, kind):
        raise ConfigError(f"settings should be lt.{kind.__name__}(…) or keywords; this is {value!r:.80}")
    return dataclasses.replace(value, **knobs)


def full_name(layer: str, names: Iterable[str]) -> str:
    """A layer's parameter name from that or its module's. AddressError with the near misses."""
    names = list(names)
    for name in (layer, f"{layer}.weight"):
        if name in names:
            return name
    raise AddressError(f"there is no layer {layer!r} here; {did_you_mean(str(layer), [n.removesuffix('.weight') for n in names])}")


def clear(function: F) -> F:
    """Says in one line which keyword is not known, with its near misses, instead of Python's TypeError."""
    parameters = inspect.signature(function).parameters
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        raise TypeError(f"{function.__name__} takes any keyword")
    names = [n for n, p in parameters.items() if p.kind is not p.POSITIONAL_ONLY]

    @functools.wraps(function)
    def checked(*args: Any, **keywords: Any) -> Any:
        for key in keywords:
            if key not in names:
                raise ConfigError(f"{key!r} is not a keyword of lt.{function.__name__}; {did_you_mean(key, names)}")
        return function(*args, **keywords)

    return checked  # type: ignore[return-value]


def with_settings(kind: type[Structure]) -> Callable[[F], F]:
    """For a function with `**knobs`: its signature names every setting of `kind`, so that a notebook completes them."""
    def dress(function: F) -> F:
        signature = inspect.signature(function)
        kept = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
        more = [inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=f.default, annotation=f.type) for f in dataclasses.fields(kind)]
        function.__signature__ = signature.replace(parameters=[*kept, *more])  # type: ignore[attr-defined]
        return function

    return dress
