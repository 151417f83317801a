"""Locks on files in folders that others may move or remove meanwhile: a run's folder goes to the trash under its name."""

from __future__ import annotations

import contextlib
import errno
import os
import time
import weakref
from pathlib import Path
from types import TracebackType
from typing import Self

from filelock import Timeout, lock_descriptor, unlock_descriptor

from lthviz.errors import AddressError, StoreError

_HELD: weakref.WeakSet[FolderLock] = weakref.WeakSet()


class FolderLock:
    """The operating system's lock on a file, that of filelock.FileLock, without making the folder that it lies in.

    file: made where it is not there. timeout: seconds to wait, -1: for ever. beside: a file of that folder without which nothing is locked.
    Once it is held, the file that is locked is the one of that name. Not reentrant.
    """

    def __init__(self, file: Path, *, timeout: float = -1, beside: str = "") -> None:
        self.file, self.timeout, self.beside = file, timeout, beside
        self._fd: int | None = None

    @property
    def is_locked(self) -> bool:
        return self._fd is not None

    def acquire(self, timeout: float | None = None) -> Self:
        """AddressError where the folder is gone, filelock.Timeout where somebody else has the lock, OSError where the file may not be opened."""
        wait = self.timeout if timeout is None else timeout
        end, pause = time.monotonic() + wait, 0.001
        while not self._take():
            if wait >= 0 and time.monotonic() >= end:
                raise Timeout(str(self.file))
            time.sleep(pause)
            pause = min(0.05, 2 * pause)
        return self

    def _take(self) -> bool:
        while True:
            self._check()
            try:
                fd = os.open(self.file, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            except FileNotFoundError:
                self._check()   # says that the folder went away just now
                raise
            try:
                locked = lock_descriptor(fd, blocking=False)
                if locked and self._is_its_name(fd):
                    self._check()
                    self._fd, fd = fd, -1
                    _HELD.add(self)
                    return True
                if not locked:
                    return False
            except OSError as e:
                if e.errno == errno.ENOSYS:
                    raise StoreError(f"the file system of {self.file.parent} has no locks (flock); keep runs on another") from e
                raise
            finally:
                if fd >= 0:
                    os.close(fd)

    def _is_its_name(self, fd: int) -> bool:
        """Whether what is open still has that name: its folder may have been moved since."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(fd), os.stat(self.file))
        return False

    def _check(self) -> None:
        folder = self.file.parent
        if not folder.is_dir():
            raise AddressError(f"{folder} is not there any more; it was deleted or moved meanwhile")
        if self.beside and not (folder / self.beside).is_file():
            raise AddressError(f"{folder} has no {self.beside}: no run, or a part of one; delete it for good or put the file back")

    def release(self) -> None:
        if self._fd is not None:
            fd, self._fd = self._fd, None
            _HELD.discard(self)
            try:
                unlock_descriptor(fd)
            finally:
                os.close(fd)

    def __enter__(self) -> Self:
        return self if self.is_locked else self.acquire()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()


def _in_child() -> None:
    """A forked process has its parent's descriptors: left open, they would keep a lock whose process has died."""
    for lock in list(_HELD):
        if lock._fd is not None:
            os.close(lock._fd)
            lock._fd = None
    _HELD.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_in_child)
