"""The forms in which a ticket goes out. Nothing here needs torch until a file is written."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from lthviz.errors import ExchangeError, did_you_mean
from lthviz.exchange.parcel import Parcel


class Format(NamedTuple):
    """suffix: of the file, with its dot. words: what it is, for people. needs_weights: whether the run must have kept the ticket's weights. write:
    (parcel, out), as a whole or not at all; ExchangeError says what is in the way. folder: whether it may be a folder as well, under a name without
    suffix."""

    name: str
    suffix: str
    words: str
    needs_weights: bool
    write: Callable[[Parcel, Path], None]
    folder: bool = False


def _later(place: str, name: str = "write") -> Callable[[Parcel, Path], None]:
    """A function of exchange.outgoing, imported when it is called."""
    def write(parcel: Parcel, out: Path) -> None:
        getattr(importlib.import_module(f"lthviz.exchange.outgoing.{place}"), name)(parcel, out)
    return write


FORMATS: dict[str, Format] = {f.name: f for f in (
    Format("masks-npz", ".npz", "masks as bool arrays by parameter name, for numpy", False, _later("masks")),
    Format("masks-safetensors", ".safetensors", "masks as bool tensors by parameter name", False, _later("masks")),
    Format("masks-torch", ".pt", "masks as bool tensors by parameter name, for torch.load", False, _later("masks")),
    Format("masks-h5", ".h5", "masks as arrays of 0 and 1 by parameter name, for HDF5", False, _later("masks")),
    Format("safetensors", ".safetensors", "every parameter and buffer, removed weights zero", True, _later("weights", "write_safetensors")),
    Format("state-dict", ".pt", "a state dict for load_state_dict, removed weights zero", True, _later("weights", "write_state_dict")),
    Format("torch-prune", ".pt", "a state dict with weight_orig and weight_mask, as torch.nn.utils.prune has it", True, _later("weights", "write_pruned")),
    Format("module", ".zip", "the network as a Python file and its weights, without removed channels; needs torch alone", True, _later("module"), folder=True),
    Format("onnx", ".onnx", "the network for ONNX Runtime and others, without removed channels", True, _later("onnx")),
    Format("torch-export", ".pt2", "the network for torch.export.load, without removed channels", True, _later("program")),
)}


def write(parcel: Parcel, format: str, out: Path) -> None:
    """The ticket in that form at `out`, in place of what is there. ExchangeError: an unknown form, weights that were not kept, or what the form cannot hold."""
    if format not in FORMATS:
        raise ExchangeError(f"format {format!r} is not known; {did_you_mean(format, FORMATS)}")
    if FORMATS[format].needs_weights:
        parcel.weights  # noqa: B018  (raises where there are none, before torch is imported)
    FORMATS[format].write(parcel, out)
