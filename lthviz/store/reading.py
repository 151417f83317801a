"""Rounds and checkpoints read from HDF5: all of a round, one ticket, one layer, or only the rows; weights when asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from lthviz.errors import AddressError, did_you_mean
from lthviz.records import Blocks, Checkpoint, Curve, Masks, Round, Ticket
from lthviz.store import hdf5
from lthviz.store.hdf5 import get, get_json, intact, key
from lthviz.store.writing import CHECKPOINT, ROUND, SCALARS, checkpoint_path, round_path


def places(run: Path, index: int) -> tuple[tuple[Path, str], ...]:
    """Where a round may be, best first; its own file twice, as it may be published between two looks."""
    return (round_path(run, index), ROUND), (checkpoint_path(run), CHECKPOINT), (round_path(run, index), ROUND)


def read_round(path: Path, kind: str, index: int, run: Path, *, lazy: bool = True) -> Round:
    """The round in a round file or a checkpoint; masks and blocks are read, weights when asked for (lazy) or at once.

    FileNotFoundError when the file holds another round.
    """
    with hdf5.opened(path, kind) as f:
        _check_index(f, path, index)
        return _read_round(f, path, run, lazy=lazy)


def read_checkpoint(path: Path, run: Path) -> Checkpoint:
    """All of a checkpoint, the weights of its tickets as well: its file will be replaced."""
    with hdf5.opened(path, CHECKPOINT) as f:
        meta = get_json(f, "meta", path)
        with intact(path, "/arrays"):
            group = f["arrays"]
            names = list(group)
        arrays = {hdf5.name(k): get(group, hdf5.name(k), path) for k in names}
        return Checkpoint(meta, arrays, _read_round(f, path, run, lazy=False))


class Outline(NamedTuple):
    """A round without its masks: its number, the rows of its trained tickets (None before its first ticket), seconds of work."""

    index: int
    rows: list[dict[str, Any]] | None
    seconds: float


def read_outline(path: Path, kind: str) -> Outline:
    """What lists and curves need of the round in a round file or a checkpoint."""
    with hdf5.opened(path, kind) as f:
        with intact(path, "/round"):
            group = f["round"]
            index, seconds, begun = int(group.attrs["index"]), float(group.attrs["seconds"]), len(group["tickets"]) > 0
        return Outline(index, get_json(group, "rows", path) if begun else None, seconds)


def checkpoint_round(path: Path) -> tuple[int, bool]:
    """(index, complete) of the round in a checkpoint."""
    with hdf5.opened(path, CHECKPOINT) as f, intact(path, "/round"):
        return int(f["round"].attrs["index"]), bool(f["round"].attrs["complete"])


def checkpoint_parts(path: Path) -> tuple[int, frozenset[str], frozenset[str]]:
    """(index of its round, labels of that round's trained tickets, kinds of weights) of a checkpoint; no weights are read."""
    with hdf5.opened(path, CHECKPOINT) as f, intact(path, "its head"):
        tickets = f["round/tickets"]
        trained = frozenset(hdf5.name(k) for k in tickets if "test_acc" in tickets[k].attrs)
        return int(f["round"].attrs["index"]), trained, frozenset(hdf5.name(k).partition("/")[0] for k in f["arrays"])


def read_layer(path: Path, kind: str, index: int, structure: str, part: str, layer: str) -> np.ndarray | None:
    """One layer's mask (part 'masks', bool) or weight ('weights', as stored; None where weights were not kept).

    FileNotFoundError when the file holds another round. AddressError names near misses of a structure or layer.
    """
    with hdf5.opened(path, kind) as f:
        ticket = _find_ticket(f, path, index, structure)
        with intact(path, ticket.name):
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
    with intact(path, "/round"):
        found = int(f["round"].attrs["index"])
    if found != index:
        raise FileNotFoundError(path)


def _find_ticket(f: h5py.File, path: Path, index: int, structure: str) -> h5py.Group:
    _check_index(f, path, index)
    with intact(path, "/round/tickets"):
        tickets = f["round/tickets"]
        labels = [hdf5.name(k) for k in tickets]
    if structure not in labels:
        raise AddressError(f"round {index} has no ticket {structure!r}; {did_you_mean(structure, labels)}")
    with intact(path, f"{tickets.name}/{structure}"):
        return tickets[key(structure)]


def _get_mask(ticket: h5py.Group, name: str, path: Path) -> np.ndarray:
    bits = get(ticket["masks"], name, path)
    with intact(path, f"{ticket.name}/masks/{name}"):
        shape = tuple(map(int, ticket["masks"][key(name)].attrs["shape"]))
        return np.unpackbits(bits, count=int(np.prod(shape))).view(bool).reshape(shape)


def _get_weight(ticket: h5py.Group, name: str, path: Path) -> np.ndarray:
    values = get(ticket["weights"], name, path)
    with intact(path, f"{ticket.name}/weights/{name}"):
        kept_only = "kept_only" in ticket["weights"][key(name)].attrs
    if not kept_only:
        return values
    mask = _get_mask(ticket, name, path)
    weight = np.zeros(mask.shape, values.dtype)
    with intact(path, f"{ticket.name}/weights/{name}"):
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


def _read_round(f: h5py.File, path: Path, run: Path, *, lazy: bool = True) -> Round:
    with intact(path, "/round"):
        group = f["round"]
        a = dict(group.attrs)
        index, stages_done, complete, seconds = int(a["index"]), int(a["stages_done"]), bool(a["complete"]), float(a["seconds"])
        labels = [hdf5.name(k) for k in group["tickets"]]
    tickets = {label: _read_ticket(_find_ticket(f, path, index, label), label, path, run, index, lazy) for label in labels}
    return Round(index, tickets, stages_done, complete, seconds)


def _read_ticket(group: h5py.Group, label: str, path: Path, run: Path, index: int, lazy: bool) -> Ticket:
    with intact(path, group.name):
        a = dict(group.attrs)
        masks = group["masks"]
        shapes = {hdf5.name(k): tuple(map(int, masks[k].attrs["shape"])) for k in masks}
        weight_names = tuple(hdf5.name(k) for k in group["weights"]) if "weights" in group else None
        has_blocks, has_curve = "blocks" in group, "curve" in group
    weights: Mapping[str, np.ndarray] | None = None
    if weight_names is not None:
        weights = StoredWeights(run, index, label, weight_names)
        if not lazy:
            weights = {n: _get_weight(group, n, path) for n in weight_names}
    with intact(path, group.name):
        curve = None
        if has_curve:
            table = get(group, "curve", path)
            curve = Curve(table[0].astype(np.int32), *table[1:])
        return Ticket(label, int(a["round"]), Masks({n: get(masks, n, path) for n in shapes}, shapes),
                      _read_blocks(group, path) if has_blocks else {}, get_json(group, "notes", path), curve,
                      **{s: float(a[s]) if s in a else None for s in SCALARS}, weights=weights, removes_channels=_structural(group, a, label, path))


def _structural(ticket: h5py.Group, attrs: Mapping[str, Any], label: str, path: Path) -> bool | None:
    """Whether the ticket was trained with its empty rows as removed channels. Older files do not say; where their ticket's row counts fewer weights
    after dead inputs are gone, channels were removed, which a method that has since become unstructured (`random`) would deny."""
    if "structural" in attrs:
        return bool(attrs["structural"])
    with intact(path, ticket.name):
        group = ticket.parent.parent
    rows = [r for r in get_json(group, "rows", path) if r["structure"] == label]
    return True if rows and rows[0]["effective_density"] < rows[0]["density"] else None


def _read_blocks(ticket: h5py.Group, path: Path) -> dict[str, Blocks]:
    with intact(path, f"{ticket.name}/blocks"):
        group = ticket["blocks"]
    shapes = get_json(group, "layers", path)
    sizes = get(group, "sizes", path).astype(np.int64)
    rows, cols = (get(group, which, path).astype(np.int32) for which in ("rows", "cols"))
    with intact(path, group.name):
        rows, cols = (np.split(x, np.cumsum(n)[:-1]) if len(n) else [] for x, n in ((rows, sizes[:, 1]), (cols, sizes[:, 2])))
        out = {}
        for i, (name, shape) in enumerate(shapes.items()):
            mine = np.flatnonzero(sizes[:, 0] == i)
            out[name] = Blocks(tuple(shape), tuple(rows[b] for b in mine), tuple(cols[b] for b in mine))
        return out
