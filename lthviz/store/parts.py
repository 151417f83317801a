"""Several files that belong together, as a folder or as one archive: all of them or none."""

from __future__ import annotations

import io
import json
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

from lthviz.errors import ExchangeError
from lthviz.store import aside, files

MARK = ".lthviz-export"
"""A file in every folder that is written here: the names of the others."""


def ours(folder: Path) -> bool:
    """Whether everything in that folder was written here, so that it may be replaced."""
    try:
        names = set(json.loads((folder / MARK).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return not any(folder.iterdir())
    return all(p.relative_to(folder).as_posix() in names | {MARK} for p in folder.rglob("*") if not p.is_dir())


def write(out: Path, parts: Mapping[str, bytes | memoryview], what: str) -> None:
    """Writes `parts`, by their names with `/` between folders, into the folder `out`, or into one archive where that ends in .zip.

    What stands at `out` is replaced once all is written. what: of what kind they are, for people. ExchangeError where a folder's place is taken by
    a file; StoreError where nothing can be written.
    """
    if out.suffix.lower() == ".zip":
        files.write(out, archive(parts))
    else:
        _folder(out, parts, what)


def archive(parts: Mapping[str, bytes | memoryview]) -> memoryview:
    """A .zip without dates: the same parts give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as z:
        for name, data in parts.items():
            z.writestr(zipfile.ZipInfo(name), bytes(data), zipfile.ZIP_DEFLATED)
    return out.getbuffer()


def _folder(out: Path, parts: Mapping[str, bytes | memoryview], what: str) -> None:
    """Fills a folder aside, and puts it in the place of `out`."""
    if out.exists() and not out.is_dir():
        raise ExchangeError(f"{out} is a file, and {what} are a folder; give another name, or one that ends in .zip for an archive")
    made, old = (aside.folder(out, which) for which in ("new", "old"))
    with files.failing(out):
        _recover(out)
        made.mkdir()
        try:
            for name, data in parts.items():
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                files.write(made / name, data)
            files.write(made / MARK, json.dumps(sorted(parts)).encode())
            if out.exists():
                os.rename(out, old)
            os.rename(made, out)
            files.sync_folder(out.parent)
        finally:
            shutil.rmtree(made, ignore_errors=True)
            if old.exists():
                shutil.rmtree(old) if out.exists() else os.rename(old, out)


def _recover(out: Path) -> None:
    """Puts right what a kill left: the older folder has its name back where no newer one has it, and what was not finished goes."""
    for old in aside.left(out.parent, out.name, "old"):
        os.rename(old, out) if not out.exists() else shutil.rmtree(old, ignore_errors=True)
    aside.remove(aside.left(out.parent, out.name, "new"))
