"""What is done to which command: each scene is a function (harness, kills or None for all that it has)."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.crash.harness import Harness
from benchmarks.crash.scenes import exchange, room, served, several, training, words

SCENES: dict[str, tuple[float, Callable[[Harness, int | None], None]]] = {
    "write": (0.18, training.write),
    "stage": (0.1, training.stage),
    "words": (0.12, words.words),
    "exchange": (0.14, exchange.exchange),
    "full": (0.12, room.full),
    "disk": (0.02, room.disk),
    "server": (0.06, served.server),
    "rank": (0.05, several.rank),
    "ray": (0.05, several.ray),
    "sweep": (0.05, several.sweep),
    "bench": (0.05, exchange.bench),
    "middle": (0.02, training.middle),
    "moment": (0.1, training.moment),
}
"""By name: its share of the kills where not all are made, and what makes them."""
