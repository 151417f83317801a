"""Measuring from a page: under what, the button, how far it is, and what went wrong. The worker measures, never the page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import streamlit as st

from lthviz import launch
from lthviz.errors import LthvizError
from lthviz.figures import measured, wording
from lthviz.figures.measured import Point, Setting
from lthviz.glossary import definition
from lthviz.records import Run, Timing
from lthviz.speed import machine
from lthviz.store import queue
from lthviz.store.queue import Item, Measuring
from lthviz.ui import access, cache, frame, pickers, stages, where

BATCHES = (1, 16, 64, 256)
MOST = 65_536
_SAID = "measure-said"


def asked(timings: Sequence[Timing]) -> tuple[Setting, list[str]]:
    """The setting that the address names, and what of it cannot be had; what is left open is as most was measured."""
    base = measured.usual(timings) or Setting(64, machine.cores())
    found, said = {}, []
    for name in ("batch", "threads"):
        word, usual = where.text(name), getattr(base, name)
        good = word.isdecimal() and len(word) < 9 and 1 <= int(word) <= MOST
        found[name] = int(word) if good else usual
        if word and not good:
            said.append(f"The link names {name} {word!r}; it is a whole number from 1 to {MOST:,}. Showing {usual}.")
    places = {place_word(s): s for s in (*measured.settings(timings), base)}
    word = where.text("device")
    if word and word not in places:
        said.append(f"The link names device {word!r}; measured is {', '.join(places)}. Showing {place_word(base)}.")
    chosen = places.get(word, base)
    return Setting(found["batch"], found["threads"], chosen.device, chosen.precision), said


def place_word(s: Setting) -> str:
    """A device with its precision as a word of the address: `cpu`, `cuda`, `cuda-bfloat16`."""
    return s.device if s.precision == "float32" else f"{s.device}-{s.precision}"


def pick(setting: Setting, timings: Sequence[Timing]) -> None:
    """Choosers of batch, threads and, where there are several, device. What is not measured yet can be chosen, and measured."""
    known = measured.settings(timings)
    batches = sorted({*BATCHES, *(s.batch for s in known), setting.batch})
    threads = sorted({*_counts(machine.cores()), *(s.threads for s in known), setting.threads})
    key = pickers.showing("pick-batch", str(setting.batch))
    st.selectbox("Batch", [str(b) for b in batches], key=key, width=120, accept_new_options=True, help=f"{definition('batch')} Type any number.",
                 on_change=pickers.heard(key, lambda chosen: where.go(batch=chosen)))
    if setting.device == "cpu":
        other = pickers.showing("pick-threads", setting.threads)
        st.selectbox("Threads", threads, key=other, width=110, on_change=pickers.heard(other, lambda chosen: where.go(threads=chosen)))
    if len(places := list(dict.fromkeys(place_word(s) for s in known))) > 1:
        third = pickers.showing("pick-device", place_word(setting))
        st.selectbox("Device", places, key=third, width=150, on_change=pickers.heard(third, lambda chosen: where.go(device=chosen)))


def _counts(cores: int) -> list[int]:
    """Thread counts worth a choice: powers of two, and all."""
    return sorted({1 << i for i in range(cores.bit_length()) if 1 << i <= cores} | {cores})


def button(label: str, tickets: Sequence[Point], setting: Setting, *, key: str, main: bool = True, help: str = "") -> None:
    """Ask the worker to measure these tickets at that setting; the page is drawn anew with its progress. What is asked for already
    is not asked for twice."""
    new = [q for q in tickets if not asked_for(q, setting)]
    if not st.button(label if new else "Asked for", key=key, icon=":material/timer:", type="primary" if main else "tertiary",
                     **access.locked(not new, help)):
        return
    try:
        access.require()
        for (run_id, k), structures in _by_round(new).items():
            launch.measure(cache.store(), run_id, rounds=[k], structures=structures, batch=setting.batch, threads=setting.threads,
                           device=setting.device, precision=setting.precision)
    except LthvizError as e:
        st.session_state[_SAID] = str(e)
    st.rerun()


def asked_for(q: Point, setting: Setting) -> bool:
    """Whether a ticket's measurement at that setting waits or is under way."""
    mine = Item(q.row["round"], q.row["structure"], *setting)
    there, asked = cache.timings(q.run.id), queue.requests(cache.store().measure_folder(q.run.id))
    return any(mine in r.items and not mine.made(there, r.time, r.how) for r in asked)


