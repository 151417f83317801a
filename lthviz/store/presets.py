"""Presets of one's own: settings under a name, a TOML file each in ROOT/.presets, beside those that lthviz comes with.

    title = "Regroup (groups 4, t1 2.0)"
    note = "…"
    source = "…"

    [config]
    model = "convnet"
    …
    [[config.structures]]
    kind = "regroup"
    groups = 4
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lthviz.config import RunConfig
from lthviz.errors import ConfigError, DamagedError, StoreError, did_you_mean
from lthviz.knobs import toml
from lthviz.presets import PRESETS, Preset
from lthviz.store import files

FOLDER = ".presets"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}")
_RULE = "{!r} can be no preset's name; use small letters, digits, '.', '_' and '-', up to 60, a letter or digit first"
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?")
"""No file may be named so on Windows."""


def everything(root: Path) -> dict[str, Preset]:
    """All presets by name: one's own first, those that cannot be had left out (`broken` tells of them)."""
    return own(root) | PRESETS


def own(root: Path) -> dict[str, Preset]:
    found = {}
    for file in _files(root):
        with contextlib.suppress(FileNotFoundError, StoreError):
            if not _misnamed(file):
                found[file.stem] = _read(file)
    return found


def broken(root: Path) -> dict[str, str]:
    """One's own presets that cannot be had, because of their name or of what stands in them: name → why."""
    out = {}
    for file in _files(root):
        try:
            if why := _misnamed(file):
                out[file.stem] = why
            else:
                _read(file)
        except FileNotFoundError:
            continue
        except StoreError as e:
            out[file.stem] = str(e)
    return out


def _files(root: Path) -> list[Path]:
    return sorted(file for file in (root / FOLDER).glob("*.toml") if not file.name.startswith("."))


def _misnamed(file: Path) -> str:
    """Why a preset in that file could not be asked for by its name; '' where it can."""
    if file.stem in PRESETS:
        return f"{file} is hidden by the preset {file.stem!r} that comes with lthviz; rename the file"
    return "" if _NAME.fullmatch(file.stem) else f"{file} can be no preset: {_RULE.format(file.stem)}; rename the file"


def find(root: Path, name: str) -> Preset:
    """The preset of that name; ConfigError names the near misses or a file that has no preset's name, DamagedError one that cannot be read."""
    if name in PRESETS:
        return PRESETS[name]
    if _NAME.fullmatch(name):
        with contextlib.suppress(FileNotFoundError):
            return _read(root / FOLDER / f"{name}.toml")
    elif name in (wrong := broken(root)):
        raise ConfigError(wrong[name])
    raise ConfigError(f"preset {name!r} is not known; {did_you_mean(name, everything(root))}")


def save(root: Path, name: str, config: RunConfig, *, title: str, note: str = "", source: str = "ours") -> None:
    """Keep settings under a name. ConfigError for a name that is no name or is taken. What makes a run a branch is left out."""
    if not _NAME.fullmatch(name) or _DEVICES.fullmatch(name):
        raise ConfigError(_RULE.format(name))
    file = root / FOLDER / f"{name}.toml"
    if name in PRESETS or file.exists():
        raise ConfigError(f"there is a preset {name!r} already; choose another name" + ("" if name in PRESETS else ", or delete that one first"))
    with files.failing(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    config = config.replace(parent="", from_round=0, earlier=())
    files.write(file, to_toml({"title": title, "note": note, "source": source, "lthviz": files.version()}, config).encode())


def delete(root: Path, name: str) -> None:
    """Remove one of one's own; ConfigError for one that is not."""
    file = root / FOLDER / f"{name}.toml"
    if not _NAME.fullmatch(name) or not file.exists():
        what = "comes with lthviz and stays" if name in PRESETS else f"is not there; {did_you_mean(name, own(root)) if own(root) else 'none of your own is'}"
        raise ConfigError(f"preset {name!r} {what}")
    with files.failing(file), contextlib.suppress(FileNotFoundError):
        files.patiently(os.unlink, file)


def to_toml(head: Mapping[str, Any], config: RunConfig) -> str:
    """Such a file's text."""
    values = config.to_dict()
    structures = [s.to_dict() for s in config.structures]     # also where they are the default: a preset says what it is for
    values.pop("structures", None)
    lines = [f"{k} = {_value(v)}" for k, v in head.items()] + ["", "[config]"] + [f"{k} = {_value(v)}" for k, v in values.items()]
    if not structures:
        lines.append("structures = []")
    for s in structures:
        lines += ["", "[[config.structures]]", *(f"{k} = {_value(v)}" for k, v in s.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, str):   # a JSON string is a TOML one, but for a character that TOML wants escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007F")
    return json.dumps(value)


def _read(file: Path) -> Preset:
    try:
        with files.readable(file):
            value = toml(file.read_text(encoding="utf-8"))
        said = [value.get(k, "") for k in ("title", "note", "source")]
        if not all(isinstance(x, str) for x in said) or not isinstance(value.get("config"), dict):
            raise ValueError("it has no [config], or a title that is no text")
        return Preset(RunConfig.from_dict(value["config"]), said[0] or file.stem, said[1], said[2])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError, ConfigError) as e:
        raise DamagedError(f"{file} is no preset: {e}") from None
