"""What is asked for, what is known, and what went wrong: small files in ROOT/.tuning, all of which may be deleted at any time.

    wanted/KEY.json     asked for and not done yet; `urgent` goes first, then the newest
    known/KEY.jsonl     a line a layer: its partition or its scores, as they are found
    failed/KEY.json     why it cannot be had, and of which run it was asked; taken away to try again, or when it is asked of another run
    doing.json          what the child is at; left behind by one that died

Pages ask and read, one child process a machine answers (child.py). A key is a hash of everything an answer depends on.
"""

from __future__ import annotations

import contextlib
import functools
import json
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from lthviz import processes
from lthviz.errors import DamagedError
from lthviz.speed import cache
from lthviz.store import files

FOLDER = ".tuning"
MODULE = "lthviz.tuning"
RENEW_S = 2.0
_children: dict[Path, subprocess.Popen] = {}
_starting = threading.Lock()


class Progress(NamedTuple):
    """How an answer stands. done, total: of layers. doing: the layer that the child is at, '' where it is elsewhere. error: why it cannot
    be had. again: the process that worked on it died, and it is tried once more."""

    done: int
    total: int
    doing: str = ""
    error: str = ""
    again: bool = False

    @property
    def ready(self) -> bool:
        return self.done >= self.total


def lock() -> FileLock:
    """Held by the one child of this machine and user that computes."""
    folder = cache.folder()
    with files.failing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "tuning.lock", thread_local=False)


def path(root: Path, part: str, key: str) -> Path:
    return root / FOLDER / part / f"{key}{'.jsonl' if part == 'known' else '.json'}"


def ask(root: Path, key: str, what: Mapping[str, Any], *, urgent: bool = True) -> None:
    """Ask for it, unless it was asked for already in that way or has failed; and see to it that somebody is at work.

    A branch has its parent's masks and so its keys: what failed of one run (deleted, say) is asked again of another.
    """
    file = path(root, "wanted", key)
    if (failed := _json(path(root, "failed", key))) is not None:
        if failed.get("run") == what.get("run"):
            return
        retry(root, key)
    there = _json(file)
    late = urgent and there is not None and time.time() - there.get("time", 0) > RENEW_S   # so that what is looked at stays the newest
    if there is None or late or (urgent and not there.get("urgent")) or set(what["layers"]) - set(there.get("layers", ())):
        layers = sorted({*what["layers"], *(there or {}).get("layers", ())})
        _write(file, {**what, "layers": layers, "urgent": urgent or bool((there or {}).get("urgent")), "time": time.time(), "attempts": (there or {}).get("attempts", 0)})
    wake(root)


def wake(root: Path) -> None:
    """Start the process that computes if anything is wanted and none of ours is alive. It ends with this process, and when all is done."""
    with _starting:
        child = _children.get(root)
        if (child is None or child.poll() is not None) and any((root / FOLDER / "wanted").glob("*.json")):
            if child is not None and child.stdin:
                child.stdin.close()
            log = root / FOLDER / "log"
            with files.failing(log), open(log, "ab") as out:
                _children[root] = processes.spawn(str(root), module=MODULE, stdin=subprocess.PIPE, stdout=out, stderr=out)


def retry(root: Path, key: str) -> None:
    """Forget that it failed."""
    _remove(path(root, "failed", key))


def progress(root: Path, key: str, layers: Iterable[str], run: str) -> Progress:
    """How far the answer for those layers is. run: of which it is asked; what failed of another says nothing here."""
    layers, there = list(layers), known(root, key)
    failed, wanted = _json(path(root, "failed", key)) or {}, _json(path(root, "wanted", key)) or {}
    now = _json(root / FOLDER / "doing.json") or {}
    return Progress(sum(name in there for name in layers), len(layers), now.get("layer", "") if now.get("key") == key else "",
                    str(failed.get("error", "")) if failed.get("run") == run else "", bool(wanted.get("attempts")))


def known(root: Path, key: str) -> dict[str, dict[str, Any]]:
    """What is there of an answer, by layer."""
    file = path(root, "known", key)
    try:
        stat = file.stat()
    except FileNotFoundError:
        return {}
    return _read(file, stat.st_mtime_ns, stat.st_size)


@functools.lru_cache(maxsize=128)
def _read(file: Path, stamp: int, size: int) -> dict[str, dict[str, Any]]:
    found = {}
    for line in files.read_lines(file)[0]:
        with contextlib.suppress(ValueError, TypeError, LookupError):   # a damaged line is made again
            value = json.loads(line)
            found[value["layer"]] = value
    return found


# For the child --------------------------------------------------------------------------------------------------------


def next_wanted(root: Path) -> tuple[str, dict[str, Any]] | None:
    """What to do next: the urgent first, of those the newest."""
    found = [(bool(what.get("urgent")), float(what.get("time", 0)), file.stem, what)
             for file in (root / FOLDER / "wanted").glob("*.json") if (what := _json(file)) is not None]
    best = max(found, key=lambda x: x[:3], default=None)
    return best and (best[2], best[3])


def put(root: Path, key: str, layer: str, value: Mapping[str, Any]) -> None:
    """Keep the answer for a layer."""
    file = path(root, "known", key)
    with files.failing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    files.append_line(file, files.json_bytes({"layer": layer, **value}))


def doing(root: Path, key: str, layer: str) -> None:
    _write(root / FOLDER / "doing.json", {"key": key, "layer": layer})


def idle(root: Path) -> None:
    _remove(root / FOLDER / "doing.json")


def done(root: Path, key: str, layers: Iterable[str]) -> None:
    """Nothing more is wanted of it, unless it was asked for more layers meanwhile."""
    file = path(root, "wanted", key)
    if not set((_json(file) or {}).get("layers", ())) - set(layers):
        _remove(file)


def fail(root: Path, key: str, run: str, why: str) -> None:
    """It cannot be had of that run, of which it was asked."""
    _write(path(root, "failed", key), {"error": why, "run": run})
    _remove(path(root, "wanted", key))


def after_a_death(root: Path) -> None:
    """If the child before died at something it is tried once more, and the second time it counts as failed."""
    left = _json(root / FOLDER / "doing.json")
    idle(root)
    what = left and _json(path(root, "wanted", str(left.get("key"))))
    if not what:
        return
    if what.get("attempts"):
        fail(root, left["key"], str(what.get("run")), f"the process that computes it died twice at layer {left.get('layer')}, perhaps for want of memory; "
                                                          f"its words are in {root / FOLDER / 'log'}")
    else:
        _write(path(root, "wanted", left["key"]), {**what, "attempts": 1})


def _json(file: Path) -> dict[str, Any] | None:
    """What stands in a small file; None where it is not there or cannot be read, which is the same here."""
    with contextlib.suppress(FileNotFoundError, DamagedError):
        return files.read_json(file)
    return None


def _remove(file: Path) -> None:
    with files.failing(file), contextlib.suppress(FileNotFoundError):
        files.patiently(file.unlink)


def _write(file: Path, value: Mapping[str, Any]) -> None:
    with files.failing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    files.write(file, files.json_bytes(value), durable=False)
