"""What a report is made of: a run with its rounds, measurements and words, read once; what cannot be read is named, not fatal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from lthviz.config import UNSTRUCTURED
from lthviz.errors import LthvizError
from lthviz.figures import measured, replicated, rows
from lthviz.figures.measured import Study
from lthviz.figures.replicated import Studies
from lthviz.presets import PRESETS
from lthviz.records import Curve, Masks, Round, Run, Ticket, Timing
from lthviz.store import Store
from lthviz.store.about import About


@dataclass(frozen=True, eq=False)
class Material:
    """run: without masks. rounds: those that can be read, by number; weights are read when asked for, and no report asks. damaged: name of a part
    → why it cannot be read. parent: the run that it branched from, where that is here. unfinished: curves of trainings that have not ended."""

    run: Run
    about: About
    rounds: Mapping[int, Round]
    timings: tuple[Timing, ...]
    damaged: Mapping[str, str]
    parent: Run | None = None
    unfinished: Mapping[tuple[int, str], Curve] = field(default_factory=dict)

    @property
    def title(self) -> str:
        run = self.run
        named = PRESETS[run.preset].title if run.preset in PRESETS else f"{run.config.model} on {run.config.data}"
        return run.title or named + (f", from round {run.config.from_round} on" if run.config.parent else "")

    @cached_property
    def study(self) -> Study:
        """Every trained ticket with its measurement, at the setting under which most are measured."""
        return measured.study([self.run], {self.run.id: self.timings})

    @cached_property
    def studies(self) -> Studies:
        """The run as a study of one seed: which of its tickets win."""
        return replicated.studies([self.run], {self.run.id: self.timings})

    @cached_property
    def labels(self) -> list[str]:
        """The structures of which there is a ticket after round 0, trained or not, in the order of the settings."""
        there = dict.fromkeys(label for k in sorted(self.rounds) if k for label in self.rounds[k].tickets)
        first = [x for x in (UNSTRUCTURED, *(s.label for s in self.run.config.every_structure)) if x in there]
        return [*first, *(x for x in there if x not in first)]

    @property
    def pruned(self) -> list[int]:
        """The rounds after the dense one that can be read."""
        return [k for k in sorted(self.rounds) if k]

    @cached_property
    def accuracies(self) -> bool:
        """Whether the test accuracy of any ticket after the dense network is known."""
        return any(rows.accuracy(r) is not None for r in self.run.rows if r["round"])

    def name(self, label: str) -> str:
        """A structure's name: bare where no other shares it, with its settings otherwise."""
        return rows.short(self.run, label, self.labels or [label])

    def before(self, ticket: Ticket) -> tuple[Masks | None, str]:
        """What a ticket's masks are compared with, and its name: the round's unstructured ticket or, for that one, the ticket it was pruned from."""
        now = self.rounds[ticket.round]
        if ticket.structure != UNSTRUCTURED:
            found = now.tickets.get(UNSTRUCTURED)
            return (found.masks, f"{self.name(UNSTRUCTURED)}, round {ticket.round}") if found else (None, "")
        last = self.rounds.get(ticket.round - 1)
        trunk = self.run.config.trunk_of(ticket.round - 1)
        if last is None or trunk not in last.tickets:
            return None, ""
        return last.tickets[trunk].masks, f"{self.name(trunk)}, round {last.index}" if last.index else "the dense network"

    def curve(self, k: int, label: str) -> Curve | None:
        """How a ticket trained, as far as it has; None before its first epoch."""
        ticket = self.rounds[k].tickets.get(label) if k in self.rounds else None
        found = ticket.curve if ticket is not None and ticket.curve is not None else self.unfinished.get((k, label))
        return found if found is not None and len(found.epoch) else None


def gather(store: Store, run_id: str) -> Material:
    """Everything that a report of this run says. AddressError where there is no such run; StoreError where its settings cannot be read."""
    run = store.run(run_id)
    damaged, rounds = dict(run.info.get("damaged", {})), {}
    for k in run.rounds:
        try:
            rounds[k] = store.round(run_id, k)
        except LthvizError as e:
            damaged.setdefault(str(k), str(e))
    try:
        about = store.about(run_id)
    except LthvizError as e:
        about = About()
        damaged.setdefault("title and note", str(e))
    parent = None
    if run.parent and store.exists(run.parent):
        try:
            parent = store.run(run.parent)
        except LthvizError as e:
            damaged.setdefault(f"parent {run.parent}", str(e))
    unfinished = {}
    for k in run.rounds or ((0,) if run.layers else ()):
        for label in run.config.tickets(k):
            ticket = rounds[k].tickets.get(label) if k in rounds else None
            if (ticket is None or ticket.curve is None) and (epochs := store.epochs(run_id, k, label)):
                unfinished[k, label] = Curve.of(epochs)
    return Material(run, about, rounds, store.timings(run_id), dict(sorted(damaged.items())), parent, unfinished)
