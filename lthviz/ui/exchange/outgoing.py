"""Give out: one ticket, or the whole run, as a file for another program; made by a child process, then downloaded."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from lthviz.commands import export_command
from lthviz.errors import LthvizError, did_you_mean
from lthviz.exchange import apart
from lthviz.records import Round, Run
from lthviz.store import disk
from lthviz.ui import access, cache, frame, limits, one_run, pickers, stages, untrained, where
from lthviz.ui.exchange import menu, work
from lthviz.ui.exchange.menu import Form

_MADE, _WRONG = "exchange-made", "exchange-made-wrong"
KEEP = 3
"""So many files stay on the disk for a reader to download again."""
Of = tuple[str, int, str, str]
"""What is made: run, round, ticket, form; of a whole run round -1 and, in place of a ticket, what tells that it has changed since."""


class Made(NamedTuple):
    """A file that can be downloaded, in the folder of the job that made it, which is gone when nothing holds the job."""

    file: Path
    bytes: int
    job: apart.Job


def show() -> None:
    """The side of the page."""
    run_id = where.text("run") or one_run.newest()
    if not run_id:
        frame.empty("There is no run yet that could be given out. Start one, or take in a network from elsewhere.")
        return
    run = cache.run(run_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="out-run"):
        pickers.pick_run(run.id)
        frame.badge(cache.store().status(run.id), cache.store().is_example(run.id))
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}")
    if not run.finished or not run.layers:
        untrained.show([run], "Nothing to give out yet", "A round can go out as soon as it is finished; the dense network is the first.")
        return
    _ticket(run)


def _ticket(run: Run) -> None:
    said, rounds = _notes(run), list(run.finished)
    k, more = _round(run, rounds)
    now = cache.round(run.id, k)
    label, other = where.find_ticket(run.config, now.tickets, k, where.text("ticket"))
    frame.notes(said + more + other)
    _pick(run, rounds, now, label)
    kept = now.ticket(label).weights is not None
    frame.said(_sentence(run, now, label, kept))
    if cache.store().status(run.id).alive:
        frame.quiet(f"The run is at work: of its rounds those that are finished go out, {rounds[0]} to {rounds[-1]} so far." if len(rounds) > 1
                    else f"The run is at work: round {rounds[0]} alone is finished so far.")
    _collect()
    rows = [(title, form, _of(run, k, label, form)) for title, forms in menu.groups().items() for form in forms]
    _elsewhere([of for _, _, of in rows])
    with st.container(gap=None, key="forms"):
        last = ""
        for title, form, of in rows:
            if title != last:
                st.html(f"<h2 class='forms-head'>{html.escape(title)}</h2>")
            last = title
            _row(run, of, form, kept)


def _elsewhere(here: Sequence[Of]) -> None:
    """What is made, or could not be, of another ticket than the one that is shown."""
    at_work, wrong = work.current("out"), st.session_state.get(_WRONG)
    if at_work is not None and at_work.of not in here:
        work.show("out")
    if wrong is not None and wrong[0] not in here:
        frame.told("error", wrong[1], "error")


def _notes(run: Run) -> list[str]:
    asked = where.text("format")
    return [f"The link names format {asked!r}; {did_you_mean(asked, menu.forms())}"] if asked and asked not in menu.forms() else []


def _round(run: Run, rounds: Sequence[int]) -> tuple[int, list[str]]:
    asked = where.text("round")
    if not asked or (where.number(asked) and int(asked) in rounds):
        return int(asked or rounds[-1]), []
    there = f"rounds {rounds[0]} to {rounds[-1]} are" if len(rounds) > 1 else f"round {rounds[0]} is"
    return rounds[-1], [f"The link names round {asked}; {there} finished; showing the last."]


def _pick(run: Run, rounds: Sequence[int], now: Round, label: str) -> None:
    which = pickers.showing("pick-ticket", label)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="out-pick"):
        pickers.pick_round(rounds, now.index)
        st.segmented_control("Ticket", list(now.tickets), key=which, required=True, on_change=pickers.heard(which, lambda ticket: where.go(ticket=ticket, round=now.index)),
                             format_func=lambda x: "Dense" if now.index == 0 else stages.short(run.config, x))
        st.page_link("pages/masks.py", label="Look at it", icon=":material/grid_on:", query_params={"run": run.id, "round": str(now.index), "ticket": label})


def _sentence(run: Run, now: Round, label: str, kept: bool) -> str:
    masks = now.ticket(label).masks
    name = stages.name(run.config, now.index, label)
    said = f"{name}, round {now.index}: {masks.nnz():,} of {masks.size():,} prunable weights kept ({100 * masks.density():.1f} %)"
    if kept:
        return f"{said}. Its trained weights are here, so it goes out in every form."
    return f"{said}. Its weights were not kept, so its masks go out and it cannot run elsewhere; a branch from here with keep_weights = all has them."


def _row(run: Run, of: Of, form: Form, kept: bool) -> None:
    possible, at_work = kept or not form.needs_weights, work.current("out")
    made: Made | None = st.session_state.get(_MADE, {}).get(of)
    why = "" if possible else "<p class='why'>Not of this ticket: its weights were not kept.</p>"
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key=f"form-{form.name}"):
        st.html(f"<div class='form'><div class='name'>{form.name} <span class='suffix'>{form.suffix}</span></div><div><p>{html.escape(_ended(form.words))}</p>"
                f"<p class='by'>Read by {_code(html.escape(form.by))}.</p>{why}</div></div>")
        if made is not None and made.file.exists():
            st.download_button(f"Download, {disk.words(made.bytes)}", made.file.read_bytes, file_name=_name(of, form), mime="application/octet-stream", key=f"download-{form.name}",
                               type="primary", icon=":material/download:", on_click="ignore")
        else:
            st.button("Make", key=f"make-{form.name}", icon=":material/build:", disabled=not possible or at_work is not None, on_click=_make, args=(run, of, form),
                      help=f"Make {form.name}" if possible else "The run did not keep this ticket's weights")
    if at_work is not None and at_work.of == of:
        work.show("out")
    if (wrong := st.session_state.get(_WRONG)) is not None and wrong[0] == of:
        frame.told("error", wrong[1], "error")
    if where.text("format") == form.name:
        frame.command(export_command(run.id, form.name, _name(of, form), round=None if form.whole else of[1], structure=of[2]))


def _of(run: Run, k: int, label: str, form: Form) -> Of:
    return (run.id, -1, repr(cache.stamp(run.id)), form.name) if form.whole else (run.id, k, label, form.name)


def _name(of: Of, form: Form) -> str:
    """Of the file as it is downloaded."""
    run, k, label, name = of
    what = name if form.whole else f"round{k}-{label}-{name}"
    return f"lthviz-{run}-{what}{form.suffix}"


def _make(run: Run, of: Of, form: Form) -> None:
    where.go(format=form.name)
    st.session_state.pop(_WRONG, None)
    try:
        access.let_in()     # a viewer may: nothing of the store changes
        limits.room()
    except LthvizError as e:
        access.say(str(e))
        return
    folder = apart.fresh_folder()
    out = folder / f"made{form.suffix}"
    words = ["export", run.id, f"--format={form.name}", f"--out={out}", f"--runs={cache.store().root}"]
    if not form.whole:
        words += [f"--round={of[1]}", f"--structure={of[2]}"]
    work.begin("out", "make", words, of=of, doing=f"Making {form.name} of {run.id}" + ("" if form.whole else f", round {of[1]}, {stages.name(run.config, *of[1:3])}"),
               folder=folder, names={str(out): _name(of, form)})


def _collect() -> None:
    """A file that was made since the page was drawn last; the oldest of several is dropped."""
    ended = work.ended("out")
    if ended is None:
        return
    file = ended.job.folder / f"made{menu.forms()[ended.of[3]].suffix}"
    if ended.error or not file.is_file():
        st.session_state[_WRONG] = ended.of, f"{ended.error or 'No file was made'}".rstrip(".") + "."
        return
    made: dict[Of, Made] = st.session_state.setdefault(_MADE, {})
    made.pop(ended.of, None)
    made[ended.of] = Made(file, file.stat().st_size, ended.job)
    while len(made) > KEEP:
        made.pop(next(iter(made)))


def _ended(words: str) -> str:
    return words[:1].upper() + words[1:] + "."


def _code(escaped: str) -> str:
    """What stands between backticks is a command."""
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(escaped.split("`")))
