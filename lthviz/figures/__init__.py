"""Pictures of what is stored: records in, plotly figures and PNGs out. Nothing here knows streamlit, torch or files.

Each figure `f` has twins, in its own file or in that of its words: `f_table` (the data, units in the column names), `f_alt` (what is said
aloud) and `f_caption`. `notebook/` has those for one's own masks and timings, which can be had from here as well: `lt.figures.mask(…)`.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {"mask": "mask", "densities": "layers", "channels": "curves", "threshold": "curves", "accuracy_vs_density": "runs", "accuracy_vs_speed": "runs",
         "layer_times": "runs"}
__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lthviz.figures' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lthviz.figures.notebook.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
