"""Of a run that is chosen in the table: its title and note, to be changed in place, where it comes from, and what it takes of the disk."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Sequence
from typing import Any

import streamlit as st

from lthviz.store import disk
from lthviz.ui import access, cache, frame, pickers
from lthviz.ui.runs import notices
from lthviz.ui.runs.table import Row


@st.cache_resource(max_entries=8, show_spinner=False)
def _sizes(root: str) -> disk.Sizes:
    return disk.Sizes()


def sizes(found: Sequence[Row]) -> dict[str, int]:
    """Bytes of each run's folder, by id; asked again, only what has changed is counted."""
    there = cache.store()
    known = _sizes(str(there.root))
    return {r.brief.id: sum(known.of((there.examples if b.example and there.examples else there.root) / b.id) for b in r.seeds or (r.brief,)) for r in found}


def room(sizes: dict[str, int]) -> str:
    """What all runs and the trash take, and what is free."""
    there = cache.store()
    trash = sum(_sizes(str(there.root)).of(t.path) for t in there.trashed())
    return (f"They take {disk.words(sum(sizes.values()))} of the disk" + (f", deleted ones {disk.words(trash)} more" if trash else "")
            + f"; {disk.words(disk.free(there.root))} are free.")


def show(row: Row, size: int, among: Sequence[Row]) -> None:
    """Title and note of a run, plain text both. among: all runs, some of which may be its branches."""
    run_id, fixed = row.brief.id, row.brief.example
    own = cache.store().about(run_id).title
    with st.container(border=True, key="about"):
        left, right = st.columns([4, 8], gap="medium")
        with left:
            _field(st.text_input, "Title", "title", run_id, own, fixed, placeholder=pickers.run_title(row.brief), help="In one line; empty: as it was begun")
            frame.quiet(_facts(row, size, among))
        with right:
            _field(st.text_area, "Note", "note", run_id, row.brief.note, fixed, height=104,
                   placeholder="An example is not changed" if fixed else "What you want to remember of this run; shown as it is typed")
    if not fixed:
        frame.quiet(f"From a terminal: python -m lthviz about {shlex.quote(run_id)} --title TEXT --note TEXT")


def _field(widget: Any, label: str, name: str, run_id: str, said: str, fixed: bool, **more: Any) -> None:
    """A field that is kept as soon as it is left. Its key changes with what is kept alone: what was refused stays to be mended."""
    key = f"about-{name}-{run_id}-{hashlib.sha256(said.encode()).hexdigest()[:8]}"
    help = more.pop("help", None)
    widget(label, value=said, key=key, on_change=_keep, args=(run_id, name, key), **access.locked(fixed, help), **more)


@access.action
def _keep(run_id: str, name: str, key: str) -> None:
    notices.guarded(lambda: cache.store().set_about(run_id, **{name: st.session_state[key]}))


def _facts(row: Row, size: int, among: Sequence[Row]) -> str:
    b = row.brief
    children = sum(r.brief.config.parent == b.id for r in among)
    return " · ".join(filter(None, (
        disk.words(size), f"branch of {b.config.parent} from round {b.config.from_round}" if b.config.parent else "",
        f"{children} branch{'es' * (children != 1)} of it" if children else "", f"came in {b.source}" if b.source else "",
        f"asked for by {b.asked}" if b.asked else "", b.id)))


