"""What a run is: frozen values whose fields carry their own help, limits and source.

Forms, `--set` flags and the documentation are derived from these fields; nothing repeats them. A run's id is a hash of
what differs from the defaults, so a setting added later leaves the ids of old runs alone. The defaults are the paper's
CIFAR settings (ICML 2022, arXiv 2202.04736, section 4.1); presets.py holds everything shorter or special.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lthviz.choices import AUGMENTS, DATASETS, FORMS, LIBRARY_MODELS, LINEAR, MODELS, OWN_IMAGES
from lthviz.errors import ConfigError, did_you_mean
from lthviz.knobs import check, knob, known, limits, non_default, parse, toml
from lthviz.methods import SCORES, STRUCTURES, UNSTRUCTURED, Random, Refill, Regroup, Structure, structure

__all__ = [   # what a run is made of stands in choices.py, knobs.py and methods/; it can be had from here
    "AUGMENTS", "DATASETS", "DERIVED", "FORMS", "MODELS", "OWN_IMAGES", "SCORES", "STRUCTURES", "UNSTRUCTURED", "Earlier", "Random", "Refill", "Regroup", "RunConfig", "StageId", "Structure",
    "assignments", "knob", "limits", "non_default", "parse", "read_toml", "structure",
]


class StageId(NamedTuple):
    """One step of a round: `kind` is train, prune, rewind or a structure's kind; `structure` the ticket it concerns."""

    kind: str
    structure: str

    @property
    def key(self) -> str:
        return f"{self.kind}:{self.structure}"


DERIVED = frozenset({"parent", "from_round", "earlier", "imported"})
"""Settings that branching a run, or taking one in, sets; nobody types them."""


@dataclass(frozen=True)
class Earlier:
    """What a branch took over: how the rounds before `until` were made, as far as no entry before this one says it."""

    until: int
    structures: tuple[Structure, ...]
    in_loop: str
    rate: float
    calibration_images: int

    def to_dict(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)} | {"structures": [s.to_dict() for s in self.structures]}

    @staticmethod
    def of(value: Earlier | Mapping[str, Any]) -> Earlier:
        """From itself or from `to_dict`; ConfigError for anything else."""
        if isinstance(value, Earlier):
            return value
        try:
            return Earlier(int(value["until"]), tuple(structure(s) for s in value["structures"]), str(value["in_loop"]),
                           float(value["rate"]), int(value["calibration_images"]))
        except (KeyError, TypeError, ValueError):
            raise ConfigError(f"earlier holds {value!r}, which is no stretch of rounds; it is set by branching a run") from None


