"""Changes on whole batches, against a loop over images and against torchvision's own transforms."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torchvision import transforms as T
from torchvision.transforms import functional as TF

from lthviz.config import RunConfig
from lthviz.nn.augment import ANGLE, AUGMENTS, streamed

KINDS = list(AUGMENTS)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def some_images(n: int, shape=(3, 16, 24)) -> torch.Tensor:
    return torch.randint(1, 256, (n, *shape), dtype=torch.uint8, generator=generator())


def test_the_setting_offers_what_there_is():
    field = next(f for f in dataclasses.fields(RunConfig) if f.name == "augment")
    assert list(field.metadata["choices"]) == KINDS
    assert all(streamed(kind, 32, 36) for kind in KINDS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(3, 16, 24), (1, 28, 28), (3, 1, 1)])
def test_a_batch_is_its_images_one_by_one_and_the_data_stays(kind, shape):
    x = some_images(6, shape)
    drawn, before = AUGMENTS[kind].draw(6, shape, generator()), x.clone()
    whole = AUGMENTS[kind].apply(x, *drawn)
    assert whole.shape == x.shape and whole.dtype == torch.uint8 and torch.equal(x, before)
    for i in range(6):
        assert torch.equal(AUGMENTS[kind].apply(x[i:i + 1], *(d[i:i + 1] for d in drawn))[0], whole[i])


@pytest.mark.parametrize("kind", KINDS)
def test_no_image_is_no_fault(kind):
    drawn = AUGMENTS[kind].draw(4, (3, 16, 24), generator())
    assert AUGMENTS[kind].apply(some_images(0), *(d[:0] for d in drawn)).shape == (0, 3, 16, 24)


@pytest.mark.parametrize("kind", ["shift", "crop-flip"])
def test_a_shift_is_a_padded_crop(kind):
    x = some_images(40)
    dy, dx, flip = drawn = AUGMENTS[kind].draw(40, (3, 16, 24), generator())
    for got, image, top, left, flipped in zip(AUGMENTS[kind].apply(x, *drawn), x, dy, dx, flip, strict=True):
        padded = np.pad(image.numpy(), ((0, 0), (2, 2), (3, 3)))   # an eighth of 16 and of 24
        expected = padded[:, top:top + 16, left:left + 24]
        if kind == "crop-flip" and flipped:
            expected = expected[:, :, ::-1]
        np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize(("side", "border"), [(32, 4), (64, 8)])
def test_shifts_are_those_of_the_published_settings_and_all_occur(side, border):
    dy, dx, flip = AUGMENTS["crop-flip"].draw(20_000, (3, side, side), generator())
    assert set(dy.tolist()) == set(dx.tolist()) == set(range(2 * border + 1))
    assert 0.48 < flip.float().mean() < 0.52
    assert len(set(zip(dy.tolist(), dx.tolist(), strict=True))) == (2 * border + 1) ** 2


@pytest.mark.parametrize("shape", [(3, 64, 64), (1, 28, 40)])
def test_a_rotation_is_torchvisions(shape):
    x = some_images(30, shape)
    angle, flip = drawn = AUGMENTS["rotate-flip"].draw(30, shape, generator())
    assert angle.abs().max() <= ANGLE == 20 and angle.min() < -10 and angle.max() > 10
    for got, image, degrees, flipped in zip(AUGMENTS["rotate-flip"].apply(x, *drawn), x, angle, flip, strict=True):
        expected = TF.rotate(image, float(degrees))       # nearest, zeros outside: what RandomRotation(20) does
        expected = TF.hflip(expected) if flipped else expected
        assert (got == expected).float().mean() > 0.999     # but for pixels whose place is between two, to the last bit


@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 32, 48)])
def test_a_resized_crop_is_torchvisions(shape):
    x = some_images(60, shape)
    drawn = AUGMENTS["resized-crop"].draw(60, shape, generator())
    for got, image, (top, left, height, width, flipped) in zip(AUGMENTS["resized-crop"].apply(x, *drawn), x, zip(*drawn, strict=True), strict=True):
        expected = TF.resized_crop(image, int(top), int(left), int(height), int(width), list(shape[1:]))
        expected = TF.hflip(expected) if flipped else expected
        assert (got.int() - expected.int()).abs().max() <= 1    # torchvision scales bytes in fixed point


@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 32, 96), (3, 96, 32)])
def test_boxes_are_distributed_as_torchvisions(shape):
    top, left, height, width, _ = AUGMENTS["resized-crop"].draw(4000, shape, generator())
    assert (top >= 0).all() and (left >= 0).all() and (height > 0).all() and (width > 0).all()
    assert (top + height <= shape[1]).all() and (left + width <= shape[2]).all()
    torch.manual_seed(1)
    image = torch.zeros(shape, dtype=torch.uint8)
    theirs = np.array([T.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3]) for _ in range(4000)])
    ours = np.stack([top, left, height, width], 1)
    area = [ours[:, 2] * ours[:, 3]], [theirs[:, 2] * theirs[:, 3]]
    for ours_of, theirs_of in ((ours.T, theirs.T), area):
        for a, b in zip(ours_of, theirs_of, strict=True):
            assert ks_2samp(a, b).pvalue > 1e-3


def test_where_no_box_fits_the_largest_in_the_middle_is_taken():
    """An image so long that no tenth of its area has a ratio up to 4/3."""
    top, left, height, width, _ = AUGMENTS["resized-crop"].draw(50, (3, 8, 400), generator())
    image = torch.zeros(3, 8, 400, dtype=torch.uint8)
    assert {(int(a), int(b), int(c), int(d)) for a, b, c, d in zip(top, left, height, width, strict=True)} == {
        T.RandomResizedCrop.get_params(image, [0.08, 1.0], [3 / 4, 4 / 3])}
