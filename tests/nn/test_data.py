from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lthviz.config import RunConfig
from lthviz.errors import ConfigError
from lthviz.nn import data, split

DIGITS = RunConfig(model="convnet", data="digits")
PARTS = ("train", "val", "test")


def part(images: data.Images, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    return getattr(images, f"x_{name}"), getattr(images, f"y_{name}")


def test_digits_are_scikit_learns():
    images = data.load(DIGITS.replace(validation=0.2), "cpu")
    assert images.shape == (1, 8, 8) and images.classes == tuple("0123456789")
    sizes = [len(part(images, p)[0]) for p in PARTS]
    assert sum(sizes) == 1797 and sizes[2] == pytest.approx(1797 / 3, abs=10) and sizes[1] == round(0.2 * (1797 - sizes[2]))
    theirs, labels = load_digits(return_X_y=True)
    expected = sorted((row.astype(np.uint8).tobytes(), int(y)) for row, y in zip(theirs, labels, strict=True))
    ours = sorted((x.numpy().tobytes(), int(y)) for p in PARTS for x, y in zip(*part(images, p), strict=True))
    assert ours == expected     # every image once: no overlap, nothing lost


def test_the_test_images_do_not_depend_on_the_seed_and_the_others_do():
    a, b, again = (data.load(DIGITS.replace(seed=s, train_images=300), "cpu") for s in (0, 1, 0))
    for p in PARTS:
        x, y = part(a, p)
        assert torch.equal(x, part(again, p)[0]) and torch.equal(y, part(again, p)[1])
        assert torch.equal(x, part(b, p)[0]) is (p == "test")


def test_every_part_is_stratified():
    images = data.load(DIGITS.replace(train_images=400), "cpu")
    whole = np.bincount(load_digits().target) / 1797
    for p in PARTS:
        y = part(images, p)[1].numpy()
        assert np.abs(np.bincount(y, minlength=10) - whole * len(y)).max() <= 2, p
    assert len(images.y_train) == 400


def test_stratified_takes_the_share_of_every_class():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    drawn = split.stratified(labels, 10, 7)
    assert np.bincount(labels[drawn]).tolist() == [5, 3, 2] and len(set(drawn)) == 10 and (np.diff(drawn) > 0).all()
    assert not np.array_equal(drawn, split.stratified(labels, 10, 8))
    assert split.stratified(labels, 0, 7).size == 0 and split.stratified(labels, 100, 7).tolist() == list(range(100))


def test_normalisation_is_of_the_training_images_alone():
    images = data.load(DIGITS.replace(train_images=200), "cpu")
    x = images.normalise(images.x_train).double()
    assert x.mean().item() == pytest.approx(0, abs=1e-6) and x.std(correction=0).item() == pytest.approx(1, abs=1e-6)
    assert images.normalise(images.x_test).double().mean().abs().item() > 1e-4
    assert images.x_train.dtype == torch.uint8


def test_no_validation_is_possible():
    images = data.load(DIGITS.replace(validation=0), "cpu")
    assert len(images.x_val) == len(images.y_val) == 0 and len(images.x_train) == 1201


def test_more_training_images_than_there_are_is_said():
    with pytest.raises(ConfigError, match=r"train_images = 5000 is more than the 1081 images of 'digits'"):
        data.load(DIGITS.replace(train_images=5000), "cpu")
