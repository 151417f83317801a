"""A laboratory for structurally sparse lottery tickets: prune, refill, regroup, and see it.

    import lthviz as lt
    masks = lt.magnitude(model, density=0.2)            # any nn.Module of yours
    channel = lt.refill(model, masks, rho=0.1)          # whole channels: .masks, .blocks, .notes
    blocks = lt.regroup(masks, groups=8)                # dense blocks, likewise
    lt.stats(model, channel, (3, 32, 32))               # a DataFrame, a line a layer
    lt.bench(model, channel, (3, 32, 32))               # its measured time against the fastest dense form
    lt.figures.mask(blocks, "layer1.0.conv1", before=masks)
    run = lt.take_in("pruned.pt")                       # other people's networks as runs
    lt.export(run, "onnx", "net.onnx")                  # and tickets for other programs
    run = lt.Store("data/runs").run("convnet-digits-…")

docs/api.md has every name. Names are loaded when they are first used, so importing this costs nothing, and looking at a run or at masks never
loads torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOME = {
    "layers": "notebook.models", "weights": "notebook.models", "masks_of": "notebook.models", "magnitude": "notebook.pruning",
    "refill": "notebook.shaping", "regroup": "notebook.shaping", "scores": "notebook.shaping", "apply": "notebook.holding", "Held": "notebook.holding",
    "stats": "notebook.outcome", "compact": "notebook.outcome", "bench": "notebook.outcome", "figures": "figures",
    "take_in": "notebook.files", "export": "notebook.files",
    "RunConfig": "config", "Refill": "config", "Regroup": "config", "Random": "config", "PRESETS": "presets",
    "Masks": "records", "Blocks": "records", "Structured": "records", "Layer": "records", "Ticket": "records", "Timing": "records", "Address": "records",
    "prune": "core.magnitude", "magnitude_scores": "core.refill", "remain_scores": "core.refill",
    "partition": "core.partition", "from_mask": "core.blocks", "to_mask": "core.blocks",
    "events": "engine", "Store": "store", "LthvizError": "errors",
}
__all__ = sorted(_HOME)
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lthviz' has no attribute {name!r}")
    home = importlib.import_module(f"lthviz.{_HOME[name]}")
    value = home if name == _HOME[name] else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
