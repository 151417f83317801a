"""Any torchvision ImageFolder tree, decoded once into memory."""

from __future__ import annotations

import math
import os
from collections import Counter

import numpy as np
from torchvision.datasets import ImageFolder

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import decode
from lthviz.nn.datasets import trees
from lthviz.nn.datasets.found import Pixels, root

LAYOUT = "data_dir needs train/ and test/ (or val/, which is then the test set) with a folder a class inside each"


def read(config: RunConfig) -> Pixels:
    """`data_dir`/train/<class>/ and `data_dir`/test/<class>/.

    All images take the commonest size of the training images; another size is scaled to cover it and cropped around the
    centre. They are grey when every training image is, else RGB. DataError names a folder, class or image that is
    missing, empty or broken.
    """
    train, test, note = parts(config)
    notes = [note] if note else []
    paths = [[path for path, _ in part.samples] for part in (train, test)]
    headers, sizes = decode.headers(paths[0]), Counter()
    for (size, _), count in headers.items():
        sizes[size] += count
    size = max(sizes, key=lambda s: (sizes[s], s))
    mode = "L" if all(grey for _, grey in headers) else "RGB"
    _fits(math.prod(size) * len(mode) * sum(map(len, paths)), root(config))
    (x_train, fitted), (x_test, fitted_test) = (decode.pixels(p, size, mode) for p in paths)
    if fitted := fitted + fitted_test:
        notes.append(f"{fitted:,} of {sum(map(len, paths)):,} images were scaled and cropped to {size[0]}×{size[1]}")
    labels = (np.array(part.targets, np.int64) for part in (train, test))
    return Pixels(x_train, next(labels), x_test, next(labels), tuple(train.classes), "; ".join(notes))


def parts(config: RunConfig) -> tuple[ImageFolder, ImageFolder, str]:
    """The training and the test part, with the same classes, and what is to be said of them; DataError where something is missing."""
    if not config.data_dir:
        raise DataError(f"data = {config.data!r} needs data_dir; {LAYOUT}")
    place = root(config)
    test_part, note = "test", ""
    if not (place / "test").exists() and (place / "val").is_dir():
        test_part, note = "val", "the test set is val/, as there is no test/; validation images come from train/"
    train, test = trees.listing(place / "train", LAYOUT), trees.listing(place / test_part, LAYOUT)
    trees.same_classes(test, train)
    return train, test, note


def _fits(size: int, place: object) -> None:
    """DataError for images that this machine's memory cannot hold (twice: once as read, once in order)."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if 2 * size > memory:
        raise DataError(f"the images of {str(place)!r} need {2 * size / 2**30:,.1f} GiB of memory and this machine has {memory / 2**30:,.1f}; "
                        "use data = 'streamed-folder', which reads the tree while it trains, or smaller images")
