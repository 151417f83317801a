"""What pages read from the store, kept between reruns. Keys are addresses and file stamps, never arrays.

(Streamlit hashes a large array by a sample, so two masks that differ in a bit could share an entry.) Records are frozen, so
every session gets the same object instead of a copy.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from lthviz import launch
from lthviz.config import UNSTRUCTURED
from lthviz.core import stats
from lthviz.errors import LthvizError
from lthviz.figures.masks import mask_png
from lthviz.figures.measured import Key, Setting
from lthviz.figures.order import grouped
from lthviz.records import Address, Masks, Round, Run, Status, Ticket, Timing
from lthviz.speed import estimate
from lthviz.speed.estimate import Calibration
from lthviz.store import Store
from lthviz.store.brief import Brief, Briefs
from lthviz.store.folders import Head
from lthviz.ui import access
from lthviz.ui.guarded import Guarded

Stamp = tuple[tuple[str, int, int], ...]


def store() -> Store:
    """The store that the server was started on ($LTHVIZ_RUNS, else data/runs), in which only an operator changes anything; AccessError for
    who may not even look."""
    access.let_in()
    return Guarded()


def wake() -> None:
    """See to it that somebody works off what is queued, whatever became of the worker that should; a viewer's page starts none."""
    if access.operator():
        launch.wake(store())


def run(run_id: str) -> Run:
    """A run without its masks; AddressError, StoreError."""
    return _run(str(store().path(run_id)), repr(stamp(run_id)))      # Streamlit hashes one text sooner than its many parts


def stamp(run_id: str) -> Stamp:
    """Of every file that `run` and `timings` read: changes whenever they do; AddressError."""
    path = store().path(run_id)
    files = [path / "config.json", path / "about.json", path / "layers.json", path / "checkpoint.h5", *sorted((path / "rounds").glob("*.h5"))]
    return _stamp(*files, *_timing_files(run_id))      # a damaged timing is told in the run's `info`


def round(run_id: str, index: int) -> Round:
    """A round, finished or as far as it is; AddressError, StoreError."""
    path = store().path(run_id)
    own = path / "rounds" / f"{index:03d}.h5"
    return _round(str(path), index, _stamp(own) or _stamp(path / "checkpoint.h5"))


def timings(run_id: str) -> tuple[Timing, ...]:
    """What is measured of a run, from whatever machine; AddressError."""
    return _timings(run_id, str(store().path(run_id)), _stamp(*_timing_files(run_id)))


def estimates(runs: Sequence[Run], setting: Setting) -> dict[Key, float]:
    """Predicted time over the dense network's, of every ticket of the runs, where this machine is calibrated for the setting."""
    known = estimate.known(setting.batch, setting.threads) if setting.device == "cpu" else None
    if known is None:
        return {}
    out = {}
    for found in runs:
        path = store().path(found.id)
        for k in (k for k in found.finished if k):
            stamp = _stamp(path / "rounds" / f"{k:03d}.h5")
            ratios = _ratios(found.id, str(path), k, stamp, (known.machine, known.batch, known.threads, known.seconds), known, found) if stamp else {}
            out |= {(found.id, k, label): ratio for label, ratio in ratios.items()}
    return out


def _timing_files(run_id: str) -> list[Path]:
    return [file for folder in store().timing_folders(run_id) for file in sorted(folder.glob("*.json"))]


def done_in_last(found: Run) -> int | None:
    """Stages done of a run's newest round; None before it has one, and where it cannot be read (the page says so there)."""
    last = found.rounds[-1] if found.rounds else None
    return None if last is None or str(last) in found.info.get("damaged", {}) else round(found.id, last).stages_done


def layer_rows(address: Address, before: Address | None) -> list[dict[str, Any]]:
    """`core.stats.layer_rows` of a ticket against another one."""
    masks = round(before.run, before.round).ticket(before.structure).masks if before else None
    ticket = round(address.run, address.round).ticket(address.structure)
    return _layer_rows(address._replace(layer=""), ticket.masks.digest, masks.digest if masks else "", ticket, masks, run(address.run))


