"""The images of a run, as one uint8 tensor a part on the device that trains.

uint8 is a quarter of the memory of floats and as fast: a batch is gathered, shifted and flipped as bytes and becomes
normalised floats in the end (batches.py). The statistics for that come from the training images alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import augment, device, split

DOWNLOADS = Path("data/downloads")
"""Where data sets are kept when `data_dir` is empty, relative to the working directory."""
CHUNK_BYTES = 1 << 22
"""Batches are prepared together until their floats fill this: small images are then not a matter of call overhead."""
Batch = tuple[torch.Tensor, torch.Tensor]
"""Normalised images float32 (B, c, h, w) and labels int64 (B,), on the device."""
Part = Callable[[int], slice]
"""Which of a batch's n images a process takes."""


def whole(n: int) -> slice:
    """The part that is everything."""
    return slice(None)


class Source:
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
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w) of one image."""
        raise NotImplementedError

    @property
    def device(self) -> torch.device:
        return self.y_train.device

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """What a network takes: float32 of zero mean and unit deviation a channel, in x's memory format."""
        return x.to(torch.float32).sub_(self.mean).div_(self.std)

    def train_batches(self, config: RunConfig, epoch: int, index: torch.Tensor, places: Sequence[range]) -> Iterator[Batch]:
        """Augmented batches in the run's memory format. index: the epoch's order of all training images; places: a batch's places in it."""
        raise NotImplementedError

    def validation_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        """The validation images as they are, `size` at a time in a fixed order; of each batch `part`."""
        raise NotImplementedError

    def test_batches(self, size: int, part: Part = whole) -> Iterator[Batch]:
        """The test images as they are, `size` at a time in a fixed order; of each batch `part`."""
        raise NotImplementedError

    def calibration(self, n: int, seed: int) -> Batch:
        """n training images as they are (all, when there are fewer), drawn by `seed`, in ascending order."""
        index = torch.from_numpy(np.sort(np.random.default_rng(seed).permutation(len(self.y_train))[:n]))
        return self.training_images(index)

    def training_images(self, index: torch.Tensor) -> Batch:
        """The training images of those numbers, int64 on the CPU, as they are."""
        raise NotImplementedError


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


def load(config: RunConfig, place: torch.device | str) -> Images:
    """The images of `config.data`. Test images are the data set's own and never depend on the seed.

    DataError when they are missing or broken; ConfigError when the settings leave too few to train on.
    """
    (x, y), (x_test, y_test), classes, note = READERS[config.data](config)
    train, held = split.train_validation(y, config)

    def images(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2))).to(place)

    def labels(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(a)).to(place)

    mean, std = _statistics(x[train])
    return Images(images(x[train]), labels(y[train]), images(x[held]), labels(y[held]), images(x_test), labels(y_test),
                  mean.to(place), std.to(place), classes, note)


def _statistics(x: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and standard deviation of each channel (c, 1, 1), exact: from counts of the 256 levels. A flat channel has std 1."""
    counts = np.stack([np.bincount(x[..., c].ravel(), minlength=256) for c in range(x.shape[-1])])
    levels, total = np.arange(256), counts.sum(1)
    mean = counts @ levels / total
    std = np.sqrt(np.maximum(counts @ levels**2 / total - mean**2, 0))
    return tuple(torch.tensor(a, dtype=torch.float32).reshape(-1, 1, 1) for a in (mean, np.where(std > 0, std, 1)))


def _digits(config: RunConfig):
    """scikit-learn's 1,797 digits of 17 grey levels. Test: the last third of each class in the order of the data set.

    The images come in order of their writers, so most test images are by people whose hand the training never saw.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images, labels = images.reshape(-1, 8, 8, 1).astype(np.uint8), labels.astype(np.int64)
    test = np.zeros(len(labels), bool)
    for c in range(10):
        of_class = np.flatnonzero(labels == c)
        test[of_class[-(len(of_class) // 3):]] = True
    return (images[~test], labels[~test]), (images[test], labels[test]), tuple("0123456789"), ""


def _cifar10(config: RunConfig):
    """torchvision's CIFAR-10: the folder already there, else its download."""
    from torchvision.datasets import CIFAR10

    root = Path(config.data_dir or DOWNLOADS)
    try:
        train = CIFAR10(str(root), train=True)
    except RuntimeError:   # torchvision's word for missing or damaged
        try:
            train = CIFAR10(str(root), train=True, download=True)
        except (OSError, RuntimeError) as e:
            raise DataError(f"CIFAR-10 is not in {str(root.resolve())!r} and cannot be downloaded ({e}); unpack "
                            "cifar-10-python.tar.gz there, or set data_dir to the folder that holds cifar-10-batches-py") from None
    test = CIFAR10(str(root), train=False)
    parts = [(d.data, np.array(d.targets, np.int64)) for d in (train, test)]
    return *parts, tuple(train.classes), ""


def _folder(config: RunConfig):
    from lthviz.nn import folder

    if not config.data_dir:
        raise DataError("data = 'folder' needs data_dir, a folder with train/<class>/ and test/<class>/ inside")
    return folder.read(Path(config.data_dir))


READERS = {"digits": _digits, "cifar10": _cifar10, "folder": _folder}
