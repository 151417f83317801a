"""What has to hold after every kill, and at the end."""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py

from benchmarks.crash import compare
from benchmarks.crash.commands import LIMIT_S, ROOT, environment

ASIDE = re.compile(r"(^\..+\.tmp$)|(^\.new-)|(^\.deleted-)|(^\.request\.taken$)|(^\.reserve$)|(^\..+\.(new|old)$)")
"""Names of what is not finished, or is on its way out; nobody takes it for a result."""


class Kept:
    """What was whole when it was looked at last: rounds of all runs below a folder."""

    def __init__(self, runs: Path, references: dict[str, Path] | None = None) -> None:
        """references: an uninterrupted run's folder, by id."""
        self.runs, self.references = runs, references or {}
        self.rounds: dict[Path, str] = {}
        self.lost = self.damaged = 0

    def wrong(self, *, states: tuple[str, ...] = ("queued", "finished", "interrupted", "cancelled", "failed")) -> list[str]:
        """What is not as promised, after a kill: [] where all is. states: in which a run may be."""
        out = self.note()
        self.lost += len(out)
        found, damage = looked(self.runs)
        damage += [f"{run} is {x['state']} ({x['message']})" for run, x in found.items() if x["state"] not in states]
        damage += [y for x in sorted(self.runs.rglob("*")) if x.is_file() and not hidden(x, self.runs) for y in half(x)]
        for run, reference in self.references.items():
            if (self.runs / run / "rounds").is_dir():
                damage += compare.rounds(self.runs / run, reference)
        self.damaged += bool(damage)
        return out + damage

    def note(self) -> list[str]:
        """Which rounds are gone or changed since the last look; those that are new are remembered."""
        now = {x: hashlib.sha256(x.read_bytes()).hexdigest() for x in sorted(self.runs.glob("[!.]*/rounds/[!.]*.h5"))}
        out = [f"{x.relative_to(self.runs)} {'is not the same any more' if x in now else 'is gone'}" for x, was in self.rounds.items() if now.get(x) != was]
        self.rounds |= now
        return out

    def finished(self) -> list[str]:
        """What is not as in uninterrupted runs, at the end, and what is left aside."""
        out = [f"{x.relative_to(self.runs)} is left aside" for x in aside(self.runs)]
        found, damage = looked(self.runs)
        out += damage + [f"{run} is {x['state']} ({x['message']})" for run, x in found.items() if run in self.references and x["state"] != "finished"]
        for run, reference in self.references.items():
            out += compare.whole(self.runs / run, reference) if (self.runs / run / "config.json").exists() else [f"{run} is not there"]
        return out + self.note()


def looked(runs: Path) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """What a fresh process finds: runs by id, and what is wrong with them."""
    try:
        done = subprocess.run([sys.executable, "-m", "benchmarks.crash.look", str(runs)], cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=LIMIT_S, stdin=subprocess.DEVNULL)
        value = json.loads(done.stdout)
    except (subprocess.TimeoutExpired, ValueError) as e:
        return {}, [f"the store cannot be opened: {e}; {done.stderr[-2000:] if isinstance(e, ValueError) else ''}"]
    return value["runs"], value["wrong"] + ([f"looking at it said {done.stderr[:500]!r}"] if done.stderr.strip() else [])


def hidden(path: Path, root: Path) -> bool:
    """Whether the name, or that of a folder on the way, says that this is nothing finished."""
    return any(ASIDE.match(part) for part in path.relative_to(root).parts)


def aside(folder: Path) -> list[Path]:
    """What is left of something that was not finished."""
    return [x for x in sorted(folder.rglob("*")) if ASIDE.match(x.name) and not hidden(x.parent, folder)]


def half(path: Path) -> list[str]:
    """Why a file under a final name is not whole, read without lthviz."""
    with contextlib.suppress(FileNotFoundError):
        if path.suffix == ".h5":
            try:
                with h5py.File(path, "r", locking=False) as f:
                    compare.everything(f)
            except (OSError, RuntimeError, KeyError, ValueError) as e:
                return [f"{path.name} is damaged: {e}"]
        elif path.suffix in (".json", ".request"):
            try:
                json.loads(path.read_bytes())
            except ValueError as e:
                return [f"{path.name} is half: {e}"]
        elif path.suffix == ".jsonl":
            lines = path.read_bytes().split(b"\n")[:-1]    # what follows the last newline is a torn line, which is allowed
            for number, line in enumerate(lines, 1):
                try:
                    json.loads(line)
                except ValueError:
                    return [f"line {number} of {path.name} is no JSON: {line[:80]!r}"]
    return []


def one_line(code: int, said: list[str], err: str) -> list[str]:
    """What is wrong with how a refused write was told: in one line, by a process that ended as documented."""
    out = [] if code in (0, 1) else [f"exit code {code}"]
    if "Traceback" in err:
        out.append(f"a traceback: {err.strip().splitlines()[-1][:300]}")
    if code and len(said) != 1:
        out.append(f"{len(said)} lines instead of one: {' / '.join(said)[:300] or err.strip()[-300:]!r}")
    if code and said and "fault of ours" in said[0]:
        out.append(f"it is told as a fault of ours: {said[0][:300]}")
    return out
