"""Take in: a file is looked into, what was found is shown, and it becomes a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import streamlit as st

from lthviz.errors import LthvizError
from lthviz.store.about import TITLE
from lthviz.ui import access, frame, limits, signin
from lthviz.ui.exchange import asked as asking
from lthviz.ui.exchange import found, packed, work
from lthviz.ui.exchange.asked import Asked
from lthviz.words import capital

_NUMBER, _ANSWER, _WRONG, _PRESSED = "exchange-number", "exchange-answer", "exchange-wrong", "exchange-pressed"


def show() -> None:
    """The side of the page."""
    frame.said("A network that was pruned elsewhere becomes a run like any other: its masks are explored, refilled, regrouped, tuned, branched and measured. "
               "Nothing is kept before you have seen what was found.")
    if not access.operator():
        signin.note()
        return
    asked = asking.form(st.session_state.setdefault(_NUMBER, 0))
    _collect()
    _act(asked)
    at_work = work.current("in") is not None
    asking.refuse(asked)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="in-act"):
        st.button("Look into it", type="primary" if _answer(asked) is None else "secondary", icon=":material/search:", key="in-look", on_click=_press, args=("look",),
                  disabled=at_work or bool(asked.refusal) or not ("file" in asked.uploads or asked.path))
        if not ("file" in asked.uploads or asked.path):
            frame.quiet("Choose a file first." if not asked.refusal else "", width="content")
    work.show("in")
    if not at_work:
        _outcome(asked)
    with st.expander("The same from a terminal", icon=":material/terminal:", type="compact", key="in-terminal"):
        frame.command(f"{asked.command()} --dry\n{asked.command()}")


def _answer(asked: Asked) -> work.Ended | None:
    """What became of exactly this; None where it has not been asked yet, or something else has."""
    answer = st.session_state.get(_ANSWER)
    return answer if answer is not None and answer.of == asked.signature else None


def _outcome(asked: Asked) -> None:
    if wrong := st.session_state.get(_WRONG):
        frame.told("error", wrong, "error")
    answer = _answer(asked)
    if answer is None:
        if st.session_state.get(_ANSWER) is not None and ("file" in asked.uploads or asked.path):
            frame.quiet("What you chose has changed since it was looked into.")
        return
    if answer.error:
        frame.told("error", f"{asking.by_field(answer.error).rstrip('.')}. Nothing was taken in.", "error")
    if answer.value is None:
        return
    if answer.kind == "take":
        found.taken(answer.value)
        st.button("Take in another", key="in-another", icon=":material/restart_alt:", type="tertiary", on_click=_another)
        return
    if answer.value.get("kind") == packed.KIND:
        frame.said(f"`{asked.name}` is a run that lthviz packed. It is checked whole before anything is kept.")
        st.button("Take it in", type="primary", icon=":material/download_done:", key="in-take", on_click=_press, args=("unpack",))
        return
    found.show(answer.value)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="in-take-row"):
        st.text_input("Title", key=_title(), max_chars=TITLE, placeholder=answer.value["source"], width=420, help="Its name for people; may be left empty")
        st.button("Take it in", type="primary", icon=":material/download_done:", key="in-take", on_click=_press, args=("take",))


@access.action
def _press(what: str) -> None:
    """A button asks; what it asks for is begun where the page is drawn next. A field that was changed in the same moment then counts as it stands now: a callback's own
    arguments are of the page as it was drawn before."""
    st.session_state[_PRESSED] = what


def _act(asked: Asked) -> None:
    what, answer = st.session_state.pop(_PRESSED, ""), _answer(asked)
    if what == "look" and not asked.refusal:
        _look(asked)
    elif what == "unpack" and answer is not None:
        _unpack(asked)
    elif what == "take" and answer is not None and answer.value is not None:
        _take(asked, answer.value, st.session_state.get(_title(), ""))


def _title() -> str:
    return f"in-title-{st.session_state[_NUMBER]}"


def _collect() -> None:
    """What a child has answered since the page was drawn last. One that could not take it in leaves what was found."""
    ended = work.ended("in")
    if ended is None:
        return
    ended.job.forget()      # and with it what was uploaded
    ended, before = ended._replace(job=None), st.session_state.get(_ANSWER)
    if ended.kind == "take" and ended.value is None and before is not None and before.of == ended.of:
        ended = ended._replace(kind="look", value=before.value)
    st.session_state[_ANSWER] = ended


@access.action
def _look(asked: Asked) -> None:
    st.session_state.pop(_ANSWER, None)
    if put := _put(asked):
        folder, names, paths = put
        work.begin("in", "look", [*asked.words(paths), "--dry"], of=asked.signature, doing=f"Looking into {asked.name}", folder=folder, names=names)


@access.action
def _take(asked: Asked, value: dict[str, Any], title: str) -> None:
    if put := _put(asked):
        folder, names, paths = put
        words = [*asked.words(paths), *([f"--title={title}"] if title.strip() else [])]
        work.begin("in", "take", words, of=asked.signature, doing=f"Taking {asked.name} in: {len(value['rounds'])} round{'s' * (len(value['rounds']) != 1)}", folder=folder, names=names)


@access.action
def _unpack(asked: Asked) -> None:
    if put := _put(asked):
        folder, names, paths = put
        work.begin("in", "take", asked.words(paths), of=asked.signature, doing=f"Checking {asked.name} and taking it in", folder=folder, names=names)


def _put(asked: Asked) -> tuple[Path, dict[str, str], dict[str, Path]] | None:
    st.session_state.pop(_WRONG, None)
    try:
        access.require()
        limits.room()
        return asked.put()
    except LthvizError as e:
        st.session_state[_WRONG] = capital(str(e))
        return None


def _another() -> None:
    st.session_state[_NUMBER] += 1      # empty fields
    st.session_state.pop(_ANSWER, None)
