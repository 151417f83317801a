"""What a stage did, as masks before and after it and as one sentence with its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from lthviz.config import UNSTRUCTURED, RunConfig, StageId
from lthviz.core.stats import coverage
from lthviz.records import Curve, Layer, Masks, Round, Run, Ticket
from lthviz.ui import shaped
from lthviz.ui.where import Position

ICONS = {"train": ":material/show_chart:", "prune": ":material/content_cut:", "refill": ":material/table_rows:",
         "regroup": ":material/view_quilt:", "random": ":material/casino:", "rewind": ":material/history:",
         "reinit": ":material/restart_alt:", "omp": ":material/cut:", "snip": ":material/sensors:", "grasp": ":material/trending_up:",
         "synflow": ":material/water_drop:", "slimming": ":material/compress:", "filters": ":material/filter_list:", "nm": ":material/grid_on:"}


class Change(NamedTuple):
    """A stage's ticket, the masks before it (None: the stage changed no mask), and what both are called."""

    ticket: Ticket
    before: Masks | None
    after_title: str
    before_title: str


def label(config: RunConfig, round: int, stage: StageId) -> str:
    """A stage's name on the rail."""
    ticket = "dense" if round == 0 else short(config, stage.structure)
    if config.taken_in:
        return "Masks" if stage.kind == "prune" else f"{ticket[0].upper()}{ticket[1:]}"
    return {"prune": "Prune", "rewind": "Rewind", "train": f"Train {ticket}"}.get(stage.kind) or ticket


def short(config: RunConfig, structure: str) -> str:
    """A ticket's name where space is scarce: without its settings, unless the run has two of the kind."""
    found = config.structure(structure)
    if found is None:
        return config.title(structure)
    return found.name if sum(s.kind == found.kind for s in config.every_structure) > 1 else found.title


def doing(config: RunConfig, position: Position) -> str:
    """A stage under way, as part of a sentence."""
    k, (kind, structure) = position
    if kind == "train":
        return f"training {'the dense network' if k == 0 else short(config, structure)}"
    return {"prune": "pruning", "rewind": "rewinding"}.get(kind) or f"making the {short(config, structure)} ticket"


def change(config: RunConfig, position: Position, load: Callable[[int], Round]) -> Change:
    """What a stage changed. load: a round of the run by its number."""
    k, (kind, structure) = position
    now = load(k)
    ticket = now.ticket(structure)
    if kind == "prune":
        return Change(ticket, load(k - 1).ticket(config.trunk_of(k - 1)).masks, f"round {k}", f"round {k - 1}")
    if kind in ("train", "rewind"):
        return Change(ticket, None, f"{name(config, k, structure)}, round {k}" if k else "Dense", "")
    return Change(ticket, now.ticket(UNSTRUCTURED).masks, short(config, structure), "Unstructured")


def name(config: RunConfig, round: int, structure: str) -> str:
    """A ticket's name for people; round 0 holds the dense network."""
    return "Dense" if round == 0 else short(config, structure)


def sentence(run: Run, position: Position, what: Change, layer: Layer, dense: Curve | None = None) -> str:
    """What the stage did, with numbers of the whole network and of the layer; Markdown. dense: how the dense network trained."""
    kind, masks = position.stage.kind, what.ticket.masks
    if kind == "train":
        return _trained(run, position, what.ticket) + _saved(run, what.ticket, dense)
    if kind == "rewind":
        return _rewound(run, position)
    if kind == "prune":
        had = what.before.nnz()
        return (f"Pruned {_percent((had - masks.nnz()) / max(1, had))} of what was left: {masks.nnz():,} of {masks.size():,} "
                f"weights remain, {_percent(masks.density(layer.name))} of `{layer.short}`.")
    title, structure = short(run.config, position.stage.structure), run.config.structure(position.stage.structure)
    said = _regrouped(title, what, layer) if kind == "regroup" else shaped.sentence(title, structure, what.before, what.ticket, layer)
    return said + f" The network keeps {masks.nnz():,} of {masks.size():,} weights ({_percent(masks.density())})."


def detail(run: Run, position: Position, what: Change) -> str:
    """What a stage that changed no mask did instead; '' for the others."""
    if position.stage.kind == "rewind":
        return "The masks stay as they are. What went back are the weights: convolutions, BatchNorm and classifier."
    if position.stage.kind == "train":
        return "Training changes no mask: pruned weights stay exactly zero after every step."
    return ""


def _trained(run: Run, position: Position, ticket: Ticket) -> str:
    if ticket.curve is None and run.config.imported:
        return _came(run, position, ticket)
    epochs = len(ticket.curve.epoch) if ticket.curve is not None else 0
    said = f"Trained {name(run.config, position.round, ticket.structure) if position.round else 'the dense network'} for {epochs} epoch{'s' * (epochs != 1)}"
    if ticket.test_acc is None:
        return said + "."
    dense = next((r["dense_acc"] for r in run.rows if r.get("dense_acc") is not None), None)
    said += f": test accuracy {ticket.test_acc:.1f} %"
    if position.round and dense is not None:
        said += f" with {_percent(ticket.masks.density())} of the weights; the dense network has {dense:.1f} %"
    return said + "."


def _came(run: Run, position: Position, ticket: Ticket) -> str:
    """Of a ticket that was trained elsewhere."""
    came = run.info.get("imported", {}).get("source", "")
    what = f"{name(run.config, position.round, ticket.structure)}, trained elsewhere" + (f" and taken in from {came}" if came else "")
    if ticket.test_acc is None:
        return f"{what}: its accuracy is not known, as its images are not here." if position.round else f"{what}: what the masks were laid over."
    return f"{what}: test accuracy {ticket.test_acc:.1f} %" + (f" with {_percent(ticket.masks.density())} of the weights." if position.round else ".")


def _saved(run: Run, ticket: Ticket, dense: Curve | None) -> str:
    """Seconds an epoch of a channel-wise ticket takes, which can train as a smaller network, against the dense one's."""
    found = run.config.structure(ticket.structure)
    if found is None or not found.channelwise or ticket.curve is None or dense is None or not len(ticket.curve.seconds) or not len(dense.seconds):
        return ""
    mine, whole = float(np.median(ticket.curve.seconds)), float(np.median(dense.seconds))
    return f" An epoch took {mine:.3g} s, {mine / whole:.2f} of the dense network's {whole:.3g} s." if mine > 0 and whole > 0 else ""


def _rewound(run: Run, position: Position) -> str:
    step, steps = run.info.get("rewind_step"), run.info.get("steps")
    if step is not None and steps:
        return f"Rewound to step {step:,} of {steps:,}: every weight is again what it was there."
    return f"Rewound to {_percent(run.config.rewind)} of training: every weight is again what it was there."


def _regrouped(title: str, what: Change, layer: Layer) -> str:
    note, found = what.ticket.notes.get(layer.name, {}), what.ticket.blocks.get(layer.name)
    covered = coverage(what.ticket.masks, what.ticket.blocks)
    if not found or not len(found):
        said = f"{title} formed no block in `{layer.short}`, which keeps its unstructured mask"
    else:
        said = f"{title} formed {len(found)} block{'s' * (len(found) != 1)} in `{layer.short}`; {shaped.moves(note)}"
    return f"{said}. Over the network {_percent(covered.weights)} of the kept weights are in blocks."


def _percent(share: float) -> str:
    value = 100 * share
    return f"{value:.0f} %" if abs(value - round(value)) < 0.005 else f"{value:.1f} %"
