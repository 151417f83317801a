"""What was trained from Tune: the branches at a round, their progress, and their points beside the run's."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz.config import Refill, Regroup
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_table
from lthviz.figures.measured import study
from lthviz.records import Address, Run
from lthviz.speed import machine
from lthviz.ui import cache, curves, figure, frame, where
from lthviz.ui.tune.address import Asked
from lthviz.words import duration

MOST = 6
"""So many branches are drawn beside the run."""
POLL_S = 1.0
AXES = ("flops", "effective", "kept", "speed")
_DRAWN = "tune-branches-drawn"


def branches(asked: Asked) -> None:
    """Nothing where there are none. While one is at work this part redraws by itself, once a second, and not the page around it: a run of
    the whole page makes all of it wait, which a reader sees. One such run ends the asking, after the last has come to its end."""
    ids = _ids(asked.run.id, asked.round)
    if not ids:
        return
    alive = any(cache.store().status(i).alive for i in ids)
    with st.container(key="tune-branches"):
        if alive:
            frame.fragment(_polled, run_every=POLL_S)(asked.run.id, asked.round, asked.structure)
        else:
            _branches(asked.run.id, asked.round, asked.structure)


def _ids(run_id: str, round: int) -> list[str]:
    return [b.id for b in cache.briefs()[0] if b.parent == run_id and b.config.from_round == round][:MOST]


def _polled(run_id: str, round: int, structure: Refill | Regroup) -> None:
    """While one is at work. Only a run of the page takes the browser's timer away."""
    alive = any(cache.store().status(i).alive for i in _ids(run_id, round))
    _branches(run_id, round, structure)
    if not alive:
        st.rerun()


def _branches(run_id: str, round: int, structure: Refill | Regroup) -> None:
    where.follow()
    runs = [cache.run(i) for i in _ids(run_id, round)]
    if not runs:
        return
    if any(cache.store().status(r.id).alive for r in runs):
        cache.wake()
    for run in runs:
        _line(run)
    x, said = curves.axis(AXES)
    frame.notes(said)
    curves.pick_axis(x, AXES)
    mine = next((r for r in runs if structure in r.config.structures), runs[0])
    fig, table = _drawn([cache.run(run_id), *runs], mine, round, x)
    figure.show(fig, table, key="tune-accuracy", on_point=lambda at: where.lead("pages/lab.py", run=at[0], round=at[1], stage=f"train:{at[2]}"))


def _drawn(runs: Sequence[Run], mine: Run, round: int, x: str) -> tuple:
    """The curves and their numbers; the last ones, where nothing that they are made of has changed since."""
    made_of = (tuple(cache.stamp(r.id) for r in runs), mine.id, round, x, frame.dark())
    last = st.session_state.get(_DRAWN)
    if last is None or last[0] != made_of:
        of = study(list(runs), {r.id: cache.timings(r.id) for r in runs}, here=machine.identity())
        current = Address(mine.id, round, mine.config.structures[0].label) if mine.config.structures else None
        fig = accuracy_curves(of, x=x, current=current, brief=True, dark=frame.dark(), height=400)
        last = st.session_state[_DRAWN] = (made_of, (fig, accuracy_curves_table(of)))
    return last[1]


def _line(run: Run) -> None:
    """A branch: its state, what it is, how far or what came of it."""
    status = cache.store().status(run.id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"tune-branch-{run.id}"):
        frame.badge(status)
        frame.quiet(f"{_name(run)} · {_result(run)}" if status.state == "finished" else _name(run), width="content")
        if status.alive:
            left = f", {duration(status.eta_s)} left" if status.eta_s is not None else ""
            share = min(1.0, status.done / status.total) if status.total else 0.0
            st.progress(share, text=f"{status.done:,} of {status.total:,} batches{left}" if status.total else
                        "loading the network and the images" if status.state == "running" else "waiting for the worker")
        elif status.state != "finished":
            frame.quiet(status.message, width="content")
        st.page_link("pages/lab.py", label="In the Lab", icon=":material/science:", query_params={"run": run.id})


def _name(run: Run) -> str:
    return ", ".join(s.name for s in run.config.structures) or run.id


def _result(run: Run) -> str:
    labels = {s.label for s in run.config.structures}
    said = [f"test accuracy {r['test_acc']:.1f} %" for r in run.rows if r["round"] == run.config.from_round and r["structure"] in labels and r["test_acc"] is not None]
    return ", ".join(said) or "no ticket of it is trained"
