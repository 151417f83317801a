from __future__ import annotations

import numpy as np
import pytest
import torch

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.nn import batches, data
from lthviz.nn.augment import AUGMENTS
from lthviz.nn.data import Images

KINDS = list(AUGMENTS)


def some_images(n: int, shape=(3, 16, 24)) -> Images:
    """Random images whose label is their number."""
    g = torch.Generator().manual_seed(0)
    x = torch.randint(1, 256, (n, *shape), dtype=torch.uint8, generator=g)
    y = torch.arange(n)
    mean, std = torch.tensor([[[100.0]], [[120.0]], [[140.0]]]), torch.tensor([[[50.0]], [[60.0]], [[70.0]]])
    return Images(x, y, x[:5], y[:5], x[5:], y[5:], mean, std, tuple(map(str, range(n))))


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


@pytest.mark.parametrize("augment", KINDS)
@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
def test_a_batch_is_its_images_changed_and_normalised(augment, memory_format):
    images = some_images(21)
    made = batches.Batches(config(augment=augment, memory_format=memory_format), images)
    index = batches.order(0, 2, 21)
    drawn = AUGMENTS[augment].draw(21, images.shape, torch.Generator().manual_seed(seeds.derive(0, "augment", 2)))
    changed, place = AUGMENTS[augment].apply(images.x_train[index], *drawn).numpy(), 0
    for x, y in made.epoch(2):
        assert x.is_contiguous(memory_format=torch.channels_last if memory_format == "channels_last" else torch.contiguous_format)
        for image, label in zip(x, y, strict=True):
            assert label == index[place]
            expected = (changed[place].astype(np.float32) - images.mean.numpy()) / images.std.numpy()
            np.testing.assert_array_equal(image.numpy(), expected)
            place += 1
    assert place == 21


def test_the_next_epoch_has_other_changes():
    images = some_images(1)
    images = Images(images.x_train.expand(40, -1, -1, -1), torch.arange(40), *(images.x_val, images.y_val) * 2, images.mean, images.std, ())
    a, b = (torch.cat([x for x, _ in batches.Batches(config(), images).epoch(e)]) for e in (0, 1))
    assert not torch.equal(a, b)


@pytest.mark.parametrize("augment", KINDS)
def test_starting_in_the_middle_gives_the_rest(monkeypatch, augment):
    images = some_images(60)
    whole = list(batches.Batches(config(augment=augment), images).epoch(1))
    for chunk in (1, data.CHUNK_BYTES):   # batch by batch, or prepared together: no difference
        monkeypatch.setattr(data, "CHUNK_BYTES", chunk)
        for first in (0, 3, 7, 8):
            rest = list(batches.Batches(config(augment=augment), images).epoch(1, first))
            assert len(rest) == 8 - first
            for (a, b), (x, y) in zip(rest, whole[first:], strict=True):
                assert torch.equal(a, x) and torch.equal(b, y)


PARTS = {
    "strips of two": [lambda n, r=r: slice(n * r // 2, n * (r + 1) // 2) for r in range(2)],
    "every third": [lambda n, r=r: slice(r, None, 3) for r in range(3)],
    "the last of them gets nothing of a short batch": [lambda n, r=r: slice(3 * r, 3 * r + 3) for r in range(3)],
}


@pytest.mark.parametrize("augment", KINDS)
@pytest.mark.parametrize("parts", PARTS.values(), ids=PARTS)
@pytest.mark.parametrize("first", [0, 4])
def test_the_parts_of_all_processes_are_what_one_would_see(parts, augment, first):
    images = some_images(43)   # the last batch has three images
    whole = list(batches.Batches(config(augment=augment), images).epoch(1, first))
    each = [list(batches.Batches(config(augment=augment), images, part).epoch(1, first)) for part in parts]
    assert all(len(batches_of_one) == len(whole) for batches_of_one in each)
    for i, (x, y) in enumerate(whole):
        for part, mine in zip(parts, each, strict=True):
            assert torch.equal(mine[i][0], x[part(len(x))]) and torch.equal(mine[i][1], y[part(len(y))])
        assert sorted(int(label) for mine in each for label in mine[i][1]) == sorted(y.tolist())


@pytest.mark.parametrize("of", ["validation", "test"])
@pytest.mark.parametrize("size", [1, 4, 100])
def test_an_evaluation_sees_every_image_once_and_its_parts_are_together_all(of, size):
    images = some_images(27)
    x, y = (images.x_val, images.y_val) if of == "validation" else (images.x_test, images.y_test)
    run = images.validation_batches if of == "validation" else images.test_batches
    got = list(run(size))
    assert [len(b) for _, b in got] == [len(a) for a in x.split(size)]
    assert torch.equal(torch.cat([a for a, _ in got]), images.normalise(x)) and torch.equal(torch.cat([b for _, b in got]), y)
    parts = [list(run(size, part)) for part in PARTS["every third"]]
    for i, (a, b) in enumerate(got):
        for r in range(3):
            assert torch.equal(parts[r][i][0], a[r::3]) and torch.equal(parts[r][i][1], b[r::3])


def test_the_data_itself_is_never_changed():
    images = some_images(16)
    before = images.x_train.clone()
    for augment in KINDS:
        for x, _ in (*batches.Batches(config(augment=augment), images).epoch(0), *images.test_batches(4)):
            x.zero_()
    assert torch.equal(images.x_train, before)
