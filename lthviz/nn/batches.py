"""Batches of augmented training images: one permutation and one set of random changes an epoch, whatever the round.

Order and changes of an epoch are drawn at once from seeds of their own, so a training that starts at any step sees
what an uninterrupted one would. All work is on whole batches; none is per image.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.nn import device
from lthviz.nn.data import Images

CHUNK_BYTES = 1 << 22
"""Batches are prepared together until their floats fill this: small images are then not a matter of call overhead."""


def order(seed: int, epoch: int, n: int) -> torch.Tensor:
    """The permutation of n images in epoch `epoch`, int64 on the CPU; the same for all rounds and tickets of a run."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seeds.derive(seed, "order", epoch)))


class Batches:
    """The batches of every epoch. A last batch of a single image is left out (BatchNorm cannot use it); a short one stays."""

    def __init__(self, config: RunConfig, images: Images) -> None:
        self.config, self.images, n = config, images, len(images.x_train)
        self.per_epoch = n // config.batch_size + (n % config.batch_size > 1)
        c, h, w = images.shape
        self._shift = (0, 0) if config.augment == "none" else (max(1, h // 8), max(1, w // 8))
        self._chunk = max(1, CHUNK_BYTES // (4 * c * h * w * config.batch_size))
        self._format = device.memory_format(config)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(x float32 (B, c, h, w), y (B,)) of the batches from number `first` on."""
        images, size, n = self.images, self.config.batch_size, len(self.images.x_train)
        index, dy, dx, flip = (t.to(images.device) for t in self._draw(epoch, n))
        for start in range(first, self.per_epoch, self._chunk):
            part = slice(start * size, min(start + self._chunk, self.per_epoch) * size)
            x = images.x_train[index[part]]
            if any(self._shift):
                x = self._change(x, dy[part], dx[part], flip[part])
            x = images.normalise(x).contiguous(memory_format=self._format)
            yield from zip(x.split(size), images.y_train[index[part]].split(size), strict=True)

    def _draw(self, epoch: int, n: int) -> tuple[torch.Tensor, ...]:
        """For each place in the epoch: which image, its shift down and right, whether it is flipped."""
        g = torch.Generator().manual_seed(seeds.derive(self.config.seed, "augment", epoch))
        dy, dx = (torch.randint(0, 2 * s + 1, (n,), generator=g) for s in self._shift)
        return order(self.config.seed, epoch, n), dy, dx, torch.rand(n, generator=g) < 0.5

    def _change(self, x: torch.Tensor, dy: torch.Tensor, dx: torch.Tensor, flip: torch.Tensor) -> torch.Tensor:
        """Shift each image inside a border of zeros, and flip it where `flip` (crop-flip only)."""
        sy, sx = self._shift
        h, w = x.shape[2:]
        windows = torch.nn.functional.pad(x, (sx, sx, sy, sy)).unfold(2, h, 1).unfold(3, w, 1)   # (B, c, 2sy+1, 2sx+1, h, w)
        x = windows[torch.arange(len(x), device=x.device), :, dy, dx]
        return torch.where(flip[:, None, None, None], x.flip(3), x) if self.config.augment == "crop-flip" else x
