"""Random changes to training images: drawn for a whole epoch, made on whole batches.

Every kind has two forms. On images that are on the device it is one call a batch, on bytes, without a loop over images;
`streamed` is torchvision's own transform, for images that are read one by one (stream.py). tests/nn/test_augment.py holds
the first against torchvision's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

Shape = tuple[int, int, int]
SHIFT = 8
"""Shifts go up to an eighth of the image each way: 4 of 32 pixels, 8 of 64."""
ANGLE = 20.0
"""Degrees a rotation goes each way."""
AREA, RATIO, TRIES = (0.08, 1.0), (3 / 4, 4 / 3), 10
"""Of a resized crop: its share of the image's area, width over height, and how often one that does not fit is drawn anew."""


class Augment(NamedTuple):
    """draw(n, (c, h, w), generator): what happens to each of n images, tensors of length n on the CPU.

    apply(x, *drawn): a batch x uint8 (B, c, h, w) changed as its B rows of those tensors say; x itself stays.
    """

    draw: Callable[[int, Shape, torch.Generator], tuple[Tensor, ...]]
    apply: Callable[..., Tensor]


def _none(n: int, shape: Shape, g: torch.Generator) -> tuple[Tensor, ...]:
    return ()


def _shifts(n: int, shape: Shape, g: torch.Generator) -> tuple[Tensor, ...]:
    """Pixels of border above and left of the crop, and whether it is flipped."""
    dy, dx = (torch.randint(0, 2 * max(1, s // SHIFT) + 1, (n,), generator=g) for s in shape[1:])
    return dy, dx, torch.rand(n, generator=g) < 0.5


def _angles(n: int, shape: Shape, g: torch.Generator) -> tuple[Tensor, ...]:
    """Degrees counter-clockwise, and whether it is flipped."""
    return (2 * torch.rand(n, generator=g) - 1) * ANGLE, torch.rand(n, generator=g) < 0.5


def _boxes(n: int, shape: Shape, g: torch.Generator) -> tuple[Tensor, ...]:
    """Top, left, height, width of a crop, and whether it is flipped: torchvision's RandomResizedCrop for n images at once.

    Of ten drawn boxes the first that fits; where none does, the largest in the middle that keeps to RATIO.
    """
    h, w = shape[1:]
    area = h * w * torch.empty(n, TRIES).uniform_(*AREA, generator=g)
    ratio = torch.empty(n, TRIES).uniform_(*map(math.log, RATIO), generator=g).exp()
    widths, heights = (area * ratio).sqrt().round().long(), (area / ratio).sqrt().round().long()
    fits = (widths > 0) & (widths <= w) & (heights > 0) & (heights <= h)
    first = fits.int().argmax(1, keepdim=True)
    width, height = widths.gather(1, first)[:, 0], heights.gather(1, first)[:, 0]
    place = torch.rand(2, n, generator=g)
    top, left = (place[0] * (h - height + 1)).long(), (place[1] * (w - width + 1)).long()
    none = ~fits.any(1)
    full_h = round(w / RATIO[0]) if w / h < RATIO[0] else h
    full_w = round(h * RATIO[1]) if w / h > RATIO[1] else w
    for t, value in ((height, full_h), (width, full_w), (top, (h - full_h) // 2), (left, (w - full_w) // 2)):
        t[none] = value
    return top, left, height, width, torch.rand(n, generator=g) < 0.5


def _same(x: Tensor) -> Tensor:
    return x


def _shift(x: Tensor, dy: Tensor, dx: Tensor, flip: Tensor) -> Tensor:
    """Shift inside a border of zeros."""
    h, w = x.shape[2:]
    sy, sx = max(1, h // SHIFT), max(1, w // SHIFT)
    windows = F.pad(x, (sx, sx, sy, sy)).unfold(2, h, 1).unfold(3, w, 1)   # (B, c, 2sy+1, 2sx+1, h, w)
    return windows[torch.arange(len(x), device=x.device), :, dy, dx]


def _flip(x: Tensor, flip: Tensor) -> Tensor:
    return torch.where(flip[:, None, None, None], x.flip(3), x)


def _crop_flip(x: Tensor, dy: Tensor, dx: Tensor, flip: Tensor) -> Tensor:
    return _flip(_shift(x, dy, dx, flip), flip)


def _rotate_flip(x: Tensor, angle: Tensor, flip: Tensor) -> Tensor:
    """Rotate around the centre, each pixel the nearest of the image, zeros outside."""
    if not len(x):   # affine_grid refuses
        return x
    h, w = x.shape[2:]
    cos, sin = angle.deg2rad().cos(), angle.deg2rad().sin()
    zero = torch.zeros_like(cos)
    theta = torch.stack([cos, -sin * h / w, zero, sin * w / h, cos, zero], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return _flip(F.grid_sample(x.float(), grid, mode="nearest", align_corners=False).to(x.dtype), flip)


def _crop_resize_flip(x: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor, flip: Tensor) -> Tensor:
    """Cut out the boxes and scale each to the image's size, bilinearly; nothing outside a box counts."""
    h, w = x.shape[2:]

    def positions(start: Tensor, length: Tensor, size: int) -> Tensor:
        """(B, size) pixels of the image under the result's pixels, from -1 (centre of the first) to 1 (of the last)."""
        at = (torch.arange(size, device=x.device) + 0.5) * (length / size)[:, None] - 0.5
        at = torch.minimum(at.clamp(min=0), length[:, None] - 1) + start[:, None]
        return 2 * at / max(1, size - 1) - 1

    gy, gx = positions(top, height, h), positions(left, width, w)
    grid = torch.stack([gx[:, None, :].expand(-1, h, -1), gy[:, :, None].expand(-1, -1, w)], 3)
    out = F.grid_sample(x.float(), grid, mode="bilinear", padding_mode="border", align_corners=True)
    return _flip(out.round().clamp(0, 255).to(x.dtype), flip)


AUGMENTS: dict[str, Augment] = {
    "none": Augment(_none, _same),
    "shift": Augment(_shifts, _shift),
    "crop-flip": Augment(_shifts, _crop_flip),
    "rotate-flip": Augment(_angles, _rotate_flip),
    "resized-crop": Augment(_boxes, _crop_resize_flip),
}
"""By the choices of `config.augment`."""


def evaluated(size: int, resize: int) -> list:
    """torchvision's transforms of a test image: shorter side to `resize` pixels, the middle `size`×`size` of it."""
    from torchvision import transforms as T

    return [T.Resize(resize), T.CenterCrop(size)]


def streamed(kind: str, size: int, resize: int) -> list:
    """torchvision's transforms of a training image that is read from its file, to `size`×`size` pixels."""
    from torchvision import transforms as T

    shift, flip = T.RandomCrop(size, padding=max(1, size // SHIFT)), T.RandomHorizontalFlip()
    return {
        "none": evaluated(size, resize),
        "shift": [*evaluated(size, resize), shift],
        "crop-flip": [*evaluated(size, resize), shift, flip],
        "rotate-flip": [*evaluated(size, resize), T.RandomRotation(ANGLE), flip],
        "resized-crop": [T.RandomResizedCrop(size, AREA, RATIO), flip],
    }[kind]
