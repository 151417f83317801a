"""Home: the runs that are here, each with a picture of what it did to a layer."""

from __future__ import annotations

import streamlit as st

from lthviz.presets import preset
from lthviz.records import Run, Status
from lthviz.ui import cache, examples_shown, frame, pickers, transport, where
from lthviz.words import capital, rounds_done

MOST = 12
"""So many of the reader's own runs are shown, the newest; the Runs page has all."""


def show() -> None:
    """Examples with their pictures, then the reader's own runs, then what cannot be read."""
    own, broken = cache.listed(MOST)
    examples = [b for b in cache.briefs()[0] if b.example]
    if not own and not examples and not broken:
        frame.empty(f"No run is here yet. The digits study is {preset('digits').note}.", link=False)
    broken |= examples_shown.show(examples)
    if own:
        st.subheader("Your runs", anchor=False)
        alive = any(s.alive for _, s in own)
        frame.fragment(_own, run_every=1.0 if alive else None)(tuple((r.id, s.state) for r, s in own))
        if len(own) == MOST:
            st.page_link("pages/runs.py", label="All runs", icon=":material/table_rows:")
    for name, why in broken.items():
        frame.told("error", f"{name!r} cannot be read, and is left as it is: {why}", "broken_image")


def _own(known: tuple[tuple[str, str], ...]) -> None:
    found = cache.listed(MOST)[0]
    if tuple((r.id, s.state) for r, s in found) != known:
        st.rerun()
    for run, status in found:
        with st.container(border=True, key=f"run-{run.id}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{frame.plain(pickers.run_title(run))}**", width="content")
                frame.badge(status)
                st.space("stretch")
                examples_shown.links(run)
            frame.quiet(f"{pickers.summary(run.config)} · {run.id}")
            _state(run, status)


def _state(run: Run, status: Status) -> None:
    """Progress of a living run, what a finished one found, why another stopped."""
    if status.alive:
        there = where.positions(run.config, run.rounds, cache.done_in_last(run))
        st.progress(min(1.0, status.done / status.total) if status.total else 0.0,
                    text=transport.progress_sentence(run, status, transport.upcoming(run, there), ()))
    elif status.state == "finished":
        st.text(examples_shown.findings(run))
    else:
        st.text(capital(status.message) if status.message else f"Cancelled; finished: {rounds_done(len(run.finished), run.config.rounds)}.")
