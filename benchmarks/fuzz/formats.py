"""Changes that know a format: what they change is put back together so that the reader looks at it, instead of at a checksum that is wrong."""

from __future__ import annotations

import io
import json
import lzma
import pickletools
import random
import struct
import zipfile
import zlib
from collections.abc import Callable

from benchmarks.fuzz.values import NUMBERS, WORDS, changed_bytes, changed_json, changed_text, changed_value, strange, to_json

Change = Callable[[random.Random, bytes], bytes]
MOST = 1 << 20
"""Bytes of an input."""
BROKEN = (ValueError, LookupError, EOFError, OSError, OverflowError, RuntimeError, struct.error, zlib.error, lzma.LZMAError, zipfile.BadZipFile)
"""What Python raises at bytes that are no longer of the format that they once had (RuntimeError: zipfile's, of a member that says it is encrypted)."""

# safetensors and numpy --------------------------------------------------------------------------------------------------


def safetensors(rng: random.Random, data: bytes) -> bytes:
    """Its header's values, or its length, or bytes."""
    length = int.from_bytes(data[:8], "little")
    try:
        header = json.loads(data[8:8 + length])
    except (ValueError, RecursionError):
        return changed_bytes(rng, data)
    body, size = data[8 + length:], None
    match rng.randrange(10):
        case 0:
            return changed_bytes(rng, data)
        case 1:
            size = rng.choice((0, 1, length - 1, length + 1, 2**31, 2**63, 2**64 - 1, len(data)))
        case 2:
            body = body[:rng.randrange(len(body) + 1)]
        case _:
            header = changed_value(rng, header)
    text = to_json(header)
    return (len(text) if size is None else size).to_bytes(8, "little") + text + body


def npy(rng: random.Random, data: bytes) -> bytes:
    """The text of an array's header, its length kept right most of the time; or bytes."""
    if not data.startswith(b"\x93NUMPY") or len(data) < 12 or rng.random() < 0.15:
        return changed_bytes(rng, data)
    wide = data[6] > 1
    length, at = (struct.unpack_from("<I", data, 8)[0], 12) if wide else (struct.unpack_from("<H", data, 8)[0], 10)
    text = data[at:at + length].decode("latin1")
    if rng.random() < 0.4:
        text = text.replace("<f4", rng.choice(("|O", "<f8", "|V9", "<U7", "|b1", "<c8", "<M8[s]", "<f2", "|V2000000000", "<i8", ">f4"))).replace("|b1", rng.choice(("|O", "|b1", "<f4")))
    else:
        text = changed_text(rng, text)
    made = text.encode("utf-8", "surrogatepass")[:60_000]
    return data[:8] + struct.pack("<I" if wide else "<H", len(made)) + made + data[at + length:]


# zip ---------------------------------------------------------------------------------------------------------------------


def zipped(member: Callable[[str], Change], names: tuple[str, ...] = ()) -> Change:
    """Of archives. member: by a member's name, how its content is changed. names: that members may take."""
    def change(rng: random.Random, data: bytes) -> bytes:
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as z:
                if sum(i.file_size for i in z.infolist()) > 4 * MOST:
                    raise ValueError("large")
                members = [(i, z.read(i)) for i in z.infolist()]
        except BROKEN:
            return changed_bytes(rng, data)
        how = rng.randrange(12)
        if how == 0 or not members:
            return changed_bytes(rng, data)
        i = rng.randrange(len(members))
        info, content = members[i]
        if how == 1:
            members.append(members[i])
        elif how == 2:
            del members[i]
        elif how == 3:
            info = zipfile.ZipInfo(str(rng.choice((*WORDS, *names))).replace("\ud800", "") or "x")
            members[i] = info, content
        else:
            members[i] = info, member(info.filename)(rng, content)
        made = _zip(members, rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)))
        return _directory(rng, made) if rng.random() < 0.15 else made
    return change


def _zip(members: list, compress: int) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compress) as z:
        for info, content in members:
            fresh = zipfile.ZipInfo(info.filename or "x")
            fresh.compress_type, fresh.external_attr = compress, info.external_attr
            z.writestr(fresh, content)
    return out.getvalue()


def _directory(rng: random.Random, data: bytes) -> bytes:
    """One field of the directory or of a member's own head: sizes, offsets, flags, methods."""
    out, at = bytearray(data), []
    for magic, fields in ((b"PK\x01\x02", ((8, 2), (10, 2), (16, 4), (20, 4), (24, 4), (28, 2), (38, 4), (42, 4))), (b"PK\x03\x04", ((6, 2), (8, 2), (14, 4), (18, 4), (22, 4), (26, 2))),
                          (b"PK\x05\x06", ((8, 2), (10, 2), (12, 4), (16, 4)))):
        start = data.find(magic)
        while start >= 0:
            at += [(start + offset, size) for offset, size in fields]
            start = data.find(magic, start + 4)
    if at:
        offset, size = rng.choice(at)
        old = int.from_bytes(out[offset:offset + size], "little")
        new = rng.choice((0, 1, old + 1, old - 1, 2 * old, 8, 99, 2**16 - 1, 2**31, 2**32 - 1)) % (1 << 8 * size)
        out[offset:offset + size] = new.to_bytes(size, "little")
    return bytes(out)


