"""Branching: a new run that takes over a run's first rounds and makes the others anew under other settings.

The rounds before are copied, so that the parent may be deleted. A branch begins with a checkpoint, made of what the parent kept: θk, the trunk's
trained weights, and those tickets of its first own round that its settings leave as they are, which are not trained again.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from lthviz import methods
from lthviz.config import DERIVED, UNSTRUCTURED, Refill, Regroup, RunConfig, Structure
from lthviz.core import partition, structures
from lthviz.errors import AddressError, DamagedError, UsageError
from lthviz.knobs import plain
from lthviz.records import Checkpoint, Round, Run, Ticket
from lthviz.store import Store, about

log = logging.getLogger("lthviz")

FREE = frozenset({"structures", "rounds", "rate", "in_loop", "keep_weights", "calibration_images"})
"""Settings in which a branch may differ from its parent, beside where it runs: what θk and the dense network rest on are the others."""
IMAGES = ("train_images", "val_images", "test_images", "classes")
"""What a parent's info says of its images, which must still be those."""


class Plan(NamedTuple):
    """What a branch takes over and what it costs.

    config: the branch's, parent and round in it. inherited: labels of the tickets of its first round that are not trained again; ahead: by
    later round, those of the rounds behind it. trainings: how many there are to be. theta_k: whether the parent kept θk; without it the dense network's first steps are trained again.
    """

    config: RunConfig
    inherited: tuple[str, ...]
    ahead: Mapping[int, tuple[str, ...]]
    trainings: int
    theta_k: bool


class _Have(NamedTuple):
    """What can be had of the parent. trunk: rounds whose trunk's weights; tickets: of the branch's first round."""

    theta_k: bool
    dense: bool
    trunk: frozenset[int]
    tickets: Mapping[str, Ticket]


def plan(store: Store, run_id: str, round: int, config: RunConfig) -> Plan:
    """What `begin` would do, without reading or writing any weights. UsageError and StoreError as there."""
    run = store.run(run_id)
    of_branch = branched(run, round, config)
    have = _look(store, run, round)
    tickets = _taken(run, of_branch, have)
    _check_weights(run, of_branch, have, tickets)
    inherited = _inherited(tickets)
    ahead = {r.index: tuple(r.tickets) for r in _ahead(store, run, of_branch, tickets)}
    trainings = sum(len(of_branch.tickets(k)) - len(ahead.get(k, ())) for k in range(round, of_branch.rounds + 1)) - len(inherited)
    return Plan(of_branch, inherited, ahead, trainings, have.theta_k)


def begin(store: Store, run_id: str, round: int, config: RunConfig, *, title: str = "") -> str:
    """Makes a branch that takes over the rounds before `round` of a run, queued; its id. The same branch, if it is there, is left as it is, but
    for a title that is given.

    run_id: the parent: finished, at work, stopped or an example. config: settings, of which those in FREE and where it runs may
    differ from the parent's; parent and from_round are set here. UsageError: a setting that may not differ, a round that cannot be
    branched from, weights that the parent did not keep, a structure that its network cannot have, too long a title. StoreError: what cannot be read or written.
    """
    title = about.checked_title(title)
    of_branch = branched(store.run(run_id), round, config)
    if store.taken(of_branch.run_id):
        made = store.begin(of_branch)
        if title and title != store.head(store.path(made)).title:
            store.set_about(made, title=title)
        return made
    checkpoint = _checkpoint(store, run_id)
    run = store.run(run_id)   # after the checkpoint: what it holds may be published as a round meanwhile, never the other way
    have = _look(store, run, round, checkpoint)
    tickets = _taken(run, of_branch, have)
    _check_weights(run, of_branch, have, tickets)
    ahead = list(_ahead(store, run, of_branch, tickets))
    beginning = _beginning(store, run, of_branch, have, tickets, checkpoint)
    beginning.meta["branch"]["ahead"] = {str(r.index): list(r.tickets) for r in ahead}
    trained = _inherited(beginning.round.tickets)
    rows = [r for r in run.rows if r["round"] == beginning.round.index and r["structure"] in trained]
    return store.put_branch(of_branch, beginning, rows, _inherited(tickets), ahead=ahead, preset=run.preset, title=title)


def settings(run: Run) -> RunConfig:
    """The parent's settings, to begin from: what they do not change stays as it is."""
    return run.config.replace(parent="", from_round=0, earlier=())


def words(plan: Plan) -> str:
    """What a branch takes over and what it costs, as part of a sentence."""
    k, n = plan.config.from_round, plan.trainings
    said = f"rounds 0 to {k - 1} are taken over" if k > 1 else "the dense network is taken over"
    if plan.inherited:
        said += f", of round {k} {', '.join(plan.config.title(x) for x in plan.inherited)}"
    if plan.ahead:
        alike = len(set(plan.ahead.values())) == 1
        what = ", ".join(plan.config.title(x) for x in plan.ahead[k + 1]) if alike else "what the settings leave as it was"
        said += f", of round{'s' * (len(plan.ahead) > 1)} {'–'.join(map(str, dict.fromkeys((k + 1, max(plan.ahead)))))} {what}"
    said += f"; {n} training{'s' * (n != 1)} to do" if n else "; nothing is left to train"
    return said + ("" if plan.theta_k else ", and before them the dense network's steps up to the rewinding point once more")


