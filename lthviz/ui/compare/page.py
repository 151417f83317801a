"""Compare: runs and studies under letters: what sets them apart, what came of each, one figure of all, and their layers side by side."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from lthviz.core.study import study_id
from lthviz.errors import AddressError, LthvizError
from lthviz.figures.compared import compared, limits
from lthviz.figures.measured import Setting
from lthviz.figures.replicated import Studies
from lthviz.figures.replicated_words import seeds
from lthviz.records import Run
from lthviz.speed import machine
from lthviz.ui import cache, curves, frame, measure, one_run, pickers, studies, untrained, where
from lthviz.ui.compare import parts

MOST = 8
"""So many stand side by side."""
DENSITY = 20.0
"""Percent of the weights at which tickets are looked for, unless the address says otherwise."""


def asked() -> list[str]:
    """The ids in the address; without any, the run of the last page, or the newest, with others on its network and data. Empty: no run."""
    if named := [x for x in where.text("of").split(",") if x]:
        return list(dict.fromkeys(named))
    first, there = where.text("run") or one_run.newest(), curves.by_study()
    head = next((of[first] for of in there.values() if first in of), None)
    if head is None:
        return [first] if first else []
    alike = {i: of for i, of in there.items() if {(h.config.model, h.config.data) for h in of.values()} == {(head.config.model, head.config.data)}}
    own = study_id(head.config)
    found = [i if len(alike[i]) > 1 else next(iter(alike[i])) for i in (own, *(i for i in alike if i != own))]
    where.go(of=",".join(found[:3]), run=first)
    return found[:3]


def show(names: Sequence[str]) -> None:
    """The page below the menu."""
    named, said = _named(names)
    where.go(run=where.text("run") if any(where.text("run") == r.id for of in named.values() for r in of) else next(iter(named.values()))[0].id)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="compare-head"):
        st.title("Compare", anchor=False, width="content")
        _pick(list(named))
    frame.notes(said)
    frame.fragment(_body)(tuple((name, tuple(of)) for name, of in named.items()))


def _named(names: Sequence[str]) -> tuple[dict[str, list[Run]], list[str]]:
    """The runs of each id that is there, and what is not; AddressError where none is."""
    there = curves.by_study()
    found: dict[str, list[Run]] = {}
    said: list[str] = []
    if len(names) > MOST:
        said.append(f"The link names {len(names)} runs and studies; the first {MOST} are shown.")
    for name in names[:MOST]:
        runs = []
        for run_id in there.get(name, {name: None}):
            try:
                runs.append(cache.run(run_id))
            except AddressError as e:
                said.append(f"The link names what is not here: {e}.")
            except LthvizError as e:
                said.append(f"Run {run_id} cannot be read and is left out: {e}.")
        if runs:
            found[name] = runs
    if not found:
        raise AddressError(" ".join(said).removeprefix("The link names what is not here: ") or "nothing is named")
    return found, said


def _pick(current: Sequence[str]) -> None:
    names = curves.names(current)
    key = pickers.showing("pick-compare", list(current))
    st.multiselect("Studies and runs", list(names), key=key, format_func=lambda i: names.get(i, i), label_visibility="collapsed",
                   placeholder="Choose studies or runs", max_selections=MOST, width=520,
                   on_change=pickers.heard(key, lambda chosen: where.go(of=",".join(chosen), baseline=where.text("baseline") if where.text("baseline") in chosen else None)))


def _body(named: tuple[tuple[str, tuple[Run, ...]], ...]) -> None:
    where.follow()
    runs = tuple({r.id: r for _, of in named for r in of}.values())
    timings = {run.id: cache.timings(run.id) for run in runs}
    together = [t for found in timings.values() for t in found]
    setting, more = measure.asked(together)
    x, said = curves.axis(default="kept")
    points, wrong = studies.tolerance()
    density, odd = _density()
    baseline, lost = _baseline([name for name, _ in named])
    frame.notes(said + more + wrong + odd + lost)
    stamps = tuple(cache.stamp(run.id) for run in runs)
    of = _compared(tuple((name, tuple(r.id for r in of)) for name, of in named), stamps, setting, points, where.text("unbroken") == "1", baseline, named, timings)
    _legend(of, baseline)
    for sentence in limits(of):
        frame.told("info", sentence, "balance")
    if any(run.rows for run in runs):
        parts.picture(of, x, setting, together, points)
        measure.live(runs)
        parts.outcomes(of, density, baseline)
    else:
        untrained.show(runs, "Nothing is trained yet", "Their curves and outcomes are compared here as soon as a first ticket is trained; what sets their settings apart stands below.")
    parts.settings(of)
    parts.layers(of, baseline)
    parts.terminal(of, density, baseline, points, setting)


@st.cache_resource(max_entries=32, show_spinner=False)
def _compared(ids: tuple, stamps: tuple, setting: Setting, points: float | None, unbroken: bool, baseline: str, _named: tuple, _timings: dict) -> Studies:
    return compared(dict(_named), _timings, setting, tolerance=points, unbroken=unbroken, here=machine.identity(), baseline=baseline)


def _density() -> tuple[float, list[str]]:
    """The share of the weights at which tickets are looked for, in percent, by the address."""
    word = where.text("density")
    try:
        value = float(word) if word else DENSITY
    except ValueError:
        value = math.nan
    return (value, []) if 0 < value <= 100 else (DENSITY, [f"The link asks for tickets at {word!r} of the weights; it is a percentage above 0, up to 100. "
                                                           f"Showing {DENSITY:g} %."])


def _baseline(names: Sequence[str]) -> tuple[str, list[str]]:
    word = where.text("baseline")
    if not word or word in names:
        return word, []
    return "", [f"The link pins {word!r} as the baseline, which is not among those compared; none is pinned."]


def _legend(of: Studies, baseline: str) -> None:
    """Which letter is what, and the pin."""
    with st.container(key="compare-items"):
        for s in of.of:
            words = " · ".join(filter(None, (s.title, pickers.summary(s.config), seeds(s) if len(s.seeds) > 1 else f"seed {s.seeds[0]}", s.id)))
            frame.item(of.names[s.id], words, pinned=s.id == baseline)
    if len(of.of) > 1:
        key = pickers.showing("pick-baseline", baseline or None)
        st.segmented_control("Baseline", [s.id for s in of.of], key=key, format_func=of.names.get,
                             help="Its curves lie grey and dotted behind the others, and every value is shown with its difference to the baseline's. "
                                  "Choose it once more to let go", on_change=pickers.heard(key, lambda chosen: where.go(baseline=chosen)))
