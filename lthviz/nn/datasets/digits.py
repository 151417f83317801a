"""scikit-learn's 1,797 handwritten digits of 8×8 pixels in 17 grey levels; they come with the library."""

from __future__ import annotations

import numpy as np

from lthviz.config import RunConfig
from lthviz.nn.datasets.found import Pixels


def read(config: RunConfig) -> Pixels:
    """Test: the last third of each class in the order of the data set.

    The images come in order of their writers, so most test images are by people whose hand the training never saw.
    """
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    images, labels = images.reshape(-1, 8, 8, 1).astype(np.uint8), labels.astype(np.int64)
    test = np.zeros(len(labels), bool)
    for c in range(10):
        of_class = np.flatnonzero(labels == c)
        test[of_class[-(len(of_class) // 3):]] = True
    return Pixels(images[~test], labels[~test], images[test], labels[test], tuple("0123456789"))
