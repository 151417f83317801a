"""Two runs held against each other, once by reading their HDF5 files alone and once by the store's own comparison; seconds and times apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lthviz.store import hdf5

SECONDS = ("seconds", "train_seconds", "epoch_seconds", "crc32")
"""What differs between two runs of the same bits: durations, and the checksums of what holds durations. (That checksums fit is asked of each file by the store.)"""


def rounds(run: Path, reference: Path) -> list[str]:
    """In what the finished rounds of `run` differ from those of that number in `reference`."""
    out = []
    for file in sorted((run / "rounds").glob("*.h5")):
        other = reference / "rounds" / file.name
        out += files(file, other) if other.exists() else [f"{file.name}: the uninterrupted run has no such round"]
    return out


def whole(run: Path, reference: Path) -> list[str]:
    """In what a finished run differs from another: rounds, curves of the log, and what a branch would begin with."""
    wrong = rounds(run, reference)
    there, wanted = ({x.name for x in (path / "rounds").glob("*.h5")} for path in (run, reference))
    wrong += [f"rounds {sorted(there)} where the uninterrupted run has {sorted(wanted)}"] if there != wanted else []
    if epochs(run) != epochs(reference):
        wrong.append("the epochs in the log differ")
    if all((path / "checkpoint.h5").exists() for path in (run, reference)):
        wrong += files(run / "checkpoint.h5", reference / "checkpoint.h5")
    if (mine := _config(run)) != (others := _config(reference)):
        wrong.append(f"settings {mine} where the uninterrupted run has {others}")
    return wrong


def files(one: Path, other: Path) -> list[str]:
    """In what two HDF5 files differ."""
    try:
        with h5py.File(one, "r", locking=False) as a, h5py.File(other, "r", locking=False) as b:
            mine, theirs = everything(a), everything(b)
            wrong = [f"{one.name}: {name} {'differs' if name in mine and name in theirs else 'is missing' if name in theirs else 'is too much'}"
                     for name in sorted(mine.keys() | theirs.keys()) if mine.get(name) != theirs.get(name)]
            if found := hdf5.same(_without_seconds(a), _without_seconds(b)):
                wrong.append(f"{one.name}: the store's own comparison finds {found} different")
    except OSError as e:
        return [f"{one.name} cannot be read: {e}"]
    return wrong


def everything(f: h5py.File) -> dict[str, Any]:
    """Every dataset and attribute of a file by name, as bytes, but for seconds."""
    found: dict[str, Any] = {}

    def take(name: str, item: h5py.Group | h5py.Dataset) -> None:
        for key, value in item.attrs.items():
            if key not in SECONDS:
                array = np.asarray(value)
                found[f"{name}@{key}"] = array.dtype.str, array.shape, array.tobytes()
        if isinstance(item, h5py.Dataset):
            found[name] = _plain(name, item)

    take("", f)
    _walk(f, "", take)
    return found


def _walk(group: h5py.Group, where: str, take: Any) -> None:
    for key in group:     # not visititems, which shows what two links lead to only once
        item, name = group[key], f"{where}/{key}"
        take(name, item)
        if isinstance(item, h5py.Group):
            _walk(item, name, take)


def _plain(name: str, dataset: h5py.Dataset) -> Any:
    value = np.asarray(dataset[()])
    last = name.rpartition("/")[2]
    if last == "curve":
        fields = [x.decode() for x in dataset.attrs["fields"]]
        return [(f, value[i].tobytes()) for i, f in enumerate(fields) if f not in SECONDS]
    if _is_text(name):
        return _timeless(json.loads(value.tobytes()))
    return value.dtype.str, value.shape, value.tobytes()


def _is_text(name: str) -> bool:
    """Whether a dataset is JSON in which times may stand; the rows of blocks are numbers."""
    folder, _, last = name.rpartition("/")
    return last in ("rows", "meta", "notes") and not folder.endswith("blocks")


def _timeless(value: Any) -> Any:
    """Without what tells of time; nan, which is not itself, as a word."""
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if k not in SECONDS}
    if isinstance(value, list):
        return [_timeless(v) for v in value]
    return "nan" if isinstance(value, float) and value != value else value


def _without_seconds(f: h5py.File) -> h5py.Group:
    """The file once more, in memory, with its times at zero, as one group that may be compared."""
    made = h5py.File.in_memory(track_order=True) if hasattr(h5py.File, "in_memory") else h5py.File("memory", "w", driver="core", backing_store=False, track_order=True)
    top = made.create_group("all", track_order=True)

    def copy(source: h5py.Group, to: h5py.Group) -> None:
        for key, value in source.attrs.items():
            if key not in SECONDS and source.name != "/":
                to.attrs[key] = value
        for key in source:
            item = source[key]
            if isinstance(item, h5py.Group):
                copy(item, to.create_group(key, track_order=True))
                continue
            value = np.asarray(item[()])
            if key == "curve":
                value = value[[i for i, x in enumerate(item.attrs["fields"]) if x.decode() not in SECONDS]]
            elif _is_text(item.name):
                value = np.frombuffer(json.dumps(_timeless(json.loads(value.tobytes()))).encode(), np.uint8)
            dataset = to.create_dataset(key, data=value)
            for name, x in item.attrs.items():
                dataset.attrs[name] = x

    copy(f, top)
    return top


def epochs(run: Path) -> dict[tuple, tuple]:
    """The curves that the log tells: the last word on each epoch counts, and an attempt that begins again drops what followed."""
    found: dict[tuple, tuple] = {}
    for line in (run / "events.jsonl").read_bytes().split(b"\n")[:-1]:
        event = json.loads(line)
        if event["event"] == "epoch":
            key = event["round"], event["structure"], event["epoch"]
            found = {k: v for k, v in found.items() if k[:2] != key[:2] or k[2] < key[2]}
            found[key] = tuple((k, v) for k, v in sorted(event.items()) if k not in ("time", *SECONDS))
    return found


def _config(run: Path) -> Any:
    value = json.loads((run / "config.json").read_text())
    return {k: v for k, v in value.items() if k in ("id", "config")}
