"""Settings of single layers, as text that may stand in a label, a file's name, an address and a shell without quotes.

    conv1@groups=4@t1=3.0@layer3.0.conv1@layer4.0.conv2@t1=2.0

The parts are separated by `@`: names of layers, what is set for them, the next names. `:`, `,`, `;` and spaces are read as `@` too, so
`conv1: groups=4, t1=3; layer4.0.conv2: t1=2` says the same. What is written has one form: layers by their names, those with
equal settings together, settings in the order of the structure's fields, nothing that the structure says already.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, ClassVar, Self

from lthviz.errors import ConfigError, did_you_mean
from lthviz.knobs import knob, parse, plain
from lthviz.methods.base import Structure

Own = Mapping[str, Mapping[str, Any]]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]*")


def layers_knob(example: str) -> str:
    """The field `layers` of such a structure."""
    return knob("", f"settings of single layers, over the others: names of layers, then what is set for them, as in {example}")


def short(layer: str) -> str:
    """A layer's name as it is written here."""
    return layer.removesuffix(".weight")


class PerLayer(Structure):
    """A structure with a field `layers`. BY_LAYER: its settings that may differ from layer to layer."""

    BY_LAYER: ClassVar[tuple[str, ...]] = ()
    layers: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.layers:
            object.__setattr__(self, "layers", _written(_own(dataclasses.replace(self, layers=""), self.layers), self.BY_LAYER))

    @property
    def own(self) -> dict[str, dict[str, Any]]:
        """What is set for single layers: short name → settings."""
        return {name: dict(values) for name, values in _of_all(self).items()}

    def of(self, layer: str) -> Self:
        """The structure as it is in one layer, by its full or its short name."""
        return _of(self, short(layer)) if self.layers else self

    def set(self, layer: str, **values: Any) -> Self:
        """With those settings in that layer; None takes a layer's own setting back. Without any: with none of its own."""
        own = self.own
        mine = {**own.pop(short(layer), {}), **values} if values else {}
        own[short(layer)] = {k: v for k, v in mine.items() if v is not None}
        return dataclasses.replace(self, layers=_written(own, self.BY_LAYER))

    def check_layers(self, names: Iterable[str]) -> None:
        """ConfigError for settings of a layer that is not among `names`."""
        known = [short(name) for name in names] if self.layers else []
        for name in _read(self.layers):
            if name not in known:
                raise ConfigError(f"layers sets something for {name!r}, which is no layer of this network; {did_you_mean(name, known)}")

    def words(self) -> list[str]:
        """What its name for people says of this."""
        own = list(_read(self.layers))
        return [f"own settings for {own[0] if len(own) == 1 else f'{len(own)} layers'}"] if own else []


@lru_cache(maxsize=4096)
def _of(structure: PerLayer, name: str) -> PerLayer:
    return dataclasses.replace(structure, **{**_of_all(structure).get(name, {}), "layers": ""})


@lru_cache(maxsize=1024)
def _of_all(structure: PerLayer) -> Own:
    """`own`, for reading alone."""
    return _own(dataclasses.replace(structure, layers=""), structure.layers) if structure.layers else {}


@lru_cache(maxsize=1024)
def _own(plainly: PerLayer, text: str) -> Own:
    """Settings of layers, checked: a network of a hundred such layers asks for them at every turn of a threshold."""
    return {name: _values(plainly, name, given) for name, given in _read(text).items()}


def _values(plainly: PerLayer, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """A layer's settings, checked, in the order of the fields, without those that the structure has anyway."""
    for key in given:
        if key not in plainly.BY_LAYER:
            raise ConfigError(f"layers sets {key!r} for {name!r}; of {plainly.kind}'s settings a layer can have its own "
                              f"{', '.join(plainly.BY_LAYER)}" + ("" if key in plainly.__dataclass_fields__ else f" ({did_you_mean(key, plainly.BY_LAYER)})"))
    try:
        made = dataclasses.replace(plainly, **given)
    except ConfigError as e:
        raise ConfigError(f"layers, {name}: {e}") from None
    return {k: getattr(made, k) for k in plainly.BY_LAYER if getattr(made, k) != getattr(plainly, k)}


@lru_cache(maxsize=1024)
def _read(text: str) -> Own:
    """Short name → settings as they are written. ConfigError for what cannot be read."""
    own: dict[str, dict[str, Any]] = {}
    names: list[str] = []
    given: dict[str, Any] = {}

    def put() -> None:
        for name in names:
            if name in own:
                raise ConfigError(f"layers names {name!r} twice; say once what is set for it")
            own[name] = dict(given)

    for part in filter(None, re.split(r"[@:,;\s]+", text)):
        key, eq, value = part.partition("=")
        if eq and not names:
            raise ConfigError(f"layers = {text!r} sets {part!r} for no layer; name the layer first, as in conv1@{part}")
        if eq and key in given:
            raise ConfigError(f"layers sets {key!r} twice for {names[-1]!r}; give each setting once")
        if eq:
            given[key] = parse(value)
        else:
            if not _NAME.fullmatch(part):
                raise ConfigError(f"layers = {text!r} names {part!r}, which can be no layer's name")
            if given:
                put()
                names, given = [], {}
            names.append(short(part))
    if names and not given:
        raise ConfigError(f"layers = {text!r} sets nothing for {names[-1]!r}; put its settings behind it, separated by @")
    put()
    return own


def _written(own: Own, order: tuple[str, ...]) -> str:
    """The one form."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for name in sorted(own):
        if own[name]:
            alike.setdefault(tuple(f"{k}={plain(own[name][k])}" for k in order if k in own[name]), []).append(name)
    return "@".join(part for settings, names in alike.items() for part in (*names, *settings))
