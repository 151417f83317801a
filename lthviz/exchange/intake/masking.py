"""The masks of what came: those that a file tells, else the zeros in its weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lthviz.config import RunConfig
from lthviz.errors import ExchangeError, did_you_mean
from lthviz.exchange.intake import tensors
from lthviz.exchange.intake.came import Came
from lthviz.exchange.intake.names import WRAPPERS
from lthviz.records import Layer, Masks


def linear_of(rounds: Sequence[Came], model: Any, config: RunConfig) -> str:
    """`linear` as in RunConfig, so that every linear layer with a mask of its own is one that is pruned; never less than is asked for."""
    if config.linear == "all":
        return "all"
    named = {m for came in rounds for m in came.told} | {n for came in rounds if came.about is not None for n in came.about.blocks}
    linear = [n for n, t in model.state_dict().items() if n.endswith("weight") and t.dim() == 2]
    masked = [n for n in linear if n in named]
    return ("all" if linear[-1] in masked else "hidden") if masked else config.linear


def told(came: Came, file: Path | None) -> dict[str, tuple[tensors.Found, str]]:
    """By a weight of the network, the file and its entry that is its mask: in a file of masks, where there is one, else beside the weights. ExchangeError: a mask that is none,
    of another shape, of no layer, or that the weights belie."""
    if file is not None:
        other = tensors.read(file)
        found = {n: (other, entry) for n, entry in _of_file(other, came).items()}
    else:
        bare = {m.found: m.name for m in came.matched.matches if m.found}
        found = {bare[n]: (came.file, entry) for n, entry in came.file.masks.items() if n in bare}
    shapes = {m.name: m.shape for m in came.matched.matches}
    for name, (source, entry) in found.items():
        mask = _checked(source, entry, name, shapes[name])
        if f"{came.matched.found[name]}_orig" not in came.file.tensors:
            _agrees(came.file.weights[came.matched.found[name]].read(), mask, name, source, came)
    return found


def found(came: Came, layers: Sequence[Layer], said: list[str]) -> dict[str, Any]:
    """masks and how, as fields of Came: those that were told, else the zeros in the weights."""
    by_name = {layer.name: layer for layer in layers}
    masks, how = {}, {}
    for layer in layers:
        if layer.name in came.told:
            source, entry = came.told[layer.name]
            masks[layer.name] = source.tensors[entry].read() != 0
            how[layer.name] = "in the file" if source is came.file else f"in {source.path.name}"
        elif came.told:
            masks[layer.name], how[layer.name] = np.ones(layer.shape, bool), "none: dense"
        else:
            masks[layer.name] = came.file.weights[came.matched.found[layer.name]].read() != 0
            how[layer.name] = "zeros in the weights" if not masks[layer.name].all() else "no zeros: dense"
    if beside := [n for n in came.told if n not in by_name]:
        said.append(f"masks of {', '.join(beside[:3])}{'…' if len(beside) > 3 else ''} are put into the weights as zeros: such layers are not pruned here, and a training fills them")
    if came.told and (whole := [n for n, h in how.items() if h == "none: dense"]):
        said.append(f"{len(whole)} layers have no mask and are dense ({', '.join(whole[:3])}{'…' if len(whole) > 3 else ''})")
    return {"masks": Masks.of(masks), "how": how}


def beside(came: Came, layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Masks of what is not pruned here (the stem, the classifier, biases), by the network's name."""
    known = {layer.name for layer in layers}
    return {n: source.tensors[entry].read() != 0 for n, (source, entry) in came.told.items() if n not in known}


def _of_file(other: tensors.Found, came: Came) -> dict[str, str]:
    """By a weight of the network, the entry of a file of masks: `X_mask`, X as the network or as the file of weights calls it, or a module's name."""
    bare = {m.found: m.name for m in came.matched.matches if m.found} | {m.name: m.name for m in came.matched.matches}
    bare |= {n.removesuffix(".weight"): w for n, w in bare.items() if n.endswith(".weight")}
    out, strange = {}, []
    for entry in other.tensors:
        name = entry.removesuffix("_mask").removesuffix(".mask")
        while name not in bare and name.partition(".")[0] in WRAPPERS:
            name = name.partition(".")[2]
        if name in bare:
            out[bare[name]] = entry
        elif len(other.tensors[entry].shape) > 1:
            strange.append(entry)
    if strange:
        raise ExchangeError(f"{other.path}: there is a mask {strange[0]!r}, but no such layer in the network; {did_you_mean(strange[0], [m.name for m in came.matched.matches if len(m.shape) > 1])}")
    if not out:
        raise ExchangeError(f"{other.path} holds no mask of a layer of this network; its entries are {', '.join(list(other.tensors)[:4])}")
    return out


def _checked(source: tensors.Found, entry: str, name: str, shape: tuple[int, ...]) -> np.ndarray:
    tensor, where = source.tensors[entry], f"{source.path}: mask {entry!r}"
    if tuple(tensor.shape) != shape:
        raise ExchangeError(f"{where} has shape {'×'.join(map(str, tensor.shape))}; {name} has {'×'.join(map(str, shape))}: the masks are of another network")
    if tensor.dtype not in tensors.MASKS:
        raise ExchangeError(f"{where} has dtype {tensor.dtype}; it should be bool, or numbers that are 0 or 1")
    value = tensor.read()
    kept = value != 0
    if value.dtype != bool and (other := kept & (value != 1)).any():
        raise ExchangeError(f"{where} has the value {value[other][0]} ({np.count_nonzero(other):,} entries are neither 0 nor 1); a mask says which weights are kept: save weight != 0")
    return kept


def _agrees(weight: np.ndarray, mask: np.ndarray, name: str, source: tensors.Found, came: Came) -> None:
    """ExchangeError where weights are there that the mask says are gone."""
    if wrong := int(np.count_nonzero((weight != 0) & ~mask)):
        raise ExchangeError(f"{name}: {wrong:,} of {weight.size:,} weights are not zero where the mask of {source.path.name} says that they are gone; the masks are of another "
                            f"checkpoint than {came.file.path.name}: give those that belong together, or leave the masks out to go by the zeros in the weights")


def removes_channels(masks: Masks, state: Mapping[str, np.ndarray], layers: Sequence[Layer]) -> bool | None:
    """Whether the network computes what it would without its empty rows: each one's bias, and BatchNorm's scale and shift, are zero. None: it has none."""
    empty = None
    for layer in layers:
        rows = ~masks.matrix(layer.name).any(axis=1)
        if layer.classifier or not rows.any():
            continue
        empty = True
        parts = [f"{layer.short}.bias", *([f"{layer.bn}.weight", f"{layer.bn}.bias"] if layer.bn else [])]
        if any(state[p][rows].any() for p in parts if p in state):
            return False
    return empty
