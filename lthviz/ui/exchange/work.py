"""A child process at work for this reader, one on each side of the page: begun by a click, watched, ended by another, its answer kept."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from lthviz.errors import LthvizError
from lthviz.exchange import apart
from lthviz.ui import frame, limits

LIMITS = apart.Limits(seconds=180, memory_mb=6000, file_mb=500)
"""Of what is begun on this page."""
POLL_S = 0.5


class Work(NamedTuple):
    """kind: what it does, a word of the caller's. of: what it is about, which says later whether the answer still is. doing: what is said meanwhile.
    names: of files, by where they were put."""

    kind: str
    of: Any
    doing: str
    job: apart.Job
    names: Mapping[str, str]


class Ended(NamedTuple):
    """value: the answer; None where there is none, and `error` says why. job: which holds the folder of what was made; None where nothing was."""

    kind: str
    of: Any
    value: dict[str, Any] | None
    error: str
    job: apart.Job | None


def begin(side: str, kind: str, words: Sequence[str], *, of: Any, doing: str, folder: Path, names: Mapping[str, str] | None = None) -> None:
    """Start it; what was at work on that side is stopped. folder: fresh, with what the child is to read; it goes with the job."""
    if at_work := current(side):
        at_work.job.stop()
    job = apart.Job(words, LIMITS, folder)
    limits.job(job)
    st.session_state[_key(side)] = Work(kind, of, doing, job, dict(names or {}))


def current(side: str) -> Work | None:
    return st.session_state.get(_key(side))


def ended(side: str) -> Ended | None:
    """What has ended since, once."""
    work = current(side)
    if work is None or not work.job.done:
        return None
    del st.session_state[_key(side)]
    try:
        return Ended(work.kind, work.of, work.job.answer(), "", work.job)
    except LthvizError as e:
        return Ended(work.kind, work.of, None, apart.told(e, work.names), work.job)


def show(side: str) -> None:
    """What is at work, with the way to stop it; the page is drawn anew when it has ended."""
    if current(side) is not None:
        frame.fragment(_watch, run_every=POLL_S)(side)


def _watch(side: str) -> None:
    work = current(side)
    if work is None or work.job.done:
        st.rerun()
    waits = "waiting for its turn: others are at work on this machine" if work.job.waits else ""
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key=f"at-work-{side}"):
        st.html(f"<p class='at-work'><span class='turning' aria-hidden='true'></span><span role='status'>{html.escape(work.doing)}</span>"
                f"<span class='quiet'>{html.escape(waits or work.job.says or f'up to {LIMITS.seconds:g} s')} · {work.job.seconds:.0f} s</span></p>", width="content")
        st.button("Stop", key=f"stop-{side}", icon=":material/stop:", on_click=work.job.stop)


def _key(side: str) -> str:
    return f"exchange-work-{side}"
