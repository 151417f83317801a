"""What a ticket of one's own network is worth: its numbers layer by layer, the smaller network, its measured time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import torch
from torch import nn

from lthviz.core import stats as core_stats
from lthviz.errors import ConfigError, SpeedError
from lthviz.nn import compact as core_compact
from lthviz.notebook import models
from lthviz.notebook.given import Given, clear, ticket
from lthviz.records import Layer, Masks, Ticket, Timing

NETWORK = "network"
"""The last line of a table of layers."""
Shape = tuple[int, int, int]


@clear
def stats(model: nn.Module, masks: Any = None, image_shape: Shape | None = None, *, before: Any = None, structural: bool | None = None) -> pd.DataFrame:
    """What is left of every layer, and of the network in the last line.

    model: any nn.Module.
    masks: Masks, what refill or regroup gave, a stored ticket, or arrays by parameter name; None: those that the network carries. Layers without one are dense.
    image_shape: (c, h, w) of one image; the multiply-adds depend on it.
    before: other masks of the same network, against which weights count as added and removed.
    structural: whether a channel without weights is removed with its BatchNorm, and what reads it dead. None: yes for what refill and regroup gave.

    Returns: a pandas DataFrame, a line a layer by module name, and `network`. weights, kept, added, removed: numbers of weights. density: kept ÷ weights.
    effective_density: of them without those that read a removed channel. coverage: share of the kept weights in dense blocks. blocks: their number.
    removed_channels: output channels that are gone. macs: multiply-adds of the dense layer for one image; macs_left: of those that remain; flops_ratio: the one
    over the other. Shares are 0 to 1.
    Errors: ConfigError where image_shape is missing or wrong; MaskError for masks that do not fit.
    Source: ICML 2022, section 4, with dead inputs counted out.
    Example:
        table = lt.stats(model, channel, (3, 32, 32), before=masks)
        print(table.loc["network", "flops_ratio"])
    """
    model = models.unwrapped(model)
    if image_shape is None:
        raise ConfigError("image_shape is missing: multiply-adds depend on it; give (channels, height, width), as in lt.stats(model, masks, (3, 32, 32))")
    given = ticket(models.masks_of(model, image_shape=image_shape) if masks is None else masks, structural)
    layers, whole = _fitted(model, given, image_shape)
    made = Ticket(given.label, 0, whole, given.blocks, removes_channels=given.structural)
    was = None if before is None else ticket(before).masks
    rows = core_stats.layer_rows(made, layers, was)
    left = core_stats.effective(whole, layers, given.structural)
    table = pd.DataFrame([{"layer": layer.short, "shape": "×".join(map(str, layer.shape)), "weights": layer.size, "kept": r["kept"],
                           "density": r["density"], "effective_density": r["effective_density"], "coverage": r["coverage"], "blocks": r["blocks"],
                           "removed_channels": r["removed_channels"], "macs": layer.macs, "macs_left": left[layer.name] * layer.out_hw[0] * layer.out_hw[1],
                           **({"added": r["added"], "removed": r["removed"]} if was is not None else {})} for layer, r in zip(layers, rows, strict=True)]).set_index("layer")
    sums = table.drop(columns=["shape", "density", "effective_density", "coverage"]).sum()
    covered = core_stats.coverage(whole, given.blocks).weights
    total = {"shape": "", **sums, "density": whole.density(), "effective_density": sum(left.values()) / max(1, whole.size()), "coverage": covered}
    kinds = table.dtypes
    table = pd.concat([table, pd.DataFrame([total], index=pd.Index([NETWORK], name="layer"))[table.columns].astype(kinds)])
    table.insert(table.columns.get_loc("macs_left") + 1, "flops_ratio", table["macs_left"] / table["macs"].clip(lower=1))
    return table


@clear
def compact(model: nn.Module, masks: Any = None, *, image_shape: Shape | None = None) -> nn.Module:
    """The physically smaller dense network of a channel-wise ticket: removed channels are gone on both sides. It needs no lthviz beside it to run.

    model: any nn.Module; it is left as it is.
    masks: as for `lt.stats`; rows without a weight are removed channels, and their BatchNorm goes with them. Weights masked inside the rest are zero.
    image_shape: (c, h, w); see `lt.magnitude`.

    Returns: a torch.fx.GraphModule with copies of the weights that are left, in the same mode; it computes what the masked network does (`lt.apply`, structural),
    in another order of summation. A network that torch.fx cannot trace comes back masked and whole, with a warning.
    Errors: MaskError for masks that do not fit.
    Source: ICML 2022, section 3.2.
    Example:
        small = lt.compact(model, channel)
        print(sum(p.numel() for p in small.parameters()))
    """
    model = models.plain(model)
    given = ticket(models.masks_of(model, image_shape=image_shape) if masks is None else masks)
    layers, whole = _fitted(model, given, image_shape)
    models.check_own_weights(model, [x.name for x in layers])
    return core_compact.compact(model, layers, whole)


@clear
def bench(model: nn.Module, masks: Any = None, image_shape: Shape | None = None, *, batch: int = 64, seconds: float = 20.0, device: str = "cpu",
          threads: int = 0, precision: str = "float32", baselines: str | tuple[str, ...] = "all", pairs: int | None = None, structural: bool | None = None,
          estimated: bool = False, seed: int = 0, progress: Callable[[str], None] | None = None) -> Timing:
    """Measure how fast a ticket runs here against the fastest dense form of its network: outputs checked first, then both timed in turn.

    model: any nn.Module with float32 weights; it is left as it is.
    masks: as for `lt.stats`.
    image_shape: (c, h, w) of one image.
    batch: images at a time.
    seconds: about how long to time; building what is timed comes on top.
    device: `cpu`, `cuda` or `cuda:N`.
    threads: CPU threads; 0: all cores.
    precision: `float32`; on a GPU also `tf32` or `bfloat16`.
    baselines: the dense forms to compare with: `all`, `quick` (eager torch and the block kernel), or a tuple of their names.
    pairs: how many pairs of runs, instead of as many as fit the seconds.
    structural: whether a channel without weights is removed with its BatchNorm. None: yes for what refill and regroup gave, no for plain masks.
    estimated: predict the time first as well, which calibrates the machine if it never was (seconds).
    seed: of the random images, and of statistics for BatchNorms that are as they were born.
    progress: is told in a line what is being done, e.g. `print`.

    Returns: Timing: dense_ms and ticket_ms (medians for a batch), time_ratio and its quartiles, speedup, flops_ratio, every layer alone, the machine; `disturbed`
    says why figures are doubtful.
    Errors: SpeedError for what cannot be measured here, or a missing image_shape; MaskError for masks that do not fit.
    Source: docs/speed.md, the method card.
    Example:
        timing = lt.bench(model, channel, (3, 32, 32), batch=8, seconds=0.5, baselines="quick")
        print(timing.speedup, timing.spread)
    """
    from lthviz.speed import bench as speed_bench

    if image_shape is None:
        raise SpeedError("image_shape is missing: time depends on it; give (channels, height, width), as in lt.bench(model, masks, (3, 32, 32))")
    model = models.plain(model)
    if kinds := {p.dtype for p in model.parameters() if p.is_floating_point()} - {torch.float32}:
        raise SpeedError(f"the network has weights of {', '.join(sorted(map(str, kinds)))}; give a float32 one (model.float()), and on a GPU precision='bfloat16'")
    given = ticket(models.masks_of(model, image_shape=image_shape) if masks is None else masks, structural)
    model = model.cpu()
    layers = models.of_masks(model, given.masks, image_shape)
    models.check_own_weights(model, [x.name for x in layers])
    try:
        return speed_bench.measure(model, layers, given.masks, image_shape=models.checked_shape(image_shape), structural=given.structural, batch=batch, threads=threads,
                                   device=device, precision=precision, baselines=baselines, seconds=seconds, pairs=pairs, structure=given.label, estimated=estimated,
                                   seed=seed, progress=progress)
    except RuntimeError as e:
        if "meta" not in str(e):
            raise
        raise SpeedError(f"{type(model).__name__} decides by the values in its images what it computes ({str(e).splitlines()[0][:120]}), so what it would need cannot be "
                         "reckoned before it runs; measure it without that branch") from None


def _fitted(model: nn.Module, given: Given, image_shape: Shape | None) -> tuple[tuple[Layer, ...], Masks]:
    from lthviz.speed import network

    layers = models.of_masks(model, given.masks, image_shape)
    return layers, network.fit(given.masks, layers)[0]
