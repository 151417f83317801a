"""Files that are whole or not there: written aside, flushed, renamed; and logs that only grow, line by line.

Every write of the store goes through this page. HDF5 files too are made in memory first: HDF5's own writer cannot be
trusted with a full disk (the process crashes when the file is closed).
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import lthviz
from lthviz.errors import StoreError
from lthviz.store import aside, sealed
from lthviz.store.locks import FolderLock

WINDOWS = os.name == "nt"


def version() -> str:
    """This lthviz, as files say who wrote them."""
    return getattr(lthviz, "__version__", "unknown")


def json_bytes(value: Any) -> bytes:
    """Strict JSON in UTF-8: numpy scalars and arrays become plain, a float that is not finite becomes null."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def json_file(value: Mapping[str, Any]) -> bytes:
    """A JSON file of the store: its format, who wrote it, what it says, and its checksum."""
    return sealed.seal(json_bytes({"format": sealed.FORMAT, "lthviz": version(), **value}))


def write_json(path: Path, value: Mapping[str, Any], *, durable: bool = True) -> None:
    """Replaces a JSON file of the store, as `write` does."""
    write(path, json_file(value), durable=durable)


def read_json(path: Path) -> dict[str, Any]:
    """What stands in a JSON file of the store, checked; DamagedError, VersionError. FileNotFoundError is left to the caller."""
    with readable(path):
        data = path.read_bytes()
    return sealed.read(data, str(path))


@contextlib.contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turns an OSError into a StoreError, but for a file that is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as e:
        raise StoreError(f"cannot read {path}: {e.strerror or e}") from e


@contextlib.contextmanager
def failing(path: Path) -> Iterator[None]:
    """Turns an OSError into a StoreError that names the path, and the free space where that may be the cause."""
    try:
        yield
    except OSError as e:
        why = e.strerror or str(e)
        if e.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
            folder = next(p for p in (path, *path.parents) if p.exists())
            why += f"; {shutil.disk_usage(folder).free / 2**20:,.0f} MiB are free on that disk"
        raise StoreError(f"cannot write {path}: {why}") from e


def write(path: Path, data: bytes | memoryview, *, durable: bool = True) -> None:
    """Replaces `path` by `data` in one step; whoever reads sees the old file or the new one. What killed processes left of it aside is removed.

    durable: both the file and its name have reached the disk when this returns. StoreError leaves the old file as it was.
    """
    made = aside.file(path)
    with failing(path):
        aside.remove(aside.left(path.parent, path.name))
        try:
            fd = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o644)
            try:
                _write_all(fd, data)
                if durable:
                    os.fsync(fd)
            finally:
                os.close(fd)
            patiently(os.replace, made, path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(made)
            raise
        if durable:
            sync_folder(path.parent)


def patiently(act: Callable[..., Any], *args: Any) -> None:
    """`act(*args)`; tried again for about a second on Windows, which lets nobody replace a file while somebody reads it."""
    for wait in (0.01, 0.03, 0.06, 0.1, 0.2, 0.3, 0.3) if WINDOWS else ():
        try:
            return act(*args)
        except PermissionError:
            time.sleep(wait)
    act(*args)


def _write_all(fd: int, data: bytes | memoryview) -> None:
    rest = memoryview(data).cast("B")
    while rest:
        rest = rest[os.write(fd, rest):]


def sync_folder(folder: Path) -> None:
    """Makes names in a folder durable (nothing to do where folders cannot be opened, as on Windows)."""
    if WINDOWS:
        return
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def append_line(path: Path, line: bytes) -> None:
    """Adds one line in a single write, after cutting a line that a kill left unfinished. One writer at a time. AddressError where its folder is gone."""
    with failing(path), FolderLock(path.with_name(f"{path.name}.lock")):
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        try:
            size = _cut(fd)
            try:
                _write_all(fd, line + b"\n")
            except OSError:
                os.ftruncate(fd, size)
                raise
        finally:
            os.close(fd)


def cut_torn_line(path: Path) -> None:
    """Removes the unfinished last line of a log, if it has one."""
    with failing(path), FolderLock(path.with_name(f"{path.name}.lock")):
        try:
            fd = os.open(path, os.O_RDWR | getattr(os, "O_BINARY", 0))
        except FileNotFoundError:
            return
        try:
            _cut(fd)
        finally:
            os.close(fd)


def _cut(fd: int) -> int:
    """Cuts what follows the last newline; the size that is left."""
    size = end = os.lseek(fd, 0, os.SEEK_END)
    while end > 0:
        start = max(0, end - 65536)
        os.lseek(fd, start, os.SEEK_SET)
        at = os.read(fd, end - start).rfind(b"\n")
        if at >= 0:
            end = start + at + 1
            break
        end = start
    if end < size:
        os.ftruncate(fd, end)
    return end


def read_lines(path: Path, offset: int = 0) -> tuple[list[bytes], int]:
    """The finished lines from byte `offset` on, and the offset behind them; a file that shrank is read from its start."""
    try:
        with readable(path), open(path, "rb") as f:
            if offset > f.seek(0, os.SEEK_END):
                offset = 0
            f.seek(offset)
            data = f.read()
    except FileNotFoundError:
        return [], 0
    data = data[:data.rfind(b"\n") + 1]
    return data.split(b"\n")[:-1], offset + len(data)


def read_tail(path: Path) -> Iterator[bytes]:
    """The end of a log up to its last newline, longer each time, at last the whole log with a newline before it."""
    size = 65536
    while True:
        try:
            with readable(path), open(path, "rb") as f:
                start = max(0, f.seek(0, os.SEEK_END) - size)
                f.seek(start)
                data = f.read()
        except FileNotFoundError:
            return
        data = data[:data.rfind(b"\n") + 1]
        yield data if start else b"\n" + data
        if not start:
            return
        size *= 8


def sweep(folder: Path) -> None:
    """Removes what killed processes left aside; files that a living process is writing stay."""
    with failing(folder):
        aside.remove(aside.left(folder))


def remove_folder(folder: Path) -> None:
    """Removes a folder and all in it, also while somebody else removes it as well; StoreError names what stays."""
    with failing(folder):
        while folder.exists():
            with contextlib.suppress(FileNotFoundError):   # each time something less is there
                shutil.rmtree(folder)
