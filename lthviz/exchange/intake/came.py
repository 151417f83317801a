"""What has come, as values: what the user said of it, each round's file and masks, and the weights in it by the network's names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lthviz.config import RunConfig
from lthviz.errors import ExchangeError
from lthviz.exchange import parcel
from lthviz.exchange.intake.names import Matched
from lthviz.exchange.intake.tensors import Found
from lthviz.records import Layer, Masks

Image = tuple[int, int, int]


@dataclass(frozen=True)
class Asked:
    """What the user says of what comes; what is empty is found out, or taken from the file.

    model, form, data, data_dir: as in RunConfig. image: (c, h, w) of images that are no data set of ours; masks: a file of masks alone; dense: of the dense
    network's trained weights; rewind: of the weights to rewind to. settings: of the run, by name.
    """

    model: str = ""
    form: str = ""
    data: str = ""
    data_dir: str = ""
    image: Image | None = None
    masks: Path | None = None
    dense: Path | None = None
    rewind: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Came:
    """One round of what came. masks: of every layer, None of a dense network. how: by layer, where its mask was found. claims: what came with it says of its
    accuracy. told: by a weight of the network, the file and the entry in it that is its mask."""

    round: int
    file: Found
    matched: Matched
    masks: Masks | None
    how: Mapping[str, str]
    claims: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, tuple[Found, str]] = field(default_factory=dict)

    @property
    def about(self) -> parcel.About | None:
        return self.file.about


@dataclass(frozen=True, eq=False)
class Arrival:
    """A network that can be taken in. rounds: round 0 first; what is round 0 of a single pruned network has no masks. rewind: the weights to rewind to,
    None where there are none: training then goes on from those that came. said: what is worth telling before it is taken in."""

    source: str
    kind: str
    config: RunConfig
    image_shape: Image
    classes: int
    layers: tuple[Layer, ...]
    shapes: Mapping[str, tuple[int, ...]]
    rounds: tuple[Came, ...]
    rewind: tuple[Found, Matched] | None
    said: tuple[str, ...]

    @property
    def about(self) -> parcel.About | None:
        return self.rounds[-1].about


def state(came: Came, shapes: Mapping[str, tuple[int, ...]], bns: Mapping[str, str], *, file: Found | None = None, matched: Matched | None = None) -> dict[str, np.ndarray]:
    """Every parameter and buffer by the network's names, float32, nothing masked. bns: by a convolution's weight, the module of the BatchNorm behind it.
    ExchangeError for a value that is not finite."""
    file, matched = file or came.file, matched or came.matched
    out = {}
    for name, shape in shapes.items():
        if name not in matched.found:
            out[name] = np.zeros(shape, np.int64)     # a BatchNorm's counter
            continue
        other = matched.found[name]
        value = file.weights[other].read()
        value = value.astype(np.int64 if name.endswith("num_batches_tracked") else np.float32).reshape(shape)
        if bad := int(np.count_nonzero(~np.isfinite(value))):
            raise ExchangeError(f"{file.path}: {other!r} has {bad:,} values that are not finite; a network with such weights computes nothing: give another checkpoint")
        out[name] = value
    for weight, bias in matched.biases.items():
        if weight not in bns:
            raise ExchangeError(f"{file.path}: {bias!r} has no BatchNorm behind it in this network that could take it over; name the network that has it with --model")
        mean = f"{bns[weight]}.running_mean"
        out[mean] = out[mean] - file.tensors[bias].read().astype(np.float32)   # what is subtracted from the convolution's output
    return out
