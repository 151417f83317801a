"""A finished run whose masks are made up, for looking at: `python benchmarks/made_run.py DIR` writes one of ResNet-18's size to DIR.

Masks of global magnitude of random weights, Refill and Regroup-like tickets of them, weights of the trunk: as large as a real run's, without
its training. What they look like means nothing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from lthviz.config import UNSTRUCTURED, Refill, Regroup, RunConfig
from lthviz.core.magnitude import prune
from lthviz.core.refill import magnitude_scores, refill
from lthviz.records import Begin, Blocks, Checkpoint, Layer, Masks, Round, Stage, Ticket
from lthviz.store import Store

STRUCTURES = (Refill(), Regroup())


def write(store: Store, layers: Sequence[Layer], *, rounds: int = 2, seed: int = 0, model: str = "resnet18", title: str = "", empty: str = "") -> str:
    """A run of these layers; returns its id. empty: a layer that keeps nothing after round 0."""
    config = RunConfig(model=model, data="cifar10", rounds=rounds, rate=0.4, structures=STRUCTURES, seed=seed)
    rng, run_id = np.random.default_rng(seed), store.begin(config, title=title)
    masks = Masks.of({x.name: np.ones(x.shape, bool) for x in layers})
    weights = {x.name: (rng.standard_normal(x.shape) * rng.gamma(2, 0.03, (x.shape[0], *(1,) * (len(x.shape) - 1)))).astype(np.float32) for x in layers}
    with store.lock(run_id):
        store.append(run_id, Begin(tuple(layers), {"parameters": sum(x.size for x in layers)}))
        for k in range(rounds + 1):
            if k:
                masks = prune(weights, masks, config.rate)
                masks = Masks.of({name: masks[name] & (name != empty) for name in masks})
            kept = {name: weights[name] * masks[name] for name in masks}
            tickets = {UNSTRUCTURED: Ticket(UNSTRUCTURED, k, masks, test_acc=90.0, val_acc=90.0, train_seconds=1.0, weights=kept)}
            if k:
                tickets |= {s.label: _shaped(s.label, k, masks, weights, rng) for s in STRUCTURES}
            done = Round(k, tickets, len(config.stages(k)), True, 1.0)
            store.append(run_id, Stage(done, "train", UNSTRUCTURED, 1.0, lambda done=done: Checkpoint({}, {}, done)))
        store.set_state(run_id, "finished", "made up")
    return run_id


def _shaped(label: str, k: int, masks: Masks, weights: Mapping[str, np.ndarray], rng: np.random.Generator) -> Ticket:
    scored = dict(test_acc=89.0, val_acc=89.0, train_seconds=1.0)
    if label.startswith("refill"):
        made = refill(masks, magnitude_scores(masks, weights))
        return Ticket(label, k, made.masks, made.blocks, made.notes, **scored)
    out, blocks = {}, {}
    for name in masks:
        mask = masks.matrix(name)
        if mask.shape[0] < 128:
            out[name] = masks[name]
            continue
        parts = [np.sort(p).astype(np.int32) for p in np.array_split(rng.permutation(mask.shape[0]), 8)]
        cols = tuple(np.sort(np.argsort(-mask[p].sum(0), kind="stable")[:max(1, round(mask.mean() * mask.shape[1]))]).astype(np.int32) for p in parts)
        mask = np.zeros_like(mask)
        for p, c in zip(parts, cols, strict=True):
            mask[np.ix_(p, c)] = True
        out[name], blocks[name] = mask.reshape(masks.shape(name)), Blocks(mask.shape, tuple(parts), cols)
    return Ticket(label, k, Masks.of(out), blocks, {}, **scored)


def main() -> None:
    from benchmarks.storage import resnet18

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    store = Store(parser.parse_args().folder)
    print(write(store, resnet18(), title="ResNet-18, masks made up"))


if __name__ == "__main__":
    main()
