"""A ticket's network as a program of `torch.export`: channel-wise tickets as the smaller network, others with zeros in it."""

from __future__ import annotations

import io
from pathlib import Path

import torch

from lthviz.errors import ExchangeError
from lthviz.exchange import parcel as parcels
from lthviz.exchange.outgoing import module, network
from lthviz.exchange.parcel import Parcel
from lthviz.store import files


def write(parcel: Parcel, out: Path) -> None:
    """A .pt2 for `torch.export.load(out).module()`, for any number of images; `lthviz.json` among its extra files says what it is.

    ExchangeError without kept weights, and where torch.export cannot follow the network.
    """
    model = network.masked(parcel)
    made = network.runnable(parcel, model)
    batch = torch.export.Dim("batch", min=1)
    try:
        program = torch.export.export(made, (network.images(parcel),), dynamic_shapes=({0: batch},))
    except Exception as e:  # of control flow that it cannot follow, of many kinds
        raise ExchangeError(cannot(parcel, "torch.export", e)) from e
    module.check(program.module(), model, parcel)
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={f"{parcels.KEY}.json": parcels.text(parcel)})
    files.write(out, buffer.getbuffer())


def cannot(parcel: Parcel, who: str, error: Exception) -> str:
    why = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return f"{who} cannot follow {parcel.config.model!r} ({why[:160]}); export its weights instead: state-dict, safetensors or torch-prune"
