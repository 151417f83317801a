"""Settings: dataclass fields that carry their own help, limits, choices, unit and source.

Forms, `--set` flags and the documentation are derived from these fields; nothing repeats them.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
from collections.abc import Mapping
from typing import Any

from lthviz.errors import ConfigError, did_you_mean


def knob(default: Any, help: str, *, low: float | None = None, high: float | None = None, open: bool = False,
         choices: Mapping[str, str] | None = None, pattern: str = "", unit: str = "", source: str = "") -> Any:
    """A dataclass field with its help, inclusive limits (`open`: exclusive), choices, unit and source.

    pattern: a regular expression; text that it matches as a whole will do besides the choices.
    """
    return dataclasses.field(default=default, metadata=dict(
        help=help, low=low, high=high, open=open, choices=choices, pattern=pattern, unit=unit, source=source))


def check(owner: Any) -> None:
    """Type, limits and choices of every field; ConfigError names the field, the value and the way out."""
    for f in dataclasses.fields(owner):
        value = getattr(owner, f.name)
        if f.metadata and not isinstance(value, tuple):
            object.__setattr__(owner, f.name, checked(f, value))


def checked(field: dataclasses.Field, value: Any) -> Any:
    """The value, a whole number as a float where one is wanted; ConfigError where its type, limits or choices do not allow it."""
    name, meta, kind = field.name, field.metadata, type(field.default)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise ConfigError(f"{name} = {value!r} should be {_TYPE_WORDS[kind]}; {meta['help']}")
    if meta["choices"] is not None and value not in meta["choices"] and not (meta["pattern"] and re.fullmatch(meta["pattern"], value)):
        raise ConfigError(f"{name} = {value!r} is not known; {did_you_mean(value, meta['choices'])}")
    low, high = meta["low"], meta["high"]
    below = low is not None and (not value > low if meta["open"] else not value >= low)
    above = high is not None and (not value < high if meta["open"] else not value <= high)
    if below or above:
        raise ConfigError(f"{name} = {value!r} is out of range; it must be {limits(field)}")
    return value


_TYPE_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


def limits(field: dataclasses.Field) -> str:
    """A field's range in words, e.g. 'between 0 and 1, both excluded'."""
    low, high = field.metadata["low"], field.metadata["high"]
    if low is not None and high is not None:
        return f"between {low:g} and {high:g}" + (", both excluded" if field.metadata["open"] else "")
    if low is not None:
        return f"more than {low:g}" if field.metadata["open"] else f"at least {low:g}"
    return f"at most {high:g}" if high is not None else "any value"


def non_default(value: Any) -> dict[str, Any]:
    """The fields of a dataclass value that differ from their defaults, in field order."""
    return {f.name: getattr(value, f.name) for f in dataclasses.fields(value) if getattr(value, f.name) != f.default}


def known(cls: type, values: Mapping[str, Any], what: str = "setting") -> dict[str, Any]:
    """The values, when each is a field of the dataclass; ConfigError names an unknown one and its near misses."""
    names = [f.name for f in dataclasses.fields(cls)]
    for key in values:
        if key not in names:
            raise ConfigError(f"{key!r} is not a {what}; {did_you_mean(str(key), names)}")
    return dict(values)


def toml(text: str) -> dict[str, Any]:
    """The values in a TOML text. tomllib.TOMLDecodeError also for what is TOML and too deep, too long a number, or no time that there is: a stranger's file may be."""
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError("lists and tables in it lie inside of one another too deep") from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as e:
        raise tomllib.TOMLDecodeError(str(e)) from None


def parse(text: str) -> Any:
    """A value as TOML reads it (`3`, `0.2`, `true`, `[80, 120]`), else the text itself."""
    try:
        return toml(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def plain(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
