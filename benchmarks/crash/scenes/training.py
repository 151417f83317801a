"""`lthviz run` and `resume`, killed in file operations, at the ends of stages, and at random moments."""

from __future__ import annotations

from benchmarks.crash import faults
from benchmarks.crash.faults import Fault
from benchmarks.crash.harness import Chain, Harness, chains, kill_after, seconds
from benchmarks.crash.study import LONGER, TINY
from lthviz.config import RunConfig


def write(harness: Harness, n: int | None) -> None:
    """In the middle of every kind of file operation of a run, and of a resume after a kill."""
    runs = harness.reference(TINY)
    items = [*faults.kills(dict.fromkeys(harness.labels(runs))), *RECOVERED]
    chosen = items if n is None else harness.rng("write").sample(items, min(n, len(items)))
    chains(harness, "write", "write", TINY, chosen)


RECOVERED = (Fault("fsync run/checkpoint.h5"), Fault("unlink run/checkpoint.h5"), Fault("write run/events.jsonl stage", how="half"), Fault("ftruncate run/events.jsonl"),
             Fault("fsync run/rounds/*.h5"), Fault("unlink run/rounds/*.h5"))
"""What only a resume does, each behind the kill that makes it necessary."""


def stage(harness: Harness, n: int | None) -> None:
    """Behind the line that tells of a finished stage: each, in turn, of one run."""
    total = sum(len(TINY.stages(k)) for k in range(TINY.rounds + 1))
    items = [Fault("write run/events.jsonl stage", 1, "after")] * total
    if n is not None and n < total:
        items = [Fault("write run/events.jsonl stage", total // (n + 1), "after")] * n
    chains(harness, "stage", "stage", TINY, items)


def moment(harness: Harness, n: int | None) -> None:
    """At random moments of whatever it does then."""
    _moments(harness, "moment", TINY, 30 if n is None else n, {})


def middle(harness: Harness, n: int | None) -> None:
    """At random moments of trainings that have checkpoints in their middle."""
    _moments(harness, "middle", LONGER, 8 if n is None else n, faults.watched(harness.scratch) | {"LTHVIZ_CRASH_CHECKPOINT_S": "0"}, late=True)


def _moments(harness: Harness, scene: str, config: RunConfig, n: int, env: dict[str, str], *, late: bool = False) -> None:
    """late: not before it trains."""
    chain, number = None, 0
    for i in range(n):
        key, rng = f"{scene}/{i}", harness.rng(scene, i)
        if harness.tally.done(key):
            continue
        for _ in range(2):
            if chain is None:
                chain, number = Chain(harness, f"{scene}-{number}", config, env), number + 1
            whole = seconds(chain.reference)
            after = whole * (0.35 + 0.5 * rng.random() if late else 0.05 + 0.9 * rng.random())
            with chain.start() as process:
                if killed := kill_after(process, after):
                    done = process.wait()
                    chain.judge("moment", key, f"SIGKILL after {after:.2f} s of about {whole:.1f} s", done)
            if killed:
                break
            chain.over()
            chain = None
    if chain is not None:
        chain.over()


def moments(harness: Harness, scene: str, n: int) -> None:
    """As `moment`, under a name of its own."""
    _moments(harness, scene, TINY, n, {})
