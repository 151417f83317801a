"""What goes out and comes in: packed runs, exported tickets and tables, imported networks, branches, timings."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.crash import compare, faults
from benchmarks.crash.check import Kept, aside, half, one_line
from benchmarks.crash.commands import Done, Process, lthviz
from benchmarks.crash.faults import Fault
from benchmarks.crash.harness import AFTER_KILL, Harness, kill_after
from benchmarks.crash.study import TINY
from lthviz.config import RunConfig
from lthviz.store import Store

RUN = TINY.run_id
"""In the words of a deed: stands for the run that it is done to."""


class Deed(NamedTuple):
    """A command. words: with {out} and {given}, a folder of files made before. result: what it makes, below the scene's folder. replaces: whether it may
    stand there before. only: kinds of operations that are its own, by the beginning of their files; '': all."""

    name: str
    words: tuple[str, ...]
    result: str
    replaces: bool = False
    only: str = ""


TICKET = ("--round", "1", "--structure", "refill")
DEEDS = (
    Deed("pack", ("pack", RUN, "-o", "{out}/p.h5", "--force"), "out/p.h5", True),
    Deed("csv", ("export", RUN, "--format", "csv", "-o", "{out}/csv", "--force"), "out/csv", True),
    Deed("masks", ("export", RUN, *TICKET, "--format", "masks-npz", "-o", "{out}/m.npz", "--force"), "out/m.npz", True),
    Deed("unpack", ("unpack", "{given}/p.h5"), f"runs/{RUN}"),
    Deed("branch", ("branch", RUN, "--round", "2", "--set", "structures=refill", "--title", "a branch"), "runs/", only="new"),
    Deed("import", ("import", "{given}/w.safetensors", "--model", "convnet", "--data", "digits", "--title", "taken in"), "runs/"),
)


def exchange(harness: Harness, n: int | None) -> None:
    """Each command in each of its file operations: its result is there whole or not at all, and the same command makes it."""
    given, items = _given(harness), []
    for deed in DEEDS if n is None or n > 12 else DEEDS[:4]:
        once = Once(harness, deed, given)
        items += [(once, fault, there) for fault in faults.kills(dict.fromkeys(once.labels)) for there in ((False, True) if deed.replaces else (False,))]
        items += [(once, fault, True) for fault in (Fault("rename out/.csv.old"), Fault("rename out/.csv.old", how="after")) if deed.name == "csv"]     # which only an older one needs
    if n is not None:
        items = harness.rng("exchange").sample(items, min(n, len(items)))
    for once, fault, there in items:
        key = f"exchange/{once.deed.name} {fault}{' over an older one' * there}"
        if not harness.tally.done(key):
            once.hit("exchange", key, fault, there=there)


def _given(harness: Harness, config: RunConfig = TINY) -> Path:
    """Files to take in: a packed run and a ticket's weights."""
    runs, given = harness.reference(config), harness.scratch / f"given-{config.run_id}"
    if not given.exists():
        given.mkdir()
        for words in (("pack", config.run_id, "-o", str(given / "p.h5")), ("export", config.run_id, *TICKET, "--format", "safetensors", "-o", str(given / "w.safetensors"))):
            with lthviz(*words, "--runs", str(runs), folder=harness.scratch / "said") as process:
                if (done := process.wait()).code:
                    raise RuntimeError(done.err[-2000:])
    return given


