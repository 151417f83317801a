"""One run of a sweep, in whatever process it is trained: what comes of it is said, never raised."""

from __future__ import annotations

import os
import platform
import time
import traceback
from typing import NamedTuple

from lthviz import launch
from lthviz.config import RunConfig
from lthviz.errors import LthvizError
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


def elsewhere(store: Store, run_id: str) -> Outcome | None:
    """How a run ended that another process trained; None where nobody does and it is still to be trained."""
    status = store.status(run_id)
    if status.state in ("finished", "failed", "cancelled"):
        return Outcome(run_id, status.state, status.message)
    return None
