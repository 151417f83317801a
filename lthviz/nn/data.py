"""The images of a run, and those that live as one uint8 tensor a part on the device that trains.

uint8 is a quarter of the memory of floats and as fast: a batch is gathered, shifted and flipped as bytes and becomes
normalised floats in the end. The statistics for that come from the training images alone. Images that no memory holds are
read while it trains (stream.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import augment, datasets, device, split
from lthviz.nn.source import Batch, Part, Source, whole
from lthviz.nn.stream import Stream

CHUNK_BYTES = 1 << 22
"""Batches are prepared together until their floats fill this: small images are then not a matter of call overhead."""


@dataclass(frozen=True, eq=False)
class Images(Source):
    """Images on the device. x_*: uint8 (N, c, h, w); mean and std are those of x_train."""

    x_train: torch.Tensor
    y_train: torch.Tensor
    x_val: torch.Tensor
    y_val: torch.Tensor
    x_test: torch.Tensor
    y_test: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor
    classes: tuple[str, ...]
    note: str = ""

    @property
    def shape(self) -> tuple[int, int, int]:
        return tuple(self.x_train.shape[1:])

    def train_batches(self, config: RunConfig, epoch: int, index: torch.Tensor, places: Sequence[range]) -> Iterator[Batch]:
        change = augment.AUGMENTS[config.augment]
        drawn = change.draw(len(index), self.shape, torch.Generator().manual_seed(seeds.derive(config.seed, "augment", epoch)))
        mine = torch.cat([torch.zeros(0, dtype=torch.int64), *(torch.arange(p.start, p.stop, p.step) for p in places)])
        index, *drawn = (t[mine].to(self.device) for t in (index, *drawn))
        sizes, at = [len(p) for p in places], 0
        together = max(1, CHUNK_BYTES // (4 * math.prod(self.shape) * config.batch_size))
        for i in range(0, len(sizes), together):
            some = sizes[i:i + together]
            here, at = slice(at, at + sum(some)), at + sum(some)
            x = change.apply(self.x_train[index[here]], *(d[here] for d in drawn))
            x = self.normalise(x).contiguous(memory_format=device.memory_format(config))
            yield from zip(x.split(some), self.y_train[index[here]].split(some), strict=True)

    def validation_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        return self._batches(self.x_val, self.y_val, size, part)

    def test_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        return self._batches(self.x_test, self.y_test, size, part)

    def _batches(self, x: torch.Tensor, y: torch.Tensor, size: int, part: Part) -> Iterator[Batch]:
        for at in range(0, len(x), size):
            here = range(at, min(at + size, len(x)))[part(min(size, len(x) - at))]
            here = slice(here.start, here.stop, here.step)
            yield self.normalise(x[here]), y[here]

    def training_images(self, index: torch.Tensor) -> Batch:
        index = index.to(self.device)
        return self.normalise(self.x_train[index]), self.y_train[index]


def load(config: RunConfig, place: torch.device | str, *, check: bool = True) -> Source:
    """The images of `config.data`. Test images are the data set's own and never depend on the seed.

    check: look through files that are read later for broken ones; another process of this machine may have. DataError when images are
    missing or broken; ConfigError when the settings leave too few to train on.
    """
    found, place = datasets.READERS[config.data](config), torch.device(place)
    train, held = split.train_validation(found.y_train, config)
    labels = [torch.from_numpy(np.ascontiguousarray(y)).to(place) for y in (found.y_train[train], found.y_train[held], found.y_test)]
    if isinstance(found, datasets.Files):
        return Stream(config, [[found.paths_train[i] for i in train], [found.paths_train[i] for i in held], found.paths_test], labels,
                      found.classes, found.note, check=check)
    _fits(found, place)
    mean, std = (t.to(place) for t in _statistics(found.x_train, train))
    images = [_tensor(found.x_train, train, place), _tensor(found.x_train, held, place), _tensor(found.x_test, np.arange(len(found.x_test)), place)]
    return Images(images[0], labels[0], images[1], labels[1], images[2], labels[2], mean, std, found.classes, found.note)


def _blocks(index: np.ndarray) -> Iterator[np.ndarray]:
    """A few thousand at a time, so that what is made on the way stays small."""
    return (index[i:i + 4096] for i in range(0, len(index), 4096))


def _tensor(x: np.ndarray, index: np.ndarray, place: torch.device) -> torch.Tensor:
    """Those of the images x (N, h, w, c), as (n, c, h, w)."""
    out = torch.empty((len(index), x.shape[3], *x.shape[1:3]), dtype=torch.uint8, device=place)
    for i, block in enumerate(_blocks(index)):
        out[4096 * i:4096 * i + len(block)] = torch.from_numpy(np.ascontiguousarray(x[block].transpose(0, 3, 1, 2))).to(place)
    return out


def _statistics(x: np.ndarray, index: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel (c, 1, 1), exact: from counts of the 256 levels. A flat channel has std 1."""
    counts = sum(np.stack([np.bincount(x[block][..., c].ravel(), minlength=256) for c in range(x.shape[-1])]) for block in _blocks(index))
    levels, total = np.arange(256), counts.sum(1)
    mean = counts @ levels / total
    std = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0))
    return tuple(torch.tensor(a, dtype=torch.float32).reshape(-1, 1, 1) for a in (mean, np.where(std > 0, std, 1)))


def _fits(found: datasets.Pixels, place: torch.device) -> None:
    """DataError for images that a GPU's memory cannot hold."""
    if place.type == "cuda":
        size, (free, _) = found.x_train.nbytes + found.x_test.nbytes, torch.cuda.mem_get_info(place)
        if size > free:
            raise DataError(f"the images need {size / 2**30:,.1f} GiB of the GPU's memory and {free / 2**30:,.1f} are free; "
                            "free some, use device = 'cpu', or data = 'streamed-folder', which reads a tree while it trains")
