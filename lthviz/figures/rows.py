"""Reading a run's rows for the pictures: accuracies that may be missing, the dense one, and names for people."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lthviz.config import STRUCTURES, UNSTRUCTURED
from lthviz.figures import theme
from lthviz.records import Run

Row = Mapping[str, Any]


def ordered(run: Run) -> list[Row]:
    """A run's rows by round."""
    return sorted(run.rows, key=lambda r: r["round"])


def own(run: Run, among: Sequence[Run]) -> list[Row]:
    """A run's rows by round, without those that a branch took over from a run that is among them: a training counts once."""
    if not run.parent or all(run.parent != other.id for other in among):
        return ordered(run)
    return [r for r in ordered(run) if not run.taken_over(r["round"], r["structure"])]


def accuracy(row: Row) -> float | None:
    """Test accuracy in percent; None where it is not there or not a number."""
    value = row.get("test_acc")
    return None if value is None or math.isnan(value) else float(value)


def dense(run: Run) -> float | None:
    """The dense network's test accuracy in percent."""
    for row in ordered(run):
        if row["round"] == 0:
            return accuracy(row)
    return next((float(r["dense_acc"]) for r in ordered(run) if r.get("dense_acc") is not None), None)


def labels(runs: Sequence[Run]) -> list[str]:
    """The structures that any of the runs has trained, in the order of their rows."""
    return list(dict.fromkeys(r["structure"] for run in runs for r in ordered(run) if r["round"] > 0))


def scaled(share: float | None) -> float | None:
    return None if share is None else 100 * share


def percent(share: float | None) -> str:
    return "not known" if share is None else f"{100 * share:.1f} %"


def title(run: Run, label: str) -> str:
    """A structure's name with its settings."""
    return run.config.title(label) if label in {UNSTRUCTURED, *(s.label for s in run.config.every_structure)} else label


def bare(label: str) -> str:
    """A method's name without its settings; '' of one that has none."""
    kind = theme.kind(label)
    return "Refill+" if kind == "refill+" else STRUCTURES[kind].title if kind in STRUCTURES else ""


def short(run: Run, label: str, among: Sequence[str]) -> str:
    """The structure's bare name where no other curve shares it, its full name with all settings otherwise."""
    alone = sum(theme.kind(other) == theme.kind(label) for other in among) == 1
    return (bare(label) if alone else "") or title(run, label)


def ticket(run: Run, row: Row) -> str:
    return "Dense" if row["round"] == 0 else title(run, row["structure"])


def name(run: Run, row: Row, *, several: bool) -> str:
    """A ticket with its round, and with its run where there are several."""
    where = f"{ticket(run, row)}, round {row['round']}"
    return f"{where}, run {run.id}" if several else where
