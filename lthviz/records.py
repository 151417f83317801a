"""What flows between the parts: frozen values, numpy inside. A ticket is a value; nothing here is changed after it is made.

A weight `W[C_out, C_in/groups, kh, kw]` is read as a matrix of `C = C_out` rows (output channels) and
`n = C_in/groups·kh·kw` columns; a linear layer's `(out, in)` is one. Layers, masks, blocks and weights are keyed by parameter name (`layer1.0.conv1.weight`).
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from lthviz import methods
from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.errors import AddressError, MaskError, did_you_mean


@dataclass(frozen=True)
class Layer:
    """A prunable convolution or linear layer: where it stands in the network, without the network.

    name: its weight's parameter name. shape: of the weight, `(C_out, C_in/groups, kh, kw)` or `(out, in)`. out_hw: of its output
    map, (1, 1) of a linear layer. bn: module name of the BatchNorm behind it ('' if none). sources: the prunable layers whose output
    channel c, or'ed, decides whether input channel c can be non-zero; None: something unprunable feeds it, every input is alive. Of
    a linear layer that reads a flattened map of c×h×w, channel c is h·w columns. classifier: its rows are the classes, which no structure removes.
    """

    name: str
    shape: tuple[int, ...]
    out_hw: tuple[int, int]
    bn: str = ""
    sources: tuple[str, ...] | None = None
    groups: int = 1
    classifier: bool = False

    @property
    def convolution(self) -> bool:
        return len(self.shape) == 4

    @property
    def matrix(self) -> tuple[int, int]:
        """(C, n): rows and columns of the weight read as a matrix."""
        return self.shape[0], int(np.prod(self.shape[1:]))

    @property
    def size(self) -> int:
        return self.matrix[0] * self.matrix[1]

    @property
    def macs(self) -> int:
        """Multiply-adds of the dense layer for one image."""
        return self.size * self.out_hw[0] * self.out_hw[1]

    @property
    def short(self) -> str:
        return self.name.removesuffix(".weight")


class Masks(Mapping[str, np.ndarray]):
    """Immutable masks of a network, one bit a weight. `masks[name]` is a fresh bool array of the weight's shape.

    Build with `Masks.of({name: array})` (bool, or numbers that are all 0 or 1). Equality and `digest` cover every bit.
    """

    __slots__ = ("_digest", "_nnz", "_packed", "_shapes")

    def __init__(self, packed: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """packed: `np.packbits` of each mask in C order, padding bits zero."""
        self._packed, self._shapes = dict(packed), {k: tuple(map(int, v)) for k, v in shapes.items()}
        for name, bits in self._packed.items():
            if bits.dtype != np.uint8 or bits.shape != ((int(np.prod(self._shapes[name])) + 7) // 8,):
                raise MaskError(f"mask {name!r}: {bits.size} bytes do not hold shape {self._shapes[name]}")
            bits.flags.writeable = False
        self._nnz = {k: int(np.bitwise_count(v).sum(dtype=np.int64)) for k, v in self._packed.items()}
        self._digest = ""

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Masks:
        packed, shapes = {}, {}
        for name, array in arrays.items():
            array = np.asarray(array)
            if array.dtype != bool:
                raise MaskError(f"mask {name!r} has dtype {array.dtype}; it should be bool")
            packed[name], shapes[name] = np.packbits(array, axis=None), array.shape
        return cls(packed, shapes)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._packed:
            raise KeyError(name)
        shape = self._shapes[name]
        return np.unpackbits(self._packed[name], count=int(np.prod(shape))).view(bool).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masks) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def matrix(self, name: str) -> np.ndarray:
        """The mask of one layer as bool (C, n)."""
        mask = self[name]
        return mask.reshape(mask.shape[0], -1)

    def packed(self, name: str) -> np.ndarray:
        """The bits as stored, read-only uint8."""
        return self._packed[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def size(self, name: str | None = None) -> int:
        """Weights of a layer, or of all."""
        return int(np.prod(self._shapes[name])) if name else sum(int(np.prod(s)) for s in self._shapes.values())

    def nnz(self, name: str | None = None) -> int:
        """Kept weights of a layer, or of all."""
        return self._nnz[name] if name else sum(self._nnz.values())

    def density(self, name: str | None = None) -> float:
        """Kept share of a layer, or of all prunable weights."""
        return self.nnz(name) / max(1, self.size(name))

    @property
    def digest(self) -> str:
        """Hash of names, shapes and bits: the key under which anything derived from these masks may be cached."""
        if not self._digest:
            h = hashlib.sha256()
            for name in sorted(self._packed):
                h.update(f"{name}{self._shapes[name]}".encode())
                h.update(self._packed[name].tobytes())
            self._digest = h.hexdigest()[:16]
        return self._digest


@dataclass(frozen=True, eq=False)
class Blocks:
    """Dense blocks of one layer's matrix: block b covers every (row, column) of `rows[b]` × `cols[b]`.

    shape: (C, n). rows, cols: int32 arrays, one pair a block; no cell is in two blocks.
    """

    shape: tuple[int, int]
    rows: tuple[np.ndarray, ...]
    cols: tuple[np.ndarray, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def area(self) -> int:
        """Weights inside the blocks."""
        return sum(r.size * c.size for r, c in zip(self.rows, self.cols, strict=True))


@dataclass(frozen=True, eq=False)
class Structured:
    """What a structure made of a mask: new masks, the dense blocks of each layer, and what happened there.

    blocks: a layer without an entry kept no block (its mask is as sparse as it came). notes: per layer, JSON-able; Refill
    `{"kept": K, "channels": C, "back": weights regrown, "gone": weights removed}`, Regroup the same back/gone and
    `{"parts": [{"rows": m, "cols": i, "block": bool}…], "partitioner": "mtkahypar 1.7", "km1": int, "fallback": bool}`.
    """

    masks: Masks
    blocks: Mapping[str, Blocks]
    notes: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, eq=False)
class Curve:
    """How a training went; every array has one entry an epoch. Accuracies are percent, of the validation images."""

    epoch: np.ndarray
    train_loss: np.ndarray
    train_acc: np.ndarray
    val_acc: np.ndarray
    lr: np.ndarray
    seconds: np.ndarray

    FIELDS = ("epoch", "train_loss", "train_acc", "val_acc", "lr", "seconds")

    @classmethod
    def of(cls, epochs: Sequence[Epoch]) -> Curve:
        return cls(*(np.array([getattr(e, f) for e in epochs], np.int32 if f == "epoch" else np.float64) for f in cls.FIELDS))


@dataclass(frozen=True, eq=False)
class Ticket:
    """Masks, how they were made, how they trained. Accuracies are percent; None until it is trained.

    structure: its label. weights: the trained weights by parameter name where kept, float32, zero where the mask is. removes_channels: what
    `structural` says of a stored ticket, which keeps the rule that it was trained by; None: its method's.
    """

    structure: str
    round: int
    masks: Masks
    blocks: Mapping[str, Blocks] = field(default_factory=dict)
    notes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    curve: Curve | None = None
    test_acc: float | None = None
    val_acc: float | None = None
    train_seconds: float | None = None
    weights: Mapping[str, np.ndarray] | None = None
    removes_channels: bool | None = None

    @property
    def structural(self) -> bool:
        """Whether a row without weights is a removed channel, its BatchNorm removed with it."""
        return methods.structural(self.structure) if self.removes_channels is None else self.removes_channels


@dataclass(frozen=True, eq=False)
class Round:
    """The tickets of one pruning round by label; round 0 holds the dense network as `unstructured`.

    complete: every stage of the round is done; `stages_done` counts them.
    """

    index: int
    tickets: Mapping[str, Ticket]
    stages_done: int
    complete: bool
    seconds: float = 0.0

    def ticket(self, structure: str) -> Ticket:
        if structure not in self.tickets:
            raise AddressError(f"round {self.index} has no ticket {structure!r}; {did_you_mean(structure, self.tickets)}")
        return self.tickets[structure]


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a run needs to go on exactly: JSON-able `meta`, named `arrays`, and the unfinished `round` so far."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    round: Round


# What the engine yields ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Begin:
    """First event: the network and the conditions. info: JSON-able (parameters, image counts, device, versions)."""

    layers: tuple[Layer, ...]
    info: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Step:
    """A batch was trained: `done` of `total` batches of the whole run. `loss()` costs a device synchronisation."""

    done: int
    total: int
    loss: Callable[[], float]


@dataclass(frozen=True, eq=False)
class Epoch:
    """An epoch ended. Accuracies are percent; val_acc is nan where no image is held out. snapshot: all that is needed to go on from here."""

    round: int
    structure: str
    epoch: int
    epochs: int
    train_loss: float
    train_acc: float
    val_acc: float
    lr: float
    seconds: float
    snapshot: Callable[[], Checkpoint] | None = None


@dataclass(frozen=True, eq=False)
class Stage:
    """A stage ended. `round` is the round so far, its newest ticket that of `structure`; complete on the round's last stage."""

    round: Round
    kind: str
    structure: str
    seconds: float
    snapshot: Callable[[], Checkpoint]


