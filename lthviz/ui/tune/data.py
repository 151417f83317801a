"""What Tune computes, kept between reruns: the round's masks and weights, partitions and scores, previews, columns of the map.

Keys are addresses, file stamps, digests and labels, never arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from lthviz import methods, tuning
from lthviz.config import Refill, Regroup
from lthviz.core.partition import check_groups
from lthviz.errors import ConfigError
from lthviz.speed import estimate, machine
from lthviz.speed.estimate import Calibration
from lthviz.tuning import Cell, Preview, Source, partitions, scores, sensitivity
from lthviz.tuning.desk import Progress
from lthviz.tuning.partitions import Divided
from lthviz.ui import cache

Structure = Refill | Regroup


def source(run_id: str, round: int) -> Source:
    """The round to tune; AddressError, StoreError."""
    path = cache.store().path(run_id)
    files = [path / "rounds" / f"{k:03d}.h5" for k in (round - 1, round)]
    stamp = tuple((str(f), f.stat().st_mtime_ns, f.stat().st_size) for f in files if f.exists())
    return _source(run_id, round, str(path), stamp if len(stamp) == 2 else cache.stamp(run_id))     # the round at work stands in the checkpoint


def root() -> Path:
    return cache.store().root


def calibration() -> Calibration | None:
    """Of this machine for 64 images on all cores, None before the first measurement."""
    return estimate.known(64, machine.cores())


def ask(of: Source, structure: Structure, *, urgent: bool = True) -> None:
    """Have the child find what a preview of the structure needs."""
    if isinstance(structure, Regroup):
        partitions.ask(root(), of, structure, urgent=urgent)
    elif not scores.why_not(of, structure):
        scores.ask(root(), of, structure)


def retry(of: Source, structure: Structure) -> None:
    (partitions if isinstance(structure, Regroup) else scores).retry(root(), of, structure)


def progress(of: Source, structure: Structure) -> Progress:
    """How much of what a preview needs is there."""
    if isinstance(structure, Regroup):
        return partitions.progress(root(), of, structure)
    if structure.score in scores.NEEDS_NETWORK:
        return scores.progress(root(), of, structure)
    return Progress(0, 0)


def why_not(of: Source, structure: Structure) -> str:
    """In a line, why the network cannot have the structure; '' where it can."""
    if isinstance(structure, Refill):
        return scores.why_not(of, structure)
    try:
        check_groups(structure, (layer.matrix[0] for layer in of.run.layers))
    except ConfigError as e:
        return str(e)
    return ""


def divided(of: Source, structure: Regroup) -> Divided:
    return partitions.known(root(), of, structure)


def channel_scores(of: Source, structure: Refill) -> Mapping[str, np.ndarray] | None:
    return scores.known(root(), of, structure)


def preview(of: Source, label: str) -> Preview | None:
    """What the structure of that label makes of the round; None while something is missing that the child is at, or cannot be had."""
    structure = methods.structure(label)
    if why_not(of, structure) or not progress(of, structure).ready:
        return None
    known = calibration()
    return _preview(of.run.id, of.round, of.masks.digest, label, of.weights is not None, known and (known.machine, known.seconds, known.stamp), of, known)


def columns(of: Source, structure: Regroup) -> tuple[list[Cell], dict[int, str]]:
    """The cells of the map that are known, and for the other numbers of groups in words what they wait for. What is missing is asked for."""
    cells: list[Cell] = []
    waiting: dict[int, str] = {}
    known = calibration()
    t1s = tuple(sorted({*sensitivity.T1, structure.t1}))
    for groups in sensitivity.groups_that_fit(of.run.layers, structure.groups):
        label = methods.Regroup(**{**vars(structure), "groups": groups, "t1": 1.5}).label     # a threshold changes nothing in a column
        column = methods.structure(label)
        far = progress(of, column)
        if far.ready:
            cells += _column(of.run.id, of.round, of.masks.digest, label, t1s, of.weights is not None, known and (known.machine, known.seconds, known.stamp),
                             of, known)
        elif far.error:
            waiting[groups] = "could not be divided"
        else:
            ask(of, column, urgent=False)
            waiting[groups] = f"{far.done} of {far.total} layers divided"
    return cells, waiting


@st.cache_resource(max_entries=3, show_spinner=False)
def _source(run_id: str, round: int, path: str, stamp: cache.Stamp) -> Source:
    return tuning.source(cache.store(), run_id, round)


@st.cache_resource(max_entries=48, show_spinner=False)
def _preview(run_id: str, round: int, digest: str, label: str, weighed: bool, calibrated: Any, _of: Source, _known: Calibration | None) -> Preview:
    structure = methods.structure(label)
    given = {"divided": divided(_of, structure)} if isinstance(structure, Regroup) else {"scores": channel_scores(_of, structure)}
    return tuning.preview(structure, _of.masks, _of.run.layers, weights=_of.weights, calibration=_known, **given)


@st.cache_data(max_entries=96, show_spinner=False)
def _column(run_id: str, round: int, digest: str, label: str, t1s: Sequence[float], weighed: bool, calibrated: Any, _of: Source,
            _known: Calibration | None) -> list[Cell]:
    structure = methods.structure(label)
    return tuning.column(structure, _of.masks, _of.run.layers, divided(_of, structure).parts, t1s, weights=_of.weights, calibration=_known)
