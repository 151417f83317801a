"""Small data sets in the layouts in which the real ones are published, of random images, written by the tests themselves."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import CIFAR10

WNIDS = ("n02124075", "n01443537", "n04067472")   # not in alphabetic order, as in the published wnids.txt


def cifar(root: Path, dataset: type[CIFAR10], monkeypatch: pytest.MonkeyPatch, each: int = 4, classes: int = 10) -> Path:
    """Pickled batches of `each` images in python format, whose checksums torchvision is told; returns their folder."""
    rng, base = np.random.default_rng(0), root / dataset.base_folder
    base.mkdir(parents=True)
    key = "labels" if dataset is CIFAR10 else "fine_labels"

    def dump(name: str, value: dict) -> list[str]:
        (base / name).write_bytes(pickle.dumps(value))
        return [name, hashlib.md5((base / name).read_bytes()).hexdigest()]

    for attribute in ("train_list", "test_list"):
        listed = []
        for name, _ in getattr(dataset, attribute):
            labels = (np.arange(each) % classes).tolist() if each >= classes else rng.integers(0, classes, each).tolist()
            listed.append(dump(name, {"data": rng.integers(0, 256, (each, 3072), dtype=np.uint8), key: labels, "coarse_labels": labels}))
        monkeypatch.setattr(dataset, attribute, listed)
    name, md5 = dump(dataset.meta["filename"], {dataset.meta["key"]: [f"class {i}" for i in range(classes)]})
    monkeypatch.setattr(dataset, "meta", dataset.meta | {"md5": md5, "filename": name})
    return base


def fashion(root: Path, train: int = 60, test: int = 20) -> Path:
    """Four IDX files, their numbers big-endian; returns their folder."""
    rng, raw = np.random.default_rng(0), root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", train), ("t10k", test)):
        images, labels = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8), (np.arange(n) % 10).astype(np.uint8)
        (raw / f"{part}-images-idx3-ubyte").write_bytes(np.array([0x803, n, 28, 28], ">i4").tobytes() + images.tobytes())
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(np.array([0x801, n], ">i4").tobytes() + labels.tobytes())
    return raw


def picture(path: Path, size: tuple[int, int] = (64, 64), mode: str = "RGB", seed: int = 0) -> None:
    """A random image of `size` (w, h), in the format of its name; smooth, so that a JPEG keeps it."""
    small = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).convert(mode).save(path)


def tiny_imagenet(root: Path, train: int = 4, test: int = 2) -> Path:
    """The tree of tiny-imagenet-200.zip with three classes; returns its folder."""
    place, annotations = root / "tiny-imagenet-200", []
    for c, wnid in enumerate(WNIDS):
        for i in range(train):
            picture(place / "train" / wnid / "images" / f"{wnid}_{i}.JPEG", mode="L" if i == 1 else "RGB", seed=100 * c + i)
        (place / "train" / wnid / f"{wnid}_boxes.txt").write_text(f"{wnid}_0.JPEG\t0\t0\t62\t62\n")
    for i in range(test * len(WNIDS)):
        picture(place / "val" / "images" / f"val_{i}.JPEG", seed=1000 + i)
        annotations.append(f"val_{i}.JPEG\t{WNIDS[i % len(WNIDS)]}\t0\t0\t62\t62\n")
        picture(place / "test" / "images" / f"test_{i}.JPEG", seed=2000 + i)
    (place / "val" / "val_annotations.txt").write_text("".join(annotations))
    (place / "wnids.txt").write_text("".join(f"{wnid}\n" for wnid in WNIDS))
    (place / "words.txt").write_text("n01443537\tgoldfish, Carassius auratus\nn02124075\tEgyptian cat\nn04067472\treel\nn00001740\tentity\n")
    return place


def imagenet(root: Path, monkeypatch: pytest.MonkeyPatch | None = None, train: int = 5, test: int = 2) -> Path:
    """train/ and val/ with three classes of JPEGs of several sizes and modes, with monkeypatch taken for the published ones; returns their folder."""
    sizes, place = ((300, 240), (200, 310), (260, 260), (500, 375)), root / "imagenet"
    for part, each in (("train", train), ("val", test)):
        for c, wnid in enumerate(WNIDS):
            for i in range(each):
                mode = ("RGB", "L", "CMYK")[i % 3]
                picture(place / part / wnid / f"{part}_{i}.JPEG", sizes[(c + i) % 4], mode, seed=(50 if part == "val" else 0) + 10 * c + i)
    if monkeypatch:
        monkeypatch.setattr("lthviz.nn.datasets.imagenet.PUBLISHED", (3, 3 * train, 3 * test))
    return place
