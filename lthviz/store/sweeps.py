"""Sweeps that are remembered: a small file in ROOT/.sweeps each, so that every page and terminal shows the same.

The file says what was asked for; how far it is say the runs themselves. Whoever works on a sweep holds its lock.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lthviz.errors import AddressError, DamagedError, StoreError, did_you_mean
from lthviz.store import files, sealed
from lthviz.store.measured import Measured

FOLDER = ".sweeps"


@dataclass(frozen=True)
class Sweep:
    """A sweep as it was asked for. text: its file's. runs: ids, in the order of the grid. times: when it was begun, each time, in
    seconds since 1970. backend: who worked on it last: serial, ray, or worker (the one that the app starts). token: random, drawn when
    it was begun for the first time, so that nobody takes another sweep of its name for it."""

    name: str
    title: str
    text: str
    runs: tuple[str, ...]
    times: tuple[float, ...]
    backend: str
    token: str = ""

    @property
    def shown(self) -> str:
        """Its name for people."""
        return self.title or self.name


class Sweeps(Measured):
    """The sweeps of a store."""

    def sweeps(self) -> list[Sweep]:
        """All that can be read, the one begun last first."""
        found = []
        for file in (self.root / FOLDER).glob("*.json"):
            with contextlib.suppress(FileNotFoundError, StoreError):
                found.append(_read(file))
        return sorted(found, key=lambda s: (-s.times[-1], s.name))

    def damaged_sweeps(self) -> dict[str, str]:
        """Those that cannot be read: name → why."""
        found = {}
        for file in sorted((self.root / FOLDER).glob("*.json")):
            try:
                _read(file)
            except FileNotFoundError:
                continue
            except StoreError as e:
                found[file.stem] = str(e)
        return found

    def sweep(self, name: str) -> Sweep:
        """The sweep of that name; AddressError names near misses, DamagedError a file that is not what was written."""
        try:
            if name == slug(name):
                return _read(self._sweep_file(name))
        except FileNotFoundError:
            pass
        known = [s.name for s in self.sweeps()]
        raise AddressError(f"there is no sweep {name!r}" + (f"; {did_you_mean(name, known)}" if known else f" in {self.root}"))

    def keep_sweep(self, name: str, title: str, text: str, runs: tuple[str, ...], backend: str) -> Sweep:
        """Remembers a sweep that begins now; what is kept.

        One of that name which shares a run is the same sweep, gone on with or changed; another grid gets a number (`NAME-2`).
        """
        name, number, times, token = slug(name), 1, (), ""
        with self._changing():
            while True:
                wanted = name if number == 1 else f"{name}-{number}"
                try:
                    there = _read(self._sweep_file(wanted))
                except FileNotFoundError:
                    break
                except StoreError:   # damaged or newer: it is left as it is
                    number += 1
                    continue
                if set(there.runs) & set(runs):
                    times, token = there.times, there.token
                    break
                number += 1
            began = _after(*times, self._stop_time(wanted))
            made = Sweep(wanted, title, text, runs, (*times, began), backend, token or secrets.token_hex(8))
            file = self._sweep_file(wanted)
            files.sweep(file.parent)
            value = {k: getattr(made, k) for k in ("title", "text", "runs", "times", "backend", "token")}
            files.write_json(file, value)
        return made

    def forget_sweep(self, name: str) -> None:
        """Removes what is remembered of a sweep; its runs stay."""
        file = self._sweep_file(self.sweep(name).name)
        with files.failing(file), contextlib.suppress(FileNotFoundError):
            files.patiently(os.unlink, file)

    def sweep_lock(self, name: str) -> FileLock:
        """Held by the process that works on a sweep; freed by its end, however it ends."""
        return FileLock(self._sweep_file(name).with_suffix(".lock"), timeout=0)

    def sweep_held(self, name: str) -> bool:
        """Whether a living process works on that sweep."""
        if not self._sweep_file(name).with_suffix(".lock").exists():
            return False
        try:
            with self.sweep_lock(name):
                return False
        except Timeout:
            return True
        except OSError:   # another user's
            return False

    def stop_sweep(self, name: str) -> None:
        """Asks all who work on a sweep now to begin no more runs; who begins it later is not asked."""
        with self._changing():
            made = self.sweep(name)
            files.write_json(self._stop_file(made.name), {"time": _after(*made.times)})

    def sweep_stopped(self, made: Sweep) -> bool:
        """Whether it was asked to stop after it was begun; `made`: as `keep_sweep` returned it then."""
        return self._stop_time(made.name) > made.times[-1]

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """One process at a time decides what is kept under which name, and in which order starts and requests to stop come."""
        file = self.root / FOLDER / ".lock"
        with files.failing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            lock = FileLock(file)
            lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def _stop_time(self, name: str) -> float:
        """When that sweep was asked to stop last, in seconds since 1970; 0.0: never."""
        file = self._stop_file(name)
        try:
            with files.readable(file):
                text, written = file.read_bytes(), file.stat().st_mtime
        except FileNotFoundError:
            return 0.0
        try:
            return float(text)   # of format 1
        except ValueError:
            pass
        try:
            return float(sealed.read(text, str(file))["time"])
        except (StoreError, LookupError, TypeError, ValueError):   # damaged, or from before there was a time in it: it was asked all the same
            return written

    def _sweep_file(self, name: str) -> Path:
        return self.root / FOLDER / f"{name}.json"

    def _stop_file(self, name: str) -> Path:
        return self.root / FOLDER / f"{name}.stop"


def slug(name: str) -> str:
    """A name as one of a file: letters, digits, `.`, `_` and `-`, none of them first but letters and digits."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-._")[:80] or "sweep"


def _after(*times: float) -> float:
    """Now, in milliseconds, and later than those times: another machine's clock may be ahead."""
    return max(round(time.time(), 3), *(round(t + 0.001, 3) for t in times))


def _read(file: Path) -> Sweep:
    value = files.read_json(file)
    try:
        runs, times = tuple(map(_text, value["runs"])), tuple(map(float, value["times"]))
        if not times:
            raise ValueError("it was never begun")
        return Sweep(file.stem, _text(value["title"]), _text(value["text"]), runs, times, _text(value["backend"]), _text(value.get("token", "")))
    except (LookupError, TypeError, ValueError) as e:
        raise DamagedError(f"{file} is damaged: {type(e).__name__}: {e}") from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value
