"""The short commands that change a store: titles, deletions, requests."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.crash import faults
from benchmarks.crash.check import Kept
from benchmarks.crash.commands import lthviz
from benchmarks.crash.harness import AFTER_KILL, Harness
from benchmarks.crash.study import TINY
from lthviz.store import Store

RUN = TINY.run_id
QUEUED = TINY.replace(seed=99)
COMMANDS = (("about", RUN, "--title", "A title", "--note", "and a note"), ("pause", QUEUED.run_id), ("play", QUEUED.run_id), ("cancel", QUEUED.run_id), ("delete", RUN), ("undelete", RUN),
            ("trash", "--empty"))


def words(harness: Harness, n: int | None) -> None:
    """Each command in each of its file operations; then once more, to its end."""
    reference = harness.reference(TINY)
    items = []
    for command in COMMANDS:
        folder = _folder(harness, reference, command)
        with lthviz(*command, "--runs", str(folder / "runs"), folder=folder / "said", env=faults.counting(folder, folder / "labels")) as process:
            done = process.wait()
        if done.code:
            raise RuntimeError(f"{command[0]} ended with {done.code}: {done.err[-1000:]}")
        items += [(command, fault) for fault in faults.kills(faults.counted(folder / "labels"))]
    if n is not None:
        items = harness.rng("words").sample(items, min(n, len(items)))
    for command, fault in items:
        key = f"words/{command[0]} {fault}"
        if not harness.tally.done(key):
            _hit(harness, reference, command, fault, key)


def _folder(harness: Harness, reference: Path, command: tuple[str, ...]) -> Path:
    """A store with a finished run and one that waits; of `undelete` and `trash` the finished one has been deleted."""
    folder = harness.fresh(f"words-{command[0]}")
    shutil.copytree(reference, folder / "runs")
    store = Store(folder / "runs")
    store.begin(QUEUED)
    if command[0] in ("undelete", "trash"):
        store.discard(RUN)
    if command[0] == "play":
        store.request(QUEUED.run_id, "pause")
    return folder


def _hit(harness: Harness, reference: Path, command: tuple[str, ...], fault: faults.Fault, key: str) -> None:
    folder = _folder(harness, reference, command)
    kept, fired = Kept(folder / "runs", {RUN: reference / RUN}), folder / "fired"
    moves = command[0] in ("delete", "undelete", "trash")
    if not moves:
        kept.wrong()
    with lthviz(*command, "--runs", str(folder / "runs"), folder=folder / "said", env=fault.env(folder, fired)) as process:
        done = process.wait()
    if not fired.exists():
        return
    fired.unlink()
    wrong = [] if done.killed else [f"it ended with {done.code}: {done.err[-1000:]}"]
    wrong += kept.wrong(states=(*AFTER_KILL, "cancelled"))
    here, trashed = (folder / "runs" / RUN).is_dir(), [t.id for t in Store(folder / "runs").trashed()]
    if command[0] != "trash" and here == (RUN in trashed):
        wrong.append(f"the run is {'both here and deleted' if here else 'neither here nor deleted'}")
    harness.tally.kill("words", key, str(fault), wrong, lost=kept.lost, damaged=kept.damaged)
    harness.tally.end([key], key, _again(folder, command, kept))


def _again(folder: Path, command: tuple[str, ...], kept: Kept) -> list[str]:
    """The same command once more: done, or refused in a line because it is done already."""
    with lthviz(*command, "--runs", str(folder / "runs"), folder=folder / "said") as process:
        done = process.wait()
    wrong = []
    if done.code not in (0, 2) or (done.code == 2 and len(done.said) != 1) or "Traceback" in done.err:
        wrong.append(f"once more it ended with {done.code}: {done.err[-1000:]}")
    store = Store(folder / "runs")
    here, trashed = (folder / "runs" / RUN).is_dir(), [t.id for t in store.trashed()]
    match command[0]:
        case "about" if store.run(RUN).title != "A title":
            wrong.append("the title is not what was said")
        case "delete" if here or RUN not in trashed:
            wrong.append("the run is not deleted")
        case "undelete" if not here or trashed:
            wrong.append("the run is not back")
        case "cancel" if store.status(QUEUED.run_id).state != "cancelled":
            wrong.append(f"the run is {store.status(QUEUED.run_id).state}")
        case "pause" if store.requested(QUEUED.run_id) != "pause":
            wrong.append("the request is not there")
        case "trash" if trashed or [x for x in (folder / "runs").iterdir() if x.name.startswith(".deleted-")]:
            wrong.append("something is left of the emptied trash")
    return wrong + kept.wrong(states=(*AFTER_KILL, "cancelled"))
