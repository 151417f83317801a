"""Networks and files as other people have them, made with torch alone."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn
from torch.nn.utils import prune

from lthviz.config import RunConfig
from lthviz.nn import models


def network(model: str = "convnet", image=(1, 8, 8), classes: int = 10, seed: int = 0, **settings) -> nn.Module:
    """A network of ours whose BatchNorms are not as they were born."""
    made = models.build(RunConfig(model=model, seed=seed, device="cpu", **settings), image, classes)
    random = torch.Generator().manual_seed(seed)
    for m in made.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.uniform_(m.weight, 0.5, 1.5, generator=random)
            nn.init.normal_(m.bias, 0, 0.1, generator=random)
            m.running_mean.normal_(0, 0.1, generator=random)
            m.running_var.uniform_(0.5, 1.5, generator=random)
            m.num_batches_tracked.fill_(7)
    return made.eval()


def pruned(net: nn.Module, amount: float = 0.8, *, stem: str = "conv1") -> nn.Module:
    """The same network, pruned in place by torch.nn.utils.prune and by nothing else."""
    prune.global_unstructured([(m, "weight") for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and n != stem], prune.L1Unstructured, amount=amount)
    return net


def masks_of(net: nn.Module) -> dict[str, torch.Tensor]:
    return {f"{n.removesuffix('_mask')}": b.bool() for n, b in net.named_buffers() if n.endswith("_mask")}


def permanent(net: nn.Module) -> nn.Module:
    for m in net.modules():
        if prune.is_pruned(m) and hasattr(m, "weight_mask"):
            prune.remove(m, "weight")
    return net


def saved(path: Path, value: object) -> Path:
    torch.save(value, path)
    return path


def as_openlth(state: dict[str, torch.Tensor]) -> OrderedDict[str, torch.Tensor]:
    """A ResNet-20's state by the names that OpenLTH's has: conv, bn, blocks.N.…, shortcut, fc."""
    out = OrderedDict()
    for name, value in state.items():
        owner, _, rest = name.partition(".")
        if owner.startswith("layer"):
            block, _, rest = rest.partition(".")
            name = f"blocks.{3 * (int(owner[-1]) - 1) + int(block)}.{rest.replace('downsample', 'shortcut')}"
        elif owner in ("conv1", "bn1"):
            name = f"{owner[:-1]}.{rest}"
        out[name] = value
    return out
