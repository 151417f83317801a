"""Studies on the Curves page: several seeds as mean lines with bands, who wins by what tolerance, and methods at equal density or speed."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence

import streamlit as st

from lthviz.core import comparable
from lthviz.errors import AddressError, LthvizError, StoreError, did_you_mean
from lthviz.figures import replicated, wording
from lthviz.figures.measured import Point, Setting, study
from lthviz.figures.replicate_curves import replicate_curves
from lthviz.figures.replicated import Studies
from lthviz.figures.replicated_words import left_out, replicate_curves_table, seeds, title, versus_table
from lthviz.glossary import definition
from lthviz.records import Run
from lthviz.speed import machine
from lthviz.store.folders import Head
from lthviz.ui import beside, cache, curves, figure, frame, layerwise, measure, pickers, untrained, where
from lthviz.words import capital

MOST = 100.0
"""Points that a tolerance may have: all."""
SAID = 4
"""So many runs are named of those that are not finished."""


def show(first: str) -> None:
    """The page below the menu: the studies and runs that the address names, the study `first` before all."""
    there = curves.by_study()
    found, said = _runs(first, there)
    together = replicated.studies(found)
    runs = together.runs           # by study and seed
    if not where.text("run"):      # where the other pages go on
        where.go(run=runs[0].id)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="curves-head"):
        st.title("Curves", anchor=False, width="content")
        curves.pick([first, *st.query_params.get_all("with")])
    short = together.lettered
    for of in together.of:
        words = " · ".join(filter(None, (of.title, pickers.summary(of.config), "" if short.names else together.apart[of.id], seeds(of), of.id)))
        if short.names:
            frame.item(short.names[of.id], words, pinned=of.id == where.text("baseline"))
        else:
            frame.quiet(words)
    frame.notes(said)
    if not any(run.rows for run in runs):
        return untrained.show(runs, "No ticket is trained yet", "The dense networks' points come first, then those of every round as they are trained.")
    missing = left_out(runs)
    for sentence in missing[:SAID]:
        frame.quiet(capital(sentence) + ".")
    if len(missing) > SAID:
        frame.quiet(f"So are parts of {len(missing) - SAID} more runs.")
    frame.fragment(_figure)(runs)


def _runs(first: str, there: Mapping[str, Mapping[str, Head]]) -> tuple[list[Run], list[str]]:
    """The runs of the address's studies, and those beside them; AddressError where the first study is not there."""
    if first not in there:
        raise AddressError(f"there is no study {first!r}; " + (did_you_mean(first, there) if there else "there is no run yet"))
    runs, said = [], []
    for name in dict.fromkeys([first, *st.query_params.get_all("with")]):
        for run_id in there.get(name, {name: None}):
            try:
                run = cache.run(run_id)
            except AddressError as e:
                said.append(f"The link names a run or study beside it: {e}.")
                continue
            except LthvizError as e:
                said.append(f"Run {run_id} cannot be read and is left out: {e}.")
                continue
            if why := comparable.unlike(runs, run):
                said.append(f"Run {run.id} of {name} is left out: {why}.")
                continue
            runs += [run] if run_id not in {r.id for r in runs} else []
    if not runs:
        raise StoreError(f"no run of study {first!r} can be read: {' '.join(said)}")
    return runs, said


def tolerance() -> tuple[float | None, list[str]]:
    """The tolerance in points that the address states; None: the default."""
    word = where.text("tolerance")
    try:
        value = float(word) if word else None
    except ValueError:
        value = math.nan
    if value is None or 0 <= value <= MOST:
        return value, []
    return None, [f"The link states a tolerance of {word!r}; it is a number of points from 0 to {MOST:g}. Showing the usual one."]


