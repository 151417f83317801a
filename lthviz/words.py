"""Quantities as people read them."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """`12 s`, `3 min 05 s`, `2 h 10 min`, `12 days`; what is begun counts as a second."""
    s = math.ceil(seconds)
    if s < 90:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min" if s < 48 * 3600 else f"{round(s / 86400):,} days"


def capital(text: str) -> str:
    """The text with a capital first letter, the others as they are (`str.capitalize` lowers them)."""
    return text[:1].upper() + text[1:]


def rounds_done(done: int, of: int) -> str:
    """How far a run has come: `the dense network and 2 of 5 pruning rounds`. done: its rounds, round 0 of the dense network among them;
    of: the pruning rounds that it is to have."""
    if done < 2:
        return "the dense network" if done else "no round yet"
    return f"the dense network and {done - 1}{f' of {of}' if done - 1 < of else ''} pruning round{'s' * (of != 1)}"
