"""A ticket as it travels: its masks and weights with what one must know to take it in again, whatever file it lies in."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from lthviz.config import RunConfig
from lthviz.errors import ConfigError, ExchangeError
from lthviz.records import Address, Blocks, Layer, Masks, Ticket
from lthviz.store import Store, files

FORMAT = 1
MOST = 10_000
"""Pixels a side, and a hundred times that many classes, that a file may speak of."""
KEY = "lthviz"
"""Under which `about` lies in a file: metadata of safetensors and ONNX, an attribute of HDF5, `_metadata` of a state dict, `lthviz.json` of a folder."""


@dataclass(frozen=True, eq=False)
class Parcel:
    """A ticket and what it belongs to.

    address: run, round and structure. image_shape: (c, h, w). classes: their names. dense_acc: percent, of the run's dense network, None where it
    is not known. normalisation: mean and std of each channel in grey levels 0 to 255, by which images are normalised; None where the run did not note them. ticket: its weights are None where the run did not keep them; else every parameter and buffer by name, masked weights zero.
    """

    address: Address
    config: RunConfig
    layers: tuple[Layer, ...]
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    dense_acc: float | None
    ticket: Ticket
    normalisation: Mapping[str, list[float]] | None = None

    @property
    def masks(self) -> Masks:
        return self.ticket.masks

    @property
    def weights(self) -> Mapping[str, np.ndarray]:
        """Every parameter and buffer by name. ExchangeError where the run did not keep them."""
        if self.ticket.weights is None:
            raise ExchangeError(f"run {self.address.run} kept no weights of round {self.address.round}, {self.address.structure!r}: its masks can be exported; "
                                "for weights, branch there with keep_weights = all")
        return self.ticket.weights


def of(store: Store, address: Address) -> Parcel:
    """The ticket at that address of a stored run. AddressError and DamagedError as the store raises them."""
    run = store.run(address.run)
    if not run.layers:
        raise ExchangeError(f"run {run.id} has not begun: there is no ticket to export yet")
    ticket = store.ticket(address)
    dense = next((r["test_acc"] for r in run.rows if r["round"] == 0), None)
    return Parcel(Address(run.id, address.round, address.structure), run.config, run.layers, tuple(run.info["image_shape"]),
                  tuple(map(str, run.info["classes"])), dense, ticket, run.info.get("normalisation"))


def about(parcel: Parcel) -> dict[str, Any]:
    """What a file says of itself, JSON-able. Accuracies are percent; blocks: by layer, the rows of each, and its columns where its first row's mask does not
    tell them."""
    t, a = parcel.ticket, parcel.address
    return {"format": FORMAT, "lthviz": files.version(), "run": a.run, "round": a.round, "structure": a.structure, "structural": bool(t.structural),
            "config": {k: v for k, v in parcel.config.to_dict().items() if k not in parcel.config.place | {"data_dir"}}, "image_shape": list(parcel.image_shape), "classes": list(parcel.classes),
            "test_acc": t.test_acc, "val_acc": t.val_acc, "dense_acc": parcel.dense_acc, "normalisation": parcel.normalisation,
            "blocks": {name: _packed(b, t.masks.matrix(name)) for name, b in t.blocks.items()}}


def text(parcel: Parcel) -> str:
    """`about` as one line of JSON."""
    return json.dumps(about(parcel), separators=(",", ":"), allow_nan=False)


@dataclass(frozen=True, eq=False)
class About:
    """What a file said of itself, checked."""

    run: str
    round: int
    structure: str
    structural: bool
    config: RunConfig
    image_shape: tuple[int, int, int]
    classes: tuple[str, ...]
    test_acc: float | None
    val_acc: float | None
    dense_acc: float | None
    blocks: Mapping[str, Any]

    def blocks_of(self, masks: Masks) -> dict[str, Blocks]:
        """The blocks under these masks. ExchangeError where they are not blocks of them."""
        return {name: _unpacked(name, value, masks) for name, value in self.blocks.items()}


def read(value: str | bytes | Mapping[str, Any], where: str) -> About:
    """What `text` or `about` made. ExchangeError names `where` and what is wrong with it."""
    try:
        found = json.loads(value) if isinstance(value, str | bytes) else value
        if not isinstance(found, Mapping) or not isinstance(found.get("format"), int):
            raise ValueError("it is no description of a ticket")
        if found["format"] > FORMAT:
            raise ExchangeError(f"{where} was written by lthviz {found.get('lthviz', '?')} in format {found['format']}; this one reads up to {FORMAT}: update lthviz")
        shape = tuple(_whole("image_shape", x, 1, MOST) for x in found["image_shape"])
        if len(shape) != 3:
            raise ValueError(f"image_shape is {found['image_shape']}")
        if not 1 <= len(found["classes"]) <= 100 * MOST:
            raise ValueError(f"it has {len(found['classes'])} classes")
        _whole("round", found["round"], 0, 1000)
        if not isinstance(found["config"], Mapping) or not isinstance(found["blocks"], Mapping):
            raise ValueError("its config or its blocks are no object")
        accuracies = {k: _percent(k, found.get(k)) for k in ("test_acc", "val_acc", "dense_acc")}
        return About(str(found["run"]), int(found["round"]), str(found["structure"]), bool(found["structural"]), RunConfig.from_dict(found["config"]), shape,
                     tuple(map(str, found["classes"])), **accuracies, blocks=dict(found["blocks"]))
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError, ConfigError) as e:
        said = f"{e.args[0]!r} is missing" if isinstance(e, KeyError) else str(e)
        raise ExchangeError(f"{where}: what it says of itself under {KEY!r} cannot be read ({said[:160]}); leave that out of the file") from None


def _whole(name: str, value: Any, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"{name} holds {str(value)[:40]}, no whole number from {low} to {high}")
    return value


def _percent(name: str, value: Any) -> float | None:
    if value is None:
        return None
    if type(value) not in (int, float) or not 0 <= value <= 100:
        raise ValueError(f"{name} is {str(value)[:40]}, no percentage")
    return float(value)


def _packed(blocks: Blocks, mask: np.ndarray) -> list[dict[str, list[int]]]:
    out = []
    for rows, cols in zip(blocks.rows, blocks.cols, strict=True):
        told = rows.size and np.array_equal(np.flatnonzero(mask[rows[0]]), cols)
        out.append({"rows": rows.tolist()} if told else {"rows": rows.tolist(), "cols": cols.tolist()})
    return out


def _unpacked(name: str, value: Any, masks: Masks) -> Blocks:
    if name not in masks:
        raise ExchangeError(f"the file tells blocks of {name!r}, of which it has no mask")
    mask = masks.matrix(name)
    try:
        rows = tuple(_indices(b["rows"], len(mask)) for b in value)
        cols = tuple(_indices(b["cols"], mask.shape[1]) if "cols" in b else np.flatnonzero(mask[r[0]]).astype(np.int32) for b, r in zip(value, rows, strict=True))
    except (TypeError, KeyError, ValueError, AttributeError):
        raise _no_blocks(name) from None
    covered = np.zeros(mask.shape, bool)
    for r, c in zip(rows, cols, strict=True):
        here = np.ix_(r, c)
        if not c.size or not mask[here].all() or covered[here].any():     # no cell is in two blocks
            raise _no_blocks(name)
        covered[here] = True
    return Blocks(mask.shape, rows, cols)


def _indices(values: Any, end: int) -> np.ndarray:
    """Rows or columns of a block, each once. ValueError for anything else."""
    if not isinstance(values, list) or not values or any(type(x) is not int or not 0 <= x < end for x in values) or len(set(values)) < len(values):
        raise ValueError(values)
    return np.array(values, np.int32)


def _no_blocks(name: str) -> ExchangeError:
    return ExchangeError(f"the blocks that the file tells of {name!r} are not blocks of its mask; leave {KEY!r} out of the file")
