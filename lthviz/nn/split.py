"""Which images train and which validate: stratified draws that depend on nothing but labels and seeds."""

from __future__ import annotations

import numpy as np

from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import ConfigError


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` sorted positions in `labels`, each class in its share (largest remainders first, ties to the lower class)."""
    classes, sizes = np.unique(labels, return_counts=True)
    exact = count * sizes / len(labels)
    take = np.floor(exact).astype(int)
    take[np.argsort(-(exact - take), kind="stable")[:count - take.sum()]] += 1
    rng = np.random.default_rng(seed)
    drawn = [rng.permutation(np.flatnonzero(labels == c))[:n] for c, n in zip(classes, take, strict=True)]
    return np.sort(np.concatenate([np.zeros(0, np.int64), *drawn]))


def train_validation(labels: np.ndarray, config: RunConfig) -> tuple[np.ndarray, np.ndarray]:
    """Positions of the training and of the validation images among the images that are not test images.

    `validation` is a share of all of them; `train_images` limits what is left. Both are drawn with the run's seed.
    """
    held = stratified(labels, round(config.validation * len(labels)), seeds.derive(config.seed, "validation"))
    rest = np.setdiff1d(np.arange(len(labels)), held)
    if config.train_images > len(rest):
        raise ConfigError(f"train_images = {config.train_images} is more than the {len(rest)} images of {config.data!r} "
                          f"that validation = {config.validation:g} leaves; use at most that, or 0 for all")
    if config.train_images:
        rest = rest[stratified(labels[rest], config.train_images, seeds.derive(config.seed, "train_images"))]
    if len(rest) < 2:
        raise ConfigError(f"validation = {config.validation:g} leaves {len(rest)} training images of {len(labels)}; hold out fewer")
    return rest, held
