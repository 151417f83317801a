"""All runs of the store: what is at work, the table, and what can be done with the runs that are chosen in it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lthviz import launch
from lthviz.ui import access, cache, frame, pickers, several, signin
from lthviz.ui.runs import about, notices, sweeps, table, trash
from lthviz.ui.runs.table import FILTERS, Row

_CHOSEN = "runs-chosen"


def show() -> None:
    """The whole page below the menu."""
    found, broken = everything()
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="runs-head"):
        st.title("Runs", anchor=False, width="content")
        with st.container(horizontal=True, width="content", gap="small"):
            st.page_link("pages/exchange.py", label="Take in a run or network", icon=":material/input:", query_params={"do": "in"},
                         help="Packed runs, and other people's pruned networks")
            st.page_link("pages/lab.py", label="New run", icon=":material/add:", query_params={"new": "digits"})
    signin.note()
    sizes = about.sizes(found)
    if found:
        frame.said(f"{table.sentence(found)} {about.room(sizes)}")
    elif not broken:
        frame.empty("No run is in this folder. Start one, or a whole sweep of them below; every run of this folder is then listed here, "
                    "whoever trains it.")
    notices.show()
    sweeps.live(found)
    if found:
        _table(found, sizes)
    trash.show()
    for name, why in broken.items():
        frame.told("error", f"{name!r} cannot be read, and is left as it is: {why}", "broken_image")
    for name, why in cache.store().damaged_sweeps().items():
        frame.told("error", f"The sweep {name!r} cannot be read, and is left as it is; its runs are in the table: {why}", "broken_image")
    sweeps.new()


def everything() -> tuple[list[Row], dict[str, str]]:
    """All runs as rows, and what cannot be read."""
    found, broken = cache.briefs()
    return table.rows(found, cache.store().sweeps()), broken


def _table(found: Sequence[Row], sizes: dict[str, int]) -> None:
    trash.undo()
    shown = _narrow(found)
    actions = st.container(key="runs-actions")
    if not shown:
        st.caption("No run is like that; take a filter away.")
        return
    chosen = _chosen(shown, sizes)
    with actions:
        _act(chosen, len(shown), len(found))
        if len(chosen) == 1:
            about.show(chosen[0], sizes[chosen[0].brief.id], found)


def _narrow(found: Sequence[Row]) -> list[Row]:
    """The filters, by the address, and the rows that they leave."""
    wanted, names = {}, {s.name: s.shown for r in found for s in r.sweeps}
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="runs-filters"):
        for name, label in FILTERS.items():
            options = table.choices(found, name)
            asked = st.query_params.get_all(name)
            wanted[name] = asked
            if len(options) > 1 or asked:
                key = pickers.showing(f"filter-{name}", asked)
                st.multiselect(label, list(dict.fromkeys([*options, *asked])), key=key, placeholder="any", width=215 if name != "sweep" else 260,
                               format_func=lambda v, name=name: names.get(v, v) if name == "sweep" else v,
                               on_change=pickers.heard(key, lambda chosen, name=name: _filter(name, chosen)))
        if len(found) > 1:
            key = pickers.showing("filter-find", st.query_params.get("find", ""))
            st.text_input("Find", key=key, placeholder="id, preset, structure, message", width=240, icon=":material/search:",
                          on_change=pickers.heard(key, lambda chosen: _filter("find", chosen)))
    return table.narrowed(found, wanted, st.query_params.get("find", ""))


def _filter(name: str, value: Any) -> None:
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def _chosen(shown: Sequence[Row], sizes: dict[str, int]) -> list[Row]:
    """Draw the table; the rows chosen in it. What is chosen is remembered by id: rows move when runs come and go."""
    ids = [r.brief.id for r in shown]
    key = f"runs-{hashlib.sha256(' '.join(ids).encode()).hexdigest()[:12]}"
    if st.session_state.get("runs-key") != key:     # other rows: the browser's numbers of rows mean others now
        st.session_state["runs-key"] = key
        known = set(st.session_state.get(_CHOSEN, ()))
        st.session_state["runs-default"] = [i for i, x in enumerate(ids) if x in known]
    number = st.column_config.NumberColumn
    event = st.dataframe(
        [table.cells(r, sizes.get(r.brief.id)) for r in shown], hide_index=True, key=key, on_select="rerun", selection_mode="multi-row", placeholder="–",
        selection_default={"selection": {"rows": st.session_state["runs-default"], "columns": [], "cells": []}},
        height="content" if len(shown) < 14 else 560, alt=f"Table of {len(shown)} runs",
        column_config={
            "state": st.column_config.TextColumn(width=86), "title": st.column_config.TextColumn(width=130), "run": st.column_config.TextColumn(width=184), "model": st.column_config.TextColumn(width=90),
            "data": st.column_config.TextColumn(width=76), "seed": number(width=52), "structures": st.column_config.TextColumn(width=160),
            "rounds": number(width=62, help="Pruning rounds that are finished; empty before the dense network is trained"),
            "planned": number(width=66, help="Pruning rounds that it is to have"),
            "dense": number("dense %", width=72, format="%.1f", help="Test accuracy of the dense network"),
            "best": number("chosen %", width=78, format="%.1f", help="Test accuracy of the run's own pruned ticket with the highest validation accuracy; without "
                           "validation images, of its last one. Empty before it has trained one; what a branch took over does not count"),
            "last": number("last %", width=66, format="%.1f", help="The same, chosen among the tickets of the newest round that it trained itself"),
            "minutes": number("min", width=56, format="%.1f", help="Minutes of work, pauses not counted"),
            "disk": number("MB", width=62, format="%.1f", help="What it takes of the disk, in megabytes of 1,000,000 bytes"),
            "branch of": st.column_config.TextColumn(width=150, help="The run that it goes on from, and from which round"),
            "note": st.column_config.TextColumn(width=130), "sweep": st.column_config.TextColumn(width=130),
            "came in": st.column_config.TextColumn(width=120, help="The packed file that it was taken from"),
            "changed": st.column_config.DatetimeColumn(width=130, format="YYYY-MM-DD HH:mm", help="When it took its present state"),
            "message": st.column_config.TextColumn(width=320)})
    rows = [i for i in event["selection"]["rows"] if i < len(shown)]
    chosen = [shown[i] for i in sorted(rows)]
    st.session_state[_CHOSEN] = [r.brief.id for r in chosen]
    return chosen


def _act(chosen: Sequence[Row], shown: int, total: int) -> None:
    """What can be done with the chosen runs."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="runs-act"):
        if not chosen:
            count = f"{shown:,} of {total:,} runs shown. " if shown != total else ""
            frame.quiet(f"{count}Choose rows at their left edge to open, compare, rename, resume, cancel or delete runs; click a column's head to sort.")
            return
        frame.quiet(f"{len(chosen)} chosen", width="content")
        _button("Resume", table.resumable(chosen), "play_arrow", lambda ids: launch.resume_all(cache.store(), ids),
                "Put back into the queue of the worker on this machine; each goes on from its last checkpoint")
        _button("Cancel", table.cancellable(chosen), "stop", lambda ids: notices.each(ids, lambda x: launch.request(cache.store(), x, "cancel")),
                "End them; their finished rounds are kept")
        _button("Delete", table.deletable(chosen), "delete", trash.discard, "Move them to the trash; it can be undone")
        _open(chosen)


