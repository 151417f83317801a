"""refill, regroup: structured masks from unstructured ones, from file to file."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping
from typing import Any

from lthviz.cli.output import new_table, show_result
from lthviz.config import Refill, Regroup
from lthviz.errors import UsageError
from lthviz.records import Masks, Structured


def refill(args: argparse.Namespace) -> int:
    from lthviz.core import structures
    from lthviz.exchange import maskfile

    settings = _structure_from(args, Refill)
    maskfile.check_target(args.out)
    masks = maskfile.read(args.masks)
    if settings.score not in ("magnitude", "remain"):
        raise UsageError(f"score {settings.score!r} needs the network and images; here it can be magnitude (with --weights) or remain")
    if args.weights is None and (settings.score == "magnitude" or settings.fractional or "fractional=true" in settings.layers):
        raise UsageError("score 'magnitude' and --fractional need --weights FILE; without weights use --score remain")
    weights = maskfile.read_weights(args.weights, masks) if args.weights else None
    begun = time.perf_counter()
    made = structures.apply(settings, masks, weights=weights)
    return _structured(args, settings, masks, made, time.perf_counter() - begun)


def regroup(args: argparse.Namespace) -> int:
    from lthviz.core import regroup as core_regroup
    from lthviz.core.partition import partition_all
    from lthviz.exchange import maskfile

    settings = _structure_from(args, Regroup)
    maskfile.check_target(args.out)
    masks = maskfile.read(args.masks)
    begun = time.perf_counter()
    partitions = partition_all(masks, settings, args.seed)
    made, seconds = [], {}
    for name in masks:   # a layer at a time, to say what each took; layers do not depend on each other
        since = time.perf_counter()
        made.append(core_regroup.regroup(Masks.of({name: masks[name]}), settings.of(name), seed=args.seed, partitions=partitions))
        seconds[name] = partitions[name].seconds + time.perf_counter() - since
    whole = Structured(Masks.of({k: m.masks[k] for m in made for k in m.masks}), {k: v for m in made for k, v in m.blocks.items()},
                       {k: v for m in made for k, v in m.notes.items()})
    return _structured(args, settings, masks, whole, time.perf_counter() - begun, seconds)


def _structured(args: argparse.Namespace, settings: Any, before: Any, made: Any, seconds: float,
                layer_seconds: Mapping[str, float] | None = None) -> int:
    from lthviz.core.stats import coverage
    from lthviz.exchange import maskfile

    maskfile.write(args.out, made.masks)
    layers, table = {}, new_table("layer", "shape", "weights before", "after", "blocks", "in blocks", whole="layer", title=settings.name)
    for name in before:
        blocks, kept = made.blocks.get(name), made.masks.nnz(name)
        inside = blocks.area / kept if blocks and kept else 0.0
        notes = dict(made.notes.get(name, {}))
        if "kept" in notes:   # Refill's note counts channels; here "kept" counts weights
            notes["kept_channels"] = notes.pop("kept")
        layers[name] = {"kept": kept, "size": before.size(name), "before": before.nnz(name), "blocks": len(blocks) if blocks else 0,
                        "coverage": inside, **({"seconds": round(layer_seconds[name], 4)} if layer_seconds else {}), **notes}
        table.add_row(name, "×".join(map(str, before.shape(name))), f"{100 * before.density(name):.1f} %",
                      f"{100 * made.masks.density(name):.1f} %", str(layers[name]["blocks"]), f"{100 * inside:.0f} %")
    share_layers, share_weights = coverage(made.masks, made.blocks)
    payload = {"structure": settings.label, "out": args.out, "seconds": round(seconds, 4), "density_before": before.density(),
               "density": made.masks.density(), "coverage": share_weights, "coverage_layers": share_layers, "layers": layers}
    show_result(args, payload, lambda: table)
    return 0


def _structure_from(args: argparse.Namespace, kind: type) -> Any:
    return kind(**{f.name: getattr(args, f.name) for f in dataclasses.fields(kind)})
