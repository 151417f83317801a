"""One run of a sweep, in whatever process it is trained: what comes of it is said, never raised."""

from __future__ import annotations

import os
import platform
import time
import traceback
from typing import NamedTuple

from lthviz import branching, launch
from lthviz.config import RunConfig
from lthviz.errors import LthvizError, UsageError
from lthviz.store import Store


class Outcome(NamedTuple):
    """What came of a run. state: finished, failed, cancelled, or busy (another process trains it). message: one line.

    seconds: of wall clock, here. host, pid: where. trace: of a fault that is ours.
    """

    run_id: str
    state: str
    message: str = ""
    seconds: float = 0.0
    host: str = ""
    pid: int = 0
    trace: str = ""


def train(store: Store, config: RunConfig, preset: str) -> Outcome:
    """Train a run to its end, from its last checkpoint if it has one. One that is finished already is left as it is."""
    run_id, begun = config.run_id, time.monotonic()

    def outcome(state: str, message: str = "", trace: str = "") -> Outcome:
        return Outcome(run_id, state, message, round(time.monotonic() - begun, 3), platform.node(), os.getpid(), trace)

    try:
        if config.parent and not store.taken(run_id):
            if waits(store, config):
                return outcome("busy", f"its parent, run {config.parent}, is not finished yet")
            _branch(store, config)
        else:
            store.begin(config, preset=preset)
        if store.status(run_id).state != "finished":
            launch.drive(store, run_id)
        return outcome("finished")
    except launch.Busy as e:
        return outcome("busy", str(e))
    except launch.Cancelled as e:
        return outcome("cancelled", str(e))
    except LthvizError as e:
        return outcome("failed", str(e))
    except Exception as e:
        return outcome("failed", launch.reason(e), "".join(traceback.format_exception(e)).rstrip())


def waits(store: Store, config: RunConfig) -> bool:
    """Whether a branch has to wait for the run that it branches from."""
    if not config.parent or store.taken(config.run_id):
        return False
    return not store.taken(config.parent) or store.status(config.parent).state not in ("finished", "failed", "cancelled")


def _branch(store: Store, config: RunConfig) -> None:
    if (state := store.status(config.parent).state) != "finished":
        raise UsageError(f"run {config.parent}, which it branches from, {'has failed' if state == 'failed' else 'was cancelled'}; begin the sweep again once that is finished")
    branching.begin(store, config.parent, config.from_round, config.replace(parent="", from_round=0, earlier=()))


def elsewhere(store: Store, run_id: str) -> Outcome | None:
    """How a run ended that another process trained; None where nobody does and it is still to be trained."""
    if not store.taken(run_id):   # a branch that waits for its parent
        return None
    status = store.status(run_id)
    if status.state in ("finished", "failed", "cancelled"):
        return Outcome(run_id, status.state, status.message)
    return None
