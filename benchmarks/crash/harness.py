"""What all scenes share: a scratch folder, uninterrupted runs to compare with, and a process that is hit again and again until it is let to its end."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.crash import faults
from benchmarks.crash.check import Kept, one_line
from benchmarks.crash.commands import Done, Process, lthviz
from benchmarks.crash.faults import Fault
from benchmarks.crash.study import settings
from benchmarks.crash.tally import Tally
from lthviz.config import RunConfig

AFTER_KILL = ("queued", "interrupted", "finished")
AFTER_FAULT = (*AFTER_KILL, "failed")
MOST = 14
"""So often a run is hit before it is let to its end: a fault that a second hit would hide is then still found."""


class Harness:
    """scratch: an empty folder. share: kills of each scene, None: all that a scene has."""

    def __init__(self, scratch: Path, tally: Tally) -> None:
        self.scratch, self.tally, self.skipped = scratch, tally, []
        os.environ["LTHVIZ_EXAMPLES"] = ""     # a store that is looked at here has the runs that were made here, and no other
        self._references: dict[tuple, Path] = {}

    def rng(self, *purpose: object) -> random.Random:
        return random.Random(f"{self.tally.seed} {' '.join(map(str, purpose))}")

    def fresh(self, name: str) -> Path:
        """An empty folder of that name."""
        folder = self.scratch / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def reference(self, config: RunConfig, env: Mapping[str, str] | None = None, start: Callable[[Path, dict], Process] | None = None, name: str = "") -> Path:
        """The folder of runs in which that run went to its end undisturbed. start: (runs, env) → its process, where not `lthviz run`. name: tells two ways of starting apart."""
        key = config.run_id, name, tuple(sorted((env or {}).items()))
        if key not in self._references:
            folder = self.fresh(f"reference-{config.run_id}{name}")
            labels = folder / "labels"
            more = dict(env or {}) | faults.counting(folder, labels)
            with start(folder / "runs", more) if start else lthviz("run", *settings(config), "--runs", str(folder / "runs"), folder=folder / "said", env=more) as process:
                done = process.wait()
            if done.code:
                raise RuntimeError(f"the undisturbed run ended with {done.code}: {done.err[-3000:]}")
            self.tally.flushes += [x for x in faults.flushed(labels) if x not in self.tally.flushes]
            (folder / "seconds").write_text(f"{done.seconds:.3f}")
            self._references[key] = folder / "runs"
        return self._references[key]

    def labels(self, runs: Path) -> list[str]:
        """Labels of the operations of an undisturbed run, in the order in which they came first."""
        return list(faults.counted(runs.parent / "labels"))


def seconds(runs: Path) -> float:
    """How long the undisturbed run took."""
    return float((runs.parent / "seconds").read_text())


class Chain:
    """One run, started and hit again and again, then let to its end. env: of all its processes."""

    def __init__(self, harness: Harness, name: str, config: RunConfig, env: Mapping[str, str] | None = None) -> None:
        self.harness, self.tally, self.config, self.env, self.name = harness, harness.tally, config, dict(env or {}), name
        self.reference = harness.reference(config, env)
        self.folder = harness.fresh(name)
        self.runs, self.fired = self.folder / "runs", self.folder / "fired"
        self.kept = Kept(self.runs, {config.run_id: self.reference / config.run_id})
        self.keys: list[str] = []

    @property
    def run(self) -> Path:
        return self.runs / self.config.run_id

    def words(self) -> list[str]:
        there = (self.run / "config.json").exists()
        return [*(["resume", self.config.run_id] if there else ["run", *settings(self.config)]), "--runs", str(self.runs)]

    def start(self, fault: Fault | None = None, **options: object) -> Process:
        env = self.env | (fault.env(self.folder, self.fired) if fault else {})
        return lthviz(*self.words(), folder=self.folder / "said", env=env, **options)

    def hit(self, kind: str, key: str, fault: Fault) -> bool:
        """Starts it with that fault; whether the operation came."""
        with self.start(fault) as process:
            done = process.wait()
        if not self.fired.exists():
            if done.code:
                self.judge(kind, key, f"{fault} did not come", done, [f"it ended without the fault with exit code {done.code}: {done.err[-1500:]}"])
            return False
        self.fired.unlink()
        wrong = [] if fault.kills == done.killed else [f"it ended with {done.code}, {done.err[-1500:]}"]
        if not fault.kills:
            wrong = one_line(done.code, done.said, done.err)
        self.judge(kind, key, str(fault), done, wrong, AFTER_KILL if fault.kills else AFTER_FAULT)
        return True

    def judge(self, kind: str, key: str, what: str, done: Done, wrong: Sequence[str] = (), states: tuple[str, ...] = AFTER_KILL) -> None:
        lost, damaged = self.kept.lost, self.kept.damaged
        found = [*wrong, *(self.kept.wrong(states=states) if self.runs.exists() else [])]
        self.keys.append(key)
        self.tally.kill(kind, key, what, found, lost=self.kept.lost - lost, damaged=self.kept.damaged - damaged)

    def over(self) -> None:
        """To its end, and compared."""
        with self.start() as process:
            done = process.wait()
        wrong = [f"it ended with exit code {done.code}: {done.err[-2000:]}"] if done.code else []
        wrong += self.kept.finished()
        self.tally.end(self.keys, self.name, wrong)
        if not wrong:
            shutil.rmtree(self.folder, ignore_errors=True)


def chains(harness: Harness, scene: str, kind: str, config: RunConfig, items: Sequence[Fault], env: Mapping[str, str] | None = None) -> None:
    """Hits runs with each of these faults; one that does not come in a run on its way is tried in a fresh one."""
    chain, number = None, 0
    for i, fault in enumerate(items):
        key = f"{scene}/{i} {fault}"
        if harness.tally.done(key):
            continue
        for _ in range(2):
            if chain is None:
                chain, number = Chain(harness, f"{scene}-{number}", config, env), number + 1
            if chain.hit(kind, key, fault):
                break
            chain.over()
            chain = None
        if chain is not None and len(chain.keys) >= MOST:
            chain.over()
            chain = None
    if chain is not None:
        chain.over()


def kill_after(process: Process, seconds: float) -> bool:
    """Kills it then; whether it was still at work."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and not process.ended:
        time.sleep(0.002)
    process.kill()
    return process.popen.wait() == -signal.SIGKILL