Event = Begin | Step | Epoch | Stage


# How fast it runs -------------------------------------------------------------------------------------------------------

BUSY_CORES = 0.25
"""Cores that other processes may keep busy while a CPU is timed. More of it holds up one thread or another in a good part of the runs, and
not both sides alike: a form whose threads wait for each other at every layer, as most dense ones do, loses the whole wait, the block
kernel only its share of the work. The ratio then flatters the ticket (docs/speed.md has what was seen)."""
STEADY = 1.25
"""So many times may the dense network's median among the pairs be its median of a moment before, or the reverse; at rest 1.09 was seen."""
APART = 1.5
"""So many times may the upper quartile of the pairs' ratios be the lower one where nothing tells what other processes do; at rest 1.46 was
seen, of single images."""


@dataclass(frozen=True)
class LayerTiming:
    """One convolution of a measured ticket, timed alone at the shapes it has in the network.

    kept: weights really left, dead inputs removed. flops_ratio: its multiply-adds over the dense layer's. executor: what
    runs it in the ticket (`blocks`, `dense`, `torch` …).
    """

    name: str
    kept: int
    flops_ratio: float
    dense_ms: float
    ticket_ms: float
    executor: str


@dataclass(frozen=True)
class Timing:
    """A ticket's measured inference time against the fastest dense form of its network, on one machine.

    dense_ms, ticket_ms: medians of a forward pass of `batch` images. time_ratio: median of the pairs' ratios, ticket over
    dense; `spread`: their quartiles; `n` pairs. flops_ratio: multiply-adds really left, dead inputs removed. max_abs_err: largest
    difference from the masked dense network's outputs, as a share of their scale. baseline: the dense form compared with;
    others: medians in ms of every form a user has, by name. executor: what runs the ticket as a whole (`blocks`, `compact`,
    `torch` …). estimated_ms: what the machine's calibration
    predicts, without running the ticket: its share of the time that the block kernel takes for the dense network, times that time. None
    without one. conditions: JSON-able (cpu, cores, load,
    versions). time: seconds since 1970.
    """

    round: int
    structure: str
    device: str
    threads: int
    batch: int
    dense_ms: float
    ticket_ms: float
    time_ratio: float
    spread: tuple[float, float]
    flops_ratio: float
    max_abs_err: float
    baseline: str
    executor: str
    n: int
    layers: tuple[LayerTiming, ...] = ()
    others: Mapping[str, float] = field(default_factory=dict)
    estimated_ms: float | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"
    time: float = 0.0

    @property
    def speedup(self) -> float:
        """Dense time over the ticket's."""
        return 1 / self.time_ratio

    @property
    def disturbed(self) -> tuple[str, ...]:
        """Why the figures are doubtful, a line each; empty for a measurement on a machine at rest (BUSY_CORES, STEADY, APART)."""
        busy, drift, (low, high) = self.conditions.get("others_cores"), self.conditions.get("drift"), self.spread
        why = []
        if self.device == "cpu" and isinstance(busy, int | float) and busy > BUSY_CORES:
            why.append(f"other processes kept {busy:.2g} cores busy meanwhile")
        if isinstance(drift, int | float) and not 1 / STEADY <= drift <= STEADY:
            why.append(f"the dense network took {drift:.2f} times as long as a moment before")
        if (busy is None or self.device != "cpu") and high > APART * low:
            why.append(f"half of the pairs lie outside of {low:.3f} to {high:.3f}")
        return tuple(why)

    @property
    def key(self) -> str:
        """What a newer measurement of the same thing replaces: ticket, device, precision, threads and batch."""
        return f"{self.round:03d}-{self.structure}-{self.device}-{self.precision}-t{self.threads}-b{self.batch}"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; `Timing.of` reads it back."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Timing:
        layers = tuple(LayerTiming(**layer) for layer in value.get("layers", ()))
        return cls(**{**value, "layers": layers, "spread": tuple(value["spread"])})


