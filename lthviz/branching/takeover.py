"""Which of the parent's tickets a branch takes over: those that its own settings would make as they are. And what weights the others need."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping

from lthviz import methods
from lthviz.branching.parent import Have
from lthviz.config import UNSTRUCTURED, Refill, RunConfig, Structure
from lthviz.errors import UsageError
from lthviz.records import Round, Run, Ticket
from lthviz.store import Store


def taken_tickets(run: Run, config: RunConfig, have: Have) -> dict[str, Ticket]:
    """The tickets of the branch's first round that are as the parent has them, by label; where they are to be trained, their masks alone."""
    index = config.from_round
    if run.config.at(index).rate != config.rate or UNSTRUCTURED not in have.tickets:   # other masks to begin with, and so all of them
        return {}
    taken = {}
    for label, ticket in _alike(run, config, index, have.tickets):
        there = ticket.weights is not None or (label == run.config.trunk_of(index) and index in have.trunk)
        if ticket.test_acc is None or label not in config.tickets(index) or (needs_weights(config, index, label) and not there):
            ticket = dataclasses.replace(ticket, curve=None, test_acc=None, val_acc=None, train_seconds=None, weights=None)
        taken[label] = ticket
    return taken


def tickets_ahead(store: Store, run: Run, config: RunConfig, taken: Mapping[str, Ticket]) -> Iterator[Round]:
    """The trained tickets of the rounds behind the branch's first that are as the parent has them, as long as its trunk is the branch's."""
    if config.trunk not in inherited_labels(taken) or not _same_trunk(run.config, config, config.from_round):
        return
    for index in range(config.from_round + 1, config.rounds + 1):
        if index not in run.finished or run.config.at(index).rate != config.rate or not _same_trunk(run.config, config, index):
            return
        found = {}
        for label, ticket in _alike(run, config, index, store.round(run.id, index).tickets):
            keeps = needs_weights(config, index, label)
            if ticket.test_acc is not None and label in config.tickets(index) and not (keeps and ticket.weights is None):
                found[label] = ticket if keeps else dataclasses.replace(ticket, weights=None)
        if config.trunk not in found:   # trained again it may differ in its last bits, and what follows rests on it
            return
        yield Round(index, found, 0, False)


def _same_trunk(was: RunConfig, now: RunConfig, index: int) -> bool:
    if was.trunk_of(index) != now.trunk:
        return False
    structure = now.structure(now.trunk)
    return structure is None or not _calibrated(structure) or was.at(index).calibration_images == now.calibration_images


def _alike(run: Run, config: RunConfig, index: int, tickets: Mapping[str, Ticket]) -> Iterator[tuple[str, Ticket]]:
    """Those of a round's tickets that the branch's settings would make as they are, if the trunk before them is the same."""
    was = run.config.at(index)
    for label in (UNSTRUCTURED, *(s.label for s in config.structures)):
        ticket, structure = tickets.get(label), config.structure(label)
        if ticket is None or ticket.structural != methods.structural(label):
            continue
        if structure is None or not _calibrated(structure) or was.calibration_images == config.calibration_images:
            yield label, ticket


def needs_weights(config: RunConfig, index: int, label: str) -> bool:
    """Whether a trained ticket's weights are kept or gone on from."""
    return config.keep_weights == "all" or (label == config.trunk and (config.keep_weights == "trunk" or config.rounds > index))


def inherited_labels(tickets: Mapping[str, Ticket]) -> tuple[str, ...]:
    return tuple(label for label, t in tickets.items() if t.test_acc is not None)


def _calibrated(structure: Structure) -> bool:
    """Whether training images are looked at to make its masks."""
    other = getattr(structure, "other", None)
    return structure.kind == "snip" or (isinstance(structure, Refill) and structure.score not in ("magnitude", "remain")) \
        or (other is not None and _calibrated(other))


def weights_for(structure: Structure, taken: Mapping[str, Ticket]) -> str:
    """Whose trained weights making its masks takes: 'trunk', 'dense' or ''."""
    other = getattr(structure, "other", None)
    if structure.label in taken or (other is not None and other.label in taken):
        return ""
    if other is not None:
        return weights_for(other, taken)
    if isinstance(structure, Refill):
        return "" if structure.score == "remain" and "fractional" not in structure.label else "trunk"
    return {"omp": "dense", "slimming": "trunk", "filters": "trunk", "nm": "trunk"}.get(structure.kind, "")


def check_weights(run: Run, config: RunConfig, have: Have, taken: Mapping[str, Ticket]) -> None:
    """UsageError where weights are needed that the parent did not keep."""
    index = config.from_round
    wants = {s.name: weights_for(s, taken) for s in config.structures}
    if not taken:
        wants[f"pruning round {index}" + (f" at rate {config.rate:g}" if run.config.at(index).rate != config.rate else "")] = "trunk"
    for name, whose in wants.items():
        if (whose == "trunk" and index - 1 not in have.trunk) or (whose == "dense" and not have.dense):
            missing = f"the trunk's weights after round {index - 1}" if whose == "trunk" else "the dense network's weights"
            raise UsageError(f"{name} needs {missing}, which run {run.id} did not keep; use structures that need its masks only, at its own rate "
                             "(regroup, refill-score=remain, random), or a parent with keep_weights = trunk")
