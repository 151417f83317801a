"""CIFAR-10, CIFAR-100 and Fashion-MNIST: what torchvision's own classes give, and what is said where they give nothing."""

from __future__ import annotations

import gzip
import hashlib
import shutil
import tarfile
import threading
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import data
from tests import standins

NOWHERE = "http://127.0.0.1:9/"
"""Nothing listens there: a download that fails at once."""
CIFARS = {"cifar10": CIFAR10, "cifar100": CIFAR100}


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    for dataset in CIFARS.values():
        monkeypatch.setattr(dataset, "url", NOWHERE + dataset.filename)
    monkeypatch.setattr(FashionMNIST, "mirrors", [NOWHERE])


def load(name: str, root: Path, **settings) -> data.Images:
    return data.load(RunConfig(data=name, data_dir=str(root), **({"validation": 0} | settings)), "cpu")


def same_as(images: data.Images, train, test) -> None:
    """Image by image, what a torchvision data set gives."""
    assert len(images.y_train) == len(train) and len(images.y_test) == len(test)
    for x, y, theirs in ((images.x_train, images.y_train, train), (images.x_test, images.y_test, test)):
        for ours, label, (image, target) in zip(x, y, theirs, strict=True):
            pixels = np.asarray(image)
            np.testing.assert_array_equal(ours.numpy(), pixels.reshape(*pixels.shape[:2], -1).transpose(2, 0, 1))
            assert label == target


@pytest.mark.parametrize("name", CIFARS)
def test_cifar_is_torchvisions_and_takes_the_folder_itself_as_well(tmp_path, monkeypatch, name):
    base = standins.cifar(tmp_path, CIFARS[name], monkeypatch)
    for place in (tmp_path, base):
        images = load(name, place)
        assert images.shape == (3, 32, 32) and images.classes[3] == "class 3" and images.note == ""
        same_as(images, CIFARS[name](tmp_path, train=True), CIFARS[name](tmp_path, train=False))


def test_fashion_mnist_is_torchvisions(tmp_path):
    standins.fashion(tmp_path)
    images = load("fashion-mnist", tmp_path)
    assert images.shape == (1, 28, 28) and images.classes[9] == "Ankle boot"
    same_as(images, FashionMNIST(tmp_path, train=True), FashionMNIST(tmp_path, train=False))


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist"])
def test_validation_comes_from_the_training_images_alone(tmp_path, monkeypatch, name):
    if name == "cifar10":
        standins.cifar(tmp_path, CIFAR10, monkeypatch, each=20)
    else:
        standins.fashion(tmp_path)
    whole, split, other = load(name, tmp_path), load(name, tmp_path, validation=0.2), load(name, tmp_path, validation=0.2, seed=1)
    assert len(split.y_val) == round(0.2 * len(whole.y_train))
    every = sorted(x.numpy().tobytes() for x in (*split.x_train, *split.x_val))
    assert every == sorted(x.numpy().tobytes() for x in whole.x_train)
    for images in (split, other):
        assert (images.x_test == whole.x_test).all() and (images.y_test == whole.y_test).all()


def archive(base: Path, dataset: type[CIFAR10], monkeypatch) -> Path:
    """The folder as the archive that torchvision looks for; the folder goes."""
    packed = base.parent / dataset.filename
    with tarfile.open(packed, "w:gz") as tar:
        tar.add(base, dataset.base_folder)
    shutil.rmtree(base)
    monkeypatch.setattr(dataset, "tgz_md5", hashlib.md5(packed.read_bytes()).hexdigest())
    return packed


def test_an_archive_put_there_by_hand_is_unpacked(tmp_path, monkeypatch):
    archive(standins.cifar(tmp_path, CIFAR10, monkeypatch), CIFAR10, monkeypatch)
    assert len(load("cifar10", tmp_path).y_train) == 20


def test_packed_idx_files_put_there_by_hand_are_unpacked(tmp_path, monkeypatch):
    raw, listed = standins.fashion(tmp_path), []
    for name, _ in FashionMNIST.resources:
        path = raw / name
        path.write_bytes(gzip.compress(path.with_suffix("").read_bytes()))
        path.with_suffix("").unlink()
        listed.append((name, hashlib.md5(path.read_bytes()).hexdigest()))
    monkeypatch.setattr(FashionMNIST, "resources", listed)
    assert len(load("fashion-mnist", tmp_path).y_train) == 60


