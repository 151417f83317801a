"""Branching: a new run that takes over a run's first rounds and makes the others anew under other settings."""

from __future__ import annotations

from lthviz.config import RunConfig
from lthviz.errors import LthvizError
from lthviz.store import Store


def begin(store: Store, run_id: str, round: int, config: RunConfig, *, title: str = "") -> str:
    """Makes the branch, queued; its id."""
    raise LthvizError(f"run {run_id} cannot be branched at round {round} yet; start a new run with these settings")
