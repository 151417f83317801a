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
