"""A ticket's weights as a file: every parameter and buffer by name, removed weights zero. ExchangeError where the run kept none."""

from __future__ import annotations

import io
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lthviz.exchange import parcel as parcels
from lthviz.exchange.parcel import Parcel
from lthviz.store import files


def write_safetensors(parcel: Parcel, out: Path) -> None:
    import safetensors.numpy

    arrays = {name: np.array(w, order="C") for name, w in parcel.weights.items()}
    files.write(out, safetensors.numpy.save(arrays, {parcels.KEY: parcels.text(parcel)}))


def write_state_dict(parcel: Parcel, out: Path) -> None:
    """A .pt that `load_state_dict` of the network takes, and `torch.load` with `weights_only`."""
    files.write(out, _saved(parcel.weights, parcel))


def write_pruned(parcel: Parcel, out: Path) -> None:
    """A .pt in the form of `torch.nn.utils.prune`: `NAME.weight_orig` and `NAME.weight_mask` for every layer with a mask.

    It loads into a network on whose layers `prune.custom_from_mask` has been called; `prune.remove` then makes it permanent.
    """
    out_of: dict[str, np.ndarray] = {}
    for name, values in parcel.weights.items():
        if name in parcel.masks:
            out_of[f"{name}_orig"], out_of[f"{name}_mask"] = values, parcel.masks[name].astype(values.dtype)
        else:
            out_of[name] = values
    files.write(out, _saved(out_of, parcel))


def _saved(arrays: Mapping[str, np.ndarray], parcel: Parcel) -> memoryview:
    import torch

    state = OrderedDict((name, torch.from_numpy(np.array(w, order="C"))) for name, w in arrays.items())
    state._metadata = OrderedDict({parcels.KEY: parcels.text(parcel)})   # what torch.save keeps of a state dict beside its tensors
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getbuffer()
