"""Data sets that torchvision can fetch: what is already there, else its download, else a line on what is wrong."""

from __future__ import annotations

import contextlib
import fcntl
import pickle
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from http.client import HTTPException
from pathlib import Path

from torchvision.datasets import VisionDataset

from lthviz.errors import DataError

UNREADABLE = (RuntimeError, OSError, ValueError, TypeError, AssertionError, IndexError, EOFError, KeyError, pickle.UnpicklingError,
              zlib.error, tarfile.TarError, HTTPException)
"""What torchvision's readers and downloads raise for files that are missing, cut off or not what their name says.

CIFAR's own files are pickles in a tar archive. torchvision unpacks the archive and opens the pickles only after their MD5
is the one that stands in its source, so that they are the authors' files, byte for byte; another file of that name is refused (tests/fuzz/test_rules.py)."""
_FETCHES: ContextVar[bool] = ContextVar("_FETCHES", default=True)


def load(dataset: type[VisionDataset], root: Path, title: str, get: str, state: Callable[[Path], str]) -> tuple[VisionDataset, VisionDataset]:
    """Training and test part of `dataset`, whose folder is `root`.

    DataError says where it looked, what is there (state(root), '' for nothing) and how to get it (get). Several processes may ask
    at once: one of them downloads, the others wait for it.
    """
    try:
        return dataset(str(root), train=True), dataset(str(root), train=False)
    except UNREADABLE:
        pass   # missing or damaged, torchvision has one word for both; or another process is writing it at this moment
    if not _FETCHES.get():
        there = state(root)
        raise DataError(f"{title} is not in {str(root.resolve())!r}{there and f' ({there})'}; {get}")
    try:
        with _alone(root):
            return dataset(str(root), train=True, download=True), dataset(str(root), train=False)
    except UNREADABLE as e:
        there = state(root)
        raise DataError(f"{title} is not in {str(root.resolve())!r}{there and f' ({there})'} and cannot be downloaded ({_line(e)}); {get}") from None


@contextlib.contextmanager
def none() -> Iterator[None]:
    """Inside, nothing is fetched: what is not here is missing."""
    token = _FETCHES.set(False)
    try:
        yield
    finally:
        _FETCHES.reset(token)


@contextlib.contextmanager
def _alone(root: Path) -> Iterator[None]:
    """One process at a time; who comes later finds what the first one fetched."""
    root.mkdir(parents=True, exist_ok=True)
    with open(root / ".download.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
