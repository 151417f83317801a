"""Trees with a folder a class, as torchvision's ImageFolder reads them, looked at before they are used."""

from __future__ import annotations

import os
from pathlib import Path

from torchvision.datasets import ImageFolder

from lthviz.errors import DataError


def listing(folder: Path, layout: str) -> ImageFolder:
    """The classes and files of `folder`; DataError names a folder that is missing, no folder, unreadable or empty.

    layout: what it should look like, in words.
    """
    try:
        if not folder.exists():
            raise DataError(f"{str(folder)!r} is not there; {layout}")
        if not folder.is_dir():
            raise DataError(f"{str(folder)!r} is a file where a folder should be; {layout}")
        for _ in os.walk(folder, onerror=_raise, followlinks=True):
            pass   # ImageFolder takes a folder that may not be read for an empty one
        inside = list(folder.iterdir())
        if not any(path.is_dir() for path in inside):
            raise DataError(f"{str(folder)!r} has no class folders ({len(inside):,} files lie in it); {layout}")
        found = ImageFolder(str(folder), allow_empty=True)
    except OSError as e:
        raise DataError(f"{e.filename or str(folder)!r} cannot be read ({e.strerror or e}); check who may read it") from None
    if empty := sorted(set(range(len(found.classes))) - set(found.targets)):
        raise DataError(f"class folder {str(folder / found.classes[empty[0]])!r} holds no image ({', '.join(found.extensions)}); "
                        "add images or remove the folder")
    return found


def same_classes(one: ImageFolder, other: ImageFolder) -> None:
    """DataError for a class that only one of two parts has."""
    for lacks, has in ((one, other), (other, one)):
        if missing := sorted(set(has.classes) - set(lacks.classes)):
            raise DataError(f"class {missing[0]!r} is missing from {str(lacks.root)!r} but stands in {str(has.root)!r}; "
                            "both need the same class folders")


def _raise(error: OSError) -> None:
    raise error
