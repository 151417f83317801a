"""HDF5 files from outside: what may be in them. They are data of numbers in groups, all of it inside of the file, and no more of it than the file could hold.

Links to other files and places, virtual datasets, external storage, references, filters that are loaded from elsewhere, groups inside of themselves and shapes of
which nothing is there are refused before a byte of data is read.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import h5py

FILTERS = {h5py.h5z.FILTER_DEFLATE: "gzip", h5py.h5z.FILTER_SHUFFLE: "shuffle", h5py.h5z.FILTER_FLETCHER32: "fletcher32"}
"""What data may have gone through, each once."""
DEPTH, MEMBERS = 32, 100_000
RATIO, SMALL = 1100, 1 << 16
"""So many bytes deflate makes of one at most (1032, RFC 1951), and up to so many are read whatever is stored of them: an unwritten dataset is zeros."""


class Refused(ValueError):
    """What is in a file that may not be, in a few words that name it."""


def datasets(f: h5py.File) -> Iterator[tuple[str, h5py.Dataset]]:
    """Every dataset by its path, its values not read yet. Refused for whatever may not be there; RuntimeError, OSError and the like as h5py raises them."""
    yield from _inside(f["/"], "", (), [0])


def check(f: h5py.File) -> None:
    """Looks at all of it."""
    for _ in datasets(f):
        pass


def _inside(group: h5py.Group, at: str, above: tuple, count: list[int]) -> Iterator[tuple[str, h5py.Dataset]]:
    above = (*above, _place(group))
    for key in group:
        count[0] += 1
        name = f"{at}{key}"
        if count[0] > MEMBERS:
            raise Refused(f"it has more than {MEMBERS:,} entries; save the state dict alone")
        link = group.get(key, getlink=True)
        if not isinstance(link, h5py.HardLink):
            raise Refused(f"{name} points to another place ({type(link).__name__}), which is not followed; save a copy of the data")
        item = group[key]
        if isinstance(item, h5py.Group):
            if _place(item) in above:
                raise Refused(f"{name} is a group inside of itself")
            if len(above) > DEPTH:
                raise Refused(f"its groups lie more than {DEPTH} inside of one another")
            yield from _inside(item, f"{name}/", above, count)
        elif isinstance(item, h5py.Dataset):
            _check(name, item)
            yield name, item


def _place(item: h5py.Group) -> tuple[int, int]:
    info = h5py.h5o.get_info(item.id)
    return info.fileno, info.addr


def _check(name: str, item: h5py.Dataset) -> None:
    made, kind = item.id.get_create_plist(), item.id.get_type()
    if kind.get_class() in (h5py.h5t.REFERENCE, h5py.h5t.VLEN):
        raise Refused(f"{name} holds references or lists of any length, which are not read; save arrays of numbers")
    if made.get_layout() not in (h5py.h5d.COMPACT, h5py.h5d.CONTIGUOUS, h5py.h5d.CHUNKED) or made.get_external_count():
        raise Refused(f"{name} has its data in other files or places, which are not looked into; save a copy of the data")
    used = [made.get_filter(i)[0] for i in range(made.get_nfilters())]
    if any(x not in FILTERS for x in used) or len(set(used)) < len(used):
        raise Refused(f"{name} is packed by filters that are not run here ({', '.join(FILTERS.get(x, str(x)) for x in used)}); save it with compression='gzip' or without")
    chunk = math.prod(made.get_chunk()) if made.get_layout() == h5py.h5d.CHUNKED else 0
    said, stored = kind.get_size() * max(chunk, item.id.get_space().get_simple_extent_npoints()), item.id.get_storage_size()
    if said > max(SMALL, RATIO * stored):
        raise Refused(f"{name} says that it has {said:,} bytes, of which {stored:,} are stored: more than there can be; save it again")


__all__ = ["FILTERS", "Refused", "check", "datasets"]
