"""What came, stored as a run: its rounds with masks and weights, and a checkpoint to branch from."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import platform
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Any, NamedTuple

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.core import blocks as core_blocks
from lthviz.core import stats
from lthviz.errors import ConfigError, DataError, ExchangeError
from lthviz.exchange.intake import masking
from lthviz.exchange.intake.came import Arrival, Came, state
from lthviz.exchange.intake.names import OPTIONAL
from lthviz.records import Blocks, Checkpoint, Masks, Round, Ticket
from lthviz.store import Store, about

APART = 1.0
"""Percent by which an accuracy may differ from the one that a file claims before that is said."""
FEW = 64
"""Blocks up to which a layer's mask is told as blocks where its file tells none: a scattered mask has about one a row."""


class Taken(NamedTuple):
    """run_id: of the run that it became. new: whether it was not here before. said: what is worth telling. accuracies: by round, measured here on the test
    images, percent; None where they are not here."""

    run_id: str
    new: bool
    said: tuple[str, ...]
    accuracies: Mapping[int, float | None]


def take_in(store: Store, arrival: Arrival, *, title: str = "", progress: Callable[[str], None] = lambda _: None) -> Taken:
    """Stores what came as a finished run. Test accuracies are measured here where the images are; the same network again is the run that it was.

    ExchangeError for values that are not finite, DataError never: a network comes in without its images as well.
    """
    title, said = about.checked_title(title), list(arrival.said)
    bns = _norms(arrival)
    states = [state(came, arrival.shapes, bns) for came in arrival.rounds]
    rewind = state(arrival.rounds[0], arrival.shapes, bns, file=arrival.rewind[0], matched=arrival.rewind[1]) if arrival.rewind else states[0]
    config = arrival.config.replace(imported=_fingerprint(arrival, states, rewind))
    if store.taken(config.run_id):
        return Taken(config.run_id, False, tuple(said), {r["round"]: r["test_acc"] for r in store.run(config.run_id).rows})
    tickets, trunks = [], []
    for came, values in zip(arrival.rounds, states, strict=True):
        ticket, trunk = _ticket(came, values, arrival, said)
        tickets.append(ticket)
        trunks.append(trunk)
    info, images = _info(arrival, config, said)
    measured: dict[int, float | None] = {}
    for i, (came, ticket) in enumerate(zip(arrival.rounds, tickets, strict=True)):
        accuracy = None
        stands_in = len(tickets) > 1 and not i and came.file is arrival.rounds[1].file     # the ticket without its masks is no network that was trained
        if images is not None and not stands_in:
            progress(f"measuring the accuracy of round {came.round}")
            accuracy = _accuracy(config, images, arrival, ticket, trunks[i])
        claimed = came.claims.get("test_acc", came.about.test_acc if came.about and not stands_in else None)
        if accuracy is not None and claimed is not None and abs(accuracy - claimed) > APART:
            said.append(f"round {came.round}: {accuracy:.2f} % of the test images are classified rightly here, {claimed:.2f} % by what came with it: "
                        "other images, another normalisation of them, or a network that computes something else")
        measured[came.round] = accuracy
        known = accuracy if accuracy is not None else claimed
        tickets[i] = dataclasses.replace(ticket, test_acc=known, val_acc=came.about.val_acc if came.about and not stands_in else None)
    dense_acc = tickets[0].test_acc if tickets[0].test_acc is not None else (arrival.about.dense_acc if arrival.about else None)
    rounds = []
    for ticket in tickets:
        complete = Round(ticket.round, {UNSTRUCTURED: ticket}, len(config.stages(ticket.round)), True)
        rounds.append((complete, [stats.row(ticket, arrival.layers, dense_acc)]))
    arrays = {f"theta_k/{k}": v for k, v in rewind.items()} | {f"trunk/{k}": v for k, v in trunks[-1].items()}
    arrays |= {f"dense/{layer.name}": trunks[0][layer.name] for layer in arrival.layers}
    info["imported"] = {"source": about.one_line(arrival.source)[:200], "kind": arrival.kind, "rewind": "came with it" if arrival.rewind else "none: training goes on from what came",
                        "said": [about.one_line(s)[:500] for s in said]}
    run_id = store.put_imported(config, arrival.layers, info, rounds, Checkpoint({"done": 0}, arrays, rounds[-1][0]), title=title, source=arrival.source)
    return Taken(run_id, True, tuple(said), measured)


def _norms(arrival: Arrival) -> dict[str, str]:
    """By a convolution's weight, the BatchNorm behind it: of the layers that are pruned, and of others by the order of the network's tensors."""
    out = {layer.name: layer.bn for layer in arrival.layers if layer.bn}
    owners = list(dict.fromkeys(n.rpartition(".")[0] for n in arrival.shapes))
    for one, other in itertools.pairwise(owners):
        mean = arrival.shapes.get(f"{other}.running_mean")
        if mean and len(arrival.shapes.get(f"{one}.weight", ())) == 4 and mean == arrival.shapes[f"{one}.weight"][:1]:
            out.setdefault(f"{one}.weight", other)
    return out


