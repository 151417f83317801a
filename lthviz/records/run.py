"""A stored run as it is looked at: its address, how it stands, what lists and curves need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.records.layer import Layer


class Address(NamedTuple):
    """Where something is: a run, and inside it a round, a structure, a layer. A page's state, a link, a cache key.

    run: its id.
    round: its number.
    structure: its label.
    layer: a parameter name; '' for all.

    Source: data/README.md.
    Example:
        where = lt.Address(run_id, round=1, structure="refill")
    """

    run: str
    round: int = 0
    structure: str = UNSTRUCTURED
    layer: str = ""


@dataclass(frozen=True)
class Status:
    """How a run stands. state: queued, running, paused, finished, cancelled, failed or interrupted.

    message: one line for people. done/total: batches. eta_s: seconds left, None when unknown. beat_s: seconds since the
    worker was last heard of, None when it never was. cause: of one that failed, a word that `ways_out` knows.
    """

    state: str
    message: str = ""
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    beat_s: float | None = None
    cause: str = ""

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