def thumbnail(address: Address, *, width: int, height: int, dark: bool) -> bytes:
    """A PNG of one layer's mask. Blocks that share rows with no other stand together, so that they are seen."""
    now = round(address.run, address.round)
    ticket = now.ticket(address.structure)
    was = now.ticket(UNSTRUCTURED).masks if UNSTRUCTURED in now.tickets else ticket.masks
    return _thumbnail(ticket.masks.digest, was.digest, address.layer, width, height, dark, ticket, was)


def briefs() -> tuple[list[Brief], dict[str, str]]:
    """All runs in a line each, newest first, the examples last, and what cannot be read; quick for a thousand, as no round is opened."""
    there = store()
    return known_briefs(str(there.root), str(there.examples)).all()


@st.cache_resource(max_entries=8, show_spinner=False)
def known_briefs(root: str, examples: str) -> Briefs:
    """What was last read of the runs of a store; it looks itself what has changed."""
    return Briefs(store())


def heads() -> dict[str, Head]:
    """Settings and titles of all runs that can be read, by id, newest first; their rounds are not read."""
    there = store()
    paths = {run_id: there.path(run_id) for run_id in there.runs()}
    return {run_id: _head(str(path), _stamp(path / "config.json", path / "about.json")) for run_id, path in paths.items()}


def listed(most: int | None = None) -> tuple[list[tuple[Run, Status]], dict[str, str]]:
    """The user's own runs with their states, newest first, and what cannot be read: folder name → why. most: so many; None: all.

    A run is read with its rounds' rows; where a line of each will do, `briefs` is quick for a thousand.
    """
    known, broken = briefs()
    found = []
    for brief in [b for b in known if not b.example][:most]:
        try:
            found.append((run(brief.id), brief.status))
        except LthvizError as e:
            broken[brief.id] = str(e)
    return found, broken


@st.cache_resource(max_entries=4096, show_spinner=False)
def _head(path: str, stamp: Stamp) -> Head:
    return store().head(Path(path))


@st.cache_resource(max_entries=64, show_spinner=False)
def _run(path: str, stamp: str) -> Run:
    return store().run(Path(path).name)


@st.cache_resource(max_entries=64, show_spinner=False)
def _timings(run_id: str, path: str, stamp: Stamp) -> tuple[Timing, ...]:
    return store().timings(run_id)


@st.cache_resource(max_entries=24, show_spinner=False)
def _round(path: str, index: int, stamp: Stamp) -> Round:
    return store().round(Path(path).name, index)


@st.cache_data(max_entries=512, show_spinner="Estimating what is not measured")
def _ratios(run_id: str, path: str, index: int, stamp: Stamp, calibrated: tuple, _known: Calibration, _run: Run) -> dict[str, float]:
    """Of the tickets of a round; blocks of a large scattered mask take a while to find."""
    return {label: estimate.estimate(_known, _run.layers, t.masks, t.blocks, structural=t.structural).time_ratio
            for label, t in store().round(run_id, index).tickets.items()}


@st.cache_data(max_entries=64, show_spinner=False)
def _layer_rows(address: Address, after: str, before: str, _ticket: Any, _masks: Any, _run: Run) -> list[dict[str, Any]]:
    return stats.layer_rows(_ticket, _run.layers, _masks)


@st.cache_data(max_entries=256, show_spinner=False)
def _thumbnail(after: str, before: str, layer: str, width: int, height: int, dark: bool, _ticket: Ticket, _was: Masks) -> bytes:
    mask, blocks = _ticket.masks.matrix(layer), _ticket.blocks.get(layer)
    several = blocks is not None and len(blocks) > 1
    order = grouped(mask, _was.matrix(layer), blocks) if several else None
    return mask_png(order.permute(mask) if order else mask, width=width, height=height, dark=dark)


def _stamp(*files: Path) -> Stamp:
    out = []
    for file in files:
        try:
            s = file.stat()
        except FileNotFoundError:
            continue
        out.append((str(file), s.st_mtime_ns, s.st_size))
    return tuple(out)
