"""Where the images of a run come from: one reader a file, by the choices of `config.data`.

A reader gives the training images and the official test images of its data set, in the data set's own order; what is held out
for validation is drawn from the training images afterwards (split.py), whatever the data set calls its parts.
"""

from __future__ import annotations

from collections.abc import Callable

from lthviz.config import RunConfig
from lthviz.nn.datasets import cifar, digits, fashion_mnist, folder, imagenet, streamed, tiny_imagenet
from lthviz.nn.datasets.found import Files, Pixels

READERS: dict[str, Callable[[RunConfig], Pixels | Files]] = {
    "digits": digits.read,
    "cifar10": cifar.read_10,
    "cifar100": cifar.read_100,
    "fashion-mnist": fashion_mnist.read,
    "tiny-imagenet": tiny_imagenet.read,
    "imagenet": imagenet.read,
    "folder": folder.read,
    "streamed-folder": streamed.read,
}