def _button(label: str, ids: list[str], icon: str, act: Callable[[list[str]], None], help: str) -> None:
    st.button(f"{label} {len(ids)}" if len(ids) > 1 else label, key=f"runs-{label.lower()}", icon=f":material/{icon}:", **access.locked(not ids, help),
              on_click=notices.changing, args=(act, ids))


def _open(chosen: Sequence[Row]) -> None:
    run_id = chosen[0].brief.id
    if len(chosen) == 1:
        if chosen[0].seeds:
            st.page_link("pages/curves.py", label=f"{several.seeds(chosen[0].seeds)} as one study", icon=":material/stacked_line_chart:",
                         query_params={"study": chosen[0].study, "run": run_id})
        for page, label, icon in (("lab", "Lab", "science"), ("masks", "Masks", "grid_on"), ("speed", "Speed", "speed"), ("curves", "Curves", "show_chart")):
            st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:", query_params={"run": run_id})
        st.page_link("pages/exchange.py", label="Give out", icon=":material/output:", query_params={"do": "out", "run": run_id}, help="As a file for another program or another machine")
        st.page_link("pages/lab.py", label="Duplicate with changes", icon=":material/content_copy:", query_params={"new": run_id},
                     help="Start another run from its settings")
    else:
        st.page_link("pages/compare.py", label="Compare", icon=":material/compare_arrows:", query_params={"of": ",".join(r.brief.id for r in chosen)})
        st.page_link("pages/curves.py", label="Their curves", icon=":material/show_chart:",
                     query_params=[("run", run_id), *(("with", r.brief.id) for r in chosen[1:])])
