"""The short commands that change a store: titles, deletions, requests."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from benchmarks.crash import faults
from benchmarks.crash.check import Kept
from benchmarks.crash.commands import Process, lthviz
from benchmarks.crash.harness import AFTER_KILL, Harness
from benchmarks.crash.study import TINY
from lthviz.config import RunConfig
from lthviz.store import Store

QUEUED = TINY.replace(seed=99)
RUN = "RUN"
COMMANDS = (("about", RUN, "--title", "A title", "--note", "and a note"), ("pause", QUEUED.run_id), ("play", QUEUED.run_id), ("cancel", QUEUED.run_id), ("delete", RUN), ("undelete", RUN),
            ("trash", "--empty"))
"""RUN stands for the finished run."""


def words(harness: Harness, n: int | None) -> None:
    """Each command in each of its file operations; then once more, to its end."""
    hit_all(harness, n, COMMANDS, TINY)


def hit_all(harness: Harness, n: int | None, commands: Sequence[tuple[str, ...]], config: RunConfig) -> None:
    """These commands, on a run of these settings. n: None for all of their operations."""
    items = []
    for command in commands:
        short = Short(harness, config, command)
        with short.start(faults.counting(short.folder, short.folder / "labels")) as process:
            done = process.wait()
        if done.code:
            raise RuntimeError(f"{command[0]} ended with {done.code}: {done.err[-1000:]}")
        items += [(command, fault) for fault in faults.kills(faults.counted(short.folder / "labels"))]
    if n is not None:
        items = harness.rng("words").sample(items, min(n, len(items)))
    for command, fault in items:
        key = f"words/{command[0]} {fault}"
        if not harness.tally.done(key):
            Short(harness, config, command).hit(fault, key)


class Short:
    """A command on a store with a finished run and one that waits; for `undelete` and `trash` the finished one has been deleted."""

    def __init__(self, harness: Harness, config: RunConfig, command: tuple[str, ...]) -> None:
        self.harness, self.run, self.command = harness, config.run_id, tuple(config.run_id if x == RUN else x for x in command)
        self.reference, self.folder = harness.reference(config), harness.fresh(f"words-{command[0]}")
        self.runs = self.folder / "runs"
        shutil.copytree(self.reference, self.runs)
        self.store = Store(self.runs)
        self.store.begin(QUEUED)
        if command[0] in ("undelete", "trash"):
            self.store.discard(self.run)
        if command[0] == "play":
            self.store.request(QUEUED.run_id, "pause")
        self.kept, self.keys = Kept(self.runs, {self.run: self.reference / self.run}), []

    def start(self, env: dict[str, str] | None = None) -> Process:
        return lthviz(*self.command, "--runs", str(self.runs), folder=self.folder / "said", env=env)

    def hit(self, fault: faults.Fault, key: str, *, again: bool = True) -> bool:
        """Starts it with that fault; whether the operation came. again: then it is let to its end."""
        tally, fired, moves = self.harness.tally, self.folder / "fired", self.command[0] in ("delete", "undelete", "trash")
        if not moves:
            self.kept.note()
        with self.start(fault.env(self.folder, fired)) as process:
            done = process.wait()
        if not fired.exists():
            return False
        fired.unlink()
        wrong = [] if done.killed else [f"it ended with {done.code}: {done.err[-1000:]}"]
        wrong += self.kept.wrong(states=(*AFTER_KILL, "cancelled"))
        here, trashed = self._where()
        if self.command[0] != "trash" and here == trashed:
            wrong.append(f"the run is {'both here and deleted' if here else 'neither here nor deleted'}")
        tally.kill("words", key, str(fault), wrong, lost=self.kept.lost, damaged=self.kept.damaged)
        self.kept.lost = self.kept.damaged = 0
        self.keys.append(key)
        if again:
            tally.end(self.keys, key, self._again())
            self.keys = []
        return True

    def _where(self) -> tuple[bool, bool]:
        """(whether the run is here, whether it is in the trash)."""
        return (self.runs / self.run).is_dir(), self.run in [t.id for t in self.store.trashed()]

    def _again(self) -> list[str]:
        """The same command once more: done, or refused in a line because it is done already."""
        with self.start() as process:
            done = process.wait()
        wrong = []
        if done.code not in (0, 2) or (done.code == 2 and len(done.said) != 1) or "Traceback" in done.err:
            wrong.append(f"once more it ended with {done.code}: {done.err[-1000:]}")
        here, trashed = self._where()
        match self.command[0]:
            case "about" if self.store.run(self.run).title != "A title":
                wrong.append("the title is not what was said")
            case "delete" if here or not trashed:
                wrong.append("the run is not deleted")
            case "undelete" if not here or trashed:
                wrong.append("the run is not back")
            case "cancel" if self.store.status(QUEUED.run_id).state != "cancelled":
                wrong.append(f"the run is {self.store.status(QUEUED.run_id).state}")
            case "pause" if self.store.requested(QUEUED.run_id) != "pause":
                wrong.append("the request is not there")
            case "trash" if trashed or [x for x in self.runs.iterdir() if x.name.startswith(".deleted-")]:
                wrong.append("something is left of the emptied trash")
        return wrong + self.kept.wrong(states=(*AFTER_KILL, "cancelled"))
