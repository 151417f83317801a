"""Events such as the engine yields, without an engine: deterministic, so that two processes make the same.

As a script, `store_writer.py ROOT [ROUNDS]` holds the run's lock, resumes from the checkpoint, and appends until it is killed or
done.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from lthviz.config import UNSTRUCTURED, Refill, Regroup, RunConfig
from lthviz.records import Begin, Blocks, Checkpoint, Curve, Epoch, Event, Layer, Masks, Round, Stage, Ticket
from lthviz.seeds import derive
from lthviz.store import Store

CONFIG = RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4)), rounds=4, epochs=3, milestones=(1,))
LAYERS = (Layer("a.weight", (8, 3, 3, 3), (8, 8), "bn_a"), Layer("b.weight", (16, 8, 3, 3), (8, 8), "bn_b", ("a.weight",)),
          Layer("c.weight", (5, 16, 1, 1), (4, 4), "", ("b.weight",)))
EPOCHS = CONFIG.epochs


def rng(*purpose: str | int) -> np.random.Generator:
    return np.random.default_rng(derive(0, *purpose))


def masks(round: int, structure: str) -> Masks:
    r = rng("masks", round, structure)
    return Masks.of({x.name: r.random(x.shape) < 0.8**round for x in LAYERS})


def weights(round: int, structure: str) -> dict[str, np.ndarray]:
    r, m = rng("weights", round, structure), masks(round, structure)
    return {x.name: np.where(m[x.name], r.standard_normal(x.shape, np.float32), np.float32(0)) for x in LAYERS}


def blocks(round: int, structure: str) -> dict[str, Blocks]:
    """Any disjoint blocks: of the first layer two, of the second none, of the third no entry."""
    if structure == UNSTRUCTURED:
        return {}
    r = rng("blocks", round, structure)
    rows = r.permutation(8).astype(np.int32)
    cols = tuple(r.permutation(27)[:n].astype(np.int32) for n in (11, 27))
    return {"a.weight": Blocks((8, 27), (rows[:3], rows[3:]), cols), "b.weight": Blocks((16, 72), (), ())}


def ticket(round: int, structure: str, trained: bool = True) -> Ticket:
    r = rng("numbers", round, structure)
    made = Ticket(structure, round, masks(round, structure), blocks(round, structure),
                  {"a.weight": {"kept": 3, "channels": 8, "parts": [{"rows": 3, "cols": 11, "block": True}]}})
    if not trained:
        return made
    curve = Curve.of([epoch(round, structure, e) for e in range(EPOCHS)])
    kept = weights(round, structure) if structure == UNSTRUCTURED else None
    test, val, seconds = map(float, 100 * r.random(3))
    return Ticket(structure, round, made.masks, made.blocks, made.notes, curve, test, val, seconds, kept)


def epoch(round: int, structure: str, number: int) -> Epoch:
    r = rng("epoch", round, structure, number)
    val = float("nan") if number == 0 else float(r.random())
    return Epoch(round, structure, number, EPOCHS, float(r.random()), float(r.random()), val, 0.1, float(r.random()))


def whole(index: int, config: RunConfig = CONFIG) -> Round:
    n = len(config.stages(index))
    return Round(index, {s: ticket(index, s) for s in config.tickets(index)}, n, True, 1.5)


def checkpoint(round: Round) -> Checkpoint:
    r = rng("arrays", round.index, round.stages_done)
    arrays = {"theta/a.weight": r.random((8, 27), np.float32), "step%2Fx": np.array(3), "empty": np.empty((0, 4)),
              "flags": r.random(9) < 0.5, "order": r.permutation(100)}
    return Checkpoint({"round": round.index, "stage": round.stages_done, "acc": float("nan"), "names": ["x", "y"]}, arrays, round)


def plain(round: Round) -> list:
    """Everything in a round as values that compare with ==, nan included."""
    out: list = [round.index, round.stages_done, round.complete, round.seconds]
    for label, t in round.tickets.items():
        out += [label, t.structure, t.round, list(t.masks), t.masks.digest, {k: dict(v) for k, v in t.notes.items()}]
        out += [repr(x) for x in (t.test_acc, t.val_acc, t.train_seconds)]
        out += [(n, b.shape, [r.tolist() for r in b.rows], [c.tolist() for c in b.cols]) for n, b in t.blocks.items()]
        out += [(f, a.dtype.str, a.tobytes()) for f in Curve.FIELDS if t.curve is not None for a in (getattr(t.curve, f),)]
        out.append(None if t.weights is None else [(n, w.dtype.str, w.shape, w.tobytes()) for n, w in t.weights.items()])
    return out


def events(config: RunConfig = CONFIG, at: Checkpoint | None = None) -> Iterator[Event]:
    """From the start, or from a checkpoint on."""
    yield Begin(LAYERS, {"parameters": np.int64(1234), "device": "cpu"})
    now = at.round if at is not None else Round(0, {}, 0, False)
    while now.index <= config.rounds:
        stages = config.stages(now.index)
        for done, stage in list(enumerate(stages, 1))[now.stages_done:]:
            if stage.kind == "train":
                for e in range(EPOCHS):
                    yield epoch(now.index, stage.structure, e)
            tickets = dict(now.tickets)
            if stage.kind != "rewind":
                tickets[stage.structure] = ticket(now.index, stage.structure, stage.kind == "train")
            now = Round(now.index, tickets, done, done == len(stages), 0.5 * done)
            yield Stage(now, stage.kind, stage.structure, 0.5, lambda now=now: checkpoint(now))
        now = Round(now.index + 1, {}, 0, False)


def next_stage() -> Stage:
    """The end of a round 13, small."""
    now = Round(13, {UNSTRUCTURED: ticket(13, UNSTRUCTURED)}, 1, True)
    return Stage(now, "train", UNSTRUCTURED, 0.5, lambda: checkpoint(now))


def write(store: Store, config: RunConfig = CONFIG, stop_after: int = 10**9) -> str:
    """Appends as many stages as told, going on from the checkpoint; the run's id."""
    run_id = store.begin(config, preset="digits", title="a test")
    store.recover(run_id)
    at = store.checkpoint(run_id)
    if at is not None and at.round.complete:
        at = Checkpoint(at.meta, at.arrays, Round(at.round.index + 1, {}, 0, False))
    store.set_state(run_id, "running")
    for event in events(config, at):
        store.append(run_id, event)
        if isinstance(event, Stage):
            stop_after -= 1
            store.beat(run_id, done=1, total=2, eta_s=3.0, loss=0.5)
        if not stop_after:
            return run_id
    store.set_state(run_id, "finished")
    return run_id


if __name__ == "__main__":
    here = Store(sys.argv[1])
    config = CONFIG.replace(rounds=int(sys.argv[2])) if len(sys.argv) > 2 else CONFIG
    with here.lock(here.begin(config)):
        print("locked", flush=True)
        write(here, config)
    Path(sys.argv[1], "done").touch()
