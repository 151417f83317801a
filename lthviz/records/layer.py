"""A prunable layer, without its network."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A prunable convolution or linear layer: where it stands in the network, without the network.

    name: its weight's parameter name.
    shape: of the weight, `(C_out, C_in/groups, kh, kw)` or `(out, in)`.
    out_hw: of its output map, (1, 1) of a linear layer.
    bn: module name of the BatchNorm behind it ('' if none).
    sources: the prunable layers whose output
    channel c, or'ed, decides whether input channel c can be non-zero; None: something unprunable feeds it, every input is alive. Of
    a linear layer that reads a flattened map of c×h×w, channel c is h·w columns.
    groups: of a convolution.
    classifier: its rows are the classes, which no structure removes.

    Source: ICML 2022, section 3.1.
    Example:
        layer = lt.layers(model, (3, 32, 32))[0]
        print(layer.short, layer.matrix, layer.macs)
    """

    name: str
    shape: tuple[int, ...]
    out_hw: tuple[int, int]
    bn: str = ""
    sources: tuple[str, ...] | None = None
    groups: int = 1
    classifier: bool = False

    @property
    def convolution(self) -> bool:
        return len(self.shape) == 4

    @property
    def matrix(self) -> tuple[int, int]:
        """(C, n): rows and columns of the weight read as a matrix."""
        return self.shape[0], int(np.prod(self.shape[1:]))

    @property
    def size(self) -> int:
        return self.matrix[0] * self.matrix[1]

    @property
    def macs(self) -> int:
        """Multiply-adds of the dense layer for one image."""
        return self.size * self.out_hw[0] * self.out_hw[1]

    @property
    def short(self) -> str:
        return self.name.removesuffix(".weight")
