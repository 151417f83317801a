"""What a run is: frozen values whose fields carry their own help, limits and source.

Forms, `--set` flags and the documentation are derived from these fields; nothing repeats them. A run's id is a hash of
what differs from the defaults, so a setting added later leaves the ids of old runs alone. The defaults are the paper's
CIFAR settings (ICML 2022, arXiv 2202.04736, section 4.1); presets.py holds everything shorter or special.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from lthviz.errors import ConfigError, did_you_mean

MODELS = {
    "convnet": "four convolutions for 8×8 images, 128 channels wide so that groups form",
    "resnet20": "ResNet-20, CIFAR form (0.27 M parameters)",
    "resnet18": "ResNet-18, CIFAR form (11.2 M parameters)",
    "vgg16": "VGG-16 with batch normalisation (14.7 M parameters)",
}
DATASETS = {
    "digits": "scikit-learn's handwritten digits, 1,797 images of 8×8, no download",
    "cifar10": "CIFAR-10 through torchvision: a folder already there, or its own download",
    "folder": "any torchvision ImageFolder tree with train/ and test/",
}
SCORES = {
    "magnitude": "sum of |kept weight| over the channel (the paper's main choice)",
    "remain": "number of kept weights in the channel",
    "l1": "L1 norm of the channel's feature map over a calibration batch",
    "l2": "L2 norm of the channel's feature map over a calibration batch",
    "saliency": "sum of |feature map × gradient of the loss| over a calibration batch",
}


def knob(default: Any, help: str, *, low: float | None = None, high: float | None = None, open: bool = False,
         choices: Mapping[str, str] | None = None, unit: str = "", source: str = "") -> Any:
    """A dataclass field with its help, inclusive limits (`open`: exclusive), choices, unit and source."""
    return dataclasses.field(default=default, metadata=dict(
        help=help, low=low, high=high, open=open, choices=choices, unit=unit, source=source))


def _check(owner: Any) -> None:
    """Type, limits and choices of every field; ConfigError names the field, the value and the way out."""
    for f in dataclasses.fields(owner):
        value, meta = getattr(owner, f.name), f.metadata
        if not meta or isinstance(value, tuple):
            continue
        kind = type(f.default)
        if kind is float and type(value) is int:
            object.__setattr__(owner, f.name, value := float(value))
        if type(value) is not kind:
            raise ConfigError(f"{f.name} = {value!r} should be {_TYPE_WORDS[kind]}; {meta['help']}")
        if meta["choices"] is not None and value not in meta["choices"]:
            raise ConfigError(f"{f.name} = {value!r} is not known; {did_you_mean(value, meta['choices'])}")
        low, high = meta["low"], meta["high"]
        below = low is not None and (not value > low if meta["open"] else not value >= low)
        above = high is not None and (not value < high if meta["open"] else not value <= high)
        if below or above:
            raise ConfigError(f"{f.name} = {value!r} is out of range; it must be {limits(f)}")


_TYPE_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def limits(field: dataclasses.Field) -> str:
    """A field's range in words, e.g. 'between 0 and 1, both excluded'."""
    low, high = field.metadata["low"], field.metadata["high"]
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}" + (", both excluded" if field.metadata["open"] else "")
    if low is not None:
        return f"more than {low:g}" if field.metadata["open"] else f"at least {low:g}"
    return f"at most {high:g}" if high is not None else "any value"


def non_default(value: Any) -> dict[str, Any]:
    """The fields of a dataclass value that differ from their defaults, in field order."""
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if getattr(value, f.name) != f.default}


@dataclass(frozen=True)
class Structure:
    """A way to turn a round's unstructured mask into another; each subclass has only its own knobs."""

    kind: ClassVar[str]
    title: ClassVar[str]

    def __post_init__(self) -> None:
        _check(self)

    @property
    def label(self) -> str:
        """Its address inside a run: the kind and whatever is not default, e.g. `regroup-groups=4-t1=2.0`."""
        return "-".join([self.kind, *(f"{k}={_plain(v)}" for k, v in non_default(self).items())])

    @property
    def name(self) -> str:
        """Its name for people, e.g. `Refill+ (ρ 0.2)`."""
        rest = ", ".join(f"{k} {_plain(v)}" for k, v in non_default(self).items())
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
        words = ([f"ρ {self.rho:g}"] if self.rho else []) + [f"{k} {_plain(v)}" for k, v in rest.items()]
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


