"""ImageNet (Russakovsky et al. 2015), 1,281,167 and 50,000 images of 1,000 classes; a run's id says that it was these.

Its images are read while it trains (stream.py): decoded, at 256 pixels, they would fill 250 GiB.
"""

from __future__ import annotations

import numpy as np

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn.datasets import trees
from lthviz.nn.datasets.found import Files, unpacked

LAYOUT = ("ImageNet needs train/ and val/ with a folder a class inside each; torchvision.datasets.ImageNet(folder, split='train') and "
          "split='val' unpack the archives of https://image-net.org, which gives them after registration, in this way")

PUBLISHED = 1000, 1_281_167, 50_000
"""Classes, training images and validation images."""


def read(config: RunConfig) -> Files:
    """train/ to train and validate on, val/ as the test set: the labels of the published test images are not public."""
    place, looked = unpacked(config, "imagenet")
    if not place.is_dir():
        raise DataError(f"ImageNet is not in {looked}; set data_dir to its folder. {LAYOUT}")
    train, test = trees.listing(place / "train", LAYOUT), trees.listing(place / "val", LAYOUT)
    trees.same_classes(test, train)
    if (there := (len(train.classes), len(train), len(test))) != PUBLISHED:
        it, that = ("{:,} classes, {:,} and {:,} images".format(*counts) for counts in (there, PUBLISHED))
        raise DataError(f"{str(place)!r} is not ImageNet as it was published: train/ and val/ have {it} where it has {that}; any other tree is "
                        "data = 'streamed-folder', whose runs are told apart by data_dir")
    return Files([path for path, _ in train.samples], np.array(train.targets, np.int64),
                 [path for path, _ in test.samples], np.array(test.targets, np.int64), tuple(train.classes),
                 "the test set is val/; validation images come from train/")
