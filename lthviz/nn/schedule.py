"""The learning rate as a function of the step, so that it can be fast-forwarded by asking for another step."""

from __future__ import annotations

import math

from lthviz.config import RunConfig


def learning_rate(config: RunConfig, step: int, per_epoch: int) -> float:
    """Rate of the update that follows `step` updates.

    Warm-up rises in equal steps and reaches `lr` on its last update. The step schedule falls at the start of the epochs
    that `milestones` count; half a cosine runs from the end of the warm-up to zero at the end of training, update by update.
    """
    warmup = min(config.warmup, config.epochs) * per_epoch
    if step < warmup:
        return config.lr * (step + 1) / warmup
    if config.schedule == "cosine":
        return config.lr * (1 + math.cos(math.pi * (step - warmup) / max(1, config.epochs * per_epoch - warmup))) / 2
    return config.lr * config.gamma ** sum(step >= m * per_epoch for m in config.milestones)
