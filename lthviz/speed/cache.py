"""Small tables that this machine has measured, as JSON in the user's cache folder (`$LTHVIZ_CACHE` moves it).

Losing one costs a measurement of seconds, nothing else: what cannot be read counts as empty, what cannot be written is left.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import tempfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)
_KERNEL = ("registers", "tile", "turned", "quad", "kernel", "layout", "pack", "passes")
MOST = 4000
"""Entries a table keeps, the newest."""


def stamp() -> int:
    """Changes with the source of the block kernel and of what packs for it: what older ones measured counts no more."""
    here = Path(__file__).parent
    return zlib.crc32(b"".join((here / f"{name}.py").read_bytes() for name in _KERNEL))


def folder() -> Path:
    base = os.environ.get("LTHVIZ_CACHE") or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lthviz")
    return Path(base)


def read(table: str) -> dict[str, Any]:
    """The table's entries by key."""
    try:
        value = json.loads((folder() / f"{table}.json").read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as e:
        log.warning("%s cannot be read (%s); what it held is measured again", folder() / f"{table}.json", e)
        return {}
    return value if isinstance(value, dict) else {}


def update(table: str, entries: Mapping[str, Any]) -> None:
    """Adds entries; the file is replaced as a whole."""
    whole = {**read(table), **entries}
    target = folder() / f"{table}.json"
    aside = ""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(dir=target.parent, prefix=f".{table}.", suffix=".tmp")
        with os.fdopen(handle, "w") as file:
            json.dump(dict(list(whole.items())[-MOST:]), file)
        os.replace(aside, target)
    except OSError as e:
        log.warning("%s cannot be written (%s); what was measured is forgotten with this process", target, e)
        with contextlib.suppress(OSError):
            os.unlink(aside)
