"""Tiny-ImageNet in its published layout, against ImageFolder on the training part and the table read by hand."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import data
from tests import standins


@pytest.fixture
def place(tmp_path) -> Path:
    return standins.tiny_imagenet(tmp_path)


def load(root: Path, **settings) -> data.Images:
    return data.load(RunConfig(data="tiny-imagenet", data_dir=str(root), **({"validation": 0} | settings)), "cpu")


def refused(root: Path, words: str) -> None:
    with pytest.raises(DataError, match=words) as e:
        load(root)
    assert "\n" not in str(e.value)


def test_the_training_images_are_image_folders(place):
    for root in (place, place.parent):
        images, theirs = load(root), ImageFolder(str(place / "train"))
        assert images.shape == (3, 64, 64) and len(images.y_train) == len(theirs) == 12
        for x, y, (image, target) in zip(images.x_train, images.y_train, theirs, strict=True):
            np.testing.assert_array_equal(x.numpy(), np.asarray(image).transpose(2, 0, 1))
            assert y == target


def test_the_labelled_val_part_is_the_test_set_and_it_says_so(place):
    images, wnids = load(place), sorted(standins.WNIDS)
    with open(place / "val" / "val_annotations.txt") as f:
        rows = list(csv.reader(f, delimiter="\t"))
    assert len(images.y_test) == len(rows) == 6
    for x, y, (name, wnid, *_) in zip(images.x_test, images.y_test, rows, strict=True):
        np.testing.assert_array_equal(x.numpy(), np.asarray(Image.open(place / "val" / "images" / name).convert("RGB")).transpose(2, 0, 1))
        assert wnids[y] == wnid
    assert "test set is Tiny-ImageNet's labelled val/" in images.note


def test_validation_images_are_training_images(place):
    whole, split = load(place), load(place, validation=0.25)
    assert len(split.y_val) == 3 and sorted(split.y_val.tolist()) == [0, 1, 2]
    assert sorted(x.numpy().tobytes() for x in (*split.x_train, *split.x_val)) == sorted(x.numpy().tobytes() for x in whole.x_train)
    assert (split.x_test == whole.x_test).all()


def test_classes_have_the_names_of_words_txt(place):
    assert load(place).classes == ("goldfish", "Egyptian cat", "reel")
    (place / "words.txt").write_text("n01443537\treel\nn04067472\treel, spool\n")   # two of one name, and one without
    assert load(place).classes == tuple(sorted(standins.WNIDS))


@pytest.mark.parametrize(("line", "words"), [
    ("val_9.JPEG\tn02124075\t0\t0\t1\t1", r"line 7 of .*val_annotations.txt' names 'val_9.JPEG', which is not in"),
    ("val_0.JPEG\tn99999999\t0\t0\t1\t1", "line 7 .*names the class 'n99999999', which has no folder in train/"),
    ("val_0.JPEG", "line 7 .*is 'val_0.JPEG' where a file, a tab and a class should be"),
    ("val_0.JPEG\tn02124075\t0\t0\t1\t1", "line 7 .*names 'val_0.JPEG' a second time"),
])
def test_a_wrong_line_of_the_table_is_named(place, line, words):
    with open(place / "val" / "val_annotations.txt", "a") as f:
        f.write(line + "\n")
    refused(place, words)


def test_an_image_without_a_line_is_named(place):
    table = place / "val" / "val_annotations.txt"
    table.write_text("".join(table.read_text().splitlines(True)[:-1]))
    refused(place, r"has no line for 'val_5.JPEG' in images/ \(1 such\)")


def test_a_class_without_a_test_image_is_named(place):
    table = place / "val" / "val_annotations.txt"
    table.write_text(table.read_text().replace("n04067472", "n02124075"))
    refused(place, "class 'n04067472' is missing from .*val_annotations.txt")


@pytest.mark.parametrize("path", ["val/val_annotations.txt", "wnids.txt", "words.txt"])
@pytest.mark.parametrize(("change", "words"), [
    (lambda path: path.unlink(), "No such file"), (lambda path: (path.unlink(), path.mkdir()), "Is a directory"),
    (lambda path: path.write_bytes(b"\xff\xfe\x00"), "can't decode"),
])
def test_a_table_that_cannot_be_read_is_named(place, path, change, words):
    change(place / path)
    refused(place, f"{Path(path).name}' cannot be read .*{words}.*unpack http")


def test_a_class_of_the_list_alone_or_of_the_tree_alone_is_named(place):
    with open(place / "wnids.txt", "a") as f:
        f.write("n00000001\n")
    refused(place, "class 'n00000001' of .* has no folder in train/")
    (place / "wnids.txt").write_text("n02124075\nn01443537\n")
    refused(place, "class 'n04067472' of .* has a folder in train/ but no line in wnids.txt")


@pytest.mark.parametrize("path", ["train/n01443537/images/n01443537_0.JPEG", "val/images/val_3.JPEG"])
@pytest.mark.parametrize(("change", "words"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-200]), "is broken"), (lambda path: path.write_bytes(b"text"), "cannot be read"),
    (lambda path: Image.new("RGB", (32, 64)).save(path), "has 32×64 pixels where all have 64×64"),
])
def test_a_broken_image_or_one_of_another_size_is_named(place, path, change, words):
    change(place / path)
    refused(place, f"{Path(path).name}' {words}")


def test_an_empty_class_a_missing_part_and_a_missing_set_are_named(place, tmp_path, monkeypatch):
    for image in (place / "train" / "n01443537" / "images").iterdir():
        image.unlink()
    refused(place, "class folder '.*n01443537' holds no image")
    (place / "train").rename(place / "elsewhere")
    refused(place, "train' is not there; .*unpack http")
    refused(tmp_path / "nowhere", r"Tiny-ImageNet is not in '.*nowhere' or '.*nowhere/tiny-imagenet-200'; unpack http")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"not in '.*data/downloads/tiny-imagenet-200'"):
        data.load(RunConfig(data="tiny-imagenet"), "cpu")
