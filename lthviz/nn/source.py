"""What a training asks of its images, wherever they are kept: in memory (data.py) or in files (stream.py)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch

from lthviz.config import RunConfig

Batch = tuple[torch.Tensor, torch.Tensor]
"""Normalised images float32 (B, c, h, w) and labels int64 (B,), on the device."""
Part = Callable[[int], slice]
"""Which of a batch's n images a process takes."""


def whole(n: int) -> slice:
    """The part that is everything."""
    return slice(None)


class Source(ABC):
    """What a training knows of its images, wherever they are kept.

    y_*: int64 (N,), on the device. mean, std: float32 (c, 1, 1), in grey levels. note: what was done to the images, for
    people; '' when nothing.
    """

    y_train: torch.Tensor
    y_val: torch.Tensor
    y_test: torch.Tensor
    mean: torch.Tensor
    std: torch.Tensor
    classes: tuple[str, ...]
    note: str

    @property
    @abstractmethod
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one image."""

    @property
    def device(self) -> torch.device:
        return self.y_train.device

    @property
    def normalisation(self) -> dict[str, list[float]]:
        """mean and std of each channel, in grey levels 0 to 255, to exactly what `normalise` uses: whoever deploys a network needs them."""
        return {"mean": self.mean.flatten().tolist(), "std": self.std.flatten().tolist()}

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """What a network takes: float32 of zero mean and unit deviation a channel, in x's memory format."""
        return x.to(torch.float32).sub_(self.mean).div_(self.std)

    @abstractmethod
    def train_batches(self, config: RunConfig, epoch: int, index: torch.Tensor, places: Sequence[range]) -> Iterator[Batch]:
        """Augmented batches in the run's memory format. index: the epoch's order of all training images; places: a batch's places in it."""

    @abstractmethod
    def validation_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        """The validation images as they are, `size` at a time in a fixed order; of each batch `part`."""

    @abstractmethod
    def test_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        """The test images as they are, `size` at a time in a fixed order; of each batch `part`."""

    def calibration(self, n: int, seed: int) -> Batch:
        """n training images as they are (all, when there are fewer), drawn by `seed`, in ascending order."""
        index = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(self.y_train))[:n]))
        return self.training_images(index)

    @abstractmethod
    def training_images(self, index: torch.Tensor) -> Batch:
        """The training images of those numbers, int64 on the CPU, as they are."""
