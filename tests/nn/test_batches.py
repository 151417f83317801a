from __future__ import annotations

import numpy as np
import pytest
import torch

from lthviz.config import RunConfig
from lthviz.nn import batches
from lthviz.nn.data import Images


def some_images(n: int, shape=(3, 16, 24)) -> Images:
    """Random images whose label is their number."""
    g = torch.Generator().manual_seed(0)
    x = torch.randint(1, 256, (n, *shape), dtype=torch.uint8, generator=g)
    y, none = torch.arange(n), torch.zeros((0, *shape), dtype=torch.uint8)
    mean, std = torch.tensor([[[100.0]], [[120.0]], [[140.0]]]), torch.tensor([[[50.0]], [[60.0]], [[70.0]]])
    return Images(x, y, none, y[:0], none, y[:0], mean, std, tuple(map(str, range(n))))


def config(**settings) -> RunConfig:
    return RunConfig(batch_size=8, **settings)


def test_an_epoch_is_a_permutation_that_its_seed_and_number_decide():
    a = batches.order(0, 3, 1000)
    assert torch.equal(a.sort().values, torch.arange(1000)) and torch.equal(a, batches.order(0, 3, 1000))
    assert not torch.equal(a, batches.order(0, 4, 1000)) and not torch.equal(a, batches.order(1, 3, 1000))


@pytest.mark.parametrize(("n", "sizes"), [(32, [8] * 4), (35, [8, 8, 8, 8, 3]), (33, [8] * 4), (5, [5])])
def test_a_short_last_batch_stays_and_a_single_image_goes(n, sizes):
    made = batches.Batches(config(), some_images(n))
    got = [len(y) for _, y in made.epoch(0)]
    assert got == sizes and made.per_epoch == len(sizes)


@pytest.mark.parametrize("augment", ["none", "shift", "crop-flip"])
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_changes_are_those_of_a_loop_over_images(augment, memory_format):
    images = some_images(21)
    made = batches.Batches(config(augment=augment, memory_format=memory_format), images)
    index, dy, dx, flip = made._draw(2, 21)
    place = 0
    for x, y in made.epoch(2):
        assert x.is_contiguous(memory_format=torch.channels_last if memory_format == "channels_last" else torch.contiguous_format)
        for image, label in zip(x, y, strict=True):
            assert label == index[place]
            pixels = images.x_train[label].numpy()
            if augment != "none":
                padded = np.pad(pixels, ((0, 0), (2, 2), (3, 3)))   # an eighth of 16 and of 24
                pixels = padded[:, dy[place]:dy[place] + 16, dx[place]:dx[place] + 24]
            if augment == "crop-flip" and flip[place]:
                pixels = pixels[:, :, ::-1]
            expected = (pixels.astype(np.float32) - images.mean.numpy()) / images.std.numpy()
            np.testing.assert_array_equal(image.numpy(), expected)
            place += 1
    assert place == 21


def test_every_shift_and_both_sides_occur():
    made = batches.Batches(config(), some_images(16, (3, 32, 32)))
    _, dy, dx, flip = made._draw(0, 5000)
    assert set(dy.tolist()) == set(dx.tolist()) == set(range(9))   # up to four pixels each way
    assert 0.45 < flip.float().mean() < 0.55
    assert len({(a, b) for a, b in zip(dy.tolist(), dx.tolist(), strict=True)}) == 81


def test_starting_in_the_middle_gives_the_rest(monkeypatch):
    images = some_images(60)
    whole = list(batches.Batches(config(), images).epoch(1))
    for chunk in (1, batches.CHUNK_BYTES):   # batch by batch, or prepared together: no difference
        monkeypatch.setattr(batches, "CHUNK_BYTES", chunk)
        for first in (0, 3, 7):
            rest = list(batches.Batches(config(), images).epoch(1, first))
            assert len(rest) == 8 - first
            for (a, b), (x, y) in zip(rest, whole[first:], strict=True):
                assert torch.equal(a, x) and torch.equal(b, y)


def test_the_data_itself_is_never_changed():
    images = some_images(16)
    before = images.x_train.clone()
    for x, _ in batches.Batches(config(), images).epoch(0):
        x.zero_()
    assert torch.equal(images.x_train, before)
