"""How strangers' archives and torch files are opened: what may be in an archive, and that a pickle makes nothing but tensors and plain values.

Nothing is ever extracted, and no name of a member is made a path.
"""

from __future__ import annotations

import re
import stat
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lthviz.errors import ExchangeError
from lthviz.store import foreign

MOST = 1 << 33
"""Bytes of all tensors together that are looked at."""


def members(path: Path, infos: Sequence[zipfile.ZipInfo]) -> None:
    """ExchangeError for an archive whose members hold more than it could, lie over one another, are no plain files, or are called as no file of ours or of
    numpy's or torch's is. Nothing is ever written under such a name; it is refused all the same."""
    if sum(i.compress_size for i in infos) > path.stat().st_size:
        raise ExchangeError(f"{path} is a zip archive whose members lie over one another, which no program writes; save it again")
    total = 0
    for info in infos:
        name, mode = info.filename, info.external_attr >> 16
        if name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/") or "\x00" in info.orig_filename or (stat.S_IFMT(mode) and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))):
            raise ExchangeError(f"{path} is a zip archive with a member {name!r} that leads outside of it or is no plain file; save the tensors again")
        total += info.file_size
        if info.file_size > max(foreign.SMALL, foreign.RATIO * info.compress_size) or total > MOST:
            raise ExchangeError(f"{path} is a zip archive that says of {name!r} that it unpacks to {info.file_size:,} bytes, more than there can be; save it again")
    if len({i.filename for i in infos}) < len(infos):
        raise ExchangeError(f"{path} is a zip archive with two members of one name; save it again")


def torch_load(path: Path) -> Any:
    """What is in a torch file, of tensors and plain values. ExchangeError for a pickle that would have to run code."""
    import argparse
    import pickle

    import torch

    plain = [argparse.Namespace, np.dtype, np._core.multiarray.scalar, *(type(np.dtype(k)) for k in ("f4", "f8", "i4", "i8", "?"))]   # what logs leave beside the weights
    try:
        with torch.serialization.safe_globals(plain):
            try:
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            except RuntimeError as e:
                if "mmap" not in str(e):
                    raise
                return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        what = re.search(r"(?:GLOBAL|global|class|function)\s+`?([\w.]+)`?", str(e))
        names = [x for x in re.findall(r"\b([A-Za-z_][\w]*(?:\.[A-Za-z_]\w*)+)\b", str(e)) if not x.startswith(("torch.serialization", "torch.load", "weights_only"))]
        named = what.group(1) if what and "." in what.group(1) else next((x for x in names if not x.startswith("pytorch.org")), "")
        if not named:
            raise ExchangeError(f"{path} begins like a torch file and cannot be read as one; it may be cut short: copy or save it again") from None
        raise ExchangeError(f"{path} holds Python objects ({named}), and opening them would run their code; save tensors alone: torch.save(model.state_dict(), path)") from None
