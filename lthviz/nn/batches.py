"""Batches of augmented training images: one permutation and one set of random changes an epoch, whatever the round.

Order and changes are drawn from seeds of their own, so a training that starts at any step sees what an uninterrupted one
would; and they are drawn for the batch as a whole, so that the parts of several processes are together what one would see.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.nn.source import Part, Source, whole


def order(seed: int, epoch: int, n: int) -> torch.Tensor:
    """The permutation of n images in epoch `epoch`, int64 on the CPU; the same for all rounds and tickets of a run."""
    return torch.randperm(n, generator=torch.Generator().manual_seed(seeds.derive(seed, "order", epoch)))


class Batches:
    """The batches of every epoch. A last batch of a single image is left out (BatchNorm cannot use it); a short one stays.

    part(n): which of a batch's n images this process trains; all of them unless given. It may be none of a short batch.
    """

    def __init__(self, config: RunConfig, images: Source, part: Part = whole) -> None:
        self.config, self.images, self.part, n = config, images, part, len(images.y_train)
        self.per_epoch = n // config.batch_size + (n % config.batch_size > 1)

    def size(self, step: int) -> int:
        """Images of all processes in the batch that follows `step` others."""
        return min(self.config.batch_size, len(self.images.y_train) - step % self.per_epoch * self.config.batch_size)

    def epoch(self, epoch: int, first: int = 0) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """(x float32 (B, c, h, w), y (B,)) of the batches from number `first` on."""
        n = len(self.images.y_train)
        return self.images.train_batches(self.config, epoch, order(self.config.seed, epoch, n), self._places(first, n))

    def _places(self, first: int, n: int) -> list[range]:
        """For each batch, the places in the epoch's order that this process trains."""
        size = self.config.batch_size
        batches = (range(i * size, min((i + 1) * size, n)) for i in range(first, self.per_epoch))
        return [batch[self.part(len(batch))] for batch in batches]