class Once:
    """A command that does one thing, what it makes undisturbed, and how it is hit."""

    def __init__(self, harness: Harness, deed: Deed, given: Path, config: RunConfig = TINY) -> None:
        self.harness, self.deed, self.given, self.config = harness, deed, given, config
        self.reference, self.keys = harness.scratch / f"undisturbed-{deed.name}", []
        labels = self.reference / "labels"
        if not self.reference.exists():
            self._store(self.reference)
            with self._start(self.reference, faults.counting(self.reference, labels)) as process:
                if (done := process.wait()).code:
                    raise RuntimeError(f"{deed.name} ended with {done.code}: {done.err[-2000:]}")
            harness.tally.flushes += [x for x in faults.flushed(labels) if x not in harness.tally.flushes]
        self.labels = [x for x in faults.counted(labels) if x.partition(" ")[2].startswith(deed.only)]
        self.made = [x for x in sorted((self.reference / "runs").glob("[!.]*")) if x.is_dir() and x.name != config.run_id] if deed.result == "runs/" else []

    def _store(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "out").mkdir(parents=True)
        if self.deed.name in ("unpack", "import"):
            (folder / "runs").mkdir()
        else:
            shutil.copytree(self.harness.reference(self.config), folder / "runs")

    def _start(self, folder: Path, env: dict[str, str] | None = None, **options: object) -> Process:
        words = [x.replace(RUN, self.config.run_id).format(out=folder / "out", given=self.given) for x in self.deed.words]
        return lthviz(*words, "--runs", str(folder / "runs"), folder=folder / "said", env=env, **options)

    def hit(self, kind: str, key: str, fault: Fault, *, there: bool = False, again: bool = True) -> None:
        """there: an older result stands where the new one goes. again: then the command is let to its end; without, the next fault meets what this one left."""
        tally, folder = self.harness.tally, self.harness.scratch / f"once-{self.deed.name}"
        if not self.keys:
            self._store(folder)
            if there:
                _copy(self.reference / self.deed.result, folder / self.deed.result)
        kept = Kept(folder / "runs")
        kept.note()
        fired = folder / "fired"
        with self._start(folder, fault.env(folder, fired)) as process:
            done = process.wait()
        if not fired.exists():
            return
        fired.unlink()
        wrong = one_line(done.code, done.said, done.err) if not fault.kills else [] if done.killed else [f"it ended with {done.code}: {done.err[-1500:]}"]
        wrong += kept.wrong(states=(*AFTER_KILL, *(("failed",) if not fault.kills else ())))
        wrong += self._result(folder, needed=there)
        if not fault.kills and done.code:
            wrong += [f"{x.name} is left aside after a failure" for x in aside(folder / "out")]
        tally.kill(kind, key, str(fault), wrong, lost=kept.lost, damaged=kept.damaged)
        self.keys.append(key)
        if again:
            tally.end(self.keys, key, self._again(folder, kept))
            self.keys = []

    def _again(self, folder: Path, kept: Kept) -> list[str]:
        with self._start(folder) as process:
            done: Done = process.wait()
        wrong = [f"once more it ended with {done.code}: {done.err[-1500:]}"] if done.code else []
        wrong += self._result(folder, needed=True) + [f"{x.name} is left aside" for x in aside(folder / "out")] + kept.wrong()
        for made in self.made:
            wrong += compare.whole(folder / "runs" / made.name, made) if (folder / "runs" / made.name).exists() else [f"{made.name} is not there"]
        if self.deed.name == "unpack":
            wrong += compare.rounds(folder / "runs" / self.config.run_id, self.harness.reference(self.config) / self.config.run_id)
        return wrong

    def _result(self, folder: Path, *, needed: bool) -> list[str]:
        """What is wrong with what it makes: it has to be as undisturbed; and there, where needed."""
        if self.deed.result.startswith("runs/"):
            return []     # what is there of runs is looked at by whoever asks
        at = folder / self.deed.result
        if needed and not at.exists():     # between two renamings a folder that is replaced lies aside, and the next export puts it back
            at = next(at.parent.glob(f".{at.name}.*.old"), at)
        if not at.exists():
            return [f"{self.deed.result} is not there"] if needed else []
        return [] if contents(at) == contents(self.reference / self.deed.result) else [f"{self.deed.result} is not whole"]


