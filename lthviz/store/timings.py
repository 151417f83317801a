"""Measured speeds of a run's tickets: one small JSON file each, replaced by a newer measurement of the same thing.

A run's timings lie in RUN/timings. Those of a read-only example lie in ROOT/.timings/RUN_ID, beside the ones it came with.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import operator
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lthviz.errors import DamagedError, StoreError
from lthviz.records import LayerTiming, Timing
from lthviz.store import files

FOLDER = "timings"
_LONGEST = 160


def file_name(key: str) -> str:
    """A timing's key as a file name that every system takes: odd characters as %XX, a very long one cut and hashed."""
    safe = re.sub(r"[^A-Za-z0-9._=-]", lambda m: "".join(f"%{b:02X}" for b in m[0].encode()), key)
    if len(safe) > _LONGEST:
        safe = f"{safe[:_LONGEST - 17]}-{hashlib.sha256(key.encode()).hexdigest()[:16]}"
    return f"{safe}.json"


def write(folder: Path, timing: Timing) -> None:
    """Keeps a timing under its key, unless a later one of that key is there."""
    file = folder / file_name(timing.key)
    with contextlib.suppress(FileNotFoundError, StoreError):   # one that cannot be read is replaced
        if read(file).time > timing.time:
            return
    with files.failing(file):
        folder.mkdir(parents=True, exist_ok=True)
    files.write(file, to_bytes(timing))


def to_bytes(timing: Timing) -> bytes:
    """Such a file's JSON."""
    return files.json_file({"timing": timing.to_dict()})


def read(file: Path) -> Timing:
    """The timing in a file. FileNotFoundError, VersionError, DamagedError."""
    return of(files.read_json(file), str(file))


def of(value: Mapping[str, Any], where: str) -> Timing:
    """The timing in such a file's JSON object, as `sealed.read` gives it; fields that this lthviz does not know are left out."""
    try:
        known = _known(Timing, value["timing"])
        timing = Timing.of({**known, "layers": [_known(LayerTiming, x) for x in known.get("layers", ())]})
        if not (isinstance(timing.structure, str) and operator.index(timing.round) >= 0 and len(timing.spread) == 2
                and all(float(x) > 0 for x in (timing.dense_ms, timing.ticket_ms, timing.time_ratio, timing.batch))):
            raise ValueError("its numbers are no measurement")
        return timing
    except (LookupError, TypeError, ValueError, AttributeError) as e:
        raise DamagedError(f"{where} is damaged: {type(e).__name__}: {e}") from None


def _known(cls: type, value: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(cls)}
    return {k: v for k, v in value.items() if k in names}


def read_all(folders: Iterable[Path]) -> tuple[tuple[Timing, ...], dict[str, str]]:
    """The newest timing of each key, by round, structure and batch; and what could not be read: name → why."""
    found: dict[str, Timing] = {}
    damaged: dict[str, str] = {}
    for folder in folders:
        for file in sorted(folder.glob("[!.]*.json")):
            try:
                timing = read(file)
            except FileNotFoundError:   # its run was deleted meanwhile
                continue
            except StoreError as e:
                damaged[f"timing {file.stem}"] = str(e)
                continue
            if timing.key not in found or found[timing.key].time <= timing.time:
                found[timing.key] = timing
    return tuple(sorted(found.values(), key=lambda t: (t.round, t.structure, t.batch, t.key))), damaged
