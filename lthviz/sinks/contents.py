"""What is logged of a run, the same in every sink: points of curves, parameters, and small pictures of masks."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from lthviz.config import RunConfig
from lthviz.core.bits import row_counts
from lthviz.records import Epoch, Run, Ticket
from lthviz.sinks.sink import Trained

CURVES = ("train_loss", "train_acc", "val_acc", "lr")
"""Of every epoch, over the epochs of the whole run: round · epochs + epoch, so that a structure's rounds follow one another."""
RESULTS = ("density", "effective_density", "coverage", "flops_ratio", "test_acc", "dense_acc")
"""Of every trained ticket, over the rounds."""
SIDE = 128
"""Pixels that a mask's picture has at most, each way."""


class Point(NamedTuple):
    """One value of what is drawn as a curve. tag: WHAT/STRUCTURE."""

    tag: str
    step: int
    value: float


def of_epoch(config: RunConfig, e: Epoch) -> Iterator[Point]:
    """Accuracies are percent; there is no val_acc where no images are held out."""
    step = e.round * config.epochs + e.epoch
    for name in CURVES:
        if np.isfinite(value := getattr(e, name)):
            yield Point(f"{name}/{e.structure}", step, float(value))


def of_ticket(trained: Trained) -> Iterator[Point]:
    """Shares and percent; what is not known is left out."""
    for name in RESULTS:
        if (value := trained.row.get(name)) is not None:
            yield Point(f"{name}/{trained.ticket.structure}", trained.ticket.round, float(value))


def params(run: Run) -> dict[str, str | float | int | bool]:
    """The run's id and the settings that are not default, without those that say where it runs: they may change while it is under way."""
    config = run.config
    out: dict[str, str | float | int | bool] = {"run_id": run.id}
    for name in config.to_dict():
        if name in config.place or name == "earlier":
            continue
        value = getattr(config, name)
        out[name] = ", ".join(getattr(x, "label", str(x)) for x in value) if isinstance(value, tuple) else value
    return out


def row_densities(ticket: Ticket, layer: str) -> np.ndarray:
    """Kept share of every output channel's weights, float64 (C,)."""
    shape = ticket.masks.shape(layer)
    return row_counts(ticket.masks, layer) / max(1, int(np.prod(shape[1:])))


def picture(ticket: Ticket, layer: str) -> tuple[bytes, int, int]:
    """A mask as a grey PNG, its height and width: rows are output channels, kept is dark. Of a larger matrix a pixel is the kept share of the
    cells that it covers."""
    from PIL import Image

    kept = ticket.masks.matrix(layer)
    rows, cols = (np.linspace(0, n, min(n, SIDE) + 1).astype(int) for n in kept.shape)
    sums = np.add.reduceat(np.add.reduceat(kept, rows[:-1], axis=0, dtype=np.int64), cols[:-1], axis=1)
    share = sums / np.outer(np.diff(rows), np.diff(cols))
    out = io.BytesIO()
    Image.fromarray(np.round(255 * (1 - share)).astype(np.uint8)).save(out, "PNG")
    return out.getvalue(), *share.shape