def contents(path: Path) -> dict[str, str]:
    """Every file's hash by its name; of a file alone under ''."""
    found = {"": path} if path.is_file() else {x.relative_to(path).as_posix(): x for x in path.rglob("*") if x.is_file()}
    return {name: hashlib.sha256(x.read_bytes()).hexdigest() for name, x in found.items()}


def _copy(source: Path, to: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, to)
    else:
        shutil.copy(source, to)


# Timings ----------------------------------------------------------------------------------------------------------------

BENCH = ("bench", "--run", RUN, "--round", "2", "--structure", "refill", "--batch", "4", "--threads", "1", "--baselines", "quick", "--pairs", "2", "--seconds", "1")


def bench(harness: Harness, n: int | None) -> None:
    """A measurement killed in each of its file operations and at random moments, then the worker that measures: timings are whole or absent."""
    runs, folder = harness.reference(TINY), harness.fresh("bench")
    shutil.copytree(runs, folder / "runs")
    with lthviz(*BENCH, "--runs", str(folder / "runs"), folder=folder / "said", env=faults.counting(folder, folder / "labels")) as process:
        done = process.wait()
    if done.code:
        raise RuntimeError(f"bench ended with {done.code}: {done.err[-2000:]}")
    rng = harness.rng("bench")
    hits: list[Fault | float] = [*faults.kills(faults.counted(folder / "labels")), *(done.seconds * (0.1 + 0.8 * rng.random()) for _ in range(4))]
    _bench(harness, rng.sample(hits, min(n, len(hits))) if n is not None else hits, BENCH, "bench")
    worker: list[Fault | float] = [2 + 7 * rng.random() for _ in range(4 if n is None else 0)]
    _bench(harness, worker, ("work",), "measured")


def _bench(harness: Harness, hits: Sequence[Fault | float], words: tuple[str, ...], name: str) -> None:
    hits = [x for i, x in enumerate(hits) if not harness.tally.done(f"bench/{name} {i}")]
    if not hits:
        return
    folder, keys = harness.fresh(name), []
    shutil.copytree(harness.reference(TINY), folder / "runs")
    kept, run = Kept(folder / "runs"), folder / "runs" / RUN
    if words == ("work",):
        _ask(folder / "runs")
    for i, hit in enumerate(hits):
        key, fired = f"bench/{name} {i}", folder / "fired"
        env = hit.env(folder, fired) if isinstance(hit, Fault) else None
        with lthviz(*words, "--runs", str(folder / "runs"), folder=folder / "said", env=env) as process:
            if not isinstance(hit, Fault):
                kill_after(process, hit)
            done = process.wait()
        if not done.killed:
            continue
        wrong = kept.wrong() + [y for x in (run / "timings").glob("[!.]*") for y in half(x)]
        keys.append(key)
        harness.tally.kill("bench", key, str(hit) if isinstance(hit, Fault) else f"SIGKILL of {words[0]} after {hit:.1f} s", wrong, lost=kept.lost, damaged=kept.damaged)
        kept.lost = kept.damaged = 0
    with lthviz(*words, "--runs", str(folder / "runs"), folder=folder / "said") as process:
        done = process.wait()
    wrong = [f"it ended with {done.code}: {done.err[-1500:]}"] if done.code else []
    timings = [json.loads(x.read_bytes())["timing"] for x in (run / "timings").glob("[!.]*.json")]
    if not any((x["round"], x["structure"], x["batch"]) == (2, "refill", 4) for x in timings):
        wrong.append("there is no timing")
    wrong += [f"{x.relative_to(folder)} is left aside" for x in aside(folder / "runs")]
    if words == ("work",) and (store := Store(folder / "runs")).to_measure():
        wrong.append(f"left to measure: {store.measuring(RUN)}")
    harness.tally.end(keys, name, wrong + kept.wrong())


def _ask(runs: Path) -> None:
    from lthviz.store.queue import Item

    Store(runs).ask_measuring(RUN, [Item(2, "refill", 4, 1), Item(2, "unstructured", 4, 1)], {"baselines": "quick", "seconds": 1.0})
