"""Sweeps on a page: how far each is and what can be asked of it, what is at work and waits, and starting one from a file."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz import launch
from lthviz.commands import sweep_command
from lthviz.errors import ConfigError, LthvizError
from lthviz.store.brief import Brief
from lthviz.store.sweeps import Sweep
from lthviz.sweep import grid as grids
from lthviz.sweep import serial
from lthviz.sweep.grid import Grid
from lthviz.sweep.tally import AT_WORK, Tally, tally
from lthviz.ui import access, cache, frame, limits, signin, transport
from lthviz.ui.runs import notices, table
from lthviz.ui.runs.table import Row

OLD = 2
"""So many finished sweeps stay in sight; the others are folded away."""
LIVE = 6
"""So many runs at work have a bar of their own."""
FAILED = 3
EXAMPLE = '''title = "Refill against Regroup, three seeds"
preset = "digits"
rounds = 4

[grid]
structures = ["refill", "regroup-groups=4-min_rows=8"]
seed = [0, 1, 2]
'''


def live(found: Sequence[Row]) -> None:
    """Sweeps, and the runs at work, once a second while there are any. A run that moves on redraws the page."""
    alive = [r.brief for r in found if not r.brief.example and r.brief.status.alive]
    if any(b.status.state == "queued" for b in alive):   # whatever became of the worker that should have taken it
        cache.wake()
    there = cache.store().sweeps()
    held = any(cache.store().sweep_held(s.name) for s in there)
    if alive or there or held:
        frame.fragment(_live, run_every=1.0 if alive or held else None)(_seen([b for r in found for b in r.seeds or (r.brief,)]))


def _seen(found: Sequence[Brief]) -> int:
    """Changes when the rest of the page has to be drawn anew: a row of the table, but for what only moves; its filters; a word to say."""
    asked = tuple(tuple(st.query_params.get_all(name)) for name in (*table.FILTERS, "find"))
    return hash((frozenset((b.id, b.status.state, b.rounds, b.last_acc, b.title, b.note) for b in found), asked, notices.waiting()))


def _live(seen: int) -> None:
    found = cache.briefs()[0]
    if _seen(found) != seen:
        st.rerun()
    there = [(s, _tally(s)) for s in cache.store().sweeps()]
    open_ones = [(s, t) for s, t in there if t.done < t.total]
    done = [(s, t) for s, t in there if t.done == t.total]
    for sweep, now in (*open_ones, *done[:OLD]):
        _one(sweep, now)
    if done[OLD:]:
        with st.expander(f"{len(done) - OLD} more finished sweeps", type="compact", key="older-sweeps"):
            for sweep, now in done[OLD:]:
                _one(sweep, now)
    _at_work(found)


def _tally(sweep: Sweep) -> Tally:
    store = cache.store()
    return tally(cache.known_briefs(str(store.root), str(store.examples)), sweep.runs)


def _one(sweep: Sweep, now: Tally) -> None:
    queued, held = now.having(["queued"]), cache.store().sweep_held(sweep.name)
    busy = held or bool(now.at_work) or (sweep.backend == "worker" and bool(queued))
    with st.container(border=now.done < now.total, key=f"sweep-{sweep.name}"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(f"**{frame.plain(sweep.shown)}**", width="content")
            if now.done == now.total:
                st.badge("finished", icon=":material/check:", color="gray")
                frame.quiet(f"{now.total:,} run{'s' * (now.total != 1)}", width="content")
            else:
                st.badge("at work" if busy else "stopped", icon=f":material/{'play_arrow' if busy else 'pause'}:", color="primary" if busy else "orange")
            st.space("stretch")
            with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", width="content"):
                _buttons(sweep, now, busy)
        if now.done < now.total:
            eta = f", about {transport.duration(now.eta_s)} left" if busy and now.eta_s is not None else ""
            st.progress(now.share, text=frame.plain(f"{now.sentence()}{eta}."))
            _failures(now)


def _failures(now: Tally) -> None:
    """Why runs failed, each reason once."""
    why: dict[str, list[str]] = {}
    for run_id in now.having(["failed"]):
        why.setdefault(now.briefs[run_id].status.message, []).append(run_id)
    for message, ids in sorted(why.items(), key=lambda x: -len(x[1]))[:FAILED]:
        who = ids[0] if len(ids) == 1 else f"{len(ids)} runs ({ids[0]} …)"
        frame.refused(f"{who}: {message}")
    if len(why) > FAILED:
        frame.quiet(f"… and {len(why) - FAILED} other reasons; choose the state “failed” below.")


def _buttons(sweep: Sweep, now: Tally, busy: bool) -> None:
    st.button("Its runs", key=f"sweep-show-{sweep.name}", icon=":material/filter_alt:", type="tertiary", help="Show them alone in the table below", on_click=_show, args=(sweep.name,))
    if busy:
        st.button("Stop", key=f"sweep-stop-{sweep.name}", icon=":material/stop:", on_click=notices.changing, args=(stop, sweep),
                  **access.locked(help="Begin no more runs of it and end those at work; what is finished is kept"))
    elif now.done < now.total:
        st.button("Go on", key=f"sweep-on-{sweep.name}", icon=":material/play_arrow:", type="primary", on_click=notices.changing, args=(go_on, sweep),
                  **access.locked(help="Put what is missing into the queue of the worker on this machine"))
    st.download_button("File", sweep.text, file_name=f"{sweep.name}.toml", mime="application/toml", key=f"sweep-file-{sweep.name}", icon=":material/download:",
                       type="tertiary", on_click="ignore", help=f"To go on from a terminal: {sweep_command(sweep.name)}")
    if not busy:
        st.button("Forget", key=f"sweep-forget-{sweep.name}", icon=":material/close:", type="tertiary", on_click=notices.changing,
                  args=(cache.store().forget_sweep, sweep.name), **access.locked(help="Take it off this page; its runs stay"))


def _show(name: str) -> None:
    for field in (*table.FILTERS, "find"):
        st.query_params.pop(field, None)
    st.query_params["sweep"] = name


@access.action
def stop(sweep: Sweep) -> None:
    """Whoever works on it begins no more runs; those at work or in the queue are cancelled."""
    store = cache.store()
    store.stop_sweep(sweep.name)
    notices.each(_tally(sweep).having((*AT_WORK, "queued")), lambda x: launch.request(store, x, "cancel"))


@access.action
def go_on(sweep: Sweep) -> None:
    """What is missing goes into the queue."""
    grid = grids.parse(sweep.text, sweep.name)
    limits.queue(cache.store(), _more(_tally(sweep)))
    serial.enqueue(cache.store(), grid)


def _more(now: Tally) -> int:
    """Runs that would wait if the sweep went on."""
    return now.total - len(now.having(("finished", "queued", *AT_WORK)))


def _at_work(found: Sequence[Brief]) -> None:
    """Each run at work with its bar, whoever trains it; and how many wait."""
    running = [b for b in found if b.status.state in AT_WORK and not b.example]
    waiting = sum(b.status.state == "queued" for b in found)
    for brief in running[:LIVE]:
        s = brief.status
        left = "paused" if s.state == "paused" else f"{transport.duration(s.eta_s)} left" if s.eta_s is not None else s.message or "loading"
        st.progress(min(1.0, s.done / s.total) if s.total else 0.0,
                    text=frame.plain(f"{brief.id}: {brief.rounds} of {brief.config.rounds + 1} rounds, {left}"))
    words = [f"{len(running) - LIVE} more at work"] * (len(running) > LIVE)
    words += [f"{waiting} run{'s' * (waiting != 1)} in the queue; one at a time trains on this machine"] * bool(waiting)
    if words:
        frame.quiet("; ".join(words) + ".")


# Starting one ----------------------------------------------------------------------------------------------------------


def new() -> None:
    """A sweep from a file, or written here."""
    with st.expander("Start a sweep", icon=":material/playlist_add:", key="new-sweep"):
        st.markdown("Many runs from one file: settings that all runs share, and under `[grid]` a list for each that varies. Every combination is a run, "
                    "found by its id, so what is finished is not repeated.")
        file = st.file_uploader("A sweep's file", type=["toml"], key="sweep-file", on_change=_taken, **access.locked())
        name = file.name.removesuffix(".toml") if file else "sweep"
        text = st.text_area("The sweep", value=None if "sweep-text" in st.session_state else EXAMPLE, key="sweep-text", height=240)
        try:
            grid = grids.parse(text or "", name)
        except ConfigError as e:
            frame.refused(e)
            return
        _start(grid)


def _taken() -> None:
    """An uploaded file's text takes the place of what was written."""
    if (file := st.session_state.get("sweep-file")) is None:
        return
    try:
        st.session_state["sweep-text"] = file.getvalue().decode("utf-8")
    except UnicodeDecodeError:
        notices.say(f"{file.name} is not UTF-8 text, so it is no sweep's file")


def _start(grid: Grid) -> None:
    store = cache.store()
    now = tally(cache.known_briefs(str(store.root), str(store.examples)), grid.ids)
    n, same = now.total, grid.combinations - now.total
    said = f"{n:,} run{'s' * (n != 1)}" + (f", {now.done} of them finished already" if now.done else "")
    said += f"; {same:,} more combinations are the same runs" if same else ""
    many = n >= grids.ASK_FROM
    sure = not many or st.checkbox(f"Yes, begin all {n:,} runs", key="sweep-sure")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        go = st.button("Start the sweep", type="primary", icon=":material/play_arrow:", key="sweep-start", **access.locked(not sure or now.done == n))
        frame.quiet(f"{said}. One run at a time, in the worker on this machine.", width="content")
    signin.note()
    if go:
        try:
            access.require()
            limits.queue(store, _more(now))
            with st.spinner(f"Putting {n - now.done:,} runs into the queue"):
                serial.enqueue(store, grid)
        except LthvizError as e:
            frame.told("error", str(e), "error")
            return
        st.rerun()
    frame.quiet("The same from a terminal, and on a cluster:")
    frame.command(f"{sweep_command(grid.name)}\n{sweep_command(grid.name, 'ray', 2)}")
