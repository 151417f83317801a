"""Channel scores for Refill: two that masks and weights give at once, three that need the network, which the child computes."""

from __future__ import annotations

import functools
import hashlib
import zlib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path

import numpy as np

from lthviz.config import UNSTRUCTURED, Refill
from lthviz.core.refill import magnitude_scores, remain_scores
from lthviz.errors import LthvizError, MaskError
from lthviz.records import Address
from lthviz.store import Store
from lthviz.tuning import desk
from lthviz.tuning.desk import Progress
from lthviz.tuning.sources import Source

NEEDS_NETWORK = ("l1", "l2", "saliency")


def why_not(source: Source, settings: Refill) -> str:
    """In a line, why that score cannot be had here and what to choose; '' where it can."""
    if settings.score == "remain" and not _fractional(settings):
        return ""
    if source.weights is None:
        what = "a fractional channel needs the trained weights" if settings.score == "remain" else f"score {settings.score!r} needs the trained weights"
        return f"{what}; {source.why}. Choose score 'remain'" + (" without fractional" if _fractional(settings) else "")
    return ""


def known(root: Path, source: Source, settings: Refill) -> dict[str, np.ndarray] | None:
    """Scores of every layer, float64 (C,); None while the child is at them. MaskError where `why_not` says so."""
    if said := why_not(source, settings):
        raise MaskError(said)
    if settings.score == "remain":
        return remain_scores(source.masks)
    if settings.score == "magnitude":
        return magnitude_scores(source.masks, source.weights)
    there = desk.known(root, _key(source, settings.score))
    try:
        found = {name: np.array(there[name]["scores"], np.float64) for name in source.masks}
    except (LookupError, TypeError, ValueError):
        return None
    return found if all(v.shape == source.masks.shape(name)[:1] for name, v in found.items()) else None


def ask(root: Path, source: Source, settings: Refill) -> None:
    """Have the child compute them, where that is needed."""
    if settings.score in NEEDS_NETWORK and known(root, source, settings) is None:
        desk.ask(root, _key(source, settings.score), {"run": source.run.id, "round": source.round, "score": settings.score, "layers": list(source.masks)})


def retry(root: Path, source: Source, settings: Refill) -> None:
    desk.retry(root, _key(source, settings.score))
    ask(root, source, settings)


def progress(root: Path, source: Source, settings: Refill) -> Progress:
    return desk.progress(root, _key(source, settings.score), source.masks, source.run.id)


def compute(store: Store, run_id: str, round: int, score: str) -> Mapping[str, np.ndarray]:
    """The scores that the engine computes in that round: of the trunk's trained network with the weights that were then pruned at zero.

    In the child alone: it loads torch (seconds), the network and the run's images. DataError where the images are not there.
    """
    from lthviz.nn import scores
    from lthviz.nn.built import built

    config = store.run(run_id).config
    trunk = store.ticket(Address(run_id, round - 1, config.trunk_of(round - 1))).weights
    if trunk is None:
        raise MaskError(f"{run_id} keeps no weights of round {round - 1}; choose score 'remain'")
    try:
        _, model, layers, trainer = built(config)
    except LthvizError as e:
        raise MaskError(f"score {score!r} needs the run's images, and {e}. Choose score 'magnitude' or 'remain'") from e
    return scores.of_round(model, layers, trunk, store.round(run_id, round).ticket(UNSTRUCTURED).masks, score, trainer)


def _key(source: Source, score: str) -> str:
    c = source.run.config
    text = f"{score} {source.run.id} {source.round} {source.masks.digest} {c.calibration_images} {c.batch_size} {_made_by()}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


@functools.cache
def _made_by() -> str:
    """Of the code that scores: what is stored does not outlive a change of it. Read as a file: lthviz.nn itself is torch."""
    return f"{zlib.crc32((resources.files('lthviz') / 'nn' / 'scores.py').read_bytes()):08x}"


def _fractional(settings: Refill) -> bool:
    return settings.fractional or any(own.get("fractional") for own in settings.own.values())
