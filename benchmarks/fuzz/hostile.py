"""Files that somebody made on purpose: what each format could be misused for, small, made by code."""

from __future__ import annotations

import io
import pickle
import stat
import zipfile
from pathlib import Path

import h5py
import numpy as np

OUTSIDE = "/tmp/lthviz-fuzz-outside"
"""What the files below point to or would write; nothing may ever be there."""


class Evil:
    """Leaves a file where it is unpickled."""

    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


def torch_files(outside: str = OUTSIDE) -> list[bytes]:
    """Pickles that would write a file: in today's form, in that of old, and bare."""
    import torch

    out = []
    for zipped in (True, False):
        box = io.BytesIO()
        torch.save({"w": torch.ones(2, 2), "evil": Evil(outside)}, box, _use_new_zipfile_serialization=zipped)
        out.append(box.getvalue())
    return [*out, pickle.dumps(Evil(outside), protocol=2)]


def archives(outside: str = OUTSIDE) -> list[bytes]:
    """npz whose members have paths, links, devices, pickles, or more in them than the file could hold."""
    array, evil = io.BytesIO(), io.BytesIO()
    np.save(array, np.ones((2, 2), np.float32))
    objects = np.empty(1, object)
    objects[0] = Evil(outside)
    np.save(evil, objects)
    out = []
    for name, mode in (("../../outside.npy", 0), (f"{outside}.npy", 0), ("..\\outside.npy", 0), ("a.npy", stat.S_IFLNK | 0o777), ("b.npy", stat.S_IFCHR | 0o666), ("a\x1b[31m\n.npy", 0)):
        out.append(_zip({name: (b"/etc/passwd" if mode else array.getvalue())}, mode))
    return [*out, _zip({"w.npy": evil.getvalue()}), bomb(1 << 22), lying(), overlapping()]


def _zip(members: dict[str, bytes], mode: int = 0) -> bytes:
    box = io.BytesIO()
    with zipfile.ZipFile(box, "w", zipfile.ZIP_DEFLATED) as z:
        for name, content in members.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            z.writestr(info, content)
    return box.getvalue()


def bomb(size: int) -> bytes:
    """An npz of one array of that many zeros."""
    box = io.BytesIO()
    np.savez_compressed(box, w=np.zeros(size, np.uint8))
    return box.getvalue()


def lying(shape: str = "(1048576, 1048576)") -> bytes:
    """An npz whose array says that it has a shape of which nothing is there."""
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".encode()
    head += b" " * (118 - len(head) - 1) + b"\n" if len(head) < 117 else b"\n"
    return _zip({"w.npy": b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + b"\0" * 64})


def overlapping() -> bytes:
    """An npz with two entries of its directory for the same bytes."""
    made = bytearray(_zip({"a.npy": bytes(200), "b.npy": bytes(200)}))
    first, second = (made.find(b"PK\x01\x02", at) for at in (0, made.find(b"PK\x01\x02") + 4))
    made[second + 42:second + 46] = made[first + 42:first + 46]
    return bytes(made)


def hdf5_files(outside: str = OUTSIDE) -> dict[str, bytes]:
    """HDF5 by what is wrong with it."""
    out = {}
    weight = np.ones((4, 3, 3, 3), np.float32)

    def made(name: str, fill) -> None:
        box = io.BytesIO()
        with h5py.File(box, "w", libver="v110") as f:
            f["conv.weight"] = weight
            fill(f)
        out[name] = box.getvalue()

    def virtual(f: h5py.File) -> None:
        layout = h5py.VirtualLayout(shape=(4,), dtype="f4")
        layout[:] = h5py.VirtualSource(f"{outside}.h5", "w", shape=(4,))
        f.create_virtual_dataset("w", layout)

    def filtered(number: int, f: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((4,))
        plist.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,))
        h5py.h5d.create(f.id, b"w", h5py.h5t.NATIVE_FLOAT, h5py.h5s.create_simple((4,)), plist)

    def deep(f: h5py.File) -> None:
        group = f
        for _ in range(300):
            group = group.create_group("g")
        group["w"] = weight

    def vlen(f: h5py.File) -> None:
        f.create_dataset("w", (2,), h5py.vlen_dtype(np.int32))

    def nested(f: h5py.File) -> None:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1 << 20,))
        for _ in range(2):
            plist.set_deflate(9)
        data = h5py.h5d.create(f.id, b"w", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((1 << 20,)), plist)
        data.write(h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1 << 20, np.uint8))

    made("external link", lambda f: f.__setitem__("w", h5py.ExternalLink(f"{outside}.h5", "/w")))
    made("soft link", lambda f: f.__setitem__("w", h5py.SoftLink("/conv.weight")))
    made("soft link out", lambda f: f.__setitem__("w", h5py.SoftLink("/not/there")))
    made("virtual dataset", virtual)
    made("external storage", lambda f: f.create_dataset("w", (4,), "f4", external=[(f"{outside}.raw", 0, 16)]))
    made("references", lambda f: f.create_dataset("w", (1,), h5py.ref_dtype).__setitem__(0, f["conv.weight"].ref))
    made("variable length", vlen)
    made("a group inside itself", lambda f: f.create_group("g").__setitem__("again", f["g"]))
    made("groups in groups", deep)
    made("user-defined filter", lambda f: filtered(305, f))
    made("lzf", lambda f: f.create_dataset("w", data=weight, compression="lzf"))
    made("scale-offset", lambda f: f.create_dataset("w", data=weight.astype(int), scaleoffset=0))
    made("absurd shape", lambda f: f.create_dataset("w", (1 << 30, 1 << 20), "f4", chunks=(1, 1024)))
    made("absurd chunks", lambda f: f.create_dataset("w", (1 << 28,), "f4", chunks=(1 << 28,)))
    made("deflated twice", nested)
    return out


def write_all(folder: Path) -> dict[str, Path]:
    """The HDF5 files, on disk."""
    files = {}
    for i, (name, data) in enumerate(hdf5_files().items()):
        files[name] = folder / f"{i}.h5"
        files[name].write_bytes(data)
    return files
