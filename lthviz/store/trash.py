"""Deleted runs: kept aside for some days, so that a deletion can be taken back.

A deleted run is its folder under another name, ROOT/.trash/ID~MILLISECONDS: moving it costs nothing and is there or not there. No list of
runs looks into that folder, and a worker finds nothing of them to do.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from filelock import Timeout

from lthviz.errors import AddressError, StoreError, did_you_mean
from lthviz.store import about, aside, disk, files, queue
from lthviz.store.folders import deleted, valid
from lthviz.store.locks import FolderLock
from lthviz.store.measured import Measured

log = logging.getLogger("lthviz")

FOLDER = ".trash"
DAYS = 14
"""So long a deleted run can be had back."""


class Trashed(NamedTuple):
    """A deleted run. key: what names it among all deleted ones; title: '' where it had none of its own; time: of the deletion, seconds since 1970."""

    key: str
    id: str
    title: str
    time: float
    path: Path


class Trash(Measured):
    """The runs that were deleted and can be had back."""

    def trashed(self) -> list[Trashed]:
        """What can be had back, the last deleted first."""
        found = []
        folder = self.root / FOLDER
        for path in folder.iterdir() if folder.is_dir() else ():
            run_id, _, stamp = path.name.partition("~")
            if valid(run_id) and stamp.isdecimal() and path.is_dir() and not path.is_symlink():
                found.append(Trashed(path.name, run_id, about.title(path, ""), int(stamp) / 1000, path))
        return sorted(found, key=lambda t: (-t.time, t.id))

    def discard(self, run_id: str) -> Trashed:
        """Moves a run to the trash, from where `restore` brings it back for DAYS days; StoreError while a worker has it, AddressError where
        it is gone or no run. What is older goes from the trash, as far as it can."""
        stamp = int(1000 * time.time())
        while (gone := self.root / FOLDER / f"{run_id}~{stamp}").exists():
            stamp += 1
        self._move(run_id, gone)
        try:
            self.empty_trash(older_than=DAYS * 86_400)
        except StoreError as e:
            log.warning("an older deleted run cannot be removed: %s", e)
        return Trashed(gone.name, run_id, about.title(gone, ""), stamp / 1000, gone)

    def delete(self, run_id: str) -> None:
        """Removes a run for good; StoreError while a worker has it."""
        gone = self.root / deleted(run_id)
        self._move(run_id, gone, beside="")
        files.remove_folder(gone)

    def restore(self, key: str) -> str:
        """Brings a deleted run back, by its key or by its id (then as it was deleted last); its id. AddressError, and StoreError where a run
        of that id was begun again meanwhile."""
        there = self.trashed()
        found = next((t for t in there if key in (t.key, t.id)), None)
        if found is None:
            raise AddressError(f"there is no deleted run {key!r}" + (f"; {did_you_mean(key, [t.id for t in there])}" if there else "; the trash is empty"))
        to = self.root / found.id
        with files.failing(to):
            self.clear_ghost(found.id)
            if to.exists():
                raise StoreError(f"run {found.id!r} was begun again and is here; delete that one before the older one is brought back")
            try:
                os.rename(found.path, to)
            except OSError as e:
                if not found.path.exists():
                    raise AddressError(f"run {found.id!r} was brought back or removed meanwhile") from e
                raise
            files.sync_folder(self.root)
        return found.id

    def empty_trash(self, keys: Iterable[str] | None = None, *, older_than: float = 0.0) -> int:
        """Removes deleted runs for good: those of these keys, None: all; and of them those deleted at least so many seconds ago. The bytes that
        are free now. Each goes as a whole: what cannot be removed is no run in the trash any more, and is tried again when another run begins.
        StoreError for the first of those, when the others are gone."""
        wanted, freed, failed = None if keys is None else set(keys), 0, None
        aside.remove(x for x in self.root.glob(".deleted-*") if aside.gone(x.name.rpartition("~")[2], x))     # of somebody who was killed at it
        for t in self.trashed():
            if (wanted is None or t.key in wanted) and time.time() - t.time >= older_than:
                size, gone = disk.size(t.path), self.root / deleted(t.id)
                try:
                    with files.failing(t.path):
                        os.rename(t.path, gone)
                    files.remove_folder(gone)
                    freed += size
                except StoreError as e:
                    if t.path.exists() or gone.exists():     # else somebody else empties it as well
                        failed = failed or e
        if failed is not None:
            raise failed
        return freed

    def _move(self, run_id: str, gone: Path, beside: str = "config.json") -> None:
        """Renames a run's folder, under its lock, and takes back what was asked to be measured of it. beside: what must be in it."""
        path = self.own(run_id)
        lock = FolderLock(path / "lock", timeout=2, beside=beside)
        try:
            lock.acquire()
        except Timeout:
            raise StoreError(f"run {run_id!r} is at work; cancel it before deleting it") from None
        with files.failing(path):
            try:
                gone.parent.mkdir(exist_ok=True)
                if files.WINDOWS:  # where a folder with an open file is not renamed, ours or that of a worker that comes now
                    lock.release()
                os.rename(path, gone)
            finally:
                lock.release()
        queue.remove(self.measure_folder(run_id))
