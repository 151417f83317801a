"""Rounds and checkpoints as HDF5: bit-packed masks, blocks, notes, curves, and weights that are read when asked for.

data/README.md describes the tree for whoever writes a reader of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lthviz.errors import AddressError, did_you_mean
from lthviz.records import Blocks, Checkpoint, Curve, Masks, Round, Ticket
from lthviz.store import files, hdf5
from lthviz.store.hdf5 import get, get_json, key, put, put_bytes, reading

ROUND, CHECKPOINT = "round", "checkpoint"


def round_path(run: Path, index: int) -> Path:
    return run / "rounds" / f"{index:03d}.h5"


def checkpoint_path(run: Path) -> Path:
    return run / "checkpoint.h5"


# Writing ---------------------------------------------------------------------------------------------------------------


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
    group.attrs.update(index=round.index, stages_done=round.stages_done, complete=bool(round.complete), seconds=float(round.seconds))
    put_bytes(group, "rows", files.json_bytes(list(rows)))
    tickets = group.create_group("tickets", track_order=True)
    for label, ticket in round.tickets.items():
        _write_ticket(tickets.create_group(key(label), track_order=True), ticket, gzip=gzip)


_SCALARS = ("test_acc", "val_acc", "train_seconds")


def _write_ticket(group: h5py.Group, ticket: Ticket, *, gzip: bool) -> None:
    group.attrs["round"] = ticket.round
    for name in _SCALARS:
        if (value := getattr(ticket, name)) is not None:
            group.attrs[name] = float(value)
    put_bytes(group, "notes", files.json_bytes(ticket.notes))
    masks = group.create_group("masks", track_order=True)
    for name in ticket.masks:
        put(masks, name, ticket.masks.packed(name), gzip=gzip).attrs["shape"] = np.array(ticket.masks.shape(name), np.int64)
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


# Reading ---------------------------------------------------------------------------------------------------------------


def read_round(path: Path, kind: str, index: int, run: Path) -> Round:
    """The round in a round file or a checkpoint; masks and blocks are read, weights when asked for.

    FileNotFoundError when the file holds another round.
    """
    with hdf5.opened(path, kind) as f:
        _check_index(f, path, index)
        return _read_round(f, path, run)


def read_checkpoint(path: Path, run: Path) -> Checkpoint:
    """All of a checkpoint, the weights of its tickets as well: its file will be replaced."""
    with hdf5.opened(path, CHECKPOINT) as f:
        meta = get_json(f, "meta", path)
        with reading(path, "/arrays"):
            group = f["arrays"]
            names = list(group)
        arrays = {hdf5.name(k): get(group, hdf5.name(k), path) for k in names}
        return Checkpoint(meta, arrays, _read_round(f, path, run, lazy=False))


def read_rows(path: Path, kind: str) -> tuple[int, list[dict[str, Any]] | None]:
    """(index of the round, the rows of its trained tickets or None before its first ticket), without reading a mask."""
    with hdf5.opened(path, kind) as f:
        with reading(path, "/round"):
            group = f["round"]
            index, begun = int(group.attrs["index"]), len(group["tickets"]) > 0
        return index, get_json(group, "rows", path) if begun else None


def checkpoint_round(path: Path) -> tuple[int, bool]:
    """(index, complete) of the round in a checkpoint."""
    with hdf5.opened(path, CHECKPOINT) as f, reading(path, "/round"):
        return int(f["round"].attrs["index"]), bool(f["round"].attrs["complete"])


def read_layer(path: Path, kind: str, index: int, structure: str, part: str, layer: str) -> np.ndarray | None:
    """One layer's mask (part 'masks', bool) or weight ('weights', as stored; None where weights were not kept).

    FileNotFoundError when the file holds another round. AddressError names near misses of a structure or layer.
    """
    with hdf5.opened(path, kind) as f:
        ticket = _find_ticket(f, path, index, structure)
        with reading(path, ticket.name):
            names = [hdf5.name(k) for k in ticket["masks"]]
            there = part in ticket and key(layer) in ticket[part]
        if there:
            return _get_mask(ticket, layer, path) if part == "masks" else _get_weight(ticket, layer, path)
        if layer in names:
            return None
        raise AddressError(f"there is no layer {layer!r} in that network; {did_you_mean(layer, names)}")


def read_ticket(path: Path, kind: str, index: int, structure: str, run: Path) -> Ticket:
    """One ticket, its weights when asked for. Raises what `read_layer` raises."""
    with hdf5.opened(path, kind) as f:
        return _read_ticket(_find_ticket(f, path, index, structure), structure, path, run, index, lazy=True)


def _check_index(f: h5py.File, path: Path, index: int) -> None:
    with reading(path, "/round"):
        found = int(f["round"].attrs["index"])
    if found != index:
        raise FileNotFoundError(path)


def _find_ticket(f: h5py.File, path: Path, index: int, structure: str) -> h5py.Group:
    _check_index(f, path, index)
    with reading(path, "/round/tickets"):
        tickets = f["round/tickets"]
        labels = [hdf5.name(k) for k in tickets]
    if structure not in labels:
        raise AddressError(f"round {index} has no ticket {structure!r}; {did_you_mean(structure, labels)}")
    with reading(path, f"{tickets.name}/{structure}"):
        return tickets[key(structure)]


def _get_mask(ticket: h5py.Group, name: str, path: Path) -> np.ndarray:
    bits = get(ticket["masks"], name, path)
    with reading(path, f"{ticket.name}/masks/{name}"):
        shape = tuple(map(int, ticket["masks"][key(name)].attrs["shape"]))
        return np.unpackbits(bits, count=int(np.prod(shape))).view(bool).reshape(shape)


def _get_weight(ticket: h5py.Group, name: str, path: Path) -> np.ndarray:
    values = get(ticket["weights"], name, path)
    with reading(path, f"{ticket.name}/weights/{name}"):
        kept_only = "kept_only" in ticket["weights"][key(name)].attrs
    if not kept_only:
        return values
    mask = _get_mask(ticket, name, path)
    weight = np.zeros(mask.shape, values.dtype)
    with reading(path, f"{ticket.name}/weights/{name}"):
        weight[mask] = values
    return weight


@dataclass(frozen=True, eq=False)
class StoredWeights(Mapping[str, np.ndarray]):
    """Trained weights by parameter name, read from the run's folder one by one, whenever one is asked for."""

    run: Path
    round: int
    structure: str
    names: tuple[str, ...]

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.names:
            raise KeyError(name)
        # A round moves from the checkpoint to its own file when it is complete; its weights stay the same.
        for path, kind in places(self.run, self.round):
            try:
                return read_layer(path, kind, self.round, self.structure, "weights", name)
            except FileNotFoundError:
                continue
        raise AddressError(f"the weights of round {self.round}, {self.structure!r} are no longer in {self.run}")

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


