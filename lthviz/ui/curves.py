"""Accuracy against measured speed, weights or multiply-adds: one run or several, large, with what is not measured yet."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz.errors import AddressError
from lthviz.figures import wording
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_table
from lthviz.figures.measured import AXES, Setting, Study, study
from lthviz.records import Run
from lthviz.speed import machine
from lthviz.ui import cache, figure, frame, measure, pickers, where
from lthviz.ui.command import bench_command

SHOWN = 4
"""So many commands are shown, when more tickets are to be measured."""


def show(run: Run) -> None:
    """The whole page below the menu."""
    runs, said = _runs(run)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="curves-head"):
        st.title("Curves", anchor=False, width="content")
        _pick_runs([r.id for r in runs])
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}" if len(runs) == 1 else " · ".join(r.id for r in runs))
    frame.notes(said)
    frame.fragment(_figure)(tuple(runs))


def _runs(run: Run) -> tuple[list[Run], list[str]]:
    """The address's run and those beside it."""
    runs, said = [run], []
    for other in st.query_params.get_all("with"):
        try:
            if other not in [r.id for r in runs]:
                runs.append(cache.run(other))
        except AddressError as e:
            said.append(f"The link names a run beside it: {e}.")
    return runs, said


def _pick_runs(current: list[str]) -> None:
    found, _ = cache.listed()
    names = {r.id: f"{pickers.run_title(r)} · {r.id.rsplit('-', 1)[-1]}" for r, _ in found}
    key = pickers.showing("pick-runs", current)
    st.multiselect("Runs", list(names), key=key, format_func=lambda i: names.get(i, i), label_visibility="collapsed", placeholder="Choose runs",
                   on_change=lambda: _go_runs(st.session_state[key]), width=420)


def _go_runs(chosen: Sequence[str]) -> None:
    st.query_params.pop("with", None)
    where.go(run=chosen[0] if chosen else None)
    if len(chosen) > 1:
        st.query_params["with"] = list(chosen[1:])


def axis(names: Sequence[str] = tuple(AXES)) -> tuple[str, list[str]]:
    """What accuracy is set against, by the address."""
    word = where.text("x")
    if not word or word in names:
        return word or names[0], []
    return names[0], [f"The link sets accuracy against {word!r}; it can be {', '.join(names)}. Showing {AXES[names[0]].name.lower()}."]


def pick_axis(current: str, names: Sequence[str] = tuple(AXES)) -> None:
    key = pickers.showing("pick-x", current)
    st.segmented_control("Accuracy against", list(names), key=key, required=True, format_func=lambda x: AXES[x].name, wrap=True,
                         on_change=lambda: where.go(x=st.session_state[key]))


def _figure(runs: tuple[Run, ...]) -> None:
    where.follow()
    timings = {run.id: cache.timings(run.id) for run in runs}
    together = [t for found in timings.values() for t in found]
    x, said = axis()
    setting, more = measure.asked(together)
    frame.notes(said + more)
    of = study(runs, timings, setting, estimates=cache.estimates(runs, setting) if x == "speed" else None, here=machine.identity())
    near = where.text("near") == "1"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="curves-pick"):
        pick_axis(x)
        if x == "speed":
            measure.pick(setting, together)
        key = pickers.showing("near", near)
        st.toggle("Near the dense accuracy", key=key, help="Only the accuracies close to the dense network's",
                  on_change=lambda: where.go(near="1" if st.session_state[key] else None))
    trained = any(q.known("kept") for q in of.points)
    if x == "speed" and trained and not of.timings and not any(q.estimated for q in of.points):
        _not_yet(of)
    else:
        figure.picture(accuracy_curves(of, x=x, near=near, dark=frame.dark(), height=560), key="curves", on_point=lambda point: _open(*point))
        if x == "speed" and of.missing:
            _missing(of)
    measure.live(runs)
    st.subheader("Every ticket", anchor=False)
    table = accuracy_curves_table(of)
    first = [*(["run"] if of.several else []), "ticket", "round", "test accuracy (%)", "measured speedup (×)", "FLOPs would allow (×)",
             "remaining weights (%)", "multiply-adds (%)", "ticket (ms)", "dense (ms)", "runs as"]
    figure.numbers(table, key="curves", on_row=lambda row: _open(row["run"], row["round"], row["structure"]),
                   columns=[*first, *(c for c in (table[0] if table else ()) if c not in (*first, "run", "structure"))])
    if trained:
        _commands(of, of.setting or Setting())


def _not_yet(of: Study) -> None:
    """The one thing to do where no ticket is measured."""
    n = len(of.missing)
    with st.container(border=True, key="not-measured"):
        st.markdown("### :material/timer: No ticket is measured yet")
        st.markdown(frame.plain(f"None of these {n} tickets has been timed with {wording.setting(of.setting)}. Measuring checks each one's outputs, "
                                "then times it against the fastest dense form of its network, in a process of its own; about a quarter of a minute each, "
                                "and what is measured shows as it comes."))
        measure.button(f"Measure {n} tickets" if n != 1 else "Measure the ticket", of.missing, of.setting, key="measure")
        st.markdown("Until then, accuracy can be set against kept weights, effective density or FLOPs: choose above.")


def _missing(of: Study) -> None:
    n = len(of.missing)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="missing"):
        st.markdown(frame.plain(f"Not measured with {wording.setting(of.setting)}: {wording.tickets(of.missing)}."), width="content")
        measure.button(f"Measure {'these' if n != 1 else 'this'} {n}", of.missing, of.setting, key="measure", main=not of.timings)


def _commands(of: Study, setting: Setting) -> None:
    wanted = of.missing or [q for q in of.points if not q.dense]
    st.subheader("The same from a terminal", anchor=False)
    lines = [bench_command(*q.key, setting) for q in wanted[:SHOWN]]
    frame.command("\n".join(lines))
    if len(wanted) > SHOWN:
        frame.quiet(f"… and so on for {len(wanted) - SHOWN} more tickets.")


def _open(run_id: str, round: int, structure: str) -> None:
    """A ticket was chosen: its training in the Lab."""
    where.lead("pages/lab.py", run=run_id, round=round, stage=f"train:{structure}")
