"""Fashion-MNIST: 60,000 and 10,000 grey images of 28×28 (Xiao, Rasul and Vollgraf 2017), through torchvision."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torchvision.datasets import FashionMNIST

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn.datasets import download
from lthviz.nn.datasets.found import Pixels, root

RAW = Path("FashionMNIST", "raw")
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")


def read(config: RunConfig) -> Pixels:
    place = root(config)
    get = (f"put {', '.join(f'{name}.gz' for name in FILES)} from {FashionMNIST.mirrors[0]} into FashionMNIST/raw there, "
           "or set data_dir to the folder that holds FashionMNIST/")
    train, test = download.load(FashionMNIST, place, "Fashion-MNIST", get, _state)
    for name, part in (("train", train), ("t10k", test)):
        if len(part.data) != len(part.targets):
            raise DataError(f"{str(place / RAW)!r} holds {len(part.data)} images and {len(part.targets)} labels named {name}-*; "
                            "delete them: the next start fetches them anew")
    return Pixels(train.data.numpy()[..., None], train.targets.numpy(), test.data.numpy()[..., None], test.targets.numpy(),
                  tuple(FashionMNIST.classes))


def _state(place: Path) -> str:
    """What is missing; DataError for an unpacked file that is not as long as its own head says, which no download would mend."""
    there = [name for name in FILES if (place / RAW / name).is_file()]
    for name in there:
        path = place / RAW / name
        need, size = _length(path), path.stat().st_size
        if size != need:
            raise DataError(f"{str(path)!r} is damaged: {size:,} bytes {f'where its head says {need:,}' if need else 'without the head of an IDX file'}; "
                            "delete it: the next start unpacks or downloads it anew")
    return "; ".join(f"{name!r} is missing" for name in FILES if there and name not in there)


def _length(path: Path) -> int | None:
    """Bytes of an IDX file of bytes, from its head: magic number with the count of dimensions, then each; None without such a head."""
    with open(path, "rb") as f:
        head = f.read(16)
    numbers = np.frombuffer(head[:len(head) // 4 * 4], ">i4")
    if not len(numbers) or numbers[0] not in (0x801, 0x803) or len(numbers) <= numbers[0] % 256:
        return None
    dimensions = int(numbers[0]) % 256
    return 4 * (1 + dimensions) + int(np.prod(numbers[1:1 + dimensions], dtype=np.int64))