class StageId(NamedTuple):
    """One step of a round: `kind` is train, prune, rewind or a structure's kind; `structure` the ticket it concerns."""

    kind: str
    structure: str

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.structure}"


@dataclass(frozen=True)
class RunConfig:
    """One run: a network, its data, how it is trained and pruned, and the structures that branch off each round."""

    model: str = knob("resnet20", "the network", choices=MODELS)
    data: str = knob("cifar10", "the images", choices=DATASETS)
    data_dir: str = knob("", "folder of the data set; empty: data/downloads (digits needs none)")
    seed: int = knob(0, "everything random is derived from it", low=0, high=2**31 - 1)
    structures: tuple[Structure, ...] = knob((Refill(), Regroup()), "branches of every round, in this order")
    rounds: int = knob(10, "pruning rounds after the dense one", low=0, high=100, source="section 4.1")
    rate: float = knob(0.2, "share of the remaining weights that a round prunes", low=0, high=1, open=True,
                       source="section 3.1")
    in_loop: str = knob("", "label of the structure fed back into the trunk; empty: branches stay beside it",
                        source="section 4.4: reported worse")
    epochs: int = knob(160, "length of a training", low=1, high=10_000, unit="epochs", source="section 4.1")
    batch_size: int = knob(128, "images a step; BatchNorm needs two", low=2, high=65_536, source="section 4.1")
    lr: float = knob(0.1, "learning rate at the start", low=0, high=100, open=True, source="section 4.1")
    momentum: float = knob(0.9, "SGD momentum", low=0, high=0.9999, source="section 4.1")
    weight_decay: float = knob(1e-4, "L2 penalty", low=0, high=1, source="appendix, per network")
    schedule: str = knob("step", "how the learning rate falls", choices={
        "step": "×gamma at each milestone", "cosine": "half a cosine to zero"})
    milestones: tuple[int, ...] = knob((80, 120), "epochs at which the step schedule falls", source="section 4.1")
    gamma: float = knob(0.1, "factor at a milestone", low=0, high=1, open=True, source="section 4.1")
    warmup: int = knob(0, "epochs of linear warm-up", low=0, high=1000, unit="epochs")
    rewind: float = knob(0.05, "share of training after which the weights are remembered for rewinding (θk)",
                         low=0, high=0.9, source="section 4.1")
    after_rewind: str = knob("continue", "the schedule after rewinding", choices={
        "continue": "goes on from step k, data order too (the paper)", "restart": "starts over (the released code)"})
    augment: str = knob("crop-flip", "changes made to the training images", choices={
        "none": "none", "shift": "random shifts of one pixel in eight", "crop-flip": "shifts and horizontal flips"})
    train_images: int = knob(0, "training images used; 0: all", low=0)
    validation: float = knob(0.1, "share of the training images held out for validation", low=0, high=0.9,
                             source="section 4.1: 5,000 of 50,000")
    calibration_images: int = knob(256, "training images behind the l1, l2 and saliency scores", low=1)
    precision: str = knob("float32", "arithmetic of a training step", choices={
        "float32": "full", "bfloat16": "automatic mixed precision"})
    memory_format: str = knob("contiguous", "layout of the feature maps", choices={
        "contiguous": "NCHW", "channels_last": "NHWC"})
    device: str = knob("auto", "where to train", choices={"auto": "a GPU where there is one", "cpu": "CPU", "cuda": "GPU"})
    threads: int = knob(0, "CPU threads; 0: all cores", low=0, high=1024)
    keep_weights: str = knob("trunk", "trained weights stored with each round", choices={
        "none": "no weights, masks only", "trunk": "the trunk's", "all": "every ticket's"})

    def __post_init__(self) -> None:
        for name, value in _lists(self.structures, self.milestones).items():
            object.__setattr__(self, name, value)
        _check(self)
        if any(type(m) is not int or m < 1 for m in self.milestones):
            raise ConfigError(f"milestones = {list(self.milestones)} should be whole numbers of epochs, from 1 on")
        labels = [s.label for s in self.structures]
        if twice := {x for x in labels if labels.count(x) > 1}:
            raise ConfigError(f"structures has {sorted(twice)[0]!r} twice; name each once, with different settings")
        if self.in_loop and self.in_loop not in labels:
            raise ConfigError(f"in_loop = {self.in_loop!r} is not among the structures; {did_you_mean(self.in_loop, labels)}")

    @property
    def run_id(self) -> str:
        """`model-data-` and eight hexadecimal digits of the hash of what is not default; where it runs does not count."""
        place = {"device", "threads"} | ({"data_dir"} if self.data != "folder" else set())
        text = json.dumps({k: v for k, v in self.to_dict().items() if k not in place}, sort_keys=True)
        return f"{self.model}-{self.data}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def trunk(self) -> str:
        """Label of the ticket whose training continues the trunk."""
        return self.in_loop or UNSTRUCTURED

    def tickets(self, round: int) -> tuple[str, ...]:
        """Labels of the tickets that round `round` trains, the trunk first."""
        if round == 0:
            return (UNSTRUCTURED,)
        labels = [s.label for s in self.structures]
        return (self.trunk, *(x for x in labels if x != self.trunk))

    def stages(self, round: int) -> tuple[StageId, ...]:
        """The steps of round `round`, in order: prune, one a structure, rewind, one training a ticket."""
        train = tuple(StageId("train", label) for label in self.tickets(round))
        if round == 0:
            return train
        shape = tuple(StageId(s.kind, s.label) for s in self.structures)
        return (StageId("prune", UNSTRUCTURED), *shape, StageId("rewind", self.trunk), *train)

    def structure(self, label: str) -> Structure | None:
        """The structure of that label; None for the unstructured ticket."""
        if label == UNSTRUCTURED:
            return None
        for s in self.structures:
            if s.label == label:
                return s
        raise ConfigError(f"structure {label!r} is not in this run; {did_you_mean(label, self.tickets(1))}")

    def title(self, label: str) -> str:
        """Name for people of a ticket's label."""
        s = self.structure(label)
        return s.name if s else "Unstructured"

    def to_dict(self) -> dict[str, Any]:
        """What is not default, as JSON and TOML can hold it."""
        out = non_default(self)
        if "structures" in out:
            out["structures"] = [s.to_dict() for s in self.structures]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in out.items()}

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with those fields changed; ConfigError for an unknown one."""
        return RunConfig(**_known(RunConfig, {**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, **changes}))

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`; ConfigError names an unknown field and its near misses."""
        return RunConfig(**_known(RunConfig, values))


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
    return STRUCTURES[kind](**_known(STRUCTURES[kind], values))