def branched(run: Run, round: int, config: RunConfig) -> RunConfig:
    """The settings of a branch of `run`: `config` with parent, from_round and how the rounds before were made. UsageError."""
    last = next((k for k in range(len(run.rounds) + 1) if k not in run.finished), 0) - 1
    if last < 0:
        raise UsageError(f"run {run.id} has no finished round to branch from; wait until its dense network is trained")
    if not 1 <= round <= last + 1:
        beside = "round 0 is the dense network: start a new run" if round < 1 else f"it has finished rounds 0 to {last}" if last else "it has finished round 0 alone"
        raise AddressError(f"run {run.id} cannot be branched at round {round}; {beside}; round 1 to {last + 1} will do")
    for f in dataclasses.fields(RunConfig):
        mine, theirs = getattr(config, f.name), getattr(run.config, f.name)
        if f.name not in FREE | DERIVED | run.config.place and mine != theirs:
            raise UsageError(f"{f.name} = {_said(mine)} differs from the parent's {_said(theirs)}, on which its rounds rest; a branch cannot "
                             "change that, so leave it or start a new run")
    if config.rounds < round:
        raise UsageError(f"rounds = {config.rounds} ends before round {round}, at which it branches; give at least {round}")
    _check_structures(run, config)
    return config.branch_of(run.config, round)


def _check_structures(run: Run, config: RunConfig) -> None:
    """ConfigError for a structure that the parent's network cannot have, as the engine would say when the branch is there already."""
    for structure in filter(None, (x for s in config.structures for x in (s, getattr(s, "other", None)) if run.layers)):
        structures.check_layers(structure, [x.name for x in run.layers], [x.name for x in run.layers if x.classifier])
        if isinstance(structure, Regroup):
            partition.check_groups(structure, (x.matrix[0] for x in run.layers))


