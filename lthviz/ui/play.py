"""Showing a run's finished stages one after the other. (What a training does is asked for in transport.py.)"""

from __future__ import annotations

import time
from collections.abc import Sequence

import streamlit as st

from lthviz.ui import where
from lthviz.ui.where import Position

PACES = (1.0, 2.0, 4.0, 8.0)
"""Seconds a stage is shown."""
_PLAYING, _SINCE, _PACE = "play-stages", "play-since", "play-pace"


def playing() -> bool:
    return bool(st.session_state.get(_PLAYING))


def every() -> float | None:
    """How often the stage is drawn anew: while it plays, by the chosen pace."""
    return _pace() if playing() else None


def _pace() -> float:
    return st.session_state.get(_PACE) or PACES[1]


def advance(there: Sequence[Position], place: Position) -> Position:
    """The stage to show now: the next one, when this one was shown for its time. At the last one it stops."""
    if not playing():
        return place
    at = there.index(place)
    if at + 1 == len(there):
        _stop()
        st.rerun()
    now = time.monotonic()
    if now - st.session_state.get(_SINCE, now) < 0.7 * _pace():   # drawn anew for another reason
        return place
    st.session_state[_SINCE] = now
    where.go(**where.at(there[at + 1]))
    return there[at + 1]


def held() -> None:
    """A stage was chosen by hand: it gets its whole time."""
    st.session_state[_SINCE] = time.monotonic()


def controls(there: Sequence[Position], place: Position) -> None:
    """The button that plays and stops (Space), and the pace."""
    on = playing()
    pressed = st.button("Stop playing" if on else "Play stages", key="play-stages-button", icon=f":material/{'stop_circle' if on else 'slideshow'}:",
                        shortcut="space", disabled=len(there) < 2, width=172,
                        help="Stay at this stage" if on else "Show the finished stages one after the other; nothing is trained by it")
    st.selectbox("Pace", PACES, index=1, key=_PACE, format_func=lambda s: f"{s:g} s each", width=104, label_visibility="collapsed",
                 on_change=held, persist_state="session")
    if pressed:
        if on:
            _stop()
        else:
            st.session_state[_PLAYING] = True
            held()
            if place == there[-1]:
                where.go(**where.at(there[0]))
            else:
                where.go(**where.at(place))   # and no longer follows the run
        st.rerun()


def _stop() -> None:
    st.session_state.pop(_PLAYING, None)
