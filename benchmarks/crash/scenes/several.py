"""Runs of several processes and several runs: torchrun, Ray, a sweep here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.crash import faults
from benchmarks.crash.check import Kept
from benchmarks.crash.commands import Process, lthviz, marked, until
from benchmarks.crash.faults import Fault
from benchmarks.crash.harness import Harness, kill_after
from benchmarks.crash.study import GRID, SHARED, settings, stages, worker
from lthviz.store import Store
from lthviz.sweep import grid

STATES = ("queued", "interrupted", "finished")


def rank(harness: Harness, n: int | None) -> None:
    """Two processes that torchrun starts: either of them killed, or torchrun itself."""
    plan = [["rank 1", "rank 0", "torchrun"][i % 3] for i in range(9 if n is None else n)]
    left = [(i, what) for i, what in enumerate(plan) if not harness.tally.done(f"rank/{i} {what}")]
    for at in range(0, len(left), 5):
        _ranks(harness, left[at:at + 5], at // 5)


def _ranks(harness: Harness, plan: Sequence[tuple[int, str]], number: int) -> None:
    reference = harness.reference(SHARED, None, lambda runs, env: _torchrun(runs, runs.parent / "said", env), name="-two")
    folder, run_id = harness.fresh(f"rank-{number}"), SHARED.run_id
    runs, keys = folder / "runs", []
    kept, run = Kept(runs, {run_id: reference / run_id}), runs / run_id
    for i, what in plan:
        rng, before = harness.rng("rank", i), stages(run)
        with _torchrun(runs, folder / "said") as process:
            until(lambda before=before, process=process: process.ended or stages(run) > before, 120)
            time.sleep(0.3 * rng.random())
            pids = _ranked(process.pid)
            pid = process.pid if what == "torchrun" else pids.get(int(what[-1]))
            if process.ended or pid is None:
                break
            os.kill(pid, signal.SIGKILL)
            done = process.wait(90)
            wrong = [] if done.code else ["torchrun ended with 0"]
            if what == "torchrun":     # its processes are alone now: they go on to the end, or end by themselves
                gone = until(lambda pids=pids: not any(Path(f"/proc/{x}").exists() and "Z" not in _state(x) for x in pids.values()), 120, 0.1)
                wrong += [] if gone else ["the ranks did not end by themselves"]
        keys.append(f"rank/{i} {what}")
        found = wrong + (kept.wrong(states=(*STATES, "running")) if runs.exists() else [])
        harness.tally.kill("rank", keys[-1], f"SIGKILL of {what} after {stages(run)} stages", found, lost=kept.lost, damaged=kept.damaged)
        kept.lost = kept.damaged = 0
    with _torchrun(runs, folder / "said") as process:
        done = process.wait()
    harness.tally.end(keys, f"rank-{number}", ([f"it ended with {done.code}: {done.err[-2000:]}"] if done.code else []) + kept.finished())


def _torchrun(runs: Path, said: Path, env: dict[str, str] | None = None) -> Process:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    return Process(["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", str(port), "-m", "lthviz", "run", *settings(SHARED), "--runs", str(runs)], said, env)


def _ranked(parent: int) -> dict[int, int]:
    """Process ids by rank."""
    found = {}
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            with contextlib.suppress(OSError):
                found |= {int(x[5:]): int(child) for x in Path(f"/proc/{child}/environ").read_bytes().split(b"\0") if x.startswith(b"RANK=")}
    return found


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"


# Sweeps ----------------------------------------------------------------------------------------------------------------


def sweep(harness: Harness, n: int | None) -> None:
    """A sweep here, killed at random moments and in the middle of what it remembers; begun again it does what is missing only."""
    labels = faults.counted(_swept(harness).parent / "labels")
    rng = harness.rng("sweep")
    own = [f for f in faults.kills(labels) if ".sweeps/" in f.label]
    hits: list[Fault | float] = [*(own if n is None else rng.sample(own, min(n // 2, len(own)))), *(4 + 14 * rng.random() for _ in range(6 if n is None else n - n // 2))]
    _sweeps(harness, "sweep", [(f"sweep/{i}", hit) for i, hit in enumerate(hits)], _hit_here)


def ray(harness: Harness, n: int | None) -> None:
    """A sweep on Ray's workers: one of them killed, which begins again by itself; Ray's daemon, or the sweep itself."""
    try:
        import ray as _  # noqa: F401
    except ImportError:
        harness.skipped.append("Ray is not installed, so none of its workers was killed")
        return
    plan = [["worker", "driver", "worker", "raylet"][i % 4] for i in range(8 if n is None else n)]
    _sweeps(harness, "ray", [(f"ray/{i} {what}", what) for i, what in enumerate(plan)], _hit_ray, "--backend", "ray", "--workers", "2")


def _file(harness: Harness) -> Path:
    file = harness.scratch / "killed.toml"
    file.write_text(GRID)
    return file


def _swept(harness: Harness) -> Path:
    """The folder of runs of an undisturbed sweep."""
    folder = harness.scratch / "reference-sweep"
    if not folder.exists():
        with lthviz("sweep", str(_file(harness)), "--runs", str(folder / "runs"), folder=folder / "said", env=faults.counting(folder, folder / "labels")) as process:
            if (done := process.wait()).code:
                raise RuntimeError(f"the undisturbed sweep ended with {done.code}: {done.err[-2000:]}")
    return folder / "runs"


Hit = Callable[[Process, object, Path], bool]


def _sweeps(harness: Harness, scene: str, hits: Sequence[tuple[str, object]], act: Hit, *words: str) -> None:
    hits = [x for x in hits if not harness.tally.done(x[0])]
    reference, ids = _swept(harness), grid.read(_file(harness)).ids
    for at in range(0, len(hits), 4):
        folder = harness.fresh(f"{scene}-{at}")
        runs, keys = folder / "runs", []
        kept, through = Kept(runs, {x: reference / x for x in ids}), {}
        for key, hit in hits[at:at + 4]:
            env = {"LTHVIZ_CRASH_MARK": str(folder)} | (hit.env(folder, folder / "fired") if isinstance(hit, Fault) else {})
            with lthviz("sweep", str(_file(harness)), "--runs", str(runs), *words, folder=folder / "said", env=env) as process:
                came = act(process, hit, runs)
            _end_all(folder)
            if not came:
                continue
            keys.append(key)
            found = (kept.wrong(states=STATES) if runs.exists() else []) + _repeated(runs, through)
            harness.tally.kill(scene, key, f"{'SIGKILL of ' * isinstance(hit, str)}{hit:.1f}{' s' if isinstance(hit, float) else ''}" if isinstance(hit, float) else str(hit), found,
                               lost=kept.lost, damaged=kept.damaged)
            kept.lost = kept.damaged = 0
        with lthviz("sweep", str(_file(harness)), "--runs", str(runs), *words, folder=folder / "said", env={"LTHVIZ_CRASH_MARK": str(folder)}) as process:
            done = process.wait()
        _end_all(folder)
        wrong = [f"it ended with {done.code}: {done.err[-2000:]}"] if done.code else []
        harness.tally.end(keys, f"{scene}-{at}", wrong + kept.finished() + _repeated(runs, through))


def _repeated(runs: Path, through: dict[Path, str]) -> list[str]:
    """Runs that were finished before and have been worked on since. through: logs of finished runs by their hash, kept up to date."""
    store, out = Store(runs), []
    for run_id in store.runs():
        if store.status(run_id).state == "finished":
            log = runs / run_id / "events.jsonl"
            now = hashlib.sha256(log.read_bytes()).hexdigest()
            out += [f"{run_id} was finished and was worked on again"] if through.setdefault(log, now) != now else []
    return out


def _end_all(folder: Path) -> None:
    """Ray's processes end with the sweep; those that do not within some seconds are ended here."""
    until(lambda: not marked(str(folder)), 15, 0.2)
    for pid in marked(str(folder)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    until(lambda: not marked(str(folder)), 5, 0.1)


def _hit_here(process: Process, hit: object, runs: Path) -> bool:
    if isinstance(hit, float):
        return kill_after(process, hit)
    process.wait()
    return (runs.parent / "fired").exists()


def _hit_ray(process: Process, what: object, runs: Path) -> bool:
    """After a stage of a run that a Ray worker has: that worker (the sweep has to come to its end), Ray's daemon, or the sweep."""
    def at_work() -> int:
        pids = {worker(x) for x in runs.glob("[!.]*") if stages(x)}
        return next((p for p in pids if p and Path(f"/proc/{p}").exists() and p != process.pid), 0)

    pid = until(lambda: process.ended or at_work(), 180, 0.02)
    if process.ended:
        return False
    if what == "worker":
        os.kill(int(pid), signal.SIGKILL)
        process.wait(300)
        return True
    if what == "raylet":
        for other, words in marked(str(runs.parent)).items():
            if "raylet/raylet" in words.split(" ", 1)[0]:
                os.kill(other, signal.SIGKILL)
        process.wait(300)
        return True
    process.kill()
    process.popen.wait()
    return True