# Pickles -----------------------------------------------------------------------------------------------------------------


GLOBALS = (b"torch._utils\n_rebuild_tensor_v2", b"torch._utils\n_rebuild_parameter", b"torch._utils\n_rebuild_sparse_tensor", b"torch._utils\n_rebuild_qtensor", b"torch._utils\n_rebuild_meta_tensor_no_storage",
           b"collections\nOrderedDict", b"torch\nFloatStorage", b"torch\nHalfStorage", b"torch\nSize", b"torch\nfloat32", b"torch.serialization\n_get_layout", b"os\nsystem", b"builtins\neval", b"builtins\nopen",
           b"numpy\ndtype", b"numpy._core.multiarray\nscalar", b"argparse\nNamespace", b"torch\nload", b"posix\nsystem", b"torch.nn.parameter\nParameter", b"torch._tensor\n_rebuild_from_type_v2", b"_codecs\nencode")


def pickled(rng: random.Random, data: bytes) -> bytes:
    """Single instructions of a pickle: what they name, numbers, texts; put in, taken out, repeated."""
    try:
        ops = [(op.name, at) for op, _, at in pickletools.genops(data)]
    except BROKEN:
        return changed_bytes(rng, data)
    if rng.random() < 0.1 or len(ops) < 2:
        return changed_bytes(rng, data)
    out = data
    for _ in range(rng.choice((1, 1, 2, 3))):
        i = rng.randrange(len(ops) - 1)
        name, begin = ops[i]
        end = ops[i + 1][1]
        match rng.randrange(6):
            case 0:
                piece = b""
            case 1:
                piece = data[begin:end] * 2
            case 2:
                piece = b"c" + rng.choice(GLOBALS) + b"\n"
            case 3:
                piece = _number(rng)
            case 4:
                piece = rng.choice((b"(", b"t", b"R", b"}", b"]", b")", b"0", b"2", b"N", b"\x88", b"u", b"s", b"b", b"Q", b".", b"\x81", b"e", b"\x85", b"\x86", b"\x87", b"h\x00", b"q\x00", b"l", b"\x93"))
            case _:
                piece = _alike(rng, name, data[begin:end])
        out = out[:begin] + piece + out[end:] if out is data else changed_bytes(rng, out)
    return out


def _number(rng: random.Random) -> bytes:
    x = rng.choice([x for x in NUMBERS if isinstance(x, int)])
    if 0 <= x < 256:
        return b"K" + bytes([x])
    if -2**31 <= x < 2**31:
        return b"J" + struct.pack("<i", x)
    made = x.to_bytes((x.bit_length() + 8) // 8, "little", signed=True)
    return b"\x8a" + bytes([len(made)]) + made if len(made) < 256 else b"K\x00"


def _alike(rng: random.Random, name: str, piece: bytes) -> bytes:
    """Another operand of the same kind."""
    if name == "GLOBAL":
        return b"c" + rng.choice(GLOBALS) + b"\n"
    if name.startswith(("BININT", "LONG")):
        return _number(rng)
    if "UNICODE" in name or "STRING" in name:
        text = str(rng.choice(WORDS)).encode(errors="surrogatepass")
        return b"X" + struct.pack("<I", len(text)) + text
    return changed_bytes(rng, piece)


def torch_zip(rng: random.Random, data: bytes) -> bytes:
    """A torch file as it is written today."""
    return _TORCH(rng, data)


_TORCH = zipped(lambda name: pickled if name.endswith("data.pkl") else changed_bytes, ("a/data.pkl", "archive/data/0", "archive/constants.pkl", "../../outside", "archive/version"))
npz = zipped(lambda name: npy, ("w.npy", "../../outside.npy", "/etc/outside.npy", "__lthviz__.npy", "x"))

# HDF5 --------------------------------------------------------------------------------------------------------------------


def hdf5(rng: random.Random, data: bytes) -> bytes:
    """Bytes of its messages, with the checksums of the superblock and of object headers put right again."""
    marks = [at for magic in (b"OHDR", b"OCHK", b"TREE", b"SNOD", b"HEAP", b"FRHP", b"BTHD", b"FADB", b"FAHD", b"EAHD") for at in _places(data, magic)]
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 3))):
        if marks and rng.random() < 0.7:
            at = rng.choice(marks) + rng.randrange(4, 160)
            if at < len(out) - 8:
                size = rng.choice((1, 1, 2, 4, 8))
                new = rng.choice((0, 1, 2, 0xFF, rng.randrange(256), len(data), 2**31, 2**64 - 1, int.from_bytes(out[at:at + size], "little") + rng.choice((-1, 1, 8))))
                out[at:at + size] = (new % (1 << 8 * size)).to_bytes(size, "little")
        elif len(out) > 8:
            kept = bytes(out[:8])
            out = bytearray(kept + changed_bytes(rng, bytes(out[8:])))
    return bytes(repaired(out)) if rng.random() < 0.9 else bytes(out)


