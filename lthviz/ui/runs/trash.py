"""Deleted runs on the Runs page: taken back at once, had back later, removed for good."""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from lthviz.store import disk
from lthviz.store.trash import DAYS, Trashed
from lthviz.ui import access, cache, frame
from lthviz.ui.runs import notices
from lthviz.words import duration

_UNDO, _ASKING = "trash-undo", "trash-asking"
SHOWN = 8
"""So many deleted runs are listed, the last deleted first."""


@access.action
def discard(ids: Sequence[str]) -> None:
    """Move these runs to the trash; what was moved can be taken back at once."""
    gone: list[Trashed] = []
    notices.each(ids, lambda x: gone.append(cache.store().discard(x)))
    st.session_state[_UNDO] = [(t.key, t.id) for t in gone]


def undo() -> None:
    """What was just deleted on this page, and the way back."""
    there = {t.key for t in cache.store().trashed()}
    if not (gone := [(key, run_id) for key, run_id in st.session_state.get(_UNDO, ()) if key in there]):
        return
    n = len(gone)
    with st.container(border=True, key="undo", horizontal=True, vertical_alignment="center", gap="small"):
        named = ", ".join(run_id for _, run_id in gone[:SHOWN]) + (f" and {n - SHOWN} more" if n > SHOWN else "")
        st.markdown(f"**{n} run{'s' * (n != 1)} deleted:** {frame.plain(named)}. In the trash for {DAYS} days.", width="content")
        st.button("Undo", key="runs-undo", icon=":material/undo:", type="primary", on_click=restore, args=([key for key, _ in gone],), **access.locked())
        st.button("Dismiss", key="runs-undone", icon=":material/close:", type="tertiary", on_click=lambda: st.session_state.pop(_UNDO, None))


@access.action
def restore(keys: Sequence[str]) -> None:
    back: list[str] = []
    notices.each(keys, lambda key: back.append(cache.store().restore(key)))
    if any(cache.store().status(run_id).state == "queued" for run_id in back):
        cache.wake()


def show() -> None:
    """The trash, folded away."""
    there = cache.store().trashed()
    if not there:
        return
    sizes = [disk.size(t.path) for t in there]
    total, n = disk.words(sum(sizes)), len(there)
    with st.expander(f"Trash: {n} deleted run{'s' * (n != 1)}, {total}", icon=":material/delete:", type="compact", key="trash"):
        frame.quiet(f"A deleted run can be had back for {DAYS} days; then it goes for good when the next one is deleted.")
        for t, size in list(zip(there, sizes))[:SHOWN]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"trash-row-{t.key.replace('~', '-')}"):
                st.button("Restore", key=f"restore-{t.key}", icon=":material/undo:", type="tertiary", on_click=restore, args=([t.key],), **access.locked())
                frame.quiet(" · ".join(filter(None, (t.title, t.id, f"deleted {duration(max(1.0, time.time() - t.time))} ago", disk.words(size)))), width="content")
        if n > SHOWN:
            frame.quiet(f"… and {n - SHOWN} more; `python -m lthviz trash` lists all.")
        if st.session_state.get(_ASKING):
            st.markdown(f"**Remove {n} run{'s' * (n != 1)} for good?** This frees {total}, and nothing brings them back.")
            with st.container(horizontal=True, gap="small"):
                st.button(f"Remove {n} for good", key="trash-empty-now", type="primary", icon=":material/delete_forever:", on_click=_empty, args=([t.key for t in there],), **access.locked())
                st.button("Keep " + ("it" if n == 1 else "them"), key="trash-keep", on_click=lambda: st.session_state.pop(_ASKING, None))
        else:
            st.button(f"Empty the trash: frees {total}", key="trash-empty", icon=":material/delete_forever:", on_click=_ask, **access.locked())


def _ask() -> None:
    st.session_state[_ASKING] = True


@access.action
def _empty(keys: list[str]) -> None:
    """What was shown, and nothing that was deleted meanwhile."""
    st.session_state.pop(_ASKING, None)
    notices.guarded(lambda: cache.store().empty_trash(keys))
