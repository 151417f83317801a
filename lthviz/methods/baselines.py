"""Masks without a structure that magnitude pruning in rounds is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lthviz.errors import ConfigError
from lthviz.knobs import knob
from lthviz.methods.base import Structure


class _Unstructured(Structure):
    """Single weights are removed: the BatchNorm behind an empty row still speaks."""

    @property
    def structural(self) -> bool:
        return False


@dataclass(frozen=True)
class Omp(_Unstructured):
    """One-shot magnitude: the weights that are largest in the trained dense network, over all layers at once."""

    kind: ClassVar[str] = "omp"
    title: ClassVar[str] = "OMP"
    feeds_back: ClassVar[bool] = False


@dataclass(frozen=True)
class Snip(_Unstructured):
    """Before training, one shot: the weights whose removal changes the loss most, |∂L/∂w · w| (Lee et al. 2019)."""

    kind: ClassVar[str] = "snip"
    title: ClassVar[str] = "SNIP"
    begins: ClassVar[str] = "initial"
    feeds_back: ClassVar[bool] = False


@dataclass(frozen=True)
class Grasp(_Unstructured):
    """Before training, one shot: the weights whose removal would reduce the gradient flow most (Wang et al. 2020)."""

    kind: ClassVar[str] = "grasp"
    title: ClassVar[str] = "GraSP"
    begins: ClassVar[str] = "initial"
    feeds_back: ClassVar[bool] = False
    temperature: float = knob(200.0, "what the logits are divided by", low=0, high=1e6, open=True, source="released code")
    per_class: int = knob(10, "training images of each class behind the score", low=1, high=10_000, unit="images", source="released code")


@dataclass(frozen=True)
class SynFlow(_Unstructured):
    """Before training, without data, in many small steps: the weights that carry most of the synaptic flow (Tanaka et al. 2020)."""

    kind: ClassVar[str] = "synflow"
    title: ClassVar[str] = "SynFlow"
    begins: ClassVar[str] = "initial"
    feeds_back: ClassVar[bool] = False
    iterations: int = knob(100, "steps from dense to the round's density, each keeping the same share", low=1, high=10_000,
                           source="Tanaka et al. 2020, algorithm 1")


@dataclass(frozen=True)
class NM(_Unstructured):
    """Of every m weights of neighbouring input channels the n largest; its density is n/m in every round (Mishra et al. 2021)."""

    kind: ClassVar[str] = "nm"
    title: ClassVar[str] = "N:M"
    n: int = knob(2, "weights kept of each m", low=1, high=64, source="2:4, Mishra et al. 2021")
    m: int = knob(4, "neighbouring input channels at one place of the kernel that share a budget", low=2, high=64)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n >= self.m:
            raise ConfigError(f"n = {self.n} of m = {self.m} removes nothing; n must be less than m")

    @property
    def name(self) -> str:
        return f"N:M ({self.n}:{self.m})"