def _known(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = [f.name for f in dataclasses.fields(cls)]
    for key in values:
        if key not in names:
            what = "setting" if cls is RunConfig else f"setting of {cls.kind}"
            raise ConfigError(f"{key!r} is not a {what}; {did_you_mean(str(key), names)}")
    return dict(values)


def _lists(structures: Any, milestones: Any) -> dict[str, tuple]:
    """Both list settings as tuples; a single value and `a,b` text will do."""
    def items(value: Any, read: Callable[[Any], Any]) -> tuple:
        if isinstance(value, str):
            value = [x.strip() for x in value.split(",") if x.strip()]
        return tuple(read(x) for x in (value if isinstance(value, list | tuple) else [value]))

    return {"structures": items(structures, structure), "milestones": items(milestones, lambda x: parse(x) if isinstance(x, str) else x)}


def parse(text: str) -> Any:
    """A value as TOML reads it (`3`, `0.2`, `true`, `[80, 120]`), else the text itself."""
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_toml(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file; ConfigError when it is missing or not TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"config file {str(path)!r} is not there") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as e:
        raise ConfigError(f"config file {str(path)!r} is not TOML: {e}") from None


def assignments(pairs: Iterable[str]) -> dict[str, Any]:
    """`KEY=VALUE` words as settings; ConfigError when one has no `=`."""
    words = {f.name for f in dataclasses.fields(RunConfig) if isinstance(f.default, str)}   # `data_dir=2024` is a name
    out = {}
    for pair in pairs:
        key, eq, value = pair.partition("=")
        if not eq:
            raise ConfigError(f"--set {pair!r} should be KEY=VALUE")
        key, value = key.strip(), value.strip()
        out[key] = value.strip("\"'") if key in words else parse(value)
    return out
