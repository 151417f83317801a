"""What a callback on the Runs page has to say: an error of ours is a sentence there, and one run that refuses does not keep it from the others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lthviz.errors import LthvizError
from lthviz.ui import access, frame

_SAID = "runs-said"


def say(line: str) -> None:
    """A sentence for when the page is drawn anew."""
    st.session_state.setdefault(_SAID, []).append(line)


def waiting() -> int:
    """How many sentences are not shown yet."""
    return len(st.session_state.get(_SAID, ()))


def show() -> None:
    """What waits, once."""
    for line in st.session_state.pop(_SAID, ()):
        frame.told("warning", line, "info")


def guarded(act: Callable[..., None], *args: Any) -> None:
    """A callback whose error of ours is said on the page."""
    try:
        act(*args)
    except LthvizError as e:
        say(str(e))


changing = access.action(guarded)
"""The same of what an operator alone may do."""


def each(ids: Sequence[str], act: Callable[[str], None]) -> None:
    """Do it to every one of them; one that refuses does not keep it from the others."""
    for run_id in ids:
        guarded(act, run_id)
