"""Tiny-ImageNet (Stanford CS231n): 200 classes of 500 and 50 colour images of 64×64, in the layout of its archive.

It stands in memory, 1.4 GB as bytes: decoding its 90,000 training images takes one core about 20 seconds (230 microseconds each, measured
on a shared server core), and the paper's trainings would do so 95 times a ticket. Read once, no CPU stands in a GPU's way.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import decode
from lthviz.nn.datasets import trees
from lthviz.nn.datasets.found import Pixels, unpacked

FOLDER = "tiny-imagenet-200"
GET = f"unpack http://cs231n.stanford.edu/{FOLDER}.zip there, or set data_dir to its folder"
LAYOUT = f"it should be as in {FOLDER}.zip, train/<wnid>/images/*.JPEG; {GET}"
SIZE = (64, 64)
NOTE = "the test set is Tiny-ImageNet's labelled val/, as its own test images have no labels; validation images come from train/"


def read(config: RunConfig) -> Pixels:
    """train/<wnid>/images/ to train and validate on, val/ as the test set. Classes are in the order of their wnids, as ImageFolder has them."""
    place, looked = unpacked(config, FOLDER)
    if not place.is_dir():
        raise DataError(f"Tiny-ImageNet is not in {looked}; {GET}")
    train = trees.listing(place / "train", LAYOUT)
    wnids = [line.strip() for line in _lines(place / "wnids.txt") if line.strip()]
    for wnid in sorted(set(wnids) ^ set(train.classes)):
        lacks = "no folder in train/" if wnid in wnids else "a folder in train/ but no line in wnids.txt"
        raise DataError(f"class {wnid!r} of {str(place)!r} has {lacks}; {GET}")
    test_paths, test_labels = _annotated(place / "val", train.class_to_idx)
    paths = [path for path, _ in train.samples]
    (x_train, _), (x_test, _) = (decode.pixels(p, SIZE, "RGB", fit=False) for p in (paths, test_paths))
    return Pixels(x_train, np.array(train.targets, np.int64), x_test, np.array(test_labels, np.int64), _names(place, train.classes), NOTE)


def _annotated(val: Path, classes: dict[str, int]) -> tuple[list[str], list[int]]:
    """Files and labels of val/, in the order of val_annotations.txt (file, wnid and a box, separated by tabs)."""
    table, images = val / "val_annotations.txt", val / "images"
    if not images.is_dir():
        raise DataError(f"{str(images)!r} is not there; {GET}")
    there = sorted(p.name for p in images.iterdir())
    known, labels = set(there), {}
    for number, line in enumerate(_lines(table), 1):
        if not line.strip():
            continue
        name, _, rest = line.partition("\t")
        wnid = rest.partition("\t")[0].strip()
        where = f"line {number} of {str(table)!r}"
        if not wnid:
            raise DataError(f"{where} is {line.strip()!r} where a file, a tab and a class should be; {GET}")
        if wnid not in classes:
            raise DataError(f"{where} names the class {wnid!r}, which has no folder in train/; {GET}")
        if name not in known:
            raise DataError(f"{where} names {name!r}, which is not in {str(images)!r}; {GET}")
        if name in labels:
            raise DataError(f"{where} names {name!r} a second time; {GET}")
        labels[name] = classes[wnid]
    if missing := [name for name in there if name not in labels]:
        raise DataError(f"{str(table)!r} has no line for {missing[0]!r} in images/ ({len(missing):,} such); {GET}")
    if empty := sorted(set(classes.values()) - set(labels.values())):
        raise DataError(f"class {list(classes)[empty[0]]!r} is missing from {str(table)!r}; {GET}")
    return [str(images / name) for name in labels], list(labels.values())


def _names(place: Path, wnids: list[str]) -> tuple[str, ...]:
    """What words.txt calls the classes, the first word of each; the wnid where it says nothing or two classes share a word."""
    words = dict(line.partition("\t")[::2] for line in _lines(place / "words.txt"))
    names = [words.get(wnid, "").split(",")[0].strip() for wnid in wnids]
    return tuple(name if name and names.count(name) == 1 else wnid for name, wnid in zip(names, wnids, strict=True))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{str(path)!r} cannot be read ({getattr(e, 'strerror', None) or e}); {GET}") from None
