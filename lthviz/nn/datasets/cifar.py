"""CIFAR-10 and CIFAR-100: 50,000 and 10,000 colour images of 32×32 (Krizhevsky 2009), through torchvision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torchvision.datasets import CIFAR10, CIFAR100
from torchvision.datasets.utils import check_integrity

from lthviz.config import RunConfig
from lthviz.nn.datasets import download
from lthviz.nn.datasets.found import Pixels, root


def read_10(config: RunConfig) -> Pixels:
    """Ten classes."""
    return _read(config, CIFAR10, "CIFAR-10")


def read_100(config: RunConfig) -> Pixels:
    """The hundred fine classes."""
    return _read(config, CIFAR100, "CIFAR-100")


def _read(config: RunConfig, dataset: type[CIFAR10], title: str) -> Pixels:
    place = root(config)
    if place.name == dataset.base_folder:   # the folder itself was named
        place = place.parent
    get = f"put {dataset.filename} from {dataset.url} there, or set data_dir to the folder that holds {dataset.base_folder}/"
    train, test = download.load(dataset, place, title, get, lambda at: _state(at, dataset))
    return Pixels(train.data, np.array(train.targets, np.int64), test.data, np.array(test.targets, np.int64), tuple(train.classes))


def _state(place: Path, dataset: type[CIFAR10]) -> str:
    """What of the archive and of the unpacked files is there without being whole."""
    files = [(f"{dataset.base_folder}/{name}", md5) for name, md5 in
             [*dataset.train_list, *dataset.test_list, (dataset.meta["filename"], dataset.meta["md5"])]]
    there = [(name, md5) for name, md5 in files if (place / name).is_file()]
    words = [f"{name!r} is missing" for name, md5 in files if there and (name, md5) not in there]
    for name, md5 in [(dataset.filename, dataset.tgz_md5), *there]:
        if (place / name).is_file() and not check_integrity(str(place / name), md5):
            words.append(f"{name!r} is incomplete or damaged, {(place / name).stat().st_size:,} bytes with another checksum")
    return "; ".join(words)
