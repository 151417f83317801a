"""Accuracy against measured speed, weights or multiply-adds: one run or several, large, with what is not measured yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from lthviz.commands import bench_command
from lthviz.core.study import study_id, title
from lthviz.errors import AddressError
from lthviz.figures import wording
from lthviz.figures.compared import compared
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_table
from lthviz.figures.measured import AXES, Setting, Study, study
from lthviz.glossary import definition
from lthviz.records import Run
from lthviz.speed import machine
from lthviz.store.folders import Head
from lthviz.ui import beside, cache, figure, frame, layerwise, measure, pickers, several, untrained, where

SHOWN = 4
"""So many commands are shown, when more tickets are to be measured."""


def show(run: Run) -> None:
    """The whole page below the menu."""
    runs, said = _runs(run)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="curves-head"):
        st.title("Curves", anchor=False, width="content")
        pick([r.id for r in runs])
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}" if len(runs) == 1 else " · ".join(r.id for r in runs))
    frame.notes(said)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="curves-more"):
        _seeds(run, runs)
        beside.family_button(run, runs)
        beside.compare_link([r.id for r in runs])
    if any(r.rows for r in runs):
        frame.fragment(_figure)(tuple(runs))
    else:
        untrained.show(runs, "No ticket is trained yet", "The dense network's point comes first, then those of every round as they are trained.")


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


def by_study() -> dict[str, dict[str, Head]]:
    """Every run by the study it is of, newest first: study id → run id → settings."""
    by: dict[str, dict[str, Head]] = {}
    for run_id, head in cache.heads().items():
        by.setdefault(study_id(head.config), {})[run_id] = head
    return by


def pick(current: Sequence[str]) -> None:
    """Studies of several seeds, and runs, newest first: what the page shows."""
    there, known = by_study(), names(current)
    key = pickers.showing("pick-runs", list(current))
    st.multiselect("Studies and runs", list(known), key=key, format_func=lambda i: known.get(i, i), label_visibility="collapsed",
                   placeholder="Choose studies or runs", on_change=pickers.heard(key, lambda chosen: go(chosen, there)), width=420)


def names(current: Sequence[str]) -> dict[str, str]:
    """Studies of several seeds, and runs, by id, named for people. current: what is shown already."""
    there = by_study()
    names = {i: f"{title([*of.values()])} · {len(of)} seed{'s' * (len(of) != 1)} · study {i.rsplit('-', 1)[-1]}"
             for i, of in there.items() if len(of) > 1 or i in current}
    few = {b.id for b in several.few(cache.briefs()[0], current)}
    names |= {i: f"{pickers.run_title(head)} · {i.rsplit('-', 1)[-1]}" for of in there.values() for i, head in of.items() if i in few}
    return names


def go(chosen: Sequence[str], there: Mapping[str, Mapping[str, Head]]) -> None:
    """Show these studies and runs; a study comes first. there: the runs by study."""
    st.query_params.pop("with", None)
    chosen = sorted(chosen, key=lambda i: i not in there)
    first = chosen[0] if chosen else ""
    where.go(run=min(there[first], key=lambda i: there[first][i].config.seed) if first in there else first, study=first if first in there else None)
    if len(chosen) > 1:
        st.query_params["with"] = list(chosen[1:])


def _seeds(run: Run, runs: Sequence[Run]) -> None:
    """The way to all seeds of the study that these runs are of."""
    there = by_study()
    of = study_id(run.config)
    n = len(there.get(of, ()))
    if n > 1 and {study_id(r.config) for r in runs} == {of}:
        st.button(f"All {n} seeds as one study", key="as-study", icon=":material/stacked_line_chart:", type="tertiary",
                  help="Runs that differ in nothing but the seed: their mean, spread and verdict", on_click=go, args=([of], there))


def axis(names: Sequence[str] = tuple(AXES), default: str = "") -> tuple[str, list[str]]:
    """What accuracy is set against, by the address; `default`, else the first, where that does not say it."""
    word = where.text("x")
    usual = default or names[0]
    if not word or word in names:
        return word or usual, []
    return usual, [f"The link sets accuracy against {word!r}; it can be {', '.join(names)}. Showing {AXES[usual].name.lower()}."]


_MEANING = {"speed": "measured speedup", "kept": "density", "effective": "effective density", "flops": "FLOPs"}
"""Of an axis, the glossary's term."""


