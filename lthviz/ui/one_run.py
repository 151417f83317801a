"""What pages of one run share: which run it is, the head with its name and state, and what stands there where there is no run yet."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from lthviz.records import Run
from lthviz.ui import cache, frame, pickers, where


def newest() -> str:
    """The newest run that has masks, else the newest; '' without any."""
    found = cache.briefs()[0]
    return next((r.id for r in found if r.rounds), found[0].id if found else "")


def show(title: str, page: Callable[[Run], None], without: str) -> None:
    """The page of the run that the address names, else of the newest. without: what is said where there is none, and what would be seen."""
    if run_id := where.text("run") or newest():
        page(cache.run(run_id))
        return
    st.title(title, anchor=False)
    frame.empty(without)


def head(title: str, run: Run) -> None:
    """The page's title, the run's state, the choice of another, and a line on what the run is."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key=f"{title.lower()}-head"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.title(title, anchor=False, width="content")
            frame.badge(cache.store().status(run.id), cache.store().is_example(run.id))
        pickers.pick_run(run.id)
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}")
