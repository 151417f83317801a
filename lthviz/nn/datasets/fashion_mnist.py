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
        with open(path, "rb") as f:
            head = np.frombuffer(f.read(16), ">i4")
        known = len(head) == 4 and head[0] in (0x801, 0x803)
        need = 4 * (1 + head[0] % 256) + int(np.prod(head[1:1 + head[0] % 256], dtype=np.int64)) if known else 0
        if path.stat().st_size != need:
            raise DataError(f"{str(path)!r} is damaged: {path.stat().st_size:,} bytes"
                            f"{f' where its head says {need:,}' if known else ' without the head of an IDX file'}; "
                            "delete it: the next start unpacks or downloads it anew")
    return "; ".join(f"{name!r} is missing" for name in FILES if there and name not in there)