def pick_axis(current: str, names: Sequence[str] = tuple(AXES)) -> None:
    key = pickers.showing("pick-x", current)
    st.segmented_control("Accuracy against", list(names), key=key, required=True, format_func=lambda x: AXES[x].name, wrap=True,
                         help="\n\n".join(f"**{AXES[x].name}**: {definition(_MEANING[x])}" for x in names), on_change=pickers.heard(key, lambda chosen: where.go(x=chosen)))


def _figure(runs: tuple[Run, ...]) -> None:
    where.follow()
    timings = {run.id: cache.timings(run.id) for run in runs}
    together = [t for found in timings.values() for t in found]
    x, said = axis(default="speed" if any(t.round for t in together) else "kept")
    setting, more = measure.asked(together)
    named = {run.id: f"{pickers.run_title(run)} · {run.id.rsplit('-', 1)[-1]}" for run in runs}
    pinned, lost = beside.baseline(named)
    frame.notes(said + more + lost)
    of = study(runs, timings, setting, estimates=cache.estimates(runs, setting) if x == "speed" else None, here=machine.identity())
    near = where.text("near") == "1"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="curves-pick"):
        pick_axis(x)
        if x == "speed":
            measure.pick(setting, together)
        beside.pick_baseline(named, pinned)
        key = pickers.showing("near", near)
        st.toggle("Near the dense accuracy", key=key, help="Only the accuracies close to the dense network's",
                  on_change=pickers.heard(key, lambda chosen: where.go(near="1" if chosen else None)))
    trained = any(q.known("kept") for q in of.points)
    if x == "speed" and trained and not of.timings and not any(q.estimated for q in of.points):
        _not_yet(of)
    else:
        draw = _drawn if x != "speed" else accuracy_figure       # a speed may be estimated, which nothing on the disk tells of
        fig = draw(tuple(cache.stamp(run.id) for run in runs), setting, x, near, pinned, frame.dark(), of)
        figure.picture(fig, key="curves", on_point=lambda point: _open(*point))
        if x == "speed" and of.missing:
            _missing(of)
        elif x != "speed" and not of.timings and of.missing:
            _offer(of)
        if x == "speed" and of.disturbed:
            _disturbed(of)
    measure.live(runs)
    if trained:
        beside.extremes(compared({run.id: [run] for run in runs}, timings, setting), pinned)
        layerwise.fold(runs[0])
    st.subheader("Every ticket", anchor=False)
    table = accuracy_curves_table(of)
    first = [*(["run"] if of.several else []), "ticket", "round", "test accuracy (%)", "kept weights (%)", "measured speedup (×)",
             "multiply-adds (%)", "FLOPs would allow (×)", "ticket (ms)", "dense (ms)", "runs as", *(["disturbed"] if of.disturbed else [])]
    figure.numbers(table, key="curves", on_row=lambda row: _open(row["run"], row["round"], row["structure"]),
                   columns=[*first, *(c for c in (table[0] if table else ()) if c not in (*first, "run", "structure"))])
    if trained:
        _commands(of, of.setting or Setting())


def accuracy_figure(stamps: tuple, setting: Setting, x: str, near: bool, pinned: str, dark: bool, _of: Study):
    return accuracy_curves(_of, x=x, near=near, baseline=pinned, dark=dark, height=560)


_drawn = st.cache_resource(max_entries=32, show_spinner=False)(accuracy_figure)


def _offer(of: Study) -> None:
    """Where no speed is known: the way to it, beside what is."""
    n = len(of.missing)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="offer"):
        st.markdown(frame.plain(f"How fast these {n} tickets run is not measured yet; with {wording.setting(of.setting)} it takes about a quarter of a minute each."),
                    width="content")
        measure.button(f"Measure {n} tickets" if n != 1 else "Measure the ticket", of.missing, of.setting, key="measure")


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


def _disturbed(of: Study) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="disturbed"):
        st.markdown(frame.plain(f"Measured on a busy machine, so doubtful: {wording.tickets(of.disturbed)}."), width="content")
        measure.button("Measure again", of.disturbed, of.setting, key="measure-disturbed", main=False,
                       help="The newer measurement takes the place of this one")


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