def repaired(data: bytearray) -> bytearray:
    """With right checksums of a version 2 or 3 superblock and of every version 2 object header that is whole in itself."""
    if data.startswith(b"\x89HDF\r\n\x1a\n") and len(data) >= 48 and data[8] in (2, 3):
        data[44:48] = struct.pack("<I", lookup3(bytes(data[:44])))
    for at in _places(bytes(data), b"OHDR"):
        if at + 8 > len(data) or data[at + 4] != 2:
            continue
        flags = data[at + 5]
        head = 6 + 16 * bool(flags & 0x20) + 4 * bool(flags & 0x10)
        width = 1 << (flags & 3)
        end = at + head + width + int.from_bytes(data[at + head:at + head + width], "little")
        if end + 4 <= len(data):
            data[end:end + 4] = struct.pack("<I", lookup3(bytes(data[at:end])))
    return data


def _places(data: bytes, magic: bytes) -> list[int]:
    out, at = [], data.find(magic)
    while at >= 0 and len(out) < 400:
        out.append(at)
        at = data.find(magic, at + 1)
    return out


def lookup3(data: bytes) -> int:
    """HDF5's checksum of metadata: Jenkins' lookup3 with 0 to begin with."""
    m = 0xFFFFFFFF
    a = b = c = (0xDEADBEEF + len(data)) & m

    def rot(x: int, k: int) -> int:
        return ((x << k) | (x >> (32 - k))) & m

    whole = max(0, (len(data) - 1) // 12) * 12
    for i in range(0, whole, 12):
        x, y, z = struct.unpack_from("<III", data, i)
        a, b, c = (a + x) & m, (b + y) & m, (c + z) & m
        a = ((a - c) & m) ^ rot(c, 4)
        c = (c + b) & m
        b = ((b - a) & m) ^ rot(a, 6)
        a = (a + c) & m
        c = ((c - b) & m) ^ rot(b, 8)
        b = (b + a) & m
        a = ((a - c) & m) ^ rot(c, 16)
        c = (c + b) & m
        b = ((b - a) & m) ^ rot(a, 19)
        a = (a + c) & m
        c = ((c - b) & m) ^ rot(b, 4)
        b = (b + a) & m
    if not data:
        return c
    x, y, z = struct.unpack("<III", data[whole:].ljust(12, b"\0"))
    a, b, c = (a + x) & m, (b + y) & m, (c + z) & m
    c = ((c ^ b) - rot(b, 14)) & m
    a = ((a ^ c) - rot(c, 11)) & m
    b = ((b ^ a) - rot(a, 25)) & m
    c = ((c ^ b) - rot(b, 16)) & m
    a = ((a ^ c) - rot(c, 4)) & m
    b = ((b ^ a) - rot(a, 14)) & m
    c = ((c ^ b) - rot(b, 24)) & m
    return c


# Several in one ----------------------------------------------------------------------------------------------------------


def folder_bytes(files: dict[str, bytes]) -> bytes:
    """A folder as one input: a line of JSON with names and sizes, then what is in them."""
    return json.dumps([[name, len(data)] for name, data in files.items()]).encode() + b"\n" + b"".join(files.values())


def folder_of(data: bytes) -> dict[str, bytes]:
    """The inverse; ValueError for bytes that are none. What names lead outside is left out: no file system would have such a folder."""
    head, _, rest = data.partition(b"\n")
    out, at = {}, 0
    for name, size in json.loads(head):
        parts = str(name).split("/")
        if len(parts) > 6 or any(p in ("", ".", "..") or "\x00" in p or len(p.encode(errors="surrogateescape")) > 200 or "\ud800" in p for p in parts) or not isinstance(size, int) or size < 0:
            raise ValueError(name)
        out[str(name)] = rest[at:at + size]
        at += size
    return out


def folder(inside: Callable[[str], Change], names: tuple[str, ...]) -> Change:
    """Of such folders: one file changed, renamed, lost or doubled."""
    def change(rng: random.Random, data: bytes) -> bytes:
        try:
            files = folder_of(data)
        except (ValueError, TypeError, RecursionError):
            return data
        if not files:
            return data
        name = rng.choice(list(files))
        match rng.randrange(8):
            case 0:
                files.pop(name)
            case 1:
                files[rng.choice(names)] = files[name]
            case 2:
                files[rng.choice(names)] = files.pop(name)
            case _:
                files[name] = inside(name)(rng, files[name])
        return folder_bytes(files)
    return change


def chosen(*changes: Change) -> Change:
    """Inputs whose first byte says of which kind they are, modulo their number."""
    def change(rng: random.Random, data: bytes) -> bytes:
        if not data:
            return bytes([rng.randrange(len(changes))])
        return data[:1] + changes[data[0] % len(changes)](rng, data[1:])
    return change


__all__ = ["MOST", "Change", "changed_json", "chosen", "folder", "folder_bytes", "folder_of", "hdf5", "lookup3", "npy", "npz", "pickled", "repaired", "safetensors", "strange", "torch_zip", "zipped"]
