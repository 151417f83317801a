"""A sweep of four digits runs that take seconds: two short, two long enough to be interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from lthviz.records import Round
from lthviz.store import Store

ROOT = Path(__file__).resolve().parents[2]
TEXT = """
title = "Tiny"
preset = "digits"
rounds = 1
epochs = 1
train_images = 64
batch_size = 16
structures = ["refill"]
keep_weights = "all"
device = "cpu"

[grid]
seed = [0, 1]

[[grid.variant]]
epochs = 1
[[grid.variant]]
epochs = 12
"""
PATIENCE_S = 240


def start(file: Path, runs: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen:
    """`lthviz sweep FILE …` in a process of its own, with its JSON on standard output."""
    return subprocess.Popen([sys.executable, "-m", "lthviz", "sweep", str(file), "--runs", str(runs), "--json", *words], cwd=ROOT,
                            env={**os.environ, **(env or {})}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: subprocess.Popen) -> dict:
    """What it printed, once it has ended well."""
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    return json.loads(out)


def end(process: subprocess.Popen) -> None:
    """SIGKILL, whatever it does."""
    process.kill()
    process.communicate()


def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.02)


def events(store: Store, run_id: str, kind: str) -> list[dict]:
    return [e for e in store.events(run_id)[0] if e["event"] == kind] if store.exists(run_id) else []


def pids(store: Store, run_id: str) -> list[int]:
    """Of the processes that trained it, in order."""
    return list(dict.fromkeys(e["pid"] for e in events(store, run_id, "state") if e["state"] == "running"))


def under_way(store: Store, run_id: str) -> bool:
    """Whether its dense network is trained, and the rest is not."""
    return len(events(store, run_id, "stage")) >= 1 and store.status(run_id).state == "running"


def went_on(store: Store, run_id: str) -> bool:
    """Whether a second process took it up from its checkpoint: no stage was done twice."""
    stages = [(e["round"], e["kind"], e["structure"]) for e in events(store, run_id, "stage")]
    return len(pids(store, run_id)) == 2 and len(set(stages)) == len(stages) and store.status(run_id).state == "finished"


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def equal_bits(a: Store, b: Store, run_id: str) -> None:
    """Masks, accuracies, curves but for their seconds, and weights of every round."""
    assert a.run(run_id).rounds == b.run(run_id).rounds == (0, 1)
    for k in (0, 1):
        equal_tickets(a.round(run_id, k), b.round(run_id, k))


def equal_tickets(x: Round, y: Round) -> None:
    """Masks, accuracies, curves but for their seconds, and weights."""
    assert list(x.tickets) == list(y.tickets)
    for s, t in zip(x.tickets.values(), y.tickets.values(), strict=True):
        assert (s.masks, s.test_acc, s.val_acc) == (t.masks, t.test_acc, t.val_acc)
        assert np.array_equal(s.curve.train_loss, t.curve.train_loss)
        assert set(s.weights) == set(t.weights) and all(np.array_equal(s.weights[n], t.weights[n]) for n in s.weights)
