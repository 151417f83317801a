"""Any torchvision ImageFolder tree, its files read while it trains (stream.py): for what no memory holds, or images larger than 224 pixels."""

from __future__ import annotations

import numpy as np

from lthviz.config import RunConfig
from lthviz.nn.datasets import folder
from lthviz.nn.datasets.found import Files


def read(config: RunConfig) -> Files:
    """`data_dir`/train/<class>/ and `data_dir`/test/<class>/, or val/; DataError names a folder or class that is missing or empty."""
    train, test, note = folder.parts(config)
    return Files([path for path, _ in train.samples], np.array(train.targets, np.int64),
                 [path for path, _ in test.samples], np.array(test.targets, np.int64), tuple(train.classes), note)
