"""What a reader of a data set gives: images in memory, or the files that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from lthviz.config import RunConfig
from lthviz.errors import DataError

DOWNLOADS = Path("data/downloads")
"""Where data sets are kept when `data_dir` is empty, relative to the working directory."""


class Pixels(NamedTuple):
    """x_*: uint8 (N, h, w, c). y_*: int64 (N,). note: what was done to the images, for people; '' when nothing."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    classes: tuple[str, ...]
    note: str = ""


class Files(NamedTuple):
    """paths_*: a file an image, of any size, read while it trains. y_*: int64 (N,)."""

    paths_train: list[str]
    y_train: np.ndarray
    paths_test: list[str]
    y_test: np.ndarray
    classes: tuple[str, ...]
    note: str = ""


def root(config: RunConfig) -> Path:
    """The folder of `data_dir`, else DOWNLOADS; DataError when something else than a folder is there."""
    place = Path(config.data_dir or DOWNLOADS).expanduser()
    try:
        if place.exists() and not place.is_dir():
            raise DataError(f"data_dir = {str(place)!r} is a file; name the folder that holds the images of {config.data!r}")
    except OSError as e:
        raise DataError(f"data_dir = {str(place)!r} cannot be read ({e.strerror}); check who may read it, or name another folder") from None
    return place


def unpacked(config: RunConfig, name: str) -> tuple[Path, str]:
    """Where a data set that is unpacked into a folder `name` is looked for, and that place in words.

    data_dir may be that folder itself or the one that holds it.
    """
    place = root(config)
    inside = place / name
    found = inside if inside.is_dir() or not config.data_dir else place
    tried = [inside] if not config.data_dir else [place, inside]
    return found, " or ".join(repr(str(p.resolve())) for p in tried)
