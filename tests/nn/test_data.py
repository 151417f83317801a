from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from lthviz.config import DATASETS, RunConfig
from lthviz.errors import ConfigError, DataError
from lthviz.nn import data, datasets, split

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


def test_many_images_arrive_whole_and_their_statistics_are_numpys(monkeypatch):
    """More than are handled together."""
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 200, (9001, 2, 5, 3), dtype=np.uint8), rng.integers(0, 7, 9001)
    monkeypatch.setitem(datasets.READERS, "digits", lambda config: datasets.Pixels(x[:9000], y[:9000], x[9000:], y[9000:], tuple("0123456")))
    config = DIGITS.replace(validation=0.4)
    train, held = split.train_validation(y[:9000], config)
    images = data.load(config, "cpu")
    for got, expected in ((images.x_train, x[train]), (images.x_val, x[held]), (images.x_test, x[9000:])):
        np.testing.assert_array_equal(got.numpy().transpose(0, 2, 3, 1), expected)
    np.testing.assert_allclose(images.mean.flatten(), x[train].mean((0, 1, 2), dtype=np.float64), rtol=1e-6)
    np.testing.assert_allclose(images.std.flatten(), x[train].std((0, 1, 2), dtype=np.float64), rtol=1e-6)


def test_more_than_a_gpu_holds_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda place: (1000, 8000))
    x, y = np.zeros((10, 8, 8, 3), np.uint8), np.zeros(10, np.int64)
    with pytest.raises(DataError, match=r"GPU's memory .* are free; free some, use device = 'cpu', or data = 'streamed-folder'"):
        data._fits(datasets.Pixels(x, y, x, y, ("0",)), torch.device("cuda"))
    data._fits(datasets.Pixels(x[:2], y[:2], x[:2], y[:2], ("0",)), torch.device("cuda"))


def test_every_data_set_of_the_settings_has_a_reader():
    assert set(datasets.READERS) == set(DATASETS)
