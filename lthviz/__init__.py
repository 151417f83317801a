"""A laboratory for structurally sparse lottery tickets: prune, refill, regroup, and see it.

    import lthviz as lt
    masks = lt.Masks.of({"features.3.weight": array_of_bool})
    refilled = lt.refill(masks, lt.remain_scores(masks))
    regrouped = lt.regroup(masks, lt.Regroup(groups=8))
    run = lt.Store("data/runs").run("convnet-digits-…")

Names are loaded when they are first used, so importing this costs nothing and looking at a run never loads torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "RunConfig": "config", "Refill": "config", "Regroup": "config", "Random": "config", "PRESETS": "presets",
    "Masks": "records", "Blocks": "records", "Layer": "records", "Ticket": "records", "Address": "records",
    "prune": "core.magnitude", "refill": "core.refill", "magnitude_scores": "core.refill", "remain_scores": "core.refill",
    "regroup": "core.regroup", "partition": "core.partition", "from_mask": "core.blocks", "to_mask": "core.blocks",
    "events": "engine", "Store": "store", "LthvizError": "errors",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lthviz' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"lthviz.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
