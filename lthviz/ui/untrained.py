"""Where a page has nothing to draw yet, as no ticket is trained: how each run stands, and where it can be gone on with."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz.records import Run, Status
from lthviz.ui import cache, frame


def told(run_id: str, status: Status) -> str:
    """How a run stands that has no ticket, in a sentence; of one that failed, why."""
    why = f": {' '.join(status.message.split()).rstrip('.')}" if status.message and not status.alive else ""
    return f"Run {run_id} is {status.state}{why}."


def show(runs: Sequence[Run], title: str, then: str) -> None:
    """The box in the place of what the page shows otherwise. then: when that comes, in a sentence."""
    with st.container(border=True, key="nothing-yet"):
        st.markdown(f"### :material/hourglass_empty: {title}")
        for run in runs:
            status = cache.store().status(run.id)
            st.markdown(frame.plain(told(run.id, status)))
            st.page_link("pages/lab.py", label="Watch it in the Lab" if status.alive else "Open it in the Lab, where it can be resumed", icon=":material/science:",
                         query_params={"run": run.id})
        frame.quiet(then)
