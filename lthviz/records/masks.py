"""Masks of a network, one bit a weight."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping

import numpy as np

from lthviz.errors import MaskError


class Masks(Mapping[str, np.ndarray]):
    """Immutable masks of a network, one bit a weight. `masks[name]` is a fresh bool array of the weight's shape.

    Build with `Masks.of({name: array})` (bool arrays of the weights' shapes). Equality and `digest` cover every bit. A Mapping by parameter name.

    Errors: MaskError for an array that is not bool.
    Source: ICML 2022, section 3.1.
    Example:
        some = lt.Masks.of({"conv.weight": np.eye(4, dtype=bool).reshape(4, 1, 2, 2)})
        print(some, some.density("conv.weight"), some.matrix("conv.weight").shape)
    """

    __slots__ = ("_digest", "_nnz", "_packed", "_shapes")

    def __init__(self, packed: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]]) -> None:
        """packed: `np.packbits` of each mask in C order, padding bits zero."""
        self._packed, self._shapes = dict(packed), {k: tuple(map(int, v)) for k, v in shapes.items()}
        for name, bits in self._packed.items():
            if bits.dtype != np.uint8 or min(self._shapes[name], default=0) < 0 or bits.shape != ((math.prod(self._shapes[name]) + 7) // 8,):
                raise MaskError(f"mask {name!r}: {bits.size} bytes do not hold shape {self._shapes[name]}")
            bits.flags.writeable = False
        self._nnz = {k: int(np.bitwise_count(v).sum(dtype=np.int64)) for k, v in self._packed.items()}
        self._digest = ""

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Masks:
        packed, shapes = {}, {}
        for name, array in arrays.items():
            array = np.asarray(array)
            if array.dtype != bool:
                raise MaskError(f"mask {name!r} has dtype {array.dtype}; it should be bool")
            packed[name], shapes[name] = np.packbits(array, axis=None), array.shape
        return cls(packed, shapes)

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._packed:
            raise KeyError(name)
        shape = self._shapes[name]
        return np.unpackbits(self._packed[name], count=int(np.prod(shape))).view(bool).reshape(shape)

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Masks) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Masks({len(self)} layer{'s' * (len(self) != 1)}, {self.nnz():,} of {self.size():,} weights kept: {100 * self.density():.2f} %)"

    def matrix(self, name: str) -> np.ndarray:
        """The mask of one layer as bool (C, n)."""
        mask = self[name]
        return mask.reshape(mask.shape[0], -1)

    def packed(self, name: str) -> np.ndarray:
        """The bits as stored, read-only uint8."""
        return self._packed[name]

    def shape(self, name: str) -> tuple[int, ...]:
        return self._shapes[name]

    def size(self, name: str | None = None) -> int:
        """Weights of a layer, or of all."""
        return int(np.prod(self._shapes[name])) if name else sum(int(np.prod(s)) for s in self._shapes.values())

    def nnz(self, name: str | None = None) -> int:
        """Kept weights of a layer, or of all."""
        return self._nnz[name] if name else sum(self._nnz.values())

    def density(self, name: str | None = None) -> float:
        """Kept share of a layer, or of all prunable weights."""
        return self.nnz(name) / max(1, self.size(name))

    @property
    def digest(self) -> str:
        """Hash of names, shapes and bits: the key under which anything derived from these masks may be cached."""
        if not self._digest:
            h = hashlib.sha256()
            for name in sorted(self._packed):
                h.update(f"{name}{self._shapes[name]}".encode())
                h.update(self._packed[name].tobytes())
            self._digest = h.hexdigest()[:16]
        return self._digest
