"""Masks and weights in files of other programs: .npz, .safetensors, .pt and .h5, keyed by parameter name.

A mask is an array of its weight's shape, bool or numbers that are all 0 or 1 (1 = kept). Nothing is unpickled: .npz is read
without pickles, .pt with `weights_only`. Only .pt needs torch. Whatever is wrong with a file is a MaskError of one line.

A file may say what it is of, as a text: in the metadata of .safetensors, in `_metadata` of a .pt's state dict, else as an array of bytes
called `__lthviz__`, which is no mask.
"""

from __future__ import annotations

import io
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import h5py
import numpy as np
import safetensors
import safetensors.numpy

from lthviz.errors import ExchangeError, MaskError, did_you_mean
from lthviz.exchange import opening
from lthviz.exchange.parcel import KEY
from lthviz.records import Masks
from lthviz.store import files, foreign

Arrays = dict[str, np.ndarray]
T = TypeVar("T")
ENTRY = f"__{KEY}__"


def read(path: str | Path) -> Masks:
    """The masks in a file, every entry one. MaskError names the file, the entry and what is wrong."""
    arrays = _load(Path(path))
    return Masks.of({name: _checked_mask(array, f"{path}: mask {name!r}") for name, array in arrays.items()})


def write(path: str | Path, masks: Masks, description: str | None = None) -> None:
    """Masks as bool (in .h5: uint8) arrays of their weights' shapes, in the format that the suffix names; with a text that `description` reads."""
    suffix = check_target(path)
    files.write(Path(path), _WRITERS[suffix]({name: masks[name] for name in masks}, description))


def description(path: str | Path) -> str | None:
    """What the file says it is of, in any of the four formats; None where it says nothing. MaskError as `read`."""
    path = Path(path)
    return _opened(path, _DESCRIPTIONS[_suffix(path)])


def check_target(path: str | Path) -> str:
    """The format in which `write` would write there, by its suffix; MaskError when it could not. To be asked before long work."""
    path = Path(path)
    suffix = _suffix(path)
    if not path.parent.is_dir():
        raise MaskError(f"the folder {path.parent} is not there; make it or give another name")
    if path.is_dir():
        raise MaskError(f"{path} is a folder; give the name of a file")
    return suffix


def read_weights(path: str | Path, masks: Masks | None = None) -> Arrays:
    """The weights that the masks name, else every array of four dimensions, as float32.

    A dictionary that holds its state dict under `state_dict` or `model` is opened. MaskError for a missing name (with near
    misses), another shape than the mask's, or what is not finite.
    """
    arrays = _load(Path(path))
    if masks is None:
        masks_shape: Mapping[str, tuple[int, ...]] = {n: a.shape for n, a in arrays.items() if a.ndim == 4}
        if not masks_shape:
            raise MaskError(f"{path}: no array in it has four dimensions, so there is no convolution's weight")
    else:
        masks_shape = {n: masks.shape(n) for n in masks}
    out = {}
    for name, shape in masks_shape.items():
        if name not in arrays:
            raise MaskError(f"{path}: there is no weight {name!r}; {did_you_mean(name, arrays)}")
        array, where = arrays[name], f"{path}: weight {name!r}"
        if array.dtype.kind != "f":
            raise MaskError(f"{where} has dtype {array.dtype}; it should be floating point")
        if array.shape != shape:
            raise MaskError(f"{where} has shape {array.shape}; its mask has {shape}")
        if bad := int(np.count_nonzero(~np.isfinite(array))):
            raise MaskError(f"{where} has {bad} values that are not finite; it should have none")
        out[name] = array.astype(np.float32)
    return out


