"""A little space of a run's own while it is at work: where the disk is full, it is given back, so that the log can say so."""

from __future__ import annotations

import os
from pathlib import Path

from lthviz.store import files

FILE, SIZE = ".reserve", 256 * 1024


def keep(run: Path) -> None:
    """Makes sure that it is there. StoreError where there is not even that much space. (Random bytes: a file system may pack others.)"""
    file = run / FILE
    if not file.exists() or file.stat().st_size < SIZE:
        files.write(file, os.urandom(SIZE))


def give(run: Path) -> bool:
    """Gives it back; whether there was any."""
    try:
        os.unlink(run / FILE)
        return True
    except FileNotFoundError:
        return False
