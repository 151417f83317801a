"""The store as the pages have it: who may not change anything cannot, whichever page asks and however it was asked.

What is not named here as reading is refused to everybody but operators, so a method that the store gets tomorrow is refused until somebody has
looked at it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from lthviz.store import Store, about
from lthviz.ui import access, limits

READS = frozenset({
    "taken", "runs", "broken", "head", "exists", "is_example", "path", "timing_folders", "own", "run", "about", "results", "round", "ticket", "mask", "weight",
    "epochs", "events", "warnings", "status", "checkpoint", "requested", "held", "timings", "measure_folder", "measuring", "training", "to_measure", "kept",
    "children", "ahead", "trashed", "sweeps", "damaged_sweeps", "sweep", "sweep_held", "sweep_lock", "sweep_stopped"})
"""What a viewer's page may ask of the store: it leaves every file as it is. (A lock is taken for a moment to see whether it is held.)"""


class Guarded(Store):
    """A store that asks access.py before it changes anything, and marks a run with who put it into the queue."""

    def begin(self, config: Any, **named: Any) -> str:
        return self._queued(config, lambda: super(Guarded, self).begin(config, **named))

    def put_branch(self, config: Any, *args: Any, **named: Any) -> str:
        return self._queued(config, lambda: super(Guarded, self).put_branch(config, *args, **named))

    def set_state(self, run_id: str, state: str, message: str = "", cause: str = "") -> None:
        if state == "queued":
            limits.queue(self, 1)
        super().set_state(run_id, state, message, cause)
        if state == "queued":
            self._mark(run_id)

    def _queued(self, config: Any, make: Callable[[], str]) -> str:
        new = not self.taken(config.run_id)
        if new:
            limits.queue(self, 1)
        run_id = make()
        if new:
            self._mark(run_id)
        return run_id

    def _mark(self, run_id: str) -> None:
        if key := access.person().key:
            about.change(self.own(run_id), asked=key)


def _refusing(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def asked(self: Guarded, *args: Any, **named: Any) -> Any:
        access.require()
        return method(self, *args, **named)
    return asked


for _name, _method in inspect.getmembers(Guarded, inspect.isfunction):
    if not _name.startswith("_") and _name not in READS:
        setattr(Guarded, _name, _refusing(_name, _method))