def _said(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(list(value)) if isinstance(value, tuple) else plain(value)


# What the parent has -----------------------------------------------------------------------------------------------------


def _checkpoint(store: Store, run_id: str) -> Checkpoint | None:
    try:
        return store.checkpoint(run_id)
    except DamagedError as e:   # its rounds may do
        log.warning("%s: %s", run_id, e)
        return None


def _look(store: Store, run: Run, round: int, checkpoint: Checkpoint | None = None) -> _Have:
    """checkpoint: the parent's, where it is read already; else only its head is."""
    if checkpoint is None:
        try:
            kept = store.kept(run.id)
        except DamagedError as e:
            log.warning("%s: %s", run.id, e)
            kept = None
        index, trained, parts = kept or (-1, frozenset(), frozenset())
    else:
        index, parts = checkpoint.round.index, {name.partition("/")[0] for name in checkpoint.arrays}
        trained = {t.structure for t in checkpoint.round.tickets.values() if t.test_acc is not None}
    of_checkpoint = index if run.config.trunk_of(max(0, index)) in trained else index - 1
    trunk = {of_checkpoint} if "trunk" in parts else set()
    for k in (round - 1, round):
        if _stored(_round(store, run, k, checkpoint), run.config.trunk_of(k)):
            trunk.add(k)
    at = _round(store, run, round, checkpoint)
    dense = "dense" in parts or _stored(store.round(run.id, 0), UNSTRUCTURED)
    return _Have("theta_k" in parts, dense, frozenset(trunk), at.tickets if at else {})


def _round(store: Store, run: Run, index: int, checkpoint: Checkpoint | None) -> Round | None:
    if checkpoint is not None and checkpoint.round.index == index and index not in run.finished:
        return checkpoint.round
    try:
        return store.round(run.id, index) if index in run.rounds else None
    except (AddressError, DamagedError):
        if index in run.finished:
            raise
        return None


def _stored(round: Round | None, label: str) -> bool:
    return round is not None and label in round.tickets and round.tickets[label].weights is not None


# What of it is taken -----------------------------------------------------------------------------------------------------


def _taken(run: Run, config: RunConfig, have: _Have) -> dict[str, Ticket]:
    """The tickets of the branch's first round that are as the parent has them, by label; where they are to be trained, their masks alone."""
    index = config.from_round
    if run.config.at(index).rate != config.rate or UNSTRUCTURED not in have.tickets:   # other masks to begin with, and so all of them
        return {}
    taken = {}
    for label, ticket in _alike(run, config, index, have.tickets):
        there = ticket.weights is not None or (label == run.config.trunk_of(index) and index in have.trunk)
        if ticket.test_acc is None or label not in config.tickets(index) or (_needs(config, index, label) and not there):
            ticket = dataclasses.replace(ticket, curve=None, test_acc=None, val_acc=None, train_seconds=None, weights=None)
        taken[label] = ticket
    return taken


def _ahead(store: Store, run: Run, config: RunConfig, taken: Mapping[str, Ticket]) -> Iterator[Round]:
    """The trained tickets of the rounds behind the branch's first that are as the parent has them, as long as its trunk is the branch's."""
    if config.trunk not in _inherited(taken) or not _same_trunk(run.config, config, config.from_round):
        return
    for index in range(config.from_round + 1, config.rounds + 1):
        if index not in run.finished or run.config.at(index).rate != config.rate or not _same_trunk(run.config, config, index):
            return
        found = {}
        for label, ticket in _alike(run, config, index, store.round(run.id, index).tickets):
            keeps = _needs(config, index, label)
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


def _needs(config: RunConfig, index: int, label: str) -> bool:
    """Whether a trained ticket's weights are kept or gone on from."""
    return config.keep_weights == "all" or (label == config.trunk and (config.keep_weights == "trunk" or config.rounds > index))


def _inherited(tickets: Mapping[str, Ticket]) -> tuple[str, ...]:
    return tuple(label for label, t in tickets.items() if t.test_acc is not None)


def _calibrated(structure: Structure) -> bool:
    """Whether training images are looked at to make its masks."""
    other = getattr(structure, "other", None)
    return structure.kind == "snip" or (isinstance(structure, Refill) and structure.score not in ("magnitude", "remain")) \
        or (other is not None and _calibrated(other))


def _weights_for(structure: Structure, taken: Mapping[str, Ticket]) -> str:
    """Whose trained weights making its masks takes: 'trunk', 'dense' or ''."""
    other = getattr(structure, "other", None)
    if structure.label in taken or (other is not None and other.label in taken):
        return ""
    if other is not None:
        return _weights_for(other, taken)
    if isinstance(structure, Refill):
        return "" if structure.score == "remain" and "fractional" not in structure.label else "trunk"
    return {"omp": "dense", "slimming": "trunk", "filters": "trunk", "nm": "trunk"}.get(structure.kind, "")


def _check_weights(run: Run, config: RunConfig, have: _Have, taken: Mapping[str, Ticket]) -> None:
    """UsageError where weights are needed that the parent did not keep."""
    index = config.from_round
    wants = {s.name: _weights_for(s, taken) for s in config.structures}
    if not taken:
        wants[f"pruning round {index}" + (f" at rate {config.rate:g}" if run.config.at(index).rate != config.rate else "")] = "trunk"
    for name, whose in wants.items():
        if (whose == "trunk" and index - 1 not in have.trunk) or (whose == "dense" and not have.dense):
            missing = f"the trunk's weights after round {index - 1}" if whose == "trunk" else "the dense network's weights"
            raise UsageError(f"{name} needs {missing}, which run {run.id} did not keep; use structures that need its masks only, at its own rate "
                             "(regroup, refill-score=remain, random), or a parent with keep_weights = trunk")


# What a branch begins with -----------------------------------------------------------------------------------------------


def _beginning(store: Store, run: Run, config: RunConfig, have: _Have, taken: Mapping[str, Ticket], checkpoint: Checkpoint | None) -> Checkpoint:
    """At the beginning of its first own round with the tickets that are taken over, else at the end of the round before."""
    index, arrays = config.from_round, {}
    there = checkpoint.arrays if checkpoint else {}
    arrays |= {k: v for k, v in there.items() if k.startswith(("theta_k/", "dense/"))}
    if not any(k.startswith("dense/") for k in arrays) and any(_weights_for(s, taken) == "dense" for s in config.structures):
        weights = store.round(run.id, 0).ticket(UNSTRUCTURED).weights
        arrays |= {f"dense/{layer.name}": weights[layer.name] for layer in run.layers}
    if index - 1 in have.trunk:
        arrays |= {f"trunk/{k}": v for k, v in _trunk(store, run, index - 1, checkpoint).items()}
    if taken:
        tickets = {label: dataclasses.replace(t, weights=_weights(store, run, config, t, checkpoint)) for label, t in taken.items()}
        at = Round(index, tickets, 0, False)
    else:
        before = store.round(run.id, index - 1)
        at = dataclasses.replace(before, tickets={k: dataclasses.replace(t, weights=None) for k, t in before.tickets.items()})
    images = {k: run.info[k] for k in IMAGES if k in run.info}
    meta = {"done": 0, "branch": {"inherited": list(_inherited(taken)), "again": not have.theta_k, "images": images}}
    return Checkpoint(meta, arrays, at)


def _trunk(store: Store, run: Run, index: int, checkpoint: Checkpoint | None) -> dict[str, np.ndarray]:
    """The state that the trunk's training of that round left."""
    label = run.config.trunk_of(index)
    stored = _round(store, run, index, checkpoint)
    if _stored(stored, label):
        return dict(stored.tickets[label].weights)
    return {k.removeprefix("trunk/"): v for k, v in checkpoint.arrays.items() if k.startswith("trunk/")}


def _weights(store: Store, run: Run, config: RunConfig, ticket: Ticket, checkpoint: Checkpoint | None) -> dict[str, np.ndarray] | None:
    """What of an inherited ticket's weights the branch keeps or goes on from."""
    if ticket.test_acc is None or not _needs(config, config.from_round, ticket.structure):
        return None
    return dict(ticket.weights) if ticket.weights is not None else _trunk(store, run, ticket.round, checkpoint)
