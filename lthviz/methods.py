"""The methods that turn a round's unstructured mask into another: frozen values, each with only its own knobs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from lthviz.errors import ConfigError, did_you_mean
from lthviz.knobs import check, knob, known, non_default, parse, plain

SCORES = {
    "magnitude": "sum of |kept weight| over the channel (the paper's main choice)",
    "remain": "number of kept weights in the channel",
    "l1": "L1 norm of the channel's feature map over a calibration batch",
    "l2": "L2 norm of the channel's feature map over a calibration batch",
    "saliency": "sum of |feature map × gradient of the loss| over a calibration batch",
}


@dataclass(frozen=True)
class Structure:
    """A way to turn a round's unstructured mask into another; each subclass has only its own knobs."""

    kind: ClassVar[str]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        check(self)

    @property
    def label(self) -> str:
        """Its address inside a run: the kind and whatever is not default, e.g. `regroup-groups=4-t1=2.0`."""
        return "-".join([self.kind, *(f"{k}={plain(v)}" for k, v in non_default(self).items())])

    @property
    def name(self) -> str:
        """Its name for people, e.g. `Refill+ (ρ 0.2)`."""
        rest = ", ".join(f"{k} {plain(v)}" for k, v in non_default(self).items())
        return self.title + (f" ({rest})" if rest else "")

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **non_default(self)}


@dataclass(frozen=True)
class Refill(Structure):
    """Channel-wise: keep the K best output channels whole, remove the others whole (ICML 2022, section 3.2)."""

    kind: ClassVar[str] = "refill"
    title: ClassVar[str] = "Refill"
    score: str = knob("magnitude", "what makes an output channel important", choices=SCORES, source="section 3.2")
    rho: float = knob(0.0, "Refill+: the share of the removed channels that stays as well", low=0, high=1,
                      source="Refill+, section 3.2; its VGG example implies about 0.2")
    fractional: bool = knob(False, "the last channel keeps only its largest weights, so the budget is met exactly")

    @property
    def name(self) -> str:
        rest = {k: v for k, v in non_default(self).items() if k != "rho"}
        words = ([f"ρ {self.rho:g}"] if self.rho else []) + [f"{k} {plain(v)}" for k, v in rest.items()]
        return "Refill" + ("+" if self.rho else "") + (f" ({', '.join(words)})" if words else "")


@dataclass(frozen=True)
class Regroup(Structure):
    """Group-wise: gather the non-zeros into dense blocks (ICML 2022, section 3.3; the released code's mistakes mended)."""

    kind: ClassVar[str] = "regroup"
    title: ClassVar[str] = "Regroup"
    groups: int = knob(8, "parts the rows of a layer are divided into", low=1, high=1024, source="section 3.3")
    t1: float = knob(1.5, "how many columns a block may take for each weight it leaves out in its worst row",
                     low=0, high=1000, open=True, source="released code")
    min_rows: int = knob(16, "a part of this many rows or fewer makes no block; variant 'paper' (b1): of fewer rows than this",
                         low=0, unit="rows", source="released code")
    tile_rows: int = knob(32, "a longer part is split at a multiple of this", low=1, unit="rows", source="b1")
    leftovers: str = knob("drop", "weights of rows whose part makes no block", choices={
        "drop": "they are removed (released code)", "keep": "they stay, unstructured"})
    variant: str = knob("code", "which description of the search for blocks", choices={
        "code": "one cut per part, from the released code", "paper": "absolute thresholds, repeated while blocks form"})
    min_nnz: int = knob(8, "variant 'paper' (t2): non-zeros a column needs inside a part to join its block", low=1)
    min_cols: int = knob(32, "variant 'paper' (b2): columns a block needs", low=1, unit="columns")
    imbalance: float = knob(0.1, "how much larger than the mean a part may be", low=0, high=1)
    partitioner: str = knob("auto", "which hypergraph partitioner divides the rows", choices={
        "auto": "mtkahypar where it is installed, else pymetis", "mtkahypar": "Mt-KaHyPar, deterministic",
        "pymetis": "METIS on the rows' shared columns"})

    def __post_init__(self) -> None:
        super().__post_init__()
        unused = {"code": ("min_nnz", "min_cols"), "paper": ("t1", "tile_rows")}[self.variant]
        for name in non_default(self):
            if name in unused:   # two labels must not name one ticket
                raise ConfigError(f"{name} = {getattr(self, name)} does nothing in Regroup's variant {self.variant!r}; leave it out or change the variant")


@dataclass(frozen=True)
class Random(Structure):
    """A control: the round's density in every layer, at random places."""

    kind: ClassVar[str] = "random"
    title: ClassVar[str] = "Random"
    shuffle: str = knob("weights", "what is moved to random places inside each layer", choices={
        "weights": "every kept weight on its own", "channels": "whole output channels, as many as Refill keeps"})


STRUCTURES: dict[str, type[Structure]] = {c.kind: c for c in (Refill, Regroup, Random)}
UNSTRUCTURED = "unstructured"
"""The label of a round's magnitude-pruned ticket; round 0's is the dense network."""


def structure(value: Structure | Mapping[str, Any] | str) -> Structure:
    """A structure from itself, from a mapping with `kind`, or from its label (`refill-rho=0.2`)."""
    if isinstance(value, Structure):
        return value
    if isinstance(value, str):
        kind, *rest = re.split(r"-(?=[a-z_0-9]+=)", value)
        pairs = [p.partition("=") for p in rest]
        if len({k for k, _, _ in pairs}) < len(pairs):
            raise ConfigError(f"structure {value!r} sets something twice; give each setting once")
        value = {"kind": kind, **{k: parse(v) for k, _, v in pairs}}
    if not isinstance(value, Mapping) or "kind" not in value:
        raise ConfigError(f"structure {value!r} should be a label such as 'refill' or a table with kind = one of {', '.join(STRUCTURES)}")
    values = dict(value)
    kind = values.pop("kind")
    if not isinstance(kind, str) or kind not in STRUCTURES:
        raise ConfigError(f"structure {kind!r} is not known; {did_you_mean(str(kind), STRUCTURES)}")
    return STRUCTURES[kind](**known(STRUCTURES[kind], values, f"setting of {kind}"))
