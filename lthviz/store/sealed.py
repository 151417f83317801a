"""JSON objects that carry a checksum, so that a changed digit is noticed: a file of the store, or a line of a log.

The last field is `"crc32"`, eight hexadecimal digits: zlib's CRC-32 of all bytes before the comma in front of it. What was written before format 2
has none. data/README.md says how anybody checks it.
"""

from __future__ import annotations

import json
import operator
import zlib
from typing import Any

import lthviz
from lthviz.errors import DamagedError, VersionError

FORMAT = 2
"""Of the JSON files; a reader of format n reads all formats up to n."""
_TAIL = 20
"""Bytes of `,"crc32":"01234567"}`."""


def seal(text: bytes) -> bytes:
    """A JSON object's bytes, with its checksum as its last field."""
    return text[:-1] + b',"crc32":"%08x"}' % zlib.crc32(text[:-1])


def intact(data: bytes) -> bool:
    """Whether that ends in a checksum which fits."""
    return data[-_TAIL:] == b',"crc32":"%08x"}' % zlib.crc32(data[:-_TAIL])


def load(data: bytes) -> tuple[dict[str, Any], bool]:
    """The object in those bytes, without its checksum, and whether it had one; ValueError says why what stands there is not what was written."""
    fits = intact(data)
    if not fits and data[-_TAIL:].startswith(b',"crc32":"'):
        raise ValueError("its checksum does not fit what stands in it")
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as e:
        raise ValueError(f"not JSON ({e})") from None
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")
    if fits:
        value.pop("crc32", None)
    return value, fits


def read(data: bytes, where: str) -> dict[str, Any]:
    """What stands in a JSON file of the store; DamagedError, VersionError of a newer one. A file without `format` is of the first."""
    try:
        value, fits = load(data)
        version = value.get("format", 1)
        if isinstance(version, bool):
            raise ValueError("there is no such format")
        check_format(where, operator.index(version), str(value.get("lthviz", "?")), FORMAT)
        if version > 1 and not fits:
            raise ValueError('its checksum is missing; who changes it by hand writes "format": 1 and leaves crc32 out')
    except (ValueError, TypeError) as e:
        raise DamagedError(f"{where} is damaged: {e}") from None
    return value


def check_format(where: object, version: int, made_by: str, known: int) -> None:
    """VersionError when a newer lthviz wrote what stands there, DamagedError when none did. known: the newest format that is read here."""
    if version > known:
        raise VersionError(f"{where} was written by lthviz {made_by} in format {version}; this is lthviz {lthviz.__version__}, "
                           f"which reads formats up to {known}: update lthviz")
    if version < 1:
        raise DamagedError(f"{where} is damaged: there is no format {version}")
