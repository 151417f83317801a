"""A ticket's network as a folder that needs torch alone: network.py, its weights, and what it is."""

from __future__ import annotations

import json
import types
from pathlib import Path

import safetensors.torch
import torch
from torch import nn

from lthviz.errors import ExchangeError
from lthviz.exchange import parcel as parcels
from lthviz.exchange.outgoing import network as networks
from lthviz.exchange.outgoing.source import source
from lthviz.exchange.parcel import Parcel
from lthviz.store import parts as several

TOLERANCE = 1e-4
"""Largest difference from the masked network's outputs, as a share of the largest of them."""


def write(parcel: Parcel, out: Path) -> None:
    """The folder `out`, or one archive where the name ends in .zip.

    ExchangeError without kept weights, and for a network that cannot be written as Python: one that torch.fx cannot trace, or of other parts than
    torch's. What was written is run once and compared with the masked network before it is kept.
    """
    model = networks.masked(parcel)
    network = networks.smaller(parcel, model)
    text = source(network, _about(parcel))
    state = {name: tensor.detach().contiguous().clone() for name, tensor in network.state_dict().items()}
    check(_made(text, state), model, parcel)
    parts = {"network.py": text.encode(), "weights.safetensors": safetensors.torch.save(state, {parcels.KEY: parcels.text(parcel)}),
             f"{parcels.KEY}.json": json.dumps(parcels.about(parcel), indent=1).encode(), "README.txt": _readme(parcel).encode()}
    several.write(out, parts, "a network's files")


def check(network: nn.Module, model: nn.Module, parcel: Parcel) -> None:
    """ExchangeError where it does not compute what `model`, the masked network, does, on a few random images."""
    image = networks.images(parcel)
    with torch.no_grad():
        found, expected = network(image), model(image)
    apart = float((found - expected).abs().max() / expected.abs().max().clamp_min(1e-6))
    if not apart <= TOLERANCE:
        raise ExchangeError(f"the exported network of {parcel.config.model!r} does not compute what the masked one does (it differs by {apart:.1e} of the outputs); "
                            "nothing was written; export its weights instead (state-dict or safetensors)")


def _made(text: str, state: dict[str, torch.Tensor]) -> nn.Module:
    module = types.ModuleType("network")
    exec(compile(text, "network.py", "exec"), module.__dict__)
    network = module.Network()
    network.load_state_dict(state)
    return network.eval()


def _about(parcel: Parcel) -> str:
    a, t = parcel.address, parcel.ticket
    kind = "without its removed channels" if t.structural else "in its full size, the removed weights zero"
    reached = "" if t.test_acc is None else f" It reached {t.test_acc:.2f} % on the test images."
    return (f"{parcel.config.model}, {kind}: ticket {a.structure!r} of round {a.round} of the lthviz run {a.run}.{reached}\n\n"
            f"`load()` gives the network with its weights; it takes float32 images (N, {', '.join(map(str, parcel.image_shape))}), prepared as in training, and gives "
            f"logits (N, {len(parcel.classes)}).\n{_prepared(parcel)}It needs torch and nothing else. Modules have the names they had, so that the weights can be told apart.\n")


def _prepared(parcel: Parcel) -> str:
    if parcel.normalisation is None:
        return ""
    mean, std = (", ".join(f"{x:.8g}" for x in parcel.normalisation[k]) for k in ("mean", "std"))
    return f"Prepared: (grey levels 0 to 255 - mean) / std for each channel, mean {mean}, std {std}.\n"


def _readme(parcel: Parcel) -> str:
    return _about(parcel) + f"""
    from network import load          # with this folder as the working folder, or on sys.path
    logits = load()(images)

network.py            the network as torch modules and a forward method
weights.safetensors   its parameters and buffers, float32
{parcels.KEY}.json           where it comes from: run, settings, classes, accuracies (percent)
"""