def _by_round(tickets: Iterable[Point]) -> dict[tuple[str, int], list[str]]:
    """Structures by run and round: what can be compared is measured together."""
    by: dict[tuple[str, int], list[str]] = {}
    for q in tickets:
        by.setdefault((q.run.id, q.row["round"]), []).append(q.row["structure"])
    return by


def live(runs: Sequence[Run]) -> None:
    """How the measurements of these runs stand, once a second while any is under way; the page is drawn anew as each ends."""
    if said := st.session_state.pop(_SAID, ""):
        frame.told("warning", said, "info")
    for run in runs:
        for part, why in run.info.get("damaged", {}).items():
            if part.startswith("timing "):
                frame.told("error", f"A measurement cannot be read: {why}", "broken_image")
    ids = tuple(run.id for run in runs)
    seen = _seen(ids)
    at_work = under_way(ids)
    if at_work:
        cache.wake()
    frame.fragment(_live, run_every=1.0 if at_work else None)(ids, seen)


def under_way(ids: Iterable[str]) -> bool:
    """Whether anything is being measured, or waits to be, of these runs."""
    return any(m is not None and m.state != "failed" for m in map(cache.store().measuring, ids))


def _seen(ids: Iterable[str]) -> tuple:
    """What the page shows changes with: how far the measurements are, and which there are (one may be there and wait to be made again)."""
    now = map(cache.store().measuring, ids)
    return tuple((m and (m.state, m.done), tuple(t.time for t in cache.timings(i))) for i, m in zip(ids, now))


def _live(ids: tuple[str, ...], seen: tuple) -> None:
    if _seen(ids) != seen:
        st.rerun()
    for i in ids:
        if m := cache.store().measuring(i):
            with st.container(border=True, key=f"measuring-{i}"):
                _one(cache.run(i), m, several=len(ids) > 1)


def _one(run: Run, m: Measuring, several: bool) -> None:
    name = f"{pickers.run_title(run)}: " if several else ""
    if m.state != "failed":
        with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
            st.progress(m.done / m.total if m.total else 0.0, text=frame.plain(name + progress_sentence(run, m)))
            st.button("Cancel", key=f"cancel-measuring-{run.id}", icon=":material/stop:", width="content", on_click=_cancel, args=(run.id,),
                      **access.locked(help="What is measured already is kept"))
    for why in m.damaged.values():
        frame.told("error", f"{name}What was asked to be measured cannot be read, and is not measured: {why}. Ask again.", "broken_image")
    for key, why in m.errors.items():
        frame.told("error", f"{name}{_item(run, key)} could not be measured: {why}", "error")
    if m.state == "failed":
        st.button("Dismiss", key=f"forget-measuring-{run.id}", icon=":material/close:", type="tertiary", on_click=_cancel, args=(run.id,), **access.locked())


def progress_sentence(run: Run, m: Measuring) -> str:
    """What is measured now and how much is left."""
    if m.state == "waiting":
        return f"Measuring {m.total - m.done} ticket{'s' * (m.total - m.done != 1)}: {m.message}."
    said = "Measuring"
    if m.item:
        said += f" {stages.name(run.config, m.item.round, m.item.structure)} of round {m.item.round}, "
        said += wording.setting(Setting(m.item.batch, m.item.threads, m.item.device, m.item.precision))
    said += f": {m.message}" if m.message else ""
    return f"{said}. {m.done} of {m.total} done."


def _item(run: Run, key: str) -> str:
    """An item's key (`006-refill-cpu-float32-t2-b64`) as words, where it is one of the run's tickets."""
    for row in run.rows:
        head = f"{row['round']:03d}-{row['structure']}-"
        if key.startswith(head) and key.removeprefix(head).count("-") == 3:
            device, precision, threads, batch = key.removeprefix(head).split("-")
            setting = Setting(int(batch[1:]), int(threads[1:]), device, precision)
            return f"{stages.name(run.config, row['round'], row['structure'])} of round {row['round']} at {wording.setting(setting)}"
    return key


@access.action
def _cancel(run_id: str) -> None:
    try:
        launch.cancel_measuring(cache.store(), run_id)
    except LthvizError as e:
        st.session_state[_SAID] = str(e)