def _checked_mask(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype.kind not in "buif":
        raise MaskError(f"{where} has dtype {array.dtype}; it should be bool, or numbers that are 0 or 1")
    if array.ndim < 2:
        raise MaskError(f"{where} has shape {array.shape}; a mask has its weight's shape, at least two dimensions")
    if not array.size:
        raise MaskError(f"{where} has shape {array.shape}: it is empty")
    if array.dtype.kind == "f" and (bad := int(np.count_nonzero(np.isnan(array)))):
        raise MaskError(f"{where} has {bad} NaN; every entry should be 0 or 1")
    kept = array != 0
    if array.dtype != bool and (other := kept & (array != 1)).any():
        raise MaskError(f"{where} has the value {array[other][0]} ({np.count_nonzero(other)} entries are neither 0 nor 1)")
    return kept


# Formats ---------------------------------------------------------------------------------------------------------------


def _suffix(path: Path) -> str:
    suffix = {".pth": ".pt", ".hdf5": ".h5"}.get(path.suffix.lower(), path.suffix.lower())
    if suffix not in _READERS:
        raise MaskError(f"{path} ends in {path.suffix!r}; a mask or weight file ends in {', '.join(_READERS)}")
    return suffix


def _load(path: Path) -> Arrays:
    """All arrays of a file by name; bfloat16 comes as float32."""
    arrays = _opened(path, _READERS[_suffix(path)])
    arrays.pop(ENTRY, None)
    if not arrays:
        raise MaskError(f"{path} is empty: there is no array in it")
    if strange := next((n for n in arrays if not n.isprintable() or len(n) > 500), None):
        raise MaskError(f"{path} holds an array that is called {ascii(strange)[:80]}, which no layer is; give it a name of letters, digits and points")
    return arrays


def _opened(path: Path, reader: Callable[[Path], T]) -> T:
    """What a reader of its format makes of the file; MaskError for whatever it raises."""
    if not path.is_file():
        raise MaskError(f"there is no file {str(path)!r}")
    try:
        return reader(path)
    except MaskError:
        raise
    except ExchangeError as e:
        raise MaskError(f"{path} cannot be read as {_suffix(path)}: it {str(e).removeprefix(str(path)).lstrip(': ')}") from e
    except Exception as e:  # the four libraries raise a dozen types at a file that is not theirs
        why = e.strerror if isinstance(e, OSError) and e.strerror else str(e).strip().split("\n")[0]
        raise MaskError(f"{path} cannot be read as {_suffix(path)}: {(why or type(e).__name__)[:160]}") from e


_NO_ARRAY = np.empty((), object)
"""Stands for an entry that is no array of numbers; an error only where it is asked for."""


_SAVE = "save masks with numpy.savez(path, **{name: mask})"


def _not_npz(head: bytes) -> str:
    """What a file that begins so is instead of a zip archive, and what to do; '' where it may be one."""
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"\x93NUMPY")):
        return ""
    if head.startswith(b"\x89HDF\r\n\x1a\n"):
        return "it is an HDF5 file; give it a name that ends in .h5"
    if len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32:
        return "it is a safetensors file; give it a name that ends in .safetensors"
    if head.startswith((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        return f"it is a Python pickle, which is not opened; {_SAVE}"
    if not head:
        return f"it is empty; {_SAVE}"
    text = head.decode(errors="replace").splitlines()[0][:40]
    return f"it is text that begins with {text!r}; {_SAVE}" if text.isprintable() and "\ufffd" not in text else \
        f"it begins with the bytes {head[:8].hex(' ')}, a zip archive with 50 4b 03 04; {_SAVE}"


def _read_npz(path: Path) -> Arrays:
    with open(path, "rb") as f:  # numpy leaves a file that it opened and cannot read open
        if found := _not_npz(f.read(64)):
            raise MaskError(f"{path} is no .npz: {found}")
        f.seek(0)
        if zipfile.is_zipfile(f):
            with zipfile.ZipFile(f) as z:
                opening.members(path, z.infolist())
        f.seek(0)
        found = np.load(f, allow_pickle=False)
        if isinstance(found, np.ndarray):
            raise MaskError(f"{path} holds one array without a name; save it with numpy.savez(path, **{{name: mask}})")
        out = {}
        for name in found.files:
            try:
                out[name] = found[name] if isinstance(found[name], np.ndarray) else _NO_ARRAY
            except ValueError:  # pickled objects
                out[name] = _NO_ARRAY
        return out


_SAFETENSORS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?", "U8": "u1", "I8": "i1", "U16": "<u2",
                "I16": "<i2", "U32": "<u4", "I32": "<i4", "U64": "<u8", "I64": "<i8"}


def _read_safetensors(path: Path) -> Arrays:
    out = {}
    for name, tensor in sorted(safetensors.deserialize(path.read_bytes()), key=lambda x: x[0]):
        kind = tensor["dtype"]
        if kind not in _SAFETENSORS:
            raise MaskError(f"{path}: {name!r} has dtype {kind}; known: {', '.join(_SAFETENSORS)}")
        array = np.frombuffer(tensor["data"], _SAFETENSORS[kind]).reshape(tensor["shape"])
        out[name] = (array.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else array
    return out


def _state_dict(path: Path) -> Mapping:
    value = opening.torch_load(path)
    for key in ("state_dict", "model"):
        if isinstance(value, Mapping) and isinstance(value.get(key), Mapping):
            value = value[key]
    if not isinstance(value, Mapping):
        raise MaskError(f"{path} holds a {type(value).__name__}; it should hold a dictionary of tensors by parameter name")
    return value


def _read_pt(path: Path) -> Arrays:
    import torch

    out = {}
    for name, tensor in _state_dict(path).items():
        if not isinstance(tensor, torch.Tensor) or tensor.layout != torch.strided or tensor.is_quantized:
            out[str(name)] = _NO_ARRAY
            continue
        tensor = tensor.detach()
        out[str(name)] = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    return out


def _read_h5(path: Path) -> Arrays:
    out: Arrays = {}
    with h5py.File(path, "r", locking=False) as f:
        for name, item in foreign.datasets(f):
            out[name] = item[()] if item.dtype.kind in "biufcSV" and item.shape is not None else _NO_ARRAY
    return out


_READERS: dict[str, Callable[[Path], Arrays]] = {
    ".npz": _read_npz, ".safetensors": _read_safetensors, ".pt": _read_pt, ".h5": _read_h5}


def _described_pt(path: Path) -> str | None:
    metadata = getattr(_state_dict(path), "_metadata", None)
    said = metadata.get(KEY) if isinstance(metadata, Mapping) else None
    return said if isinstance(said, str) else None


def _described_safetensors(path: Path) -> str | None:
    with safetensors.safe_open(path, "np") as f:
        return (f.metadata() or {}).get(KEY)


def _described(read: Callable[[Path], Arrays]) -> Callable[[Path], str | None]:
    """Of the formats that have an array for it."""
    def find(path: Path) -> str | None:
        array = read(path).get(ENTRY)
        return None if array is None else array.astype(np.uint8).tobytes().decode()
    return find


_DESCRIPTIONS: dict[str, Callable[[Path], str | None]] = {
    ".npz": _described(_read_npz), ".safetensors": _described_safetensors, ".pt": _described_pt, ".h5": _described(_read_h5)}


def _with_entry(arrays: Arrays, description: str | None) -> Arrays:
    return arrays if description is None else {**arrays, ENTRY: np.frombuffer(description.encode(), np.uint8)}


def _npz(arrays: Arrays, description: str | None) -> memoryview:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **_with_entry(arrays, description))
    return buffer.getbuffer()


def _pt(arrays: Arrays, description: str | None) -> memoryview:
    import torch

    state = OrderedDict((name, torch.from_numpy(array)) for name, array in arrays.items())
    if description is not None:
        state._metadata = OrderedDict({KEY: description})   # where a state dict keeps what is no tensor; load_state_dict reads it by module
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()


def _safetensors(arrays: Arrays, description: str | None) -> bytes:
    return safetensors.numpy.save(arrays, None if description is None else {KEY: description})


def _h5(arrays: Arrays, description: str | None) -> memoryview:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", track_order=True) as f:
        for name, array in _with_entry(arrays, description).items():
            f.create_dataset(name, data=array.astype(np.uint8), compression="gzip", compression_opts=1)
    return buffer.getbuffer()


_WRITERS: dict[str, Callable[[Arrays, str | None], bytes | memoryview]] = {
    ".npz": _npz, ".safetensors": _safetensors, ".pt": _pt, ".h5": _h5}
