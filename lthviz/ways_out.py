"""What to do with a run that failed, by the cause that its log names (`ending.CAUSES`): a sentence, and which way comes first."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Literal

Way = Literal["resume", "change", "cpu"]
"""Go on from the last checkpoint; start another run with other settings; go on on the CPU."""
_SAID = {
    "diverged": "Resumed, it would come to the same point, as the same seed gives the same numbers: start it with a lower learning rate or a longer warm-up.",
    "memory": "End what else takes memory on this machine and resume it, or start it with a smaller batch.",
    "disk": "Make room ({free} are free on that disk now), then resume it.",
    "device": "It can go on on the CPU, with the same settings and from where it was; or resume it where there is a GPU.",
    "images": "Put the images where it looks for them, then resume it.",
    "settings": "Start it with other settings.",
    "store": "What cannot be read is named above; once that is put right, resume it.",
    "machine": "Once the machine has what is missing, resume it.",
    "process": "Look at what the other process said, then resume it.",
    "fault": "This is a fault in LTHviz or below it; worker.log beside the runs has the whole trace. Resume it to try again.",
}


def words(cause: str, folder: Path) -> str:
    """What to do next, in a sentence; '' where the failure's own line says it. folder: of the run."""
    said = _SAID.get(cause, "")
    return said.format(free=_free(folder)) if "{free}" in said else said


def first(cause: str) -> Way:
    """Which way is offered before the others."""
    return "cpu" if cause == "device" else "change" if cause in ("diverged", "settings") else "resume"


def _free(folder: Path) -> str:
    try:
        return f"{shutil.disk_usage(folder).free / 1e6:,.0f} MB"
    except OSError:
        return "few bytes"
