"""The process that divides rows and scores channels: `python -m lthviz.tuning ROOT`, started by desk.py.

It takes what is wanted layer by layer, the most urgent first, keeps every layer as it is found, and ends when nothing is wanted or
whoever started it is gone. One on a machine computes; another waits for its turn.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lthviz import processes
from lthviz.config import UNSTRUCTURED
from lthviz.errors import LthvizError, MaskError, in_a_line
from lthviz.records import Masks
from lthviz.store import Store
from lthviz.tuning import desk, partitions, scores

log = logging.getLogger("lthviz")
POLL_S = 0.1
_telling = threading.Lock()
PATIENCE_S = 2.0
"""It stays for so long after the last answer: the next question often comes soon, and starting anew takes a second."""


def main(root: Path) -> int:
    """Do all that is wanted below a store's root; how many layers were answered."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    with contextlib.suppress(AttributeError, OSError):   # Windows has none
        os.nice(5)
    lock = desk.lock()
    processes.end_with_parent(lambda: _end(root, lock))
    store, made = Store(root), 0
    if not _turn(root, lock):
        return 0
    try:
        desk.after_a_death(root)
        since = time.monotonic()
        while time.monotonic() - since < PATIENCE_S:
            if (wanted := desk.next_wanted(root)) is None:
                time.sleep(POLL_S)
                continue
            made += _step(store, root, *wanted)
            since = time.monotonic()
    finally:
        desk.idle(root)
        lock.release()
    return made


def _end(root: Path, lock: FileLock) -> None:
    """Being ended is no death: nothing is left that says what it was at, and nothing writes so any more."""
    _telling.acquire()
    if lock.is_locked:
        desk.idle(root)


def _turn(root: Path, lock: FileLock) -> bool:
    """Waits for the machine's other child; False when nothing is wanted here any more."""
    while desk.next_wanted(root) is not None:
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=POLL_S)
            return True
    return False


def _step(store: Store, root: Path, key: str, what: Mapping[str, Any]) -> int:
    """The next layer of what is wanted, or all of them where they come together; 1 if it was answered."""
    try:
        rest = [name for name in what["layers"] if name not in desk.known(root, key)]
        if not rest:
            desk.done(root, key, what["layers"])
            return 0
        with _telling:
            desk.doing(root, key, rest[0])
        if "score" in what:
            for name, values in scores.compute(store, what["run"], what["round"], what["score"]).items():
                desk.put(root, key, name, {"scores": values.tolist()})
        else:
            masks = _masks(store, what["run"], what["round"], what["digest"])
            desk.put(root, key, rest[0], partitions.answer(masks, rest[0], what))
        desk.idle(root)
        return 1
    except LthvizError as e:
        desk.fail(root, key, str(what.get("run", "")), str(e))
    except Exception as e:
        log.exception("%s", what)
        desk.fail(root, key, str(what.get("run", "")), in_a_line(e))
    desk.idle(root)
    return 0


@functools.lru_cache(maxsize=2)
def _masks(store: Store, run_id: str, round: int, digest: str) -> Masks:
    masks = store.round(run_id, round).ticket(UNSTRUCTURED).masks
    if masks.digest != digest:
        raise MaskError(f"the masks of round {round} of {run_id} have changed since they were looked at; open the page anew")
    return masks
