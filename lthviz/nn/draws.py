"""What a network draws by itself while it trains: dropout, stochastic depth, whatever a library's network has of the kind.

Such layers take torch's global generators. For each step these are set from the run's seed, the step and the rank, and put back
afterwards, so that a training that goes on draws what an uninterrupted one would, whatever else the process has done. Every
ticket and round draws the same at the same step, as it sees the same batch; each process of a world draws for its own part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from lthviz import seeds


class Draws:
    """The random numbers of one network's training steps. any: whether it draws some; None until a step has shown it.

    That is seen from the generators, not from the layers: networks call dropout as a function, too. A network that draws nothing
    pays for its first step only.
    """

    def __init__(self, seed: int, place: torch.device, rank: int = 0) -> None:
        self.seed, self.rank, self.any = seed, rank, None
        self._generators = [torch.default_generator]
        self._gpus = [place.index or 0] if place.type == "cuda" else []
        self._generators += [torch.cuda.default_generators[i] for i in self._gpus]

    def of(self, step: int, images: int) -> contextlib.AbstractContextManager:
        """Inside is the forward pass that follows `step` updates, over so many images."""
        return contextlib.nullcontext() if self.any is False else self._seeded(step, images)

    @contextlib.contextmanager
    def _seeded(self, step: int, images: int) -> Iterator[None]:
        with torch.random.fork_rng(devices=self._gpus):
            for generator in self._generators:
                generator.manual_seed(seeds.derive(self.seed, "dropout", step, self.rank))
            before = [g.get_state() for g in self._generators] if self.any is None else []
            yield
            if self.any is None:
                drawn = any(not torch.equal(a, g.get_state()) for a, g in zip(before, self._generators, strict=True))
                self.any = drawn or (None if not images else False)   # of no images even dropout draws nothing
