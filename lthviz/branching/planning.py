"""What a branch would take over and cost, and beginning it: the settings that may differ, the plan, the folder."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from lthviz.branching.beginning import first_checkpoint
from lthviz.branching.parent import kept_checkpoint, look
from lthviz.branching.takeover import check_weights, inherited_labels, taken_tickets, tickets_ahead
from lthviz.config import DERIVED, Regroup, RunConfig
from lthviz.core import partition, structures
from lthviz.errors import AddressError, UsageError
from lthviz.knobs import plain
from lthviz.records import Run
from lthviz.store import Store, about

FREE = frozenset({"structures", "rounds", "rate", "in_loop", "keep_weights", "calibration_images"})
"""Settings in which a branch may differ from its parent, beside where it runs: what θk and the dense network rest on are the others."""


def free(run: Run) -> frozenset[str]:
    """Settings in which a branch of that run may differ from it. What was taken in from elsewhere rests on no setting of a training."""
    if not run.config.taken_in:
        return FREE | run.config.place
    return frozenset(f.name for f in dataclasses.fields(RunConfig)) - DERIVED - {"model", "form", "data", "linear"}


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


def plan(store: Store, run_id: str, round: int, config: RunConfig) -> Plan:
    """What `begin` would do, without reading or writing any weights. UsageError and StoreError as there."""
    run = store.run(run_id)
    of_branch = branched(run, round, config)
    have = look(store, run, round)
    tickets = taken_tickets(run, of_branch, have)
    check_weights(run, of_branch, have, tickets)
    inherited = inherited_labels(tickets)
    ahead = {r.index: tuple(r.tickets) for r in tickets_ahead(store, run, of_branch, tickets)}
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
    checkpoint = kept_checkpoint(store, run_id)
    run = store.run(run_id)   # after the checkpoint: what it holds may be published as a round meanwhile, never the other way
    have = look(store, run, round, checkpoint)
    tickets = taken_tickets(run, of_branch, have)
    check_weights(run, of_branch, have, tickets)
    ahead = list(tickets_ahead(store, run, of_branch, tickets))
    beginning = first_checkpoint(store, run, of_branch, have, tickets, checkpoint)
    beginning.meta["branch"]["ahead"] = {str(r.index): list(r.tickets) for r in ahead}
    trained = inherited_labels(beginning.round.tickets)
    rows = [r for r in run.rows if r["round"] == beginning.round.index and r["structure"] in trained]
    return store.put_branch(of_branch, beginning, rows, inherited_labels(tickets), ahead=ahead, preset=run.preset, title=title)


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
    if plan.theta_k:
        return said
    return said + (f", and before {'them' if n > 1 else 'it'}" if n else " but") + " the dense network's steps up to the rewinding point once more"


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
        if f.name not in DERIVED | free(run) and mine != theirs:
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
