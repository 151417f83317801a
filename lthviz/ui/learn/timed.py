"""Timing a layer's masks on this machine while a page is looked at: in a process of its own, its answers in small files beside the runs.

Below ROOT/.learn, all of which may be deleted at any time: KEY.npz what is timed, KEY.jsonl an answer a line, KEY.log what went wrong. KEY
is a hash of the masks, the shapes and the machine, so that what was timed once is there when the page is opened again.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from lthviz import processes
from lthviz.speed import machine
from lthviz.store import files

FOLDER = ".learn"
BATCH, SECONDS = 64, 1.0
MODULE = "lthviz.speed.layer"
_children: dict[Path, subprocess.Popen] = {}
_starting = threading.Lock()


class Timed(NamedTuple):
    """found: answers by the mask's name (`speed.layer.Pattern` as a dict). running: more are to come. error: why the last try ended early."""

    found: Mapping[str, Mapping[str, Any]]
    running: bool
    error: str = ""


class Asked(NamedTuple):
    """masks: by name, bool (C, n). shape: of the layer's weights. side: of its square maps."""

    masks: Mapping[str, np.ndarray]
    shape: tuple[int, ...]
    side: int

    @property
    def key(self) -> str:
        made = hashlib.blake2b(repr((self.shape, self.side, list(self.masks), machine.identity(), BATCH)).encode(), digest_size=10)
        for mask in self.masks.values():
            made.update(np.packbits(mask).tobytes())
        return made.hexdigest()


def start(root: Path, asked: Asked) -> None:
    """Time them anew, unless that is under way. StoreError where nothing can be written."""
    given, found, log = (root / FOLDER / f"{asked.key}{end}" for end in (".npz", ".jsonl", ".log"))
    with _starting:
        if (child := _children.get(given)) is not None and child.poll() is None:
            return
        with files.failing(given):
            given.parent.mkdir(parents=True, exist_ok=True)
            box = io.BytesIO()
            np.savez(box, shape=asked.shape, side=asked.side, batch=BATCH, threads=1, seconds=SECONDS, **{name: np.asarray(m, bool) for name, m in asked.masks.items()})
            files.write(given, box.getvalue(), durable=False)
            with open(found, "wb") as out, open(log, "wb") as errors:
                _children[given] = processes.spawn(str(given), module=MODULE, stdin=subprocess.DEVNULL, stdout=out, stderr=errors)


def progress(root: Path, asked: Asked) -> Timed:
    """How far it is. What was found by an earlier try is there too."""
    given, file, log = (root / FOLDER / f"{asked.key}{end}" for end in (".npz", ".jsonl", ".log"))
    found = {}
    if file.exists():
        for line in files.read_lines(file)[0]:
            with contextlib.suppress(ValueError, TypeError, LookupError):      # a damaged line is timed again when it is asked for
                one = json.loads(line)
                found[one["name"]] = one
    child = _children.get(given)
    running = child is not None and child.poll() is None
    error = ""
    if not running and given.exists() and len(found) < len(asked.masks):
        words = log.read_text(encoding="utf-8", errors="replace").strip() if log.exists() else ""
        error = words.splitlines()[-1] if words else "the process that was timing has ended early"
    return Timed(found, running, error)
