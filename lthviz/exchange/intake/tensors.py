"""Any file of weights or masks as tensors by name, read when they are asked for. Nothing is unpickled but tensors and plain values.

A file is what its first bytes say; where its name says something else, that is told instead of guessed at.
"""

from __future__ import annotations

import contextlib
import math
import struct
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from lthviz.errors import ExchangeError
from lthviz.exchange import opening, parcel
from lthviz.store import foreign, hdf5

WHOLE = 1 << 30
"""Bytes up to which a file is read that cannot be read tensor by tensor (.pt as written before torch 1.6)."""
FLOATS = frozenset({"float32", "float64", "float16", "bfloat16"})
"""What a weight may be of."""
MASKS = FLOATS | {"bool", *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64))}
"""What a mask may be of."""
DESCRIPTION = 1 << 26
"""Bytes of what a file may say of itself."""


class Tensor(NamedTuple):
    """A tensor of a file, not read yet. dtype: torch's name of it."""

    shape: tuple[int, ...]
    dtype: str
    read: Callable[[], np.ndarray]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


@dataclass(frozen=True)
class Found:
    """What a file holds. kind: of file, for people. tensors: by name. about: what a file of ours says of itself. more: further state dicts in it by their
    key (`init_weight`). said: what is worth telling of it."""

    path: Path
    kind: str
    tensors: Mapping[str, Tensor]
    about: parcel.About | None = None
    more: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    said: tuple[str, ...] = ()

    @property
    def weights(self) -> dict[str, Tensor]:
        """What is no mask, by the names that weights have without pruning: `X_orig` is X."""
        return {n.removesuffix("_orig"): t for n, t in self.tensors.items() if not n.endswith("_mask")}

    @property
    def masks(self) -> dict[str, str]:
        """By a weight's name, the entry that is its mask."""
        return {n.removesuffix("_mask"): n for n in self.tensors if n.endswith("_mask")}


def read(path: Path) -> Found:
    """What a file holds. ExchangeError: a file that is not there, empty, none of the known kinds, another than its name says, damaged, or that would
    have to run code to be read."""
    if path.is_dir():
        raise ExchangeError(f"{path} is a folder; give a file, or a folder of rounds (level_0, level_1, … or 0checkpoint.pth.tar, 1checkpoint.pth.tar, …)")
    try:
        size = path.stat().st_size
        with open(path, "rb") as f:
            head = f.read(64)
    except FileNotFoundError:
        raise ExchangeError(f"there is no file {str(path)!r}") from None
    except OSError as e:
        raise ExchangeError(f"{path} cannot be read: {e.strerror or e}") from None
    kind = kind_of(path, head, size)
    _check_name(path, kind)
    try:
        with _quiet():
            return _READERS[kind](path)
    except ExchangeError:
        raise
    except MemoryError:
        raise ExchangeError(f"{path} needs more memory than there is; save the state dict alone, as safetensors, which is read tensor by tensor") from None
    except Exception as e:  # the libraries raise a dozen types at a file that is damaged
        raise ExchangeError(f"{path} begins like a {kind} file and cannot be read as one: {_line(e)}; it may be cut short: copy or save it again") from e


def kind_of(path: Path, head: bytes, size: int) -> str:
    """safetensors, torch, npz or HDF5, by the first bytes. ExchangeError for anything else, with what it is as far as that can be told."""
    if not size:
        raise ExchangeError(f"{path} is empty; copy or save it again")
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "HDF5"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < min(size, 1 << 27):
        return "safetensors"
    if head.startswith(b"PK\x03\x04"):
        return _archive(path)
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        if size > WHOLE:
            raise ExchangeError(f"{path} is a torch file of {size / 2**30:.1f} GiB in the form from before torch 1.6, which can only be read whole; save it again with today's torch")
        return "torch"
    text = head.decode(errors="replace").splitlines()[0][:40]
    begins = f"text that begins with {text!r}" if text.isprintable() and "\ufffd" not in text else f"the bytes {head[:8].hex(' ')}"
    what = {b"GGUF": "a GGUF file", b"\x1f\x8b": "a gzip archive: unpack it first", b"\x93NUM": "one numpy array without a name: save with numpy.savez(path, **{name: array})"}
    known = next((words for magic, words in what.items() if head.startswith(magic)), f"it holds {begins}")
    raise ExchangeError(f"{path} is no file of weights or masks: {known}; known are .safetensors, .pt, .npz and .h5")


def _archive(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as z:
            infos = z.infolist()
            names = [i.filename for i in infos]
    except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError, struct.error):
        raise ExchangeError(f"{path} is a zip archive that is cut short or damaged; copy or save it again") from None
    opening.members(path, infos)
    if any(n.endswith("/data.pkl") or n == "data.pkl" for n in names):
        if any(n.endswith("constants.pkl") for n in names) and any("/code/" in n for n in names):
            raise ExchangeError(f"{path} is a TorchScript program; save the network's state_dict() instead")
        return "torch"
    if names and all(n.endswith(".npy") for n in names):
        return "npz"
    if any(n.endswith("lthviz.json") for n in names):
        raise ExchangeError(f"{path} is an exported network of smaller layers; export the ticket as state-dict or torch-prune to take it in again")
    if any("models/" in n and n.endswith(".json") for n in names) or any(n.endswith("serialized_exported_program.json") for n in names):
        raise ExchangeError(f"{path} is a program of torch.export; save the network's state_dict() instead")
    raise ExchangeError(f"{path} is a zip archive of {len(names)} other files ({', '.join(names[:2])}…); unpack it and give the file of weights")