def _ticket(came: Came, values: dict[str, np.ndarray], arrival: Arrival, said: list[str]) -> tuple[Ticket, dict[str, np.ndarray]]:
    """The round's ticket with its weights, masked, and the network as it was before its masks: what Refill and the next pruning look at."""
    for name, mask in masking.beside(came, arrival.layers).items():
        values[name] = values[name] * mask
    if came.masks is None:
        whole = Masks.of({layer.name: np.ones(layer.shape, bool) for layer in arrival.layers})
        return Ticket(UNSTRUCTURED, came.round, whole, weights=values), values
    masks = came.masks
    weights = values | {n: np.where(masks[n], values[n], np.float32(0)) for n in masks}
    removes = masking.removes_channels(masks, values, arrival.layers)
    if removes is None:     # nothing to remove: by what it was called where it came from
        removes = came.about is not None and came.about.structural
    elif not removes:
        said.append(f"round {came.round} has channels without weights whose BatchNorm still adds a constant: they count as masked, not as removed")
    told = came.about.blocks_of(masks) if came.about else _blocks(masks)
    return Ticket(UNSTRUCTURED, came.round, masks, blocks=told, weights=weights, removes_channels=removes), values


def _blocks(masks: Masks) -> dict[str, Blocks]:
    """Dense blocks of the layers that are made of few: a scattered mask is in none."""
    found = {name: core_blocks.from_mask(masks.matrix(name)) for name in masks if 0 < masks.nnz(name) < masks.size(name)}
    return {name: b for name, b in found.items() if 0 < len(b) <= min(FEW, masks.shape(name)[0] // 2)}


def _info(arrival: Arrival, config: Any, said: list[str]) -> tuple[dict[str, Any], Any]:
    """What a run says of itself when it begins, and its images where they are here."""
    from lthviz.nn import data
    from lthviz.nn.datasets import download

    info = {"parameters": sum(int(np.prod(s)) for n, s in arrival.shapes.items() if not n.rpartition(".")[2].startswith(("running_", "num_batches"))),
            "prunable": sum(x.size for x in arrival.layers), "image_shape": list(arrival.image_shape), "device": "cpu", "processes": 1,
            "machine": platform.processor() or platform.machine(), "versions": {p: metadata.version(p) for p in ("torch", "numpy")} | {"python": platform.python_version()}}
    names = list(arrival.about.classes) if arrival.about else [str(k) for k in range(arrival.classes)]
    try:
        with download.none():
            images = data.load(config, "cpu")
    except (DataError, ConfigError) as e:
        said.append(f"its images are not here, so its accuracy is {'the one that came with it' if arrival.about else 'not known'}: {e}")
        return info | {"classes": names, "data_note": ""}, None
    if images.shape != arrival.image_shape or len(images.classes) != arrival.classes:
        raise ExchangeError(f"{arrival.source} is a network for {'×'.join(map(str, arrival.image_shape))} and {arrival.classes} classes; the images of {config.data} here are "
                            f"{'×'.join(map(str, images.shape))} of {len(images.classes)}: give the data_dir of those that it was trained on")
    counts = {"test_images": len(images.y_test)}     # which of the others it was trained on is not known
    return info | counts | {"classes": list(images.classes), "data_note": images.note, "normalisation": images.normalisation}, images


def _accuracy(config: Any, images: Any, arrival: Arrival, ticket: Ticket, values: Mapping[str, np.ndarray]) -> float:
    from lthviz.nn import models
    from lthviz.nn.masking import Masked
    from lthviz.nn.state import set_state
    from lthviz.nn.train import Trainer

    on_cpu = config.replace(device="cpu")
    model = models.build(on_cpu, arrival.image_shape, arrival.classes)
    set_state(model, values)
    Masked(model, arrival.layers, ticket.masks, structural=ticket.structural).enforce()
    return Trainer(on_cpu, images, arrival.layers).test_accuracy(model)


def _fingerprint(arrival: Arrival, states: list[Mapping[str, np.ndarray]], rewind: Mapping[str, np.ndarray]) -> str:
    """A hash of every mask and weight: the same network is the same run, whatever file it came in."""
    h = hashlib.sha256()
    for came in arrival.rounds:
        h.update((came.masks.digest if came.masks is not None else "dense").encode())
    for values in (*states, rewind):
        for name in sorted(n for n in values if not n.endswith(OPTIONAL)):
            h.update(name.encode())
            h.update(np.ascontiguousarray(values[name]).tobytes())
    return h.hexdigest()[:12]
