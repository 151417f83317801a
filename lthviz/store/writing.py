"""Rounds and checkpoints as the bytes of HDF5 files: bit-packed masks, blocks, notes, curves and kept weights.

data/README.md describes the tree for whoever writes a reader of their own; ours is reading.py.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lthviz.records import Blocks, Checkpoint, Curve, Round, Ticket
from lthviz.store import files, hdf5
from lthviz.store.hdf5 import key, put, put_bytes

ROUND, CHECKPOINT = "round", "checkpoint"


def round_path(run: Path, index: int) -> Path:
    return run / "rounds" / f"{index:03d}.h5"


def ahead_path(run: Path, index: int) -> Path:
    """What a branch has taken over of a round that it has not come to yet."""
    return run / "ahead" / f"{index:03d}.h5"


def checkpoint_path(run: Path) -> Path:
    return run / "checkpoint.h5"


def round_image(run_id: str, round: Round, rows: Sequence[Mapping[str, Any]]) -> memoryview:
    """The bytes of rounds/NNN.h5. rows: of its trained tickets, as `core.stats.row` makes them."""
    return hdf5.image(ROUND, _head(run_id), lambda f: _write_round(f, round, rows, gzip=True))


def checkpoint_image(run_id: str, checkpoint: Checkpoint, rows: Sequence[Mapping[str, Any]]) -> memoryview:
    """The bytes of checkpoint.h5, uncompressed: it is written often and lives shortly."""
    def fill(f: h5py.File) -> None:
        put_bytes(f, "meta", json.dumps(checkpoint.meta, default=lambda x: x.tolist()).encode())
        arrays = f.create_group("arrays", track_order=True)
        for name, array in checkpoint.arrays.items():
            put(arrays, name, array, gzip=False)
        _write_round(f, checkpoint.round, rows, gzip=False)
    return hdf5.image(CHECKPOINT, _head(run_id), fill)


def _head(run_id: str) -> dict[str, str]:
    return {"lthviz": files.version(), "run": run_id}


def _write_round(f: h5py.File, round: Round, rows: Sequence[Mapping[str, Any]], *, gzip: bool) -> None:
    group = f.create_group("round", track_order=True)
    group.attrs.update(index=round.index, stages_done=round.stages_done, complete=bool(round.complete),
                       seconds=float(round.seconds))
    put_bytes(group, "rows", files.json_bytes(list(rows)))
    tickets = group.create_group("tickets", track_order=True)
    shared: dict[tuple, h5py.Dataset] = {}
    for label, ticket in round.tickets.items():
        _write_ticket(tickets.create_group(key(label), track_order=True), ticket, shared, gzip=gzip)


SCALARS = ("test_acc", "val_acc", "train_seconds")


def _write_ticket(group: h5py.Group, ticket: Ticket, shared: dict[tuple, h5py.Dataset], *, gzip: bool) -> None:
    """shared: the masks that the round's file holds already. One of the same name, shape and bits is a second link to it: a re-initialised
    ticket has the mask of another one, and a scattered mask does not compress."""
    group.attrs.update(round=ticket.round, structural=bool(ticket.structural))
    for name in SCALARS:
        if (value := getattr(ticket, name)) is not None:
            group.attrs[name] = float(value)
    put_bytes(group, "notes", files.json_bytes(ticket.notes))
    masks = group.create_group("masks", track_order=True)
    for name in ticket.masks:
        bits, shape = ticket.masks.packed(name), ticket.masks.shape(name)
        if there := shared.get(same := (name, shape, bits.tobytes())):
            masks[key(name)] = there
            continue
        shared[same] = put(masks, name, bits, gzip=gzip)
        shared[same].attrs["shape"] = np.array(shape, np.int64)
    if ticket.blocks:
        _write_blocks(group.create_group("blocks", track_order=True), ticket.blocks)
    if ticket.curve is not None:
        curve = put(group, "curve", np.array([getattr(ticket.curve, f) for f in Curve.FIELDS], np.float64))
        curve.attrs["fields"] = np.array(Curve.FIELDS, np.bytes_)
    if ticket.weights is not None:
        weights = group.create_group("weights", track_order=True)
        for name, weight in ticket.weights.items():
            _write_weight(weights, name, weight, ticket.masks.get(name), gzip=gzip)


def _write_weight(group: h5py.Group, name: str, weight: np.ndarray, mask: np.ndarray | None, *, gzip: bool) -> None:
    """The kept weights alone, in C order: half of what compressing the zeros leaves, and no time. Whole if that loses any."""
    if mask is not None and mask.shape == weight.shape:
        kept = weight[mask]
        if np.count_nonzero(kept) == np.count_nonzero(weight):
            put(group, name, kept, gzip=False).attrs["kept_only"] = True
            return
    put(group, name, weight, gzip=gzip)


def _write_blocks(group: h5py.Group, blocks: Mapping[str, Blocks]) -> None:
    """All layers' blocks in four datasets: a file of many small ones would be mostly headers."""
    put_bytes(group, "layers", files.json_bytes({name: b.shape for name, b in blocks.items()}))
    sizes = [(i, r.size, c.size) for i, b in enumerate(blocks.values()) for r, c in zip(b.rows, b.cols, strict=True)]
    put(group, "sizes", _narrow(np.array(sizes, np.int64).reshape(-1, 3)))
    for which in ("rows", "cols"):
        parts = [x for b in blocks.values() for x in getattr(b, which)]
        put(group, which, _narrow(np.concatenate([np.empty(0, np.int64), *parts])))


def _narrow(array: np.ndarray) -> np.ndarray:
    """In the smallest unsigned type that holds it."""
    return array.astype(np.min_scalar_type(int(array.max(initial=0))))