def places(run: Path, index: int) -> tuple[tuple[Path, str], ...]:
    """Where a round may be, best first; its own file twice, as it may be published between two looks."""
    return (round_path(run, index), ROUND), (checkpoint_path(run), CHECKPOINT), (round_path(run, index), ROUND)


def _read_round(f: h5py.File, path: Path, run: Path, *, lazy: bool = True) -> Round:
    with reading(path, "/round"):
        group = f["round"]
        a = dict(group.attrs)
        index, stages_done, complete, seconds = int(a["index"]), int(a["stages_done"]), bool(a["complete"]), float(a["seconds"])
        labels = [hdf5.name(k) for k in group["tickets"]]
    tickets = {label: _read_ticket(_find_ticket(f, path, index, label), label, path, run, index, lazy) for label in labels}
    return Round(index, tickets, stages_done, complete, seconds)


def _read_ticket(group: h5py.Group, label: str, path: Path, run: Path, index: int, lazy: bool) -> Ticket:
    with reading(path, group.name):
        a = dict(group.attrs)
        masks = group["masks"]
        shapes = {hdf5.name(k): tuple(map(int, masks[k].attrs["shape"])) for k in masks}
        weight_names = tuple(hdf5.name(k) for k in group["weights"]) if "weights" in group else None
        has_blocks, has_curve = "blocks" in group, "curve" in group
    weights: Mapping[str, np.ndarray] | None = None
    if weight_names is not None:
        weights = StoredWeights(run, index, label, weight_names) if lazy else {n: _get_weight(group, n, path) for n in weight_names}
    curve = None
    if has_curve:
        table = get(group, "curve", path)
        curve = Curve(table[0].astype(np.int32), *table[1:])
    return Ticket(label, int(a["round"]), Masks({n: get(masks, n, path) for n in shapes}, shapes),
                  _read_blocks(group, path) if has_blocks else {}, get_json(group, "notes", path), curve,
                  **{s: float(a[s]) if s in a else None for s in _SCALARS}, weights=weights)


def _read_blocks(ticket: h5py.Group, path: Path) -> dict[str, Blocks]:
    with reading(path, f"{ticket.name}/blocks"):
        group = ticket["blocks"]
    shapes = get_json(group, "layers", path)
    sizes = get(group, "sizes", path).astype(np.int64)
    rows, cols = (get(group, which, path).astype(np.int32) for which in ("rows", "cols"))
    with reading(path, group.name):
        rows, cols = (np.split(x, np.cumsum(n)[:-1]) if len(n) else [] for x, n in ((rows, sizes[:, 1]), (cols, sizes[:, 2])))
        out = {}
        for i, (name, shape) in enumerate(shapes.items()):
            mine = np.flatnonzero(sizes[:, 0] == i)
            out[name] = Blocks(tuple(shape), tuple(rows[b] for b in mine), tuple(cols[b] for b in mine))
        return out
