"""What a run's folder should hold and does not: lines of its log that are not what was written, files that a half-finished copy lacks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from lthviz.store import files, log, sealed
from lthviz.store.writing import round_path

AGAIN = "copy the run's folder again"
MOST = 3
"""Damaged lines that are told one by one."""


def in_log(run: Path) -> str:
    """What is wrong with the run's log, in a line; '' when nothing is. Its other lines are read."""
    file = run / "events.jsonl"
    lines, found = log_lines(file)
    return damaged_lines(file, found, len(lines)) if lines else lost_log(run)


def log_lines(file: Path) -> tuple[list[bytes], dict[int, str]]:
    """The lines of a log, and those that are not what was written, by number. A torn last line is none, but one that ends in another byte than a newline is."""
    try:
        with files.readable(file):
            lines = file.read_bytes().split(b"\n")
    except FileNotFoundError:
        return [], {}
    rest = lines.pop()
    found = log.damaged(lines)
    if rest and sealed.intact(rest[:-1]):
        lines.append(rest)
        found[len(lines)] = "its end is not the end of a line"
    return lines, found


def lost_log(run: Path) -> str:
    """Of a run without a line of log: why that is wrong, '' where it has not begun."""
    file = run / "events.jsonl"
    if not next((run / "rounds").glob("*.h5"), None):
        return ""
    return f"{file} {'is empty' if file.exists() else 'is not there'}, though rounds are; {AGAIN}"


def damaged_lines(file: Path, found: Mapping[int, str], lines: int) -> str:
    """Those lines of that file, and why, in one line; '' for none."""
    if not found:
        return ""
    first = "; ".join(f"line {n}: {why}" for n, why in list(found.items())[:MOST])
    more = f"; and {len(found) - MOST:,} more" if len(found) > MOST else ""
    return f"{file} is damaged at {first}{more}; left out, the other {lines - len(found):,} lines are read"


def missing_rounds(run: Path, there: Collection[int], planned: int | None) -> dict[int, str]:
    """Rounds that should be there, and a sentence for each. planned: the last one of a finished run; None: more are to come."""
    last = max([*there, *([] if planned is None else [planned])], default=-1)
    return {k: f"{round_path(run, k)} is not there; {AGAIN}" for k in range(last + 1) if k not in there}


def missing_layers(run: Path, rounds: Sequence[int]) -> str:
    file = run / "layers.json"
    return f"{file} is not there, so its layers are not known; {AGAIN}" if rounds and not file.exists() else ""
