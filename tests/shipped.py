"""The first example, a whole digits study with its weights, for tests that need a real run and train none."""

from __future__ import annotations

import shutil
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "data" / "examples"
FIRST = "convnet-digits-e8ff670e"


def copy(to: Path) -> Path:
    """The example alone in a folder of examples, without what was measured of it."""
    to.mkdir(parents=True, exist_ok=True)
    shutil.copytree(EXAMPLES / FIRST, to / FIRST, ignore=shutil.ignore_patterns("timings"))
    return to
