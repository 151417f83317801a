"""What a run is doing now: its state in a sentence, progress, live curves, and the requests that change it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from lthviz import launch, ways_out
from lthviz.commands import ask_command
from lthviz.errors import LthvizError
from lthviz.figures import theme
from lthviz.records import Epoch, Run, Status
from lthviz.ui import access, cache, frame, stages, where
from lthviz.ui.where import Position
from lthviz.words import capital, duration, rounds_done

QUIET_S = 15.0
LIVE_PX = 168
"""Height of the live curves, with their words."""


def live(run: Run, there: Sequence[Position]) -> None:
    """Progress and controls of a run, once a second while it is alive. A new stage or state redraws the page."""
    status = cache.store().status(run.id)
    if status.state == "queued":   # whatever became of the worker that should have taken it, a restart of the machine say
        cache.wake()
    frame.fragment(_live, run_every=1.0 if status.alive else None)(run.id, status.state, len(there))


def upcoming(run: Run, there: Sequence[Position]) -> Position | None:
    """The stage that comes after those that have happened; None behind the last."""
    if not there:
        return Position(0, run.config.stages(0)[0])
    k, stage = there[-1]
    planned = run.config.stages(k)
    at = planned.index(stage) + 1
    if at < len(planned):
        return Position(k, planned[at])
    return Position(k + 1, run.config.stages(k + 1)[0]) if k < run.config.rounds else None


def progress_sentence(run: Run, status: Status, coming: Position | None, epochs: Sequence[Epoch]) -> str:
    """What happens now and how much is left."""
    if status.state == "queued":
        return "Waiting for its turn: one run at a time trains on this machine."
    if coming is None:
        return "Finishing."
    if not status.total:
        return "Loading the network and the images." if status.state == "running" else "Paused before the first stage."
    said = f"Round {coming.round} of {run.config.rounds}: {stages.doing(run.config, coming)}"
    if epochs:
        last = epochs[-1]
        said += f", epoch {last.epoch} of {last.epochs}, loss {last.train_loss:.3f}"
        said += f", validation {last.val_acc:.1f} %" if not math.isnan(last.val_acc) else ""
    said += "."
    if status.state == "paused":
        return f"Paused. Next: {said[0].lower()}{said[1:]}"
    if status.eta_s is not None and status.total:
        said += f" {duration(status.eta_s)} left."
    return said


def _live(run_id: str, state: str, count: int) -> None:
    store = cache.store()
    run, status = cache.run(run_id), store.status(run_id)
    there = where.positions(run.config, run.rounds, cache.done_in_last(run))
    if (status.state, len(there)) != (state, count):
        st.rerun()
    coming = upcoming(run, there)
    training = coming and coming.stage.kind == "train" and status.state in ("running", "paused")
    epochs = store.epochs(run_id, coming.round, coming.stage.structure) if training else ()
    example = store.is_example(run_id)
    waiting = "" if example else store.requested(run_id)
    if status.alive:
        left, right = st.columns(2, gap="large")
        with left:
            _progress(run, status, coming, epochs)
            _buttons(run_id, status, waiting)
        with right.container(height=round(LIVE_PX * _scale()), border=False, key="live-curves"):    # a fixed height: what is below stays where it is
            if epochs:
                _curves(epochs)
            else:
                frame.quiet("Loss and accuracy appear here after the first epoch." if training else "")
    else:
        _ended(run, status, there, example)
        if not example:
            _buttons(run_id, status, waiting)
    if said := st.session_state.pop("transport-said", ""):
        frame.told("warning", said, "info")


def _progress(run: Run, status: Status, coming: Position | None, epochs: Sequence[Epoch]) -> None:
    share = min(1.0, status.done / status.total) if status.total else 0.0
    st.progress(share, text=progress_sentence(run, status, coming, epochs))
    if status.beat_s is not None and status.state == "running":
        if status.beat_s > QUIET_S:
            frame.told("warning", f"{capital(status.message)}. It may be busy with a long stage, or gone.", "warning")
        else:
            frame.quiet(f"{status.done:,} of {status.total:,} batches · last heard of {status.beat_s:.0f} s ago" if status.total else
                        f"last heard of {status.beat_s:.0f} s ago")


def _ended(run: Run, status: Status, there: Sequence[Position], example: bool) -> None:
    """One sentence for each way a run can have come to an end."""
    rounds = rounds_done(len(run.finished), run.config.rounds)
    if example:
        pass
    elif status.state == "finished":
        frame.quiet(_finished(run))
    elif status.state == "failed":
        way = ways_out.words(status.cause, cache.store().path(run.id))
        frame.told("error", f"The run failed: {_ended_sentence(status.message)} {way} What it had finished ({rounds}) is kept.", "error")
    elif status.state == "interrupted":
        frame.told("warning", f"Interrupted: {_ended_sentence(status.message)} What it had finished ({rounds}) is kept.", "power_off")
    else:
        frame.told("info", f"Cancelled. What it had finished ({rounds}) is kept.", "stop_circle")
    _warned(run.id)
    damaged(run)


def damaged(run: Run) -> None:
    """What of the run cannot be read, each in a line."""
    for part, why in run.info.get("damaged", {}).items():
        frame.told("error", f"{'Round ' + part if part.isdecimal() else 'The ' + part} cannot be read: {why}", "broken_image")


def _warned(run_id: str) -> None:
    """What went wrong beside the run: the newest in sight, the others folded away."""
    *earlier, newest = cache.store().warnings(run_id) or [""]
    if newest:
        frame.told("warning", capital(_ended_sentence(newest)), "warning")
    if earlier:
        with st.expander(f"{len(earlier)} earlier warning{'s' * (len(earlier) != 1)}", type="compact", key="warnings"):
            for line in reversed(earlier):
                frame.quiet(capital(_ended_sentence(line)))


def _finished(run: Run) -> str:
    """What a finished run has done; of a branch, what it has done itself."""
    if not run.parent:
        return f"Finished: {rounds_done(len(run.rounds), run.config.rounds)}, {len(run.rows)} tickets trained in {duration(run.seconds)}."
    own = [r for r in run.rows if not run.taken_over(r["round"], r["structure"])]
    seconds = sum(r["seconds"] or 0.0 for r in own)
    return (f"Finished: {rounds_done(len(run.rounds), run.config.rounds)}, {len(own)} ticket{'s' * (len(own) != 1)} of them trained here" + (f" in {duration(seconds)}" if own else "")
            + f", {len(run.rows) - len(own)} taken over.")


def _ended_sentence(line: str) -> str:
    return line if line.endswith((".", "!", "?")) else f"{line}."


def _buttons(run_id: str, status: Status, waiting: str) -> None:
    with st.container(horizontal=True, vertical_alignment="center", key="transport", gap="small"):
        if status.state == "running":
            pausing = waiting == "pause"
            _request("Pausing" if pausing else "Pause training", "pause", run_id, ":material/pause:", "Stop after this batch; nothing is lost",
                     disabled=pausing, main=True)
        if status.state == "paused":
            _request("Go on training", "play", run_id, ":material/play_arrow:", "Go on where it paused", disabled=waiting == "play", main=True)
        if status.state in ("running", "paused"):
            stepping = waiting == "step"
            _request("Stepping" if stepping else "Train one stage", "step", run_id, ":material/skip_next:", "Go on to the end of the next stage, then pause",
                     disabled=stepping)
        if status.alive:
            _request("Cancel the run", "cancel", run_id, ":material/stop:", "End the run; its finished rounds are kept", disabled=waiting == "cancel")
        elif status.state != "finished":
            _ways_on(run_id, ways_out.first(status.cause) if status.state == "failed" else "resume", status.state == "failed")


def _ways_on(run_id: str, first: ways_out.Way, failed: bool) -> None:
    """What can be done with a run that has stopped, the most promising first."""
    def change() -> None:
        st.page_link("pages/lab.py", label="Duplicate with changes", icon=":material/content_copy:", query_params={"new": run_id}, help="Start another run from its settings")

    if first == "cpu":
        st.button("Go on on the CPU", key="do-cpu", icon=":material/memory:", type="primary", on_click=_ask, args=(run_id, "cpu"),
                  **access.locked(help="The same run from where it was, with `device = cpu`"))
    if first == "change":
        change()
    st.button("Resume", key="do-resume", icon=":material/play_arrow:", type="primary" if first == "resume" else "secondary",
              on_click=_ask, args=(run_id, "resume"), **access.locked(help=f"Go on from the last checkpoint\n\n`{ask_command('resume', run_id)}`"))
    if failed and first != "change":     # a setting may have been the reason
        change()


def actions(run_id: str) -> tuple[str, ...]:
    """What can be asked of a run as it stands, each a command as well."""
    if cache.store().is_example(run_id):
        return ()
    state = cache.store().status(run_id).state
    return {"running": ("pause", "step", "cancel"), "paused": ("play", "step", "cancel"), "queued": ("cancel",), "finished": ()}.get(state, ("resume",))


def _request(label: str, action: str, run_id: str, icon: str, help: str, *, disabled: bool = False, main: bool = False) -> None:
    st.button(label, key=f"do-{action}", icon=icon, type="primary" if main else "secondary", on_click=_ask, args=(run_id, action),
              **access.locked(disabled, f"{help}\n\n`{ask_command(action, run_id)}`"))


@access.action
def _ask(run_id: str, action: str) -> None:
    try:
        if action == "resume":
            launch.resume(cache.store(), run_id)
        elif action == "cpu":
            launch.start(cache.store(), cache.store().run(run_id).config.replace(device="cpu"))
        else:
            launch.request(cache.store(), run_id, action)
    except LthvizError as e:
        st.session_state["transport-said"] = str(e)


def _scale() -> float:
    """How much larger all that is in pixels is drawn: for the last row, in presenter mode."""
    return frame.LARGER if frame.presenting() else 1.0


def _curves(epochs: Sequence[Epoch]) -> None:
    """Loss and validation accuracy so far. Vega charts: new points are drawn into the picture that is there."""
    p = theme.palette(frame.dark())
    held_out = not math.isnan(epochs[-1].val_acc)
    accuracy = ("val_acc", "validation accuracy (%)") if held_out else ("train_acc", "training accuracy (%)")
    rows = [{"epoch": e.epoch, "train_loss": e.train_loss, accuracy[0]: getattr(e, accuracy[0])} for e in epochs]
    top = 0.5 * math.ceil(2 * max(r["train_loss"] for r in rows) + 1e-9)
    floor = 10 * math.floor(min(r[accuracy[0]] for r in rows) / 10)
    columns, larger = st.columns(2, gap="medium", wrap=False), _scale()
    letters = {"axis": {"labelFontSize": 11 * larger, "titleFontSize": 11 * larger, "tickSize": 4 * larger}} if larger != 1 else {}
    for column, (field, name), colour, domain in zip(columns, (("train_loss", "training loss"), accuracy), (p.text, p.accent),
                                                     ([0, top], [min(floor, 90), 100]), strict=True):
        spec = {"height": 118 * larger, "config": letters,
                "mark": {"type": "line", "color": colour, "strokeWidth": 2 * larger, "point": {"color": colour, "size": 16 * larger ** 2}},
                "encoding": {"x": {"field": "epoch", "type": "quantitative", "title": None, "scale": {"domain": [0, epochs[-1].epochs]},
                                   "axis": {"grid": False, "tickMinStep": 1, "format": "d"}},
                             "y": {"field": field, "type": "quantitative", "title": None, "scale": {"domain": domain},
                                   "axis": {"grid": False, "tickCount": 4}}}}
        with column:
            st.caption(f"{name[0].upper()}{name[1:]}: **{getattr(epochs[-1], field):.4g}**")
            st.vega_lite_chart(rows, spec, key=f"live-{field}", alt=f"{name} after each epoch so far; now {getattr(epochs[-1], field):.4g}")