_SUFFIX = {"safetensors": (".safetensors",), "torch": (".pt", ".pth", ".tar", ".bin", ".ckpt"), "npz": (".npz",), "HDF5": (".h5", ".hdf5")}


def _check_name(path: Path, kind: str) -> None:
    suffix = path.suffix.lower()
    other = next((k for k, suffixes in _SUFFIX.items() if suffix in suffixes), None)
    if other not in (None, kind):
        raise ExchangeError(f"{path} is called {suffix} and holds a {kind} file; if you trust where it comes from, give it a name that ends in {_SUFFIX[kind][0]}")


# Readers ----------------------------------------------------------------------------------------------------------------


_SAFETENSORS = {"F64": ("float64", "<f8"), "F32": ("float32", "<f4"), "F16": ("float16", "<f2"), "BF16": ("bfloat16", "<u2"), "BOOL": ("bool", "?"), "U8": ("uint8", "u1"),
                "I8": ("int8", "i1"), "U16": ("uint16", "<u2"), "I16": ("int16", "<i2"), "U32": ("uint32", "<u4"), "I32": ("int32", "<i4"), "U64": ("uint64", "<u8"), "I64": ("int64", "<i8")}


def _read_safetensors(path: Path) -> Found:
    import json

    from safetensors import safe_open

    with safe_open(path, "np") as f:   # which checks the whole header
        metadata = f.metadata() or {}
    with open(path, "rb") as f:
        length = int.from_bytes(f.read(8), "little")
        header = json.loads(f.read(length))
    tensors = {}
    for name, entry in sorted(((n, e) for n, e in header.items() if n != "__metadata__"), key=lambda x: x[1]["data_offsets"][0]):
        torch_name, numpy_type = _SAFETENSORS.get(entry["dtype"], (entry["dtype"], ""))
        begin, end = entry["data_offsets"]
        tensors[name] = Tensor(tuple(entry["shape"]), torch_name, _slice(path, 8 + length + begin, end - begin, numpy_type, tuple(entry["shape"]), entry["dtype"]))
    return Found(path, "safetensors", _checked(path, tensors), _about(path, metadata.get(parcel.KEY)))


def _slice(path: Path, at: int, length: int, kind: str, shape: tuple[int, ...], dtype: str) -> Callable[[], np.ndarray]:
    def take() -> np.ndarray:
        with open(path, "rb") as f:
            f.seek(at)
            array = np.frombuffer(f.read(length), kind).reshape(shape)
        return (array.astype(np.uint32) << 16).view(np.float32) if dtype == "BF16" else array
    return take


def _read_npz(path: Path) -> Found:
    tensors, about = {}, None
    with zipfile.ZipFile(path) as z:
        for info in z.infolist():
            name = info.filename.removesuffix(".npy")
            with z.open(info) as f:
                version = np.lib.format.read_magic(f)
                shape, _, dtype = (np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0)(f)
                begins = f.tell()
            if dtype.hasobject:
                raise ExchangeError(f"{path}: {name!r} is a pickled object, which is not opened; save arrays of numbers")
            if min(shape, default=0) < 0 or begins + math.prod(shape) * dtype.itemsize != info.file_size:
                raise ExchangeError(f"{path}: {name!r} says that it has the shape {shape}, which is not what is there; copy or save it again")
            if name == f"__{parcel.KEY}__":
                _short(path, math.prod(shape) * dtype.itemsize)
                about = _about(path, bytes(_from_npz(path, name)()))
            else:
                tensors[name] = Tensor(tuple(shape), str(dtype), _from_npz(path, name))
    return Found(path, "npz", _checked(path, tensors), about)


def _from_npz(path: Path, name: str) -> Callable[[], np.ndarray]:
    def take() -> np.ndarray:
        with np.load(path, allow_pickle=False) as f:
            return f[name]
    return take


def _read_h5(path: Path) -> Found:
    if kind := hdf5.kind_of(path):
        raise ExchangeError(f"{path} is a {kind} file of lthviz; " + ("`lthviz unpack` takes it in" if kind == "run" else "give the packed run, which `lthviz pack` makes"))
    tensors: dict[str, Tensor] = {}
    about = None
    with h5py.File(path, "r", locking=False) as f:
        try:
            for name, item in foreign.datasets(f):
                if item.shape is not None and item.dtype.kind in "biuf":
                    tensors[name] = Tensor(tuple(item.shape), str(item.dtype), _from_h5(path, name))
        except foreign.Refused as e:
            raise ExchangeError(f"{path}: {e}") from None
        if parcel.KEY in f.attrs:
            about = _about(path, bytes(f.attrs[parcel.KEY]) if not isinstance(f.attrs[parcel.KEY], str) else f.attrs[parcel.KEY])
    if f"__{parcel.KEY}__" in tensors:
        _short(path, 8 * tensors[f"__{parcel.KEY}__"].size)
        about = _about(path, tensors.pop(f"__{parcel.KEY}__").read().tobytes())
    return Found(path, "HDF5", _checked(path, tensors), about)


