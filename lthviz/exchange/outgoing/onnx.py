"""A ticket's network as ONNX: channel-wise tickets as the smaller network, others with zeros in it.

Channels come in blocks of sixteen. ONNX Runtime convolves in a layout of such blocks on processors with AVX-512 (of eight with AVX2), and falls back to a
slower way for a map whose channels do not fill them; the channels that this takes more are zero. Maps of different channels are joined by 1×1 convolutions of
zeros and ones where those are cheap, since anything but a convolution leaves that layout. benchmarks/exchange.py measures both.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
from pathlib import Path

import torch

from lthviz.errors import ExchangeError
from lthviz.exchange import parcel as parcels
from lthviz.exchange.outgoing import network
from lthviz.exchange.outgoing.program import cannot
from lthviz.exchange.parcel import Parcel
from lthviz.store import files

INPUT, OUTPUT = "images", "logits"
BLOCK, JOIN = 16, 64


def write(parcel: Parcel, out: Path) -> None:
    """Input `images`, float32 (batch, c, h, w); output `logits`, (batch, classes). What the ticket is stands in `metadata_props`, without its
    blocks: there are no masks in the file under which they could be read.

    ExchangeError without kept weights, without the packages onnx and onnxscript, and where the exporter cannot follow the network.
    """
    files.write(out, made(suited(parcel, network.masked(parcel)), parcel))


def suited(parcel: Parcel, model: torch.nn.Module, *, most: int = JOIN) -> torch.nn.Module:
    """The network of the file, from the masked one. most: channels up to which maps are joined by convolution."""
    found = network.runnable(parcel, model, multiple=BLOCK)
    return network.by_convolution(found, network.images(parcel), most) if isinstance(found, torch.fx.GraphModule) else found


def made(model: torch.nn.Module, parcel: Parcel) -> bytes:
    """The file of a network that takes the parcel's images."""
    if missing := [x for x in ("onnx", "onnxscript") if importlib.util.find_spec(x) is None]:
        raise ExchangeError(f"ONNX needs {' and '.join(missing)}: pip install {' '.join(missing)}")
    import onnx

    try:
        with contextlib.redirect_stdout(io.StringIO()):
            program = torch.onnx.export(model, (network.images(parcel),), dynamo=True, external_data=False, verbose=False, input_names=[INPUT], output_names=[OUTPUT],
                                        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},))
    except Exception as e:  # torch.export and the exporter raise errors of many kinds
        raise ExchangeError(cannot(parcel, "torch.onnx", e)) from e
    model_proto = program.model_proto
    about = {**parcels.about(parcel), "blocks": {}}
    onnx.helper.set_model_props(model_proto, {parcels.KEY: json.dumps(about, separators=(",", ":"), allow_nan=False)})
    onnx.checker.check_model(model_proto, full_check=True)
    return model_proto.SerializeToString()