def _figure(runs: tuple[Run, ...]) -> None:
    where.follow()
    timings = {run.id: cache.timings(run.id) for run in runs}
    together = [t for found in timings.values() for t in found]
    x, said = curves.axis(default="speed" if any(t.round for t in together) else "kept")
    setting, more = measure.asked(together)
    points, wrong = tolerance()
    of_runs = replicated.studies(runs).lettered
    named = {s.id: of_runs.apart[s.id] or s.title for s in of_runs.of}
    pinned, lost = beside.baseline(named)
    frame.notes(said + more + wrong + lost)
    on = {name: where.text(name) == "1" for name in ("near", "seeds", "unbroken")}
    stamps = tuple(cache.stamp(run.id) for run in runs)
    of = _studies(stamps, tuple(r.id for r in runs), setting, points, on["unbroken"], pinned, runs, timings)
    controls(of, x, setting, together, points, on, (named, pinned))
    if x == "speed" and of.labels and not of.timings:
        _not_yet(of, runs, setting)
    else:
        fig = _drawn(stamps, tuple(r.id for r in runs), setting, points, on["unbroken"], pinned, x, on["near"], on["seeds"], frame.dark(), of)
        figure.picture(fig, key="studies", on_point=lambda point: open_ticket(*point))
        if x == "speed":
            _missing(runs, timings, setting)
        elif of.labels and not of.timings:
            _offer(runs, setting)
    measure.live(runs)
    if of.labels:
        beside.extremes(of, pinned)
        layerwise.fold(runs[0])
    st.subheader("Every ticket", anchor=False)
    table = replicate_curves_table(of)
    first = [*(["study"] if of.several else []), "ticket", "round", "test accuracy (%)", "sd (points)", "n", "verdict", "kept weights (%)",
             "kept weights, sd (%)", "effective density (%)", "in blocks (%)", "multiply-adds (%)", "measured speedup (×)"]
    figure.numbers(table, key="studies", on_row=lambda row: _open_first(of, row),
                   columns=[*first, *(c for c in (table[0] if table else ()) if c not in (*first, "study", "structure"))])
    against = "speed" if x == "speed" and of.timings else "density"
    if equal := versus_table(of, against):
        base = next(s for s in of.of if of.reference in s.labels)
        other = f"{named[pinned]}, the baseline, method by method" if pinned and of.several else title(base, of.reference)
        st.subheader(f"At equal {'measured speed' if against == 'speed' else 'density'}, against {other}", anchor=False)
        frame.quiet("Read from the other curve between the two rounds that are named; the last column says what a difference is. Equal rounds are not compared.")
        figure.numbers(equal, key="equal")
    st.subheader("The same from a terminal", anchor=False)
    frame.command(command(of, points, on["unbroken"], against))


@st.cache_resource(max_entries=16, show_spinner=False)
def _studies(stamps: tuple, ids: tuple[str, ...], setting: Setting, points: float | None, unbroken: bool, pinned: str, _runs: tuple[Run, ...],
             _timings: dict) -> Studies:
    of = replicated.studies(_runs, _timings, setting, tolerance=points, unbroken=unbroken, here=machine.identity())
    return dataclasses.replace(of.lettered, baseline=pinned)


@st.cache_resource(max_entries=32, show_spinner=False)
def _drawn(stamps: tuple, ids: tuple[str, ...], setting: Setting, points: float | None, unbroken: bool, pinned: str, x: str, near: bool, seeds: bool, dark: bool,
           _of: Studies):
    return replicate_curves(_of, x=x, near=near, seeds=seeds, dark=dark, height=560)


def controls(of: Studies, x: str, setting: Setting, together: Sequence, points: float | None, on: dict[str, bool],
             pin: tuple[Mapping[str, str], str] = ({}, "")) -> None:
    """What the figure is drawn by; all of it is in the address."""
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="curves-pick"):
        curves.pick_axis(x)
        if x == "speed":
            measure.pick(setting, together)
        beside.pick_baseline(*pin)
        key = pickers.showing("tolerance", points)
        bars = [bar for bar in of.levels.values() if bar]
        usual = "" if len(bars) != 1 or bars[0].stated else f"{bars[0].tolerance:.2g}"
        st.number_input("Tolerance (points)", min_value=0.0, max_value=MOST, step=0.25, value=None, format="%.4g", key=key, width=150, placeholder=usual or "usual",
                        help=f"{definition('tolerance')}\n\nWinning ticket: {definition('winning ticket')}\n\nEmpty: one standard deviation, or 0.25 points.",
                        on_change=pickers.heard(key, lambda chosen: where.go(tolerance=chosen)))
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="curves-switch"):
        for name, label, help in (("near", "Near the dense accuracy", "Only the accuracies close to the dense network's"),
                                  ("seeds", "Single seeds", f"The raw points: each seed as a thin line behind the means. Band: {definition('band')}"),
                                  ("unbroken", "Less sparse ones must win too", "The sparsest winning ticket counts only when all less sparse ones of "
                                                                                f"its method win as well. Extreme sparsity: {definition('extreme sparsity')}")):
            toggle = pickers.showing(name, on[name])
            alone = name == "seeds" and all(len(s.seeds) == 1 for s in of.of)
            st.toggle(label, key=toggle, disabled=alone and not on[name], help="None of these has several seeds: every point is a single training" if alone else help, on_change=pickers.heard(toggle, lambda chosen, name=name: where.go(**{name: "1" if chosen else None})))


