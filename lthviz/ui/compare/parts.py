"""The parts of the Compare page: one figure of all, outcomes, settings, layers, and the command that says the same."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

import streamlit as st

from lthviz.figures import compared, rows
from lthviz.figures.measured import Setting
from lthviz.figures.replicate_curves import replicate_curves
from lthviz.figures.replicated import Studies
from lthviz.figures.replicated_words import replicate_curves_table
from lthviz.ui import cache, figure, frame, layerwise, pickers, studies, where


def picture(of: Studies, x: str, setting: Setting, together: Sequence, points: float | None) -> None:
    """Accuracy of all that are tested on the first one's images."""
    drawn = compared.of_first_data(of)
    if left := [of.names[s.id] for s in of.of if s not in drawn.of]:
        frame.quiet(f"Not in the figure, because tested on other images: {', '.join(left)}.")
    on = {name: where.text(name) == "1" for name in ("near", "seeds", "unbroken")}
    studies.controls(drawn, x, setting, together, points, on)
    key = (tuple(s.id for s in drawn.of), tuple(cache.stamp(run.id) for run in drawn.runs), setting, points, of.unbroken, of.baseline)
    fig = _drawn(key, x, on["near"], on["seeds"], frame.dark(), drawn)
    figure.picture(fig, key="compare", on_point=lambda point: studies.open_ticket(*point))
    twin = st.expander("The numbers", icon=":material/table:", type="compact", key="compare-table", on_change="rerun")
    if twin.open:
        with twin:
            figure.numbers(replicate_curves_table(of), key="compare")


@st.cache_resource(max_entries=32, show_spinner=False)
def _drawn(key: tuple, x: str, near: bool, seeds: bool, dark: bool, _of: Studies):
    return replicate_curves(_of, x=x, near=near, seeds=seeds, dark=dark, height=520)


def outcomes(of: Studies, density: float, baseline: str) -> None:
    """What came of each, a column a letter."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="outcomes-head"):
        st.subheader("Outcomes", anchor=False, width="content")
        key = pickers.showing("pick-density", density)
        st.number_input("Tickets nearest to (% of the weights)", min_value=0.01, max_value=100.0, step=5.0, format="%.4g", key=key, width=260,
                        on_change=pickers.heard(key, lambda chosen: where.go(density=f"{chosen:g}")))
    of_base = f" In brackets the difference to {of.names[baseline]}, the baseline." if baseline else ""
    frame.quiet("Near: the ticket with the nearest share of the weights, as a ratio; its own is stated, and differences are taken only between densities within a quarter of each other. A ticket wins with its dense network's mean accuracy less "
                f"the tolerance. Extreme sparsity is that of a method's sparsest winning ticket; n counts trainings, of speeds measured ones.{of_base}")
    words = compared.outcomes_words(of, density / 100, baseline)
    with st.container(key="outcomes-frame"):       # its cells wrap, so that A and B are both seen on a phone
        st.table(words, hide_index=True, border="horizontal", alt="What came of each run and study")
    st.download_button("CSV", figure.csv_text(compared.outcomes_table(of, density / 100, baseline)) if any(s.labels for s in of.of) else "", file_name="lthviz-outcomes.csv",
                       mime="text/csv", icon=":material/download:", key="outcomes-csv", on_click="ignore", help="Every number, unrounded")


def settings(of: Studies) -> None:
    """In which settings they differ."""
    every = where.text("all") == "1"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="settings-head"):
        st.subheader("Settings", anchor=False, width="content")
        key = pickers.showing("pick-all", every)
        st.toggle("All settings", key=key, on_change=pickers.heard(key, lambda chosen: where.go(all="1" if chosen else None)))
    table = compared.settings_table(of, every=every)
    if not table:
        frame.quiet("They differ in no setting." if len(of.of) > 1 else "One alone differs in nothing; choose another beside it above.")
        return
    letters = [of.names[s.id] for s in of.of]
    figure.numbers(table, key="settings", widths={"setting": 112, "differs": 62, **dict.fromkeys(letters, column(len(letters))), "what it is": 420})


def column(count: int) -> int:
    """Pixels of one of so many columns of settings: two structures lists side by side are read to their ends on a wide screen."""
    return max(118, 680 // count)


def layers(of: Studies, baseline: str) -> None:
    """Two of them side by side, the baseline one of them where there is one; of a study its first seed."""
    built = [s for s in of.of if s.runs[0].layers and s.labels]
    methods = [(name, labels) for name, labels in compared.methods(of) if any(s.id in labels for s in built)]
    if not built or not methods:
        return
    st.subheader("Where the weights are", anchor=False)
    by_kind = {next(iter(labels.values())): labels for _, labels in methods}
    label = layerwise.pick([(key, name) for (name, _), key in zip(methods, by_kind)])
    labels = by_kind[label]
    able = [s for s in built if s.id in labels]
    named = {of.names[s.id]: s for s in able}
    usual = list(dict.fromkeys([of.names[s.id] for s in able if s.id == baseline] + list(named)))[:2]
    pair = [x for x in where.text("pair").split(",") if x in named][:2] or usual
    if len(named) > 2:
        key = pickers.showing("pick-pair", pair)
        st.multiselect("Two of them", list(named), key=key, max_selections=2, width=260, on_change=pickers.heard(key, lambda chosen: where.go(pair=",".join(chosen))))
    if several := [x for x in pair if len(named[x].runs) > 1]:
        frame.quiet(f"Of {' and '.join(several)} the first seed is shown.")
    layerwise.beside([(x, named[x].runs[0], labels[named[x].id]) for x in pair])
    apart = {x: rows.title(named[x].runs[0], labels[named[x].id]) for x in pair}
    if len(set(apart.values())) > 1:
        frame.quiet("Their settings differ: " + "; ".join(f"{k} is {v}" for k, v in apart.items()) + ".")


def terminal(of: Studies, density: float, baseline: str, points: float | None, setting: Setting) -> None:
    words = ["python", "-m", "lthviz", "compare", "--side", *(s.id for s in of.of), "--density", f"{density:g}"]
    words += ["--baseline", baseline] if baseline else []
    words += ["--tolerance", f"{points:g}"] if points is not None else []
    words += ["--unbroken"] if of.unbroken else []
    words += ["--batch", str(setting.batch), "--threads", str(setting.threads)] if of.timings else []
    st.subheader("The same from a terminal", anchor=False)
    frame.command(shlex.join(words + (["--all"] if where.text("all") == "1" else [])))
