"""The runs that are killed: real ones, as small as runs can be that have every kind of stage."""

from __future__ import annotations

import json
from pathlib import Path

from lthviz.config import Refill, Regroup, RunConfig

TINY = RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4, min_rows=8)), rounds=2, epochs=2, batch_size=20, train_images=60, lr=0.05, schedule="cosine",
                 rewind=0.2, augment="shift", memory_format="channels_last", threads=1, device="cpu", keep_weights="all")
"""Dense training, pruning, refilling, regrouping, rewinding and retraining, three rounds, all weights kept: seconds on a core."""
LONGER = TINY.replace(epochs=40, rounds=1)
"""Trainings of a second, for checkpoints in their middle."""
SHARED = TINY.replace(rounds=1, structures=(Refill(),), train_images=63)
"""For two processes: the last batch of an epoch is of three images, so one of them has one image and the other two."""
GRID = """title = "Killed"
model = "convnet"
data = "digits"
structures = ["refill"]
rounds = 1
epochs = 2
batch_size = 20
train_images = 60
lr = 0.05
schedule = "cosine"
rewind = 0.2
augment = "shift"
memory_format = "channels_last"
threads = 1
device = "cpu"
keep_weights = "all"

[grid]
seed = [0, 1]

[[branches]]
structures = ["random"]
"""


def settings(config: RunConfig) -> list[str]:
    """As `--set` words."""
    values = config.to_dict() | {"structures": ",".join(s.label for s in config.structures)}
    return [x for k, v in values.items() for x in ("--set", f"{k}={str(v).lower() if isinstance(v, bool) else v}")]


def stages(run: Path) -> int:
    """Finished stages that the run's log tells of."""
    try:
        return sum(x.startswith(b'{"event":"stage"') for x in (run / "events.jsonl").read_bytes().split(b"\n")[:-1])
    except FileNotFoundError:
        return 0


def worker(run: Path) -> int:
    """The process that said last that it drives the run; 0 where none did."""
    try:
        lines = (run / "events.jsonl").read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return 0
    said = [json.loads(x) for x in lines if x.startswith(b'{"event":"state"')]
    return next((int(x["pid"]) for x in reversed(said) if x.get("state") == "running" and x.get("pid")), 0)
