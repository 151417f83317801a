"""Values and bytes that readers stumble over, and changes that need no format: of bytes, of words, of values as JSON has them."""

from __future__ import annotations

import json
import random
import re
import zlib
from typing import Any

WORDS = ("", " ", "a", "0", "-1", "nan", "inf", "1e999", "9" * 25, "x" * 3000, "../../outside", "/etc/passwd", "..\\..\\outside", "con", "a/b", "\x00", "\n", "a\nb", "\x1b[31m", "\x9b2J", "\r",
         "\u2028", "\u202e", "\ud800", "\ufeff", "é", "٣", "²", "<script>alert(1)</script>", "{0}", "%s", "__class__", "unstructured", "refill", "regroup", "finished", "running")
"""Texts: empty, numbers that are none, paths, what moves a cursor or turns a line, half a character, digits of other scripts, markup."""
NUMBERS = (0, 1, -1, 2, 7, 63, 64, 255, 256, 65535, 2**31 - 1, 2**31, 2**32, -2**31, 2**53 + 1, 2**63 - 1, 2**63, -2**63, 2**64, 10**30, 10**400, 0.5, -0.0, 1e-320, 1.7e308, float("nan"), float("inf"), -float("inf"))
HUGE, DEEP, LATE = "@huge@", "@deep@", "@late@"
"""Stand in JSON for a number of more digits than Python reads, for lists in lists in lists, and for a number that becomes infinite."""
_SPECIAL = {f'"{HUGE}"': "9" * 5000, f'"{DEEP}"': "[" * 2500 + "]" * 2500, f'"{LATE}"': "1e999"}
PLAIN = (None, True, False, [], {}, [[]], [None], {"": None}, HUGE, DEEP, LATE)
BYTES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x00" * 8, b"\xff" * 8, b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80", b"\x01\x00\x00\x00", b"\n", b"\x1b[31m", b"../", b"\xed\xa0\x80")


def strange(rng: random.Random) -> Any:
    """A value of JSON."""
    return rng.choice(rng.choice((WORDS, NUMBERS, PLAIN)))


def changed_value(rng: random.Random, value: Any) -> Any:
    """A value of JSON with one thing in it changed."""
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(8):
            case 0:
                return {k: v for k, v in value.items() if k != key}
            case 1:
                return {(str(rng.choice(WORDS)) if k == key else k): v for k, v in value.items()}
            case 2:
                return {**value, str(rng.choice(WORDS)): strange(rng)}
            case _:
                return {**value, key: changed_value(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.9:
        i = rng.randrange(len(value))
        match rng.randrange(8):
            case 0:
                return value[:i] + value[i + 1:]
            case 1:
                return value[:i] + [value[i]] * rng.randrange(1, 40) + value[i:]
            case _:
                return [*value[:i], changed_value(rng, value[i]), *value[i + 1:]]
    if isinstance(value, int) and not isinstance(value, bool) and rng.random() < 0.4:
        return value + rng.choice((-1, 1, 1000, -1000))
    if isinstance(value, str) and rng.random() < 0.4:
        return changed_text(rng, value)
    return strange(rng)


def to_json(value: Any) -> bytes:
    text = json.dumps(value, separators=(",", ":"))
    for word, instead in _SPECIAL.items():
        text = text.replace(word, instead)
    return text.encode()


def changed_json(rng: random.Random, data: bytes) -> bytes:
    """A JSON text with values changed, and the checksum that the store's files carry put right again; what is none yet, changed as bytes."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return changed_bytes(rng, data)
    sealed = isinstance(value, dict) and value.pop("crc32", None) is not None
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        value = changed_value(rng, value)
    text = to_json(value)
    return text[:-1] + b',"crc32":"%08x"}' % zlib.crc32(text[:-1]) if sealed and text.endswith(b"}") and rng.random() < 0.95 else text


_TOKEN = re.compile(r"[A-Za-z_]+|\d+|\s|.", re.DOTALL)
TOKENS = (*WORDS, *map(repr, NUMBERS), "[", "]", "[[", "]]", "{", "}", "=", ".", '"', "'", '"""', "#", ",", "\n", "true", "[" * 1500, "9" * 5000, "{a=" * 800, "a." * 1500, "1979-05-27T07:32:00Z", "-", "@", "~", ":", "/")


def changed_text(rng: random.Random, text: str) -> str:
    """A text with words put in, taken out, replaced or repeated."""
    tokens = _TOKEN.findall(text) or [""]
    for _ in range(rng.choice((1, 1, 2, 4))):
        i = rng.randrange(len(tokens))
        match rng.randrange(5):
            case 0:
                tokens[i] = str(rng.choice(TOKENS))
            case 1:
                tokens.insert(i, str(rng.choice(TOKENS)))
            case 2 if len(tokens) > 1:
                del tokens[i]
            case 3:
                j = rng.randrange(i, min(len(tokens), i + 40))
                tokens[i:i] = tokens[i:j + 1] * rng.choice((1, 1, 50))
            case _:
                tokens[i] = rng.choice(tokens)
    return "".join(tokens)


def changed_words(rng: random.Random, data: bytes) -> bytes:
    """As `changed_text`, of a text as bytes; now and then of its bytes."""
    if rng.random() < 0.1:
        return changed_bytes(rng, data)
    return changed_text(rng, data.decode(errors="replace")).encode(errors="surrogatepass")


def changed_lines(rng: random.Random, data: bytes) -> bytes:
    """Lines of JSON with one of them changed, lost, repeated, cut or moved."""
    lines = data.split(b"\n")
    i = rng.randrange(len(lines))
    match rng.randrange(8):
        case 0:
            del lines[i]
        case 1:
            lines.insert(rng.randrange(len(lines) + 1), lines[i])
        case 2:
            lines[i] = lines[i][:rng.randrange(len(lines[i]) + 1)]
        case 3:
            return changed_bytes(rng, data)
        case _:
            lines[i] = changed_json(rng, lines[i])
    return b"\n".join(lines)


def changed_bytes(rng: random.Random, data: bytes) -> bytes:
    """Bytes flipped, written over, put in, taken out, repeated, cut off."""
    out = bytearray(data or b"\x00")
    for _ in range(rng.choice((1, 1, 2, 4, 8))):
        i = rng.randrange(len(out) or 1)
        match rng.randrange(8):
            case 0 if out:
                out[i] ^= 1 << rng.randrange(8)
            case 1 if out:
                out[i] = rng.randrange(256)
            case 2:
                size = rng.choice((2, 4, 8))
                out[i:i + size] = (int(rng.choice([x for x in NUMBERS if isinstance(x, int)])) % (1 << 8 * size)).to_bytes(size, "little")
            case 3:
                out[i:i] = rng.choice(BYTES)
            case 4:
                del out[i:i + rng.choice((1, 1, 4, 32, 512))]
            case 5:
                j = i + rng.choice((1, 4, 16, 256))
                out[i:i] = out[i:j]
            case 6:
                out[i:i + 8] = rng.choice(BYTES)
            case _ if rng.random() < 0.2:
                del out[i:]
    return bytes(out)