def _from_h5(path: Path, name: str) -> Callable[[], np.ndarray]:
    def take() -> np.ndarray:
        with h5py.File(path, "r", locking=False) as f:
            return f[name][()]
    return take


STATE_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights", "params", "module", "state_dict_ema", "model_ema")
"""Under which programs keep a network's state in a checkpoint, those first that are what was trained."""
INITIAL_KEYS = ("init_weight", "rewind_weight", "initial_state_dict", "init_state_dict")
"""Under which they keep the weights that a ticket is rewound to."""


def _read_torch(path: Path) -> Found:
    value = opening.torch_load(path)
    if not isinstance(value, Mapping):
        raise ExchangeError(f"{path} holds a {type(value).__name__}; it should hold a state dict: tensors by parameter name")
    state, said = value, []
    if not _state(value):
        key = next((k for k in STATE_KEYS if isinstance(value.get(k), Mapping) and _state(value[k])), None)
        if key is None:
            keys = ", ".join(repr(str(k)) for k in list(value)[:6])
            raise ExchangeError(f"{path} holds no state dict, but a dictionary of {keys}{'…' if len(value) > 6 else ''}; save model.state_dict() alone or under 'state_dict'")
        state = value[key]
        said.append(f"the network's state was found under {key!r}")
    more = {k: _checked(path, _tensors(value[k])) for k in INITIAL_KEYS if state is not value and isinstance(value.get(k), Mapping) and _state(value[k])}
    about = getattr(state, "_metadata", {}).get(parcel.KEY) if isinstance(getattr(state, "_metadata", None), Mapping) else None
    return Found(path, "torch", _checked(path, _tensors(state)), _about(path, about), more, tuple(said))


def _state(value: Mapping) -> bool:
    """Whether that is tensors by name, with little else."""
    import torch

    tensors = sum(isinstance(v, torch.Tensor) for v in value.values())
    return tensors > 0 and tensors >= 0.5 * len(value) and all(isinstance(k, str) for k in value)


def _tensors(state: Mapping[str, Any]) -> dict[str, Tensor]:
    import torch

    out = {}
    for name, value in state.items():
        if isinstance(value, torch.Tensor):
            dtype = "quantised" if value.is_quantized else "meta" if value.is_meta else "sparse" if value.layout != torch.strided else str(value.dtype).removeprefix("torch.")
            out[name] = Tensor(tuple(value.shape), dtype, _from_torch(value))
    return out


def _from_torch(value: Any) -> Callable[[], np.ndarray]:
    def take() -> np.ndarray:
        import torch

        found = value.detach()
        return (found.float() if found.dtype == torch.bfloat16 else found).contiguous().numpy()
    return take


_READERS: dict[str, Callable[[Path], Found]] = {"safetensors": _read_safetensors, "torch": _read_torch, "npz": _read_npz, "HDF5": _read_h5}


def _short(path: Path, length: int) -> None:
    if length > DESCRIPTION:
        raise ExchangeError(f"{path}: what it says of itself takes {length:,} bytes, more than any ticket's description; leave {parcel.KEY!r} out of the file")


def _checked(path: Path, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors, which say in a line why one cannot be read."""
    if strange := next((n for n in tensors if not n.isprintable() or len(n) > 500), None):
        raise ExchangeError(f"{path} holds a tensor that is called {ascii(strange)[:80]}, which no network's is; give it a name of letters, digits and points")
    if not tensors:
        raise ExchangeError(f"{path} is a file without a tensor in it; save model.state_dict()")
    if (total := sum(4 * t.size for t in tensors.values())) > opening.MOST:
        raise ExchangeError(f"{path} holds tensors of {total / 2**30:,.1f} GiB; at most {opening.MOST / 2**30:.0f} GiB are looked at: save the network's state dict alone")
    return {n: t._replace(read=_told(path, n, t.read)) for n, t in tensors.items()}


def _told(path: Path, name: str, read: Callable[[], np.ndarray]) -> Callable[[], np.ndarray]:
    def take() -> np.ndarray:
        try:
            return read()
        except MemoryError:
            raise ExchangeError(f"{path}: {name!r} needs more memory than there is") from None
        except Exception as e:   # as in `read`
            raise ExchangeError(f"{path}: {name!r} cannot be read ({_line(e)}); copy or save it again") from e
    return take


def _about(path: Path, value: Any) -> parcel.About | None:
    return None if value is None else parcel.read(value, str(path))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that a strange file draws from the libraries: what matters of them is an error here."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _line(e: Exception) -> str:
    return (str(e).strip().split("\n")[0] or type(e).__name__)[:160]
