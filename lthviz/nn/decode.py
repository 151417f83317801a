"""Image files to pixels, many at a time on threads; whatever is wrong with one is a line that names it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

from lthviz.errors import DataError

Header = tuple[tuple[int, int], bool]
"""((width, height), whether it is grey)."""
WIDE = {"I", "F", "I;16", "I;16L", "I;16B", "I;16N"}
"""Modes of more than 8 bits a value, which a conversion to bytes would clip without a word."""
ENDS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}
"""How a file of a format ends; one that does not is decoded to see whether it is cut off."""


def headers(paths: Sequence[str]) -> Counter[Header]:
    """Sizes and colours of images, without decoding them."""
    return sum(_threads(_headers, paths), Counter())


def pixels(paths: Sequence[str], size: tuple[int, int], mode: str, *, fit: bool = True) -> tuple[np.ndarray, int]:
    """Images uint8 (N, h, w, channels) of `size` (w, h), and how many of them had another size.

    Those are scaled to cover it and cropped around the centre; without `fit` they are an error.
    """
    images = np.empty((len(paths), size[1], size[0], len(mode)), np.uint8)
    blocks = list(zip(_blocks(paths), _blocks(images)))
    return images, sum(_threads(lambda block: _decode_into(*block, size, mode, fit), blocks, whole=False))


def check(paths: Sequence[str]) -> None:
    """DataError for the first file that is no image, or one cut off; without decoding those whose end is there."""
    for _ in _threads(_check, paths):
        pass


def rgb(path: str) -> Image.Image:
    """One image in colour, decoded."""
    with opened(path) as image:
        return _decoded(image, path, "RGB")


def opened(path: str) -> Image.Image:
    """An image whose head is read."""
    try:
        image = Image.open(path)
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as e:
        raise DataError(f"image {path!r} cannot be read ({e}); replace or remove it") from None
    if image.mode in WIDE:
        image.close()
        raise DataError(f"image {path!r} has more than 8 bits a value (mode {image.mode}); convert it to 8 bits")
    return image


def _threads(work: Callable, items: Sequence, whole: bool = True) -> Iterator[Any]:
    """work(block) of blocks of `items`, in order. A thread's work on one small image is shorter than handing it over."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            yield from pool.map(work, _blocks(items) if whole else items)
        finally:
            pool.shutdown(cancel_futures=True)   # after an error the rest need not be looked at


def _blocks(items: Any) -> Iterator[Any]:
    return (items[i:i + 256] for i in range(0, len(items), 256))


def _headers(paths: Sequence[str]) -> Counter[Header]:
    found: Counter[Header] = Counter()
    for path in paths:
        with opened(path) as image:
            found[image.size, image.mode in ("1", "L", "LA")] += 1
    return found


def _check(paths: Sequence[str]) -> None:
    for path in paths:
        with opened(path) as image:
            if image.format in ENDS and ENDS[image.format] in _tail(image.fp):
                continue
        rgb(path)


def _tail(file: BinaryIO) -> bytes:
    file.seek(max(0, file.seek(0, os.SEEK_END) - 64))
    return file.read()


def _decode_into(paths: Sequence[str], images: np.ndarray, size: tuple[int, int], mode: str, fit: bool) -> int:
    """Fill `images` (N, h, w, c); how many had another size."""
    fitted = 0
    for i, path in enumerate(paths):
        with opened(path) as image:
            changed = image.size != size
            if changed and not fit:
                raise DataError(f"image {path!r} has {image.width}×{image.height} pixels where all have {size[0]}×{size[1]}; replace it")
            image = _decoded(image, path, mode)
        images[i] = np.asarray(_fitted(image, size) if changed else image).reshape(size[1], size[0], -1)
        fitted += changed
    return fitted


def _decoded(image: Image.Image, path: str, mode: str) -> Image.Image:
    try:
        if "transparency" in image.info:   # Pillow wants the detour
            image = image.convert("RGBA")
        return image.convert(mode)
    except (OSError, SyntaxError, ValueError) as e:
        raise DataError(f"image {path!r} is broken ({e}); replace or remove it") from None


def _fitted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    scale = max(size[0] / image.width, size[1] / image.height)
    image = image.resize((max(size[0], round(image.width * scale)), max(size[1], round(image.height * scale))), Image.Resampling.BILINEAR)
    left, top = (image.width - size[0]) // 2, (image.height - size[1]) // 2
    return image.crop((left, top, left + size[0], top + size[1]))
