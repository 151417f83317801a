"""One ticket's speed: the whole network in a sentence, each layer, the alternatives, and what was estimated."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import Any

import streamlit as st

from lthviz.commands import bench_command
from lthviz.config import UNSTRUCTURED
from lthviz.figures import measured, wording
from lthviz.figures.measured import Point, Setting, Study
from lthviz.figures.speed import alternatives, alternatives_table, layer_times, layer_times_table
from lthviz.records import Run, Timing
from lthviz.speed import machine
from lthviz.ui import cache, figure, frame, measure, one_run, pickers, stages, untrained, where
from lthviz.words import capital


def show(run: Run) -> None:
    """The whole page below the menu."""
    one_run.head("Speed", run)
    if not any(r["round"] for r in run.rows):
        return untrained.show([run], "No ticket to measure yet", "A ticket can be measured as soon as it is trained, after the first pruning.")
    frame.fragment(_ticket)(run)


def _ticket(run: Run) -> None:
    where.follow()
    timings = cache.timings(run.id)
    setting, said = measure.asked(timings)
    study = measured.study([run], {run.id: timings}, setting, estimates=cache.estimates([run], setting), here=machine.identity())
    q, more = _asked(run, study)
    frame.notes(said + more)
    _pick(run, study, q, setting, timings)
    name = stages.name(run.config, q.row["round"], q.row["structure"])
    if q.timing:
        frame.said(sentence(name, q))
        _measured(run, q, name, study)
    elif q.dense:
        frame.said("Round 0 is the dense network itself: every ticket is compared with its fastest form. Choose a later round.")
    else:
        _not_yet(run, q, name, setting)
    measure.live([run])
    if not q.dense:
        with st.container(horizontal=True):
            if q.timing:
                measure.button("Measure again", [q], setting, key="measure-again", main=False, help="The newer measurement takes the place of this one")
        st.subheader("The same from a terminal", anchor=False)
        frame.command(bench_command(run.id, q.row["round"], q.row["structure"], setting))


def _asked(run: Run, study: Study) -> tuple[Point, list[str]]:
    """The trained ticket that the address names; where it leaves it open, the one measured last, or the first structure of the last round."""
    trained = [q for q in study.points if q.accuracy is not None] or list(study.points)
    newest = max((q for q in trained if q.timing and not q.dense), key=lambda q: q.timing.time, default=None)
    rounds = sorted({q.row["round"] for q in trained})
    there = [p for p in where.positions(run.config, rounds, None)]
    if where.text("round") or newest is None:
        place, said = where.find(run.config, there, where.text("round"), "")
        k = place.round
    else:
        k, said = newest.row["round"], []
    labels = [q.row["structure"] for q in trained if q.row["round"] == k]
    usual = newest.row["structure"] if newest and newest.row["structure"] in labels else next((x for x in labels if x != UNSTRUCTURED), labels[0])
    label, more = where.find_ticket(run.config, labels, k, where.text("ticket") or usual)
    return next(q for q in trained if (q.row["round"], q.row["structure"]) == (k, label)), said + more


def _pick(run: Run, study: Study, q: Point, setting: Setting, timings: Sequence[Timing]) -> None:
    rounds = sorted({x.row["round"] for x in study.points})
    labels = [x.row["structure"] for x in study.points if x.row["round"] == q.row["round"]]
    which = pickers.showing("pick-ticket", q.row["structure"])
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="speed-pick"):
        pickers.pick_round(rounds, q.row["round"])
        st.segmented_control("Ticket", labels, key=which, required=True, format_func=lambda x: stages.name(run.config, q.row["round"], x),
                             on_change=pickers.heard(which, lambda chosen: where.go(ticket=chosen, round=q.row["round"])))
        measure.pick(setting, timings)


def sentence(name: str, q: Point) -> str:
    """The whole network in one sentence."""
    t = q.timing
    said = f"{name} at {100 * q.row['density']:.0f} % of the weights runs in {t.time_ratio:.2f} of the dense network's time"
    gain = f", {wording.times(t.speedup)} as fast" if t.speedup >= 1.03 else ": nothing is gained" if t.speedup >= 0.97 else ": it is slower"
    doubt = " It was measured on a busy machine, so this is doubtful." if t.disturbed else ""
    return f"{said}{gain}; its multiply-adds would allow {t.flops_ratio:.2f}.{doubt}"


def _measured(run: Run, q: Point, name: str, study: Study) -> None:
    t = q.timing
    low, high = t.spread
    frame.quiet(f"{wording.ms(t.ticket_ms)} against {wording.ms(t.dense_ms)} for {t.batch} image{'s' * (t.batch != 1)} · ratio {t.time_ratio:.3f} "
                f"(quartiles {low:.3f} to {high:.3f}, n = {t.n}) · outputs within {t.max_abs_err:.0e} of the masked dense network's"
                + (f" · test accuracy {q.accuracy:.1f} %" if q.accuracy is not None else ""))
    if t.disturbed:
        frame.told("warning", f"Disturbed: {'; '.join(t.disturbed)}. A busy machine mostly flatters the ticket; measure again when it is at rest.", "speed")
    if study.here and wording.identity(t) != study.here:
        frame.told("info", f"This was measured on another machine ({wording.machine(t)}), not on this one.", "devices")
    left, right = st.columns([7, 5], gap="large")
    with left:
        st.subheader("Layer by layer", anchor=False)
        at = {"run": run.id, "round": q.row["round"], "ticket": q.row["structure"]}
        figure.show(layer_times(t, title=name, dark=frame.dark()), layer_times_table(t), key="layer-times",
                    on_point=lambda point: _open(at, point[0]), on_row=lambda row: _open(at, row["layer"]))
    with right:
        st.subheader("The whole network", anchor=False)
        figure.show(alternatives(t, title=name, dark=frame.dark()), alternatives_table(t, title=name), key="alternatives")
    with left if len(t.layers) < 8 else right:      # where there is room
        _estimated(run, q, study)
    for remark in wording.remarks(t):
        frame.quiet(capital(remark) + ".")
    when = f" {datetime.datetime.fromtimestamp(t.time):%Y-%m-%d %H:%M}." if t.time else ""
    st.caption(frame.plain(wording.provenance([t]) + when))


def _estimated(run: Run, q: Point, study: Study) -> None:
    """What the calibration predicts, beside what came out."""
    if q.off is None:
        return
    st.subheader("Estimated beside measured", anchor=False)
    st.text(f"Estimated {q.predicted:.2f} of the dense time, measured {q.timing.time_ratio:.2f}: {wording.signed(q.off)}. "
            f"Of this run, {wording.errors(study.points)}.")
    twin = st.expander("Every ticket", icon=":material/table:", type="compact", key="estimates-table", on_change="rerun")
    if twin.open:
        with twin:
            figure.numbers([{"ticket": stages.name(run.config, x.row["round"], x.row["structure"]), "round": x.row["round"],
                             "estimated ÷ dense": x.predicted, "measured ÷ dense": x.timing.time_ratio, "measured against estimated (%)": 100 * x.off}
                            for x in study.points if x.off is not None], key="estimates")


def _not_yet(run: Run, q: Point, name: str, setting: Setting) -> None:
    """The one thing to do where nothing is measured."""
    ideal = f" Its multiply-adds would allow {q.flops:.2f} of the dense time" if q.flops else ""
    ideal += (f"; this machine's calibration estimates {q.estimate:.2f}." if q.estimate else "; what this machine makes of that is not known.") if ideal else ""
    with st.container(border=True, key="not-measured"):
        st.markdown("### :material/timer: Not measured yet")
        st.markdown(frame.plain(f"{name} of round {q.row['round']} has not been timed with {wording.setting(setting)}.{ideal}"))
        st.markdown("Measuring checks its outputs first, then times it against the fastest dense form of the network, turn by turn, in a process "
                    "of its own. It takes about half a minute.")
        measure.button("Measure", [q], setting, key="measure")


def _open(at: dict[str, Any], layer: str) -> None:
    """A layer was chosen: its mask."""
    where.lead("pages/masks.py", **at, layer=layer)
