"""What a sink is: something that is told what happens in a run, in order, each thing once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, NamedTuple

from lthviz.records import Epoch, Run, Ticket


class Trained(NamedTuple):
    """A ticket whose training has ended, and its row (core.stats.row)."""

    ticket: Ticket
    row: Mapping[str, Any]


class Sink(ABC):
    """Told from the run's beginning every time that it is opened: what it holds of the run already, it must not hold twice.

    Any method may raise anything; who feeds it decides what becomes of that.
    """

    where: str
    """Where it writes, for people."""

    @abstractmethod
    def begin(self, run: Run, head: bytes) -> None:
        """The run as it stands. head: its config.json."""

    @abstractmethod
    def epoch(self, epoch: Epoch) -> None:
        """An epoch of a training; not yet one that will not be trained again."""

    @abstractmethod
    def stage(self, trained: Trained) -> None:
        """A training has ended; its epochs were told."""

    @abstractmethod
    def kept(self) -> None:
        """What was told so far is in a checkpoint: a run that goes on goes on behind it."""

    @abstractmethod
    def end(self, state: str) -> None:
        """The run is in that state, and nothing more will be told. What was told and is not kept may be trained again."""
