"""A packed run taken in, as `lthviz unpack` takes it in."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, NamedTuple

from lthviz.errors import LthvizError
from lthviz.store import Store, hdf5


class Answer(NamedTuple):
    """What became of a file. run: id of the run that it holds, '' where it was refused."""

    kind: Literal["info", "error"]
    sentence: str
    run: str = ""


def is_one(file: Path) -> bool:
    """Whether a file is a packed run, by its head."""
    try:
        return hdf5.kind_of(file) == "run"
    except (LthvizError, OSError):
        return False


def take(store: Store, name: str, file: Path) -> Answer:
    """Take a packed run into the store, checked whole before anything is kept. name: of the file, as its owner called it."""
    there = set(store.runs())
    try:
        run_id = store.unpack(file, source=name)
    except LthvizError as e:
        return Answer("error", f"{str(e).replace(str(file), name)}. Nothing was taken in.")
    except OSError as e:
        return Answer("error", f"{name} could not be read: {e.strerror}. Nothing was taken in.")
    if run_id in there:
        return Answer("info", f"Run {run_id} is here already, and is the same; of {name} only newer measurements were taken in.", run_id)
    return Answer("info", f"Run {run_id} was taken in from {name}.", run_id)
