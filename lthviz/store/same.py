"""Whether a run that goes on does so with the images it began with; its id knows their name, and where they lie only of some."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lthviz.config import RunConfig
from lthviz.errors import DataError

COUNTS = {"train_images": "training images", "val_images": "validation images", "test_images": "test images"}


def check_images(run_id: str, config: RunConfig, began: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """DataError names the first difference of two starts' information (Begin.info): classes, images of each part, their shape.

    What an older start did not note is not compared.
    """
    if difference := _difference(began, now):
        where = f"in data_dir = {config.data_dir!r}" if config.data_dir else "here"
        raise DataError(f"the images {where} are not those that run {run_id} began with: {difference}; resume it with the data_dir of those, "
                        "or begin a run of these under another seed")


def _difference(began: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    one, other = ([str(c) for c in info.get("classes", ())] for info in (began, now))
    if "classes" in began and len(one) != len(other):
        return f"{len(other):,} classes where there were {len(one):,}"
    named = "imported" not in began or "test_images" in began     # a network that was taken in without its images does not know their names
    for number, (was, has) in enumerate(zip(one, other, strict=False) if named else ()):
        if was != has:
            return f"class {number} is {has!r} where it was {was!r}"
    for key, words in COUNTS.items():
        if key in began and began[key] != now.get(key):
            return f"{now.get(key, 0):,} {words} where there were {began[key]:,}"
    if "image_shape" in began and _shape(began) != _shape(now):
        return f"{_shape(now)} (channels, height, width) where it was {_shape(began)}"
    return ""


def _shape(info: Mapping[str, Any]) -> str:
    return "×".join(map(str, info.get("image_shape", ())))