@dataclass(frozen=True)
class RunConfig:
    """One run: a network, its data, how it is trained and pruned, and the structures that branch off each round.

    Errors: ConfigError names the setting, the value and the way out.
    Source: ICML 2022, section 4.1 and its appendix.
    Example:
        config = lt.RunConfig(model="convnet", data="digits", structures=(lt.Refill(rho=0.2), lt.Regroup(groups=4)), rounds=3)
        print(config.run_id)
    """

    model: str = knob("resnet20", "the network; torchvision:NAME or timm:NAME for one of theirs", choices=MODELS, pattern=LIBRARY_MODELS)
    form: str = knob("auto", "how the network begins, for images of what size", choices=FORMS, source="section 4.1, released code, torchvision")
    data: str = knob("cifar10", "the images", choices=DATASETS)
    data_dir: str = knob("", "folder of the data set; empty: data/downloads (digits needs none)")
    seed: int = knob(0, "everything random is derived from it", low=0, high=2**31 - 1)
    structures: tuple[Structure, ...] = knob((Refill(), Regroup()), "branches of every round, in this order")
    rounds: int = knob(10, "pruning rounds after the dense one", low=0, high=100, source="section 4.1")
    rate: float = knob(0.2, "share of the remaining weights that a round prunes", low=0, high=1, open=True,
                       source="section 3.1")
    linear: str = knob("none", "which linear layers are pruned with the convolutions", choices=LINEAR, source="section 3.1 prunes none")
    in_loop: str = knob("", "label of the structure fed back into the trunk; empty: branches stay beside it",
                        source="section 4.4: reported worse")
    epochs: int = knob(160, "length of a training", low=1, high=10_000, unit="epochs", source="section 4.1")
    batch_size: int = knob(128, "images a step; BatchNorm needs two", low=2, high=65_536, source="section 4.1")
    lr: float = knob(0.1, "learning rate at the start", low=0, high=100, open=True, source="section 4.1")
    momentum: float = knob(0.9, "SGD momentum", low=0, high=0.9999, source="section 4.1")
    weight_decay: float = knob(1e-4, "L2 penalty", low=0, high=1, source="appendix, per network")
    bn_l1: float = knob(0.0, "L1 penalty on BatchNorm scales, for network slimming", low=0, high=1, source="Liu et al. 2017: 1e-4")
    schedule: str = knob("step", "how the learning rate falls", choices={
        "step": "×gamma at each milestone", "cosine": "half a cosine to zero"})
    milestones: tuple[int, ...] = knob((80, 120), "epochs at which the step schedule falls", source="section 4.1")
    gamma: float = knob(0.1, "factor at a milestone", low=0, high=1, open=True, source="section 4.1")
    warmup: int = knob(0, "epochs of linear warm-up", low=0, high=1000, unit="epochs")
    rewind: float = knob(0.05, "share of training after which the weights are remembered for rewinding (θk)",
                         low=0, high=0.9, source="section 4.1")
    after_rewind: str = knob("continue", "the schedule after rewinding", choices={
        "continue": "goes on from step k, data order too (the paper)", "restart": "starts over (the released code)"})
    augment: str = knob("crop-flip", "changes made to the training images", choices=AUGMENTS,
                        source="released code: crop-flip for CIFAR, rotate-flip for Tiny-ImageNet, resized-crop for ImageNet, none for Fashion-MNIST")
    train_images: int = knob(0, "training images used; 0: all", low=0)
    validation: float = knob(0.1, "share of the training images held out for validation", low=0, high=0.9,
                             source="section 4.1: 5,000 of 50,000")
    calibration_images: int = knob(256, "training images behind the l1, l2 and saliency scores", low=1)
    precision: str = knob("float32", "arithmetic of a training step", choices={
        "float32": "full", "bfloat16": "automatic mixed precision"})
    memory_format: str = knob("contiguous", "layout of the feature maps", choices={
        "contiguous": "NCHW", "channels_last": "NHWC"})
    compile: str = knob("none", "whether the network is compiled for training", choices={
        "none": "no", "compile": "by torch.compile, for one process; the first step of every ticket then takes longer"})
    device: str = knob("auto", "where to train", choices={"auto": "a GPU where there is one", "cpu": "CPU", "cuda": "GPU"})
    threads: int = knob(0, "CPU threads; 0: all cores", low=0, high=1024)
    loader_workers: int = knob(-1, "processes that read images while it trains (imagenet and streamed-folder alone); -1: one a core, 0: none, the training reads itself",
                               low=-1, high=256)
    keep_weights: str = knob("trunk", "trained weights stored with each round", choices={
        "none": "no weights, masks only", "trunk": "the trunk's", "all": "every ticket's"})
    log_to: str = knob("none", "other tools that the run is logged to while it trains (docs/logging.md)", choices={
        "none": "none", "tensorboard": "event files in the run's folder, or below $LTHVIZ_TENSORBOARD", "mlflow": "a run at MLFLOW_TRACKING_URI, or in a database beside the runs",
        "both": "TensorBoard and MLflow"})
    parent: str = knob("", "id of the run that this one branched from")
    from_round: int = knob(0, "the first round of its own that a branch makes; those before are its parent's", low=0, high=101)
    earlier: tuple[Earlier, ...] = knob((), "how the rounds were made that a branch took over, where not by its own settings")

    imported: str = knob("", "fingerprint of the network that was taken in from other people's files")

    def __post_init__(self) -> None:
        for name, value in _lists(self.structures, self.milestones).items():
            object.__setattr__(self, name, value)
        object.__setattr__(self, "earlier", tuple(Earlier.of(x) for x in self.earlier))
        check(self)
        if self.form != "auto" and (self.model == "convnet" or self.model not in MODELS):   # two ids must not name one run
            raise ConfigError(f"form = {self.form!r} does nothing for model = {self.model!r}, which has one form only; leave it out")
        if any(type(m) is not int or m < 1 for m in self.milestones):
            raise ConfigError(f"milestones = {list(self.milestones)} should be whole numbers of epochs, from 1 on")
        labels = [s.label for s in self.structures]
        if twice := {x for x in labels if labels.count(x) > 1}:
            raise ConfigError(f"structures has {sorted(twice)[0]!r} twice; name each once, with different settings")
        if self.in_loop and self.in_loop not in labels:
            with contextlib.suppress(ConfigError):     # told below
                object.__setattr__(self, "in_loop", structure(self.in_loop).label)
        if self.in_loop and self.in_loop not in labels:
            raise ConfigError(f"in_loop = {self.in_loop!r} is not among the structures; {did_you_mean(self.in_loop, labels)}")
        if self.in_loop and not self.structure(self.in_loop).feeds_back:
            raise ConfigError(f"in_loop = {self.in_loop!r} cannot be pruned further: its mask or its weights are not the trunk's; leave it a branch")
        if bool(self.parent) != bool(self.from_round) or (self.earlier and not self.parent):
            raise ConfigError("parent, from_round and earlier go together; they are set by branching a run")
        if self.rounds < self.from_round:
            raise ConfigError(f"rounds = {self.rounds} ends before round {self.from_round}, the branch's first of its own; give at least {self.from_round}")

    @property
    def place(self) -> frozenset[str]:
        """The settings that say where it runs: neither its id nor its study depends on them."""
        return frozenset({"device", "threads", "loader_workers", "log_to"} | ({"data_dir"} if self.data not in OWN_IMAGES else set()))

    @property
    def run_id(self) -> str:
        """`model-data-` and eight hexadecimal digits of the hash of what is not default; where it runs does not count."""
        text = json.dumps({k: v for k, v in self.to_dict().items() if k not in self.place}, sort_keys=True)
        return f"{self.model.replace(':', '-')}-{self.data}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def trunk(self) -> str:
        """Label of the ticket whose training continues the trunk."""
        return self.in_loop or UNSTRUCTURED

    def tickets(self, round: int) -> tuple[str, ...]:
        """Labels of the tickets that round `round` trains, the trunk first."""
        if round == 0:
            return (UNSTRUCTURED,)
        labels, trunk = [s.label for s in self.at(round).structures], self.trunk_of(round)
        return (trunk, *(x for x in labels if x != trunk))

    def trunk_of(self, round: int) -> str:
        """Label of the ticket of that round whose training continues the trunk; a branch may have taken over others than its own."""
        return (self.at(round).in_loop if round else "") or UNSTRUCTURED

    def at(self, round: int) -> RunConfig | Earlier:
        """What says how that round is made: its structures, in_loop, rate and calibration_images."""
        return next((e for e in self.earlier if round < e.until), self)

    @property
    def taken_in(self) -> bool:
        """Whether it came from elsewhere with all its rounds; a branch of such a run is made here."""
        return bool(self.imported) and not self.parent

    @property
    def every_structure(self) -> tuple[Structure, ...]:
        """Its structures and, of a branch, those of the rounds that it took over, each once."""
        return tuple(dict.fromkeys((*self.structures, *(s for e in self.earlier for s in e.structures))))

    def stages(self, round: int) -> tuple[StageId, ...]:
        """The steps of round `round`, in order: prune, one a structure, rewind, one training a ticket."""
        train = tuple(StageId("train", label) for label in self.tickets(round))
        if round == 0:
            return train
        shape = tuple(StageId(s.kind, s.label) for s in self.at(round).structures)
        if self.taken_in:   # what was done elsewhere between the two is not known
            return (StageId("prune", UNSTRUCTURED), *train)
        return (StageId("prune", UNSTRUCTURED), *shape, StageId("rewind", self.trunk_of(round)), *train)

    def structure(self, label: str) -> Structure | None:
        """The structure of that label; None for the unstructured ticket."""
        if label == UNSTRUCTURED:
            return None
        for s in self.every_structure:
            if s.label == label:
                return s
        raise ConfigError(f"structure {label!r} is not in this run; {did_you_mean(label, [UNSTRUCTURED, *(s.label for s in self.every_structure)])}")

    def title(self, label: str) -> str:
        """Name for people of a ticket's label."""
        s = self.structure(label)
        return s.name if s else "Imported" if self.taken_in else "Unstructured"

    def branch_of(self, parent: RunConfig, round: int) -> RunConfig:
        """These settings as those of a branch that makes the rounds of `parent` anew from `round` on."""
        own = Earlier(round, parent.structures, parent.in_loop, parent.rate, parent.calibration_images)
        earlier: list[Earlier] = []
        for e in (*parent.earlier, own):
            if not earlier or earlier[-1].until < round:
                earlier.append(dataclasses.replace(e, until=min(e.until, round)))
        as_own = (self.structures, self.in_loop, self.rate, self.calibration_images)
        if round == 1 or all((e.structures, e.in_loop, e.rate, e.calibration_images) == as_own for e in earlier):
            earlier = []
        return self.replace(parent=parent.run_id, from_round=round, earlier=tuple(earlier))

    def to_dict(self) -> dict[str, Any]:
        """What is not default, as JSON and TOML can hold it."""
        out = non_default(self)
        if "structures" in out:
            out["structures"] = [s.to_dict() for s in self.structures]
        if "earlier" in out:
            out["earlier"] = [e.to_dict() for e in self.earlier]
        return {k: list(v) if isinstance(v, tuple) else v for k, v in out.items()}

    def replace(self, **changes: Any) -> RunConfig:
        """A copy with those fields changed; ConfigError for an unknown one."""
        return RunConfig(**known(RunConfig, {**{f.name: getattr(self, f.name) for f in dataclasses.fields(self)}, **changes}))

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> RunConfig:
        """The inverse of `to_dict`; ConfigError names an unknown field and its near misses."""
        return RunConfig(**known(RunConfig, values))


def _lists(structures: Any, milestones: Any) -> dict[str, tuple]:
    """Both list settings as tuples; a single value and `a,b` text will do."""
    def items(value: Any, read: Callable[[Any], Any]) -> tuple:
        if isinstance(value, str):
            value = [x.strip() for x in value.split(",") if x.strip()]
        return tuple(read(x) for x in (value if isinstance(value, list | tuple) else [value]))

    def one(value: Any) -> Structure:
        try:
            return structure(value)
        except ConfigError as e:
            if isinstance(structures, str) and "," in structures and "layers=" in structures:
                raise ConfigError(f"{e}; inside a list of structures write @ for ,") from None
            raise

    return {"structures": items(structures, one), "milestones": items(milestones, lambda x: parse(x) if isinstance(x, str) else x)}


def read_toml(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file; ConfigError when it is missing or not TOML."""
    try:
        return toml(Path(path).read_text(encoding="utf-8"))
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