def _points(runs: Sequence[Run], timings: dict, setting: Setting) -> list[Point]:
    """Tickets of these runs that are not measured at that setting."""
    return [q for q in study(runs, timings, setting).missing if q.accuracy is not None]


def _not_yet(of: Studies, runs: Sequence[Run], setting: Setting) -> None:
    """Where nothing is measured: one seed first. Masks of other seeds differ, their speed little."""
    run = next(run for run in runs if any(r["round"] for r in run.rows))
    tickets = _points([run], {}, setting)
    with st.container(border=True, key="not-measured"):
        st.markdown("### :material/timer: No ticket is measured yet")
        st.markdown(frame.plain(f"No ticket of these {len(runs)} runs has been timed with {wording.setting(setting)}. The seed is stated with every speed; "
                                "one seed first takes about a quarter of a minute a ticket."))
        measure.button(f"Measure seed {run.config.seed}: {len(tickets)} ticket{'s' * (len(tickets) != 1)}", tickets, setting, key="measure")
        st.markdown("Until then, accuracy can be set against kept weights, effective density or FLOPs: choose above.")


def _offer(runs: Sequence[Run], setting: Setting) -> None:
    """Where no speed is known: the way to it, one seed first."""
    run = next((run for run in runs if any(r["round"] for r in run.rows)), None)
    tickets = _points([run], {}, setting) if run else []
    if run and tickets:
        with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="offer"):
            st.markdown(frame.plain(f"How fast these tickets run is not measured yet; with {wording.setting(setting)} it takes about a quarter of a minute each."), width="content")
            measure.button(f"Measure seed {run.config.seed}: {len(tickets)} ticket{'s' * (len(tickets) != 1)}", tickets, setting, key="measure")


def _missing(runs: Sequence[Run], timings: dict, setting: Setting) -> None:
    for run in runs:
        if tickets := _points([run], timings, setting):
            n = len(tickets)
            with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="missing"):
                st.markdown(frame.plain(f"Seed {run.config.seed} is not measured with {wording.setting(setting)}: {wording.tickets(tickets)}."), width="content")
                measure.button(f"Measure {'these' if n != 1 else 'this'} {n}", tickets, setting, key="measure", main=False)
            return


def command(of: Studies, points: float | None, unbroken: bool, against: str) -> str:
    """`python -m lthviz compare …` that says the same."""
    words = ["python", "-m", "lthviz", "compare", *(s.id for s in of.of)] + (["--tolerance", f"{points:g}"] if points is not None else [])
    words += (["--against", "speed", "--batch", str(of.setting.batch), "--threads", str(of.setting.threads)] if against == "speed" else [])
    return shlex.join(words + (["--unbroken"] if unbroken else []))


def _open_first(of: Studies, row: dict) -> None:
    found = next(s for s in of.of if s.id == row["study"])
    seed = int(row["seeds"].split()[0]) if row["seeds"] else found.seeds[0]
    open_ticket(next(run.id for run in found.runs if run.config.seed == seed), row["round"], row["structure"])


def open_ticket(run_id: str, round: int, structure: str) -> None:
    """A ticket was chosen: the training of its first seed in the Lab."""
    where.lead("pages/lab.py", run=run_id, round=round, stage=f"train:{structure}")
