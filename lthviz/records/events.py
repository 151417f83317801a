"""What the engine yields, and the checkpoint that an event offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lthviz.records.layer import Layer
from lthviz.records.ticket import Round


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """All that a run needs to go on exactly: JSON-able `meta`, named `arrays`, and the unfinished `round` so far."""

    meta: Mapping[str, Any]
    arrays: Mapping[str, np.ndarray]
    round: Round

    @property
    def epoch(self) -> int:
        """The last epoch that it holds of a training under way; 0 between trainings."""
        epochs = self.meta.get("epochs") or ((0,),)   # each as in nn.train.EpochDone
        return int(epochs[-1][0])


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
