"""The images of a run, as one uint8 tensor a part on the device that trains.

uint8 is a quarter of the memory of floats and as fast: a batch is gathered, shifted and flipped as bytes and becomes
normalised floats in the end (batches.py). The statistics for that come from the training images alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import split

DOWNLOADS = Path("data/downloads")
"""Where data sets are kept when `data_dir` is empty, relative to the working directory."""


@dataclass(frozen=True, eq=False)
class Images:
    """x_*: uint8 (N, c, h, w); y_*: int64 (N,); on one device. mean, std: float32 (c, 1, 1), of x_train, in grey levels.

    note: what was done to the images, for people; '' when nothing.
    """

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
        """(c, h, w) of one image."""
        return tuple(self.x_train.shape[1:])

    @property
    def device(self) -> torch.device:
        return self.x_train.device

    def normalise(self, x: torch.Tensor) -> torch.Tensor:
        """What a network takes: float32 of zero mean and unit deviation a channel, in x's memory format."""
        return x.to(torch.float32).sub_(self.mean).div_(self.std)


def load(config: RunConfig, device: torch.device | str) -> Images:
    """The images of `config.data`. Test images are the data set's own and never depend on the seed.

    DataError when they are missing or broken; ConfigError when the settings leave too few to train on.
    """
    (x, y), (x_test, y_test), classes, note = READERS[config.data](config)
    train, held = split.train_validation(y, config)

    def images(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(a.transpose(0, 3, 1, 2))).to(device)

    def labels(a: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(a)).to(device)

    mean, std = _statistics(x[train])
    return Images(images(x[train]), labels(y[train]), images(x[held]), labels(y[held]), images(x_test), labels(y_test),
                  mean.to(device), std.to(device), classes, note)


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
