"""Structures: Refill and Regroup, and the older ways to remove whole channels that they are compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lthviz.errors import ConfigError
from lthviz.knobs import knob, non_default, plain
from lthviz.methods.base import Structure
from lthviz.methods.overrides import PerLayer, layers_knob

SCORES = {
    "magnitude": "sum of |kept weight| over the channel (the paper's main choice)",
    "remain": "number of kept weights in the channel",
    "l1": "L1 norm of the channel's feature map over a calibration batch",
    "l2": "L2 norm of the channel's feature map over a calibration batch",
    "saliency": "sum of |feature map × gradient of the loss| over a calibration batch",
}


@dataclass(frozen=True)
class Refill(PerLayer):
    """Channel-wise: keep the K best output channels whole, remove the others whole (ICML 2022, section 3.2).

    Errors: ConfigError for a value out of range.
    Source: ICML 2022, section 3.2 and Algorithm 1.
    Example:
        lt.refill(model, masks, lt.Refill(rho=0.2))
    """

    kind: ClassVar[str] = "refill"
    title: ClassVar[str] = "Refill"
    BY_LAYER: ClassVar[tuple[str, ...]] = ("rho", "fractional")
    score: str = knob("magnitude", "what makes an output channel important", choices=SCORES, source="section 3.2")
    rho: float = knob(0.0, "Refill+: the share of the removed channels that stays as well", low=0, high=1,
                      source="Refill+, section 3.2; its VGG example implies about 0.2")
    fractional: bool = knob(False, "the last channel keeps only its largest weights, so the budget is met exactly")
    layers: str = layers_knob("conv1@layer2.0.conv1@rho=0.3")

    @property
    def channelwise(self) -> bool:
        return True

    @property
    def name(self) -> str:
        rest = {k: v for k, v in non_default(self).items() if k not in ("rho", "layers")}
        words = ([f"ρ {self.rho:g}"] if self.rho else []) + [f"{k} {plain(v)}" for k, v in rest.items()] + self.words()
        return "Refill" + ("+" if self.rho else "") + (f" ({', '.join(words)})" if words else "")


@dataclass(frozen=True)
class Regroup(PerLayer):
    """Group-wise: gather the non-zeros into dense blocks (ICML 2022, section 3.3; the released code's mistakes mended).

    Errors: ConfigError for a value out of range, or one that does nothing in the variant.
    Source: ICML 2022, section 3.3, and the released code.
    Example:
        lt.regroup(masks, lt.Regroup(groups=4, min_rows=4))
    """

    kind: ClassVar[str] = "regroup"
    title: ClassVar[str] = "Regroup"
    BY_LAYER: ClassVar[tuple[str, ...]] = ("groups", "t1", "min_rows", "tile_rows", "leftovers", "min_nnz", "min_cols", "imbalance")
    groups: int = knob(8, "groups that the rows of a layer are divided into", low=1, high=1024, source="section 3.3")
    t1: float = knob(1.5, "how many columns a block may take for each weight it leaves out in its worst row",
                     low=0, high=1000, open=True, source="released code")
    min_rows: int = knob(16, "a group of this many rows or fewer makes no block; variant 'paper' (b1): of fewer rows than this",
                         low=0, unit="rows", source="released code")
    tile_rows: int = knob(32, "a longer group is split at a multiple of this", low=1, unit="rows", source="b1")
    leftovers: str = knob("drop", "weights of rows whose group makes no block", choices={
        "drop": "they are removed (released code)", "keep": "they stay, unstructured"})
    variant: str = knob("code", "which description of the search for blocks", choices={
        "code": "one cut per group, from the released code", "paper": "absolute thresholds, repeated while blocks form"})
    min_nnz: int = knob(8, "variant 'paper' (t2): non-zeros a column needs inside a group to join its block", low=1)
    min_cols: int = knob(32, "variant 'paper' (b2): columns a block needs", low=1, unit="columns")
    imbalance: float = knob(0.1, "how much larger than the mean a group may be", low=0, high=1)
    partitioner: str = knob("auto", "which hypergraph partitioner divides the rows", choices={
        "auto": "mtkahypar where it is installed, else pymetis", "mtkahypar": "Mt-KaHyPar, deterministic",
        "pymetis": "METIS on the rows' shared columns"})
    layers: str = layers_knob("conv1@layer2.0.conv1@groups=4@t1=2.0")

    def __post_init__(self) -> None:
        super().__post_init__()
        unused = {"code": ("min_nnz", "min_cols"), "paper": ("t1", "tile_rows")}[self.variant]
        for name in non_default(self):
            if name in unused:   # two labels must not name one ticket
                raise ConfigError(f"{name} = {getattr(self, name)} does nothing in Regroup's variant {self.variant!r}; leave it out or change the variant")

    @property
    def name(self) -> str:
        words = [f"{k} {plain(v)}" for k, v in non_default(self).items() if k != "layers"] + self.words()
        return self.title + (f" ({', '.join(words)})" if words else "")


@dataclass(frozen=True)
class Slimming(Structure):
    """Channel-wise: keep the channels whose BatchNorm scales |γ| are the largest of the network (Liu et al. 2017)."""

    kind: ClassVar[str] = "slimming"
    title: ClassVar[str] = "Slimming"

    @property
    def channelwise(self) -> bool:
        return True


@dataclass(frozen=True)
class Filters(Structure):
    """Channel-wise: keep the filters whose weights have the largest L1 norm (Li et al. 2017)."""

    kind: ClassVar[str] = "filters"
    title: ClassVar[str] = "L1 filters"
    scope: str = knob("layer", "which filters are ranked against each other", choices={
        "layer": "those of a layer; every layer keeps the round's density",
        "global": "all, by their mean |weight|; layers keep different shares"}, source="Li et al. 2017, section 3.2: a ratio a layer")

    @property
    def channelwise(self) -> bool:
        return True
