"""A ticket and how it trained, and the round that it is of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lthviz import methods
from lthviz.errors import AddressError, did_you_mean
from lthviz.records.blocks import Blocks
from lthviz.records.masks import Masks


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
    def of(cls, epochs: Sequence[Any]) -> Curve:
        """From the `Epoch` events of a training, in order."""
        return cls(*(np.array([getattr(e, f) for e in epochs], np.int32 if f == "epoch" else np.float64) for f in cls.FIELDS))


@dataclass(frozen=True, eq=False)
class Ticket:
    """Masks, how they were made, how they trained. Accuracies are percent; None until it is trained.

    structure: its label, `unstructured`, `refill-rho=0.2`.
    round: its number; round 0 holds the dense network.
    masks, blocks, notes: as in Structured.
    curve: how it trained, an array a quantity.
    test_acc, val_acc: percent.
    train_seconds: without what it waited.
    weights: the trained weights by parameter name where kept, float32, zero where the mask is.
    removes_channels: what
    `structural` says of a stored ticket, which keeps the rule that it was trained by; None: its method's.

    Source: ICML 2022, section 3.
    Example:
        ticket = store.ticket(lt.Address(run_id, round=1, structure="refill"))
        print(ticket.masks, ticket.test_acc)
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
