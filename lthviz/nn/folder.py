"""A torchvision ImageFolder tree, decoded once into one tensor."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from torchvision.datasets import ImageFolder

from lthviz.errors import DataError

Part = tuple[np.ndarray, np.ndarray]
"""Images uint8 (N, h, w, c) and labels int64 (N,)."""
Header = tuple[tuple[int, int], bool]
"""((width, height), whether it is grey)."""


def read(root: Path) -> tuple[Part, Part, tuple[str, ...], str]:
    """(train, test, class names, a sentence on what was changed) of `root`/train/<class>/ and `root`/test/<class>/.

    All images take the commonest size of the training images; another size is scaled to cover it and cropped around the
    centre. They are grey when every training image is, else RGB. DataError names a folder, class or image that is
    missing, empty or broken.
    """
    train, test = _listing(root, "train"), _listing(root, "test")
    for part, has, other in (("test", test.classes, train.classes), ("train", train.classes, test.classes)):
        if missing := sorted(set(other) - set(has)):
            raise DataError(f"class {missing[0]!r} is missing from {str(root / part)!r}; train/ and test/ need the same class folders")
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        headers: Counter[Header] = sum(pool.map(_headers, _blocks(train.samples)), Counter())
        sizes: Counter[tuple[int, int]] = Counter()
        for (size, _), count in headers.items():
            sizes[size] += count
        size = max(sizes, key=lambda s: (sizes[s], s))
        mode = "L" if all(grey for _, grey in headers) else "RGB"
        parts, fitted = [], 0
        for listing in (train, test):
            images = np.empty((len(listing.samples), size[1], size[0], len(mode)), np.uint8)
            blocks = zip(_blocks(listing.samples), _blocks(images), strict=True)
            fitted += sum(pool.map(lambda block: _decode_into(*block, size, mode), blocks))
            parts.append((images, np.array(listing.targets, np.int64)))
    total = sum(len(labels) for _, labels in parts)
    note = f"{fitted:,} of {total:,} images were scaled and cropped to {size[0]}×{size[1]}" if fitted else ""
    return parts[0], parts[1], tuple(train.classes), note


def _listing(root: Path, part: str) -> ImageFolder:
    folder = root / part
    if not folder.is_dir():
        raise DataError(f"{str(folder)!r} is not there; data_dir needs train/ and test/ with a folder a class inside each")
    try:
        return ImageFolder(str(folder))
    except (FileNotFoundError, OSError) as e:   # torchvision: no class folder, or a class without an image
        raise DataError(f"{str(folder)!r} cannot be used: {' '.join(str(e).split())}") from None


def _blocks(items: Any) -> Iterator[Any]:
    """Slices of a few hundred: a thread's work on one small image is shorter than handing it over."""
    return (items[i:i + 256] for i in range(0, len(items), 256))


def _headers(samples: list[tuple[str, int]]) -> Counter[Header]:
    """Size and colour of images, without decoding them."""
    found: Counter[Header] = Counter()
    for path, _ in samples:
        with _opened(path) as image:
            found[image.size, image.mode in ("1", "L")] += 1
    return found


def _decode_into(samples: list[tuple[str, int]], images: np.ndarray, size: tuple[int, int], mode: str) -> int:
    """Fill `images` (N, h, w, c) with those of `samples`; how many had another size."""
    fitted = 0
    for i, (path, _) in enumerate(samples):
        images[i], changed = _decode(path, size, mode)
        fitted += changed
    return fitted


def _decode(path: str, size: tuple[int, int], mode: str) -> tuple[np.ndarray, bool]:
    """Pixels (h, w, channels), and whether the image had another size."""
    with _opened(path) as image:
        try:
            changed = image.size != size
            if changed:
                scale = max(size[0] / image.width, size[1] / image.height)
                image = image.convert(mode).resize(
                    (max(size[0], round(image.width * scale)), max(size[1], round(image.height * scale))), Image.Resampling.BILINEAR)
                left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
                image = image.crop((left, top, left + size[0], top + size[1]))
            return np.asarray(image.convert(mode)).reshape(size[1], size[0], -1), changed
        except (OSError, SyntaxError, ValueError) as e:
            raise DataError(f"image {path!r} is broken ({e}); replace or remove it") from None


def _opened(path: str) -> Image.Image:
    try:
        return Image.open(path)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise DataError(f"image {path!r} cannot be read ({e}); replace or remove it") from None