# What is looked at -----------------------------------------------------------------------------------------------------


class Address(NamedTuple):
    """Where something is: a run, and inside it a round, a structure, a layer. A page's state, a link, a cache key."""

    run: str
    round: int = 0
    structure: str = UNSTRUCTURED
    layer: str = ""


@dataclass(frozen=True)
class Status:
    """How a run stands. state: queued, running, paused, finished, cancelled, failed or interrupted.

    message: one line for people. done/total: batches. eta_s: seconds left, None when unknown. beat_s: seconds since the
    worker was last heard of, None when it never was.
    """

    state: str
    message: str = ""
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    beat_s: float | None = None

    @property
    def alive(self) -> bool:
        return self.state in ("queued", "running", "paused")


@dataclass(frozen=True, eq=False)
class Run:
    """A stored run without its masks: what lists, pickers and curves need.

    rows: one mapping a trained ticket: round, structure, density, effective_density, coverage, coverage_layers,
    test_acc, val_acc, dense_acc, seconds, in newer runs smaller and epoch_seconds (see core.stats.row). layers: empty until
    the run has begun. seconds: its rounds' work so far, pauses not counted.
    """

    id: str
    config: RunConfig
    layers: tuple[Layer, ...]
    info: Mapping[str, Any]
    rows: tuple[Mapping[str, Any], ...]
    rounds: tuple[int, ...]
    created: float
    preset: str = ""
    title: str = ""
    seconds: float = 0.0

    @property
    def parent(self) -> str:
        """Id of the run that this one branched from, '' of one that stands alone. It may have been deleted."""
        return self.config.parent

    def taken_over(self, round: int, structure: str) -> bool:
        """Whether a ticket is the parent's, not trained in this run."""
        first, branch = self.config.from_round, self.info.get("branch", {})
        if round > first:
            return structure in branch.get("ahead", {}).get(str(round), ())
        return bool(self.parent) and (round < first or structure in branch.get("inherited", ()))

    @cached_property
    def by_name(self) -> dict[str, Layer]:
        return {layer.name: layer for layer in self.layers}

    @property
    def finished(self) -> tuple[int, ...]:
        """The rounds whose every ticket is trained; `rounds` holds the one at work as well."""
        trained = {(r["round"], r["structure"]) for r in self.rows}
        return tuple(k for k in self.rounds if all((k, label) in trained for label in self.config.tickets(k)))