@pytest.mark.parametrize(("name", "words"), [
    ("cifar10", ["CIFAR-10", "cifar-10-python.tar.gz", "cifar-10-batches-py"]),
    ("cifar100", ["CIFAR-100", "cifar-100-python.tar.gz", "cifar-100-python/"]),
    ("fashion-mnist", ["Fashion-MNIST", "train-images-idx3-ubyte.gz", "FashionMNIST/raw"]),
])
def test_what_is_not_there_is_said_with_place_and_way_out(tmp_path, name, words):
    with pytest.raises(DataError) as e:
        load(name, tmp_path / "there")
    message = str(e.value)
    assert "\n" not in message and str(tmp_path / "there") in message and "cannot be downloaded" in message and "data_dir" in message
    for word in (*words, NOWHERE):
        assert word in message


@pytest.mark.parametrize("name", CIFARS)
def test_half_an_archive_is_named(tmp_path, monkeypatch, name):
    packed = archive(standins.cifar(tmp_path, CIFARS[name], monkeypatch), CIFARS[name], monkeypatch)
    size = packed.stat().st_size // 2
    packed.write_bytes(packed.read_bytes()[:size])
    with pytest.raises(DataError, match=rf"{packed.name}' is incomplete or damaged, {size:,} bytes.*cannot be downloaded"):
        load(name, tmp_path)
    assert packed.stat().st_size == size    # and it is not taken away


@pytest.mark.parametrize(("change", "words"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), "data_batch_3' is incomplete or damaged"),
    (lambda path: path.unlink(), "data_batch_3' is missing"),
])
def test_an_unpacked_file_that_is_missing_or_cut_off_is_named(tmp_path, monkeypatch, change, words):
    change(standins.cifar(tmp_path, CIFAR10, monkeypatch) / "data_batch_3")
    with pytest.raises(DataError, match=words):
        load("cifar10", tmp_path)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize(("change", "words"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-9]), "is damaged: .* bytes where its head says"),
    (lambda path: path.write_bytes(b"this is text that is no image file at all"), "without the head of an IDX file"),
    (lambda path: path.write_bytes(b""), "without the head of an IDX file"),
    (lambda path: path.unlink(), "is missing"),
])
def test_an_idx_file_that_is_missing_or_damaged_is_named(tmp_path, name, change, words):
    change(standins.fashion(tmp_path) / name)
    with pytest.raises(DataError, match=f"{name}.*{words}") as e:
        load("fashion-mnist", tmp_path)
    assert "\n" not in str(e.value)


def test_images_and_labels_of_different_number_are_refused(tmp_path):
    raw = standins.fashion(tmp_path)
    (raw / "t10k-labels-idx1-ubyte").write_bytes(np.array([0x801, 7], ">i4").tobytes() + bytes(7))
    with pytest.raises(DataError, match="20 images and 7 labels named t10k"):
        load("fashion-mnist", tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "fashion-mnist", "tiny-imagenet", "imagenet", "folder", "streamed-folder"])
def test_a_file_where_the_folder_should_be_is_named(tmp_path, name):
    (tmp_path / "data").write_text("no folder")
    with pytest.raises(DataError, match=f"data' is a file; .*'{name}'"):
        load(name, tmp_path / "data")


def test_several_processes_download_once(tmp_path, monkeypatch):
    """Threads here; the lock is on an open file, so that it keeps them apart as it does processes."""
    base = standins.cifar(tmp_path / "source", CIFAR10, monkeypatch)
    there, done, at_once = tmp_path / "there", [], []

    def download(self) -> None:
        if self._check_integrity():
            return
        at_once.append(1)
        shutil.copytree(base, there / CIFAR10.base_folder)

    monkeypatch.setattr(CIFAR10, "download", download)
    threads = [threading.Thread(target=lambda: done.append(len(load("cifar10", there).y_train))) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert done == [20] * 4 and len(at_once) == 1
