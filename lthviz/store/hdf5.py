"""HDF5 as the store uses it: made in memory, checked on reading, refused when newer.

Every dataset carries a Fletcher-32 checksum and, as an attribute, the CRC-32 of its values (Fletcher takes 0000 for FFFF, and HDF5 has none for a
single number); the rest of the file (names, attributes, chunk tables) has the checksums of
HDF5's own version-2 object headers: a flipped byte is noticed wherever it is read. Variable-length data (h5py's default for
text) would be outside of both, and a flipped byte there can hang the HDF5 library, so there is none; and no pickles.
"""

from __future__ import annotations

import contextlib
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from lthviz.errors import DamagedError, MaskError
from lthviz.store import files, sealed
from lthviz.store.buffer import Buffer

FORMAT = 1
"""Of the HDF5 files; a reader of format n reads all formats up to n. The JSON files count for themselves (sealed.py)."""
CRC = "crc32"
"""The attribute of every dataset that checks its values; of older files none has it."""


def image(kind: str, head: Mapping[str, str], fill: Callable[[h5py.File], None]) -> memoryview:
    """The bytes of an HDF5 file of that kind; the same content gives the same bytes."""
    buffer = Buffer()
    try:   # no cache of chunks: one that cannot be packed for want of memory is an error at once, and not when the file is closed, where it ends the process
        with h5py.File(buffer, "w", libver="v110", track_order=True, rdcc_nbytes=0) as f:
            f.attrs.update({"format": FORMAT, **{k: np.bytes_(v.encode()) for k, v in {"kind": kind, **head}.items()}})
            fill(f)
    except (OSError, RuntimeError) as e:   # in memory there is no other reason
        raise MemoryError(f"cannot allocate memory for a file of the store ({next(iter(str(e).splitlines()), '')})") from e
    return buffer.whole()


def put(group: h5py.Group, name: str, array: np.ndarray, *, gzip: bool = True) -> h5py.Dataset:
    """A dataset in one chunk with its checksum; compressed lightly unless the time matters more."""
    array = np.asarray(array, order="C")
    pack: dict[str, Any] = {}
    if array.size and array.ndim:
        pack = dict(compression="gzip", compression_opts=1, shuffle=array.itemsize > 1) if gzip else {}
        pack |= dict(chunks=array.shape if array.nbytes < 2**30 else True, fletcher32=True)
    made = group.create_dataset(key(name), data=array, **pack)
    made.attrs[CRC] = _crc(array)
    return made


def put_bytes(group: h5py.Group, name: str, data: bytes) -> None:
    """Text of any length (an attribute may hold 64 KiB only)."""
    put(group, name, np.frombuffer(data, np.uint8))


def key(name: str) -> str:
    """A name as one HDF5 link: `/` and `%` are written `%2F` and `%25`."""
    return name.replace("%", "%25").replace("/", "%2F")


def name(key: str) -> str:
    return key.replace("%2F", "/").replace("%25", "%")


@contextlib.contextmanager
def intact(path: Path, what: str) -> Iterator[None]:
    """Turns what h5py raises on a damaged file into a DamagedError that names file and dataset."""
    try:
        yield
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, AttributeError, ArithmeticError, MemoryError, MaskError) as e:
        why = (str(e).strip("\"'\n") or type(e).__name__).splitlines()[0][:160]
        raise DamagedError(f"{path} is damaged at {what}: {why}") from e


@contextlib.contextmanager
def opened(path: Path, kind: str) -> Iterator[h5py.File]:
    """An HDF5 file of the store for reading. FileNotFoundError, VersionError, DamagedError."""
    with files.readable(path), open(path, "rb"):
        pass
    with intact(path, "its head"):
        f = h5py.File(path, "r", locking=False)  # nothing writes to a file that has its final name
    with f:
        with intact(path, "its head"):
            version, made_by, found = int(f.attrs["format"]), text(f, "lthviz"), text(f, "kind")
        sealed.check_format(path, version, made_by, FORMAT)
        if found != kind:
            raise DamagedError(f"{path} is a {found} file; a {kind} file was expected")
        yield f


def text(f: h5py.File, name: str) -> str:
    """An attribute of fixed-length text; ValueError when it is anything else."""
    value = f.attrs[name]
    if not isinstance(value, bytes):
        raise ValueError(f"the attribute {name!r} is not fixed-length text")
    return value.decode()


def kind_of(path: Path) -> str:
    """'round', 'checkpoint' or 'run' by a file's head; '' when it is no HDF5 file of ours."""
    if not h5py.is_hdf5(path):
        return ""
    with intact(path, "its head"), h5py.File(path, "r", locking=False) as f:
        kind = f.attrs.get("kind", b"")
        return kind.decode(errors="replace") if isinstance(kind, bytes) else ""


def get(group: h5py.Group, name: str, path: Path) -> np.ndarray:
    """A whole dataset, checked."""
    with intact(path, f"{group.name}/{name}".replace("//", "/")):
        return _checked(group[key(name)])


def _checked(dataset: h5py.Dataset) -> np.ndarray:
    """Its values; ValueError when they are not what was written. An older file has no CRC-32 of them."""
    values = np.asarray(dataset[()])  # h5py gives an array of no dimensions as a scalar
    if CRC in dataset.attrs and int(dataset.attrs[CRC]) != _crc(values):
        raise ValueError("its checksum does not fit its values")
    return values


def _crc(values: np.ndarray) -> np.uint32:
    """Of the bytes of an array in C order, little-endian, as they are stored."""
    return np.uint32(zlib.crc32(values.reshape(-1).view(np.uint8)) if values.size else 0)


def get_json(group: h5py.Group, name: str, path: Path) -> Any:
    data = get(group, name, path).tobytes()
    with intact(path, f"{group.name}/{name}"):
        return json.loads(data)


def verify(path: Path, group: h5py.Group) -> None:
    """Reads everything below a group; DamagedError names the first dataset that is not what was written."""
    if found := next(damages(path, group), None):
        raise found


def damages(path: Path, group: h5py.Group) -> Iterator[DamagedError]:
    """Reads everything below a group; one error for each dataset, or group that cannot be looked into, that is not what was written."""
    try:
        with intact(path, group.name):
            members = list(group)
    except DamagedError as e:
        yield e
        return
    for member in members:
        try:
            with intact(path, f"{group.name}/{member}".replace("//", "/")):
                item = group[member]
                dict(item.attrs)
                if isinstance(item, h5py.Dataset):
                    _checked(item)
        except DamagedError as e:
            yield e
            continue
        if isinstance(item, h5py.Group):
            yield from damages(path, item)


def same(a: h5py.Group, b: h5py.Group, but: Sequence[str] = ()) -> str:
    """'' when two groups hold the same, else the name of the first thing that differs. but: members that do not count."""
    names, others = ([x for x in group if x not in but] for group in (a, b))
    if names != others or (a.name != "/" and not _same_attrs(a, b)):  # a file's own attributes say who wrote it
        return a.name
    for member in names:
        x, y = a[member], b[member]
        if isinstance(x, h5py.Group) and isinstance(y, h5py.Group):
            if differs := same(x, y):
                return differs
        elif type(x) is not type(y) or x.dtype != y.dtype or x.shape != y.shape or not _same_attrs(x, y) \
                or x[()].tobytes() != y[()].tobytes():
            return x.name
    return ""


def _same_attrs(a: Any, b: Any) -> bool:
    x, y = ({k: (np.asarray(v).dtype, np.asarray(v).tobytes()) for k, v in item.attrs.items() if k != CRC} for item in (a, b))   # older files have none
    return x == y
