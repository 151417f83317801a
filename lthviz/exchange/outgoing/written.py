"""Functions that are written out, word for word, in the file of an exported network: they use torch alone."""

from __future__ import annotations

import json
import pathlib

import torch
from torch.nn import functional as F


def place(strips, *maps):
    """The sum of maps (N, C_i, ...) of few channels, laid into one of all channels; a channel that no map has is zero.

    strips: of the result, in order: (channels, first of them in each map, -1 where the map has none of them).
    """
    if len({m.shape[2:] for m in maps}) > 1:    # the addition broadcasts: each map in full, then as it was
        whole = [place(tuple((n, first[i]) for n, *first in strips), m) for i, m in enumerate(maps)]
        return sum(whole[1:], whole[0])
    out = []
    for n, *first in strips:
        parts = [m.narrow(1, f, n) for m, f in zip(maps, first) if f >= 0]
        zero = torch.zeros_like(maps[0].narrow(1, 0, 1))
        out.append(sum(parts[1:], parts[0]) if parts else zero.expand(-1, n, *zero.shape[2:]))
    return torch.cat(out, 1)


def gather(index, *maps):
    """What `place` makes, for maps whose channels lie scattered: of each map the number of the channel for every one of the result, -1 for none."""
    out = []
    for numbers, m in zip(index, maps):
        if min(numbers) < 0:
            m = torch.cat([m, torch.zeros_like(m.narrow(1, 0, 1))], 1)
        out.append(m.index_select(1, torch.tensor([n if n >= 0 else m.shape[1] - 1 for n in numbers], device=m.device)))
    return sum(out[1:], out[0])


def pad_same(x, kernel, stride, dilation):
    """x (N, C, h, w) with zeros around it, so that a convolution makes a map of ceil(h / stride), ceil(w / stride)."""
    over = [max((-(-size // s) - 1) * s + (k - 1) * d + 1 - size, 0) for size, k, s, d in zip(x.shape[-2:], kernel, stride, dilation)]
    return F.pad(x, (over[1] // 2, over[1] - over[1] // 2, over[0] // 2, over[0] - over[0] // 2))


def read_weights(path):
    """The tensors of a .safetensors file by name: the length of a JSON header, the header, the values."""
    data = bytearray(pathlib.Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    dtypes = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16, "I64": torch.int64,
              "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool}
    tensors = {}
    for name, entry in json.loads(data[8:start].decode()).items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            dtype = dtypes[entry["dtype"]]
            flat = torch.frombuffer(data, dtype=dtype, offset=start + begin, count=(end - begin) // dtype.itemsize) if end > begin else torch.empty(0, dtype=dtype)
            tensors[name] = flat.reshape(entry["shape"]).clone()
    return tensors
