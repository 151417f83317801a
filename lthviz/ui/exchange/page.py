"""Two sides: in and out. The address says which (`do=in`, `do=out`), and of which run, round and ticket."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from lthviz.ui import frame, pickers, where
from lthviz.ui.exchange import incoming, outgoing

SIDES = {"in": "Take in", "out": "Give out"}


@cache
def _css() -> str:
    return f"<style>\n{(Path(__file__).parent / 'page.css').read_text(encoding='utf-8')}</style>"


def show() -> None:
    """The whole page below the menu."""
    st.html(_css())
    asked = where.text("do")
    side = asked if asked in SIDES else "out" if where.text("run") else "in"
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="exchange-head"):
        st.title("Exchange", anchor=False, width="content")
        key = pickers.showing("exchange-do", side)
        st.segmented_control("What to do", list(SIDES), key=key, required=True, format_func=SIDES.get, label_visibility="collapsed", width="content",
                             on_change=pickers.heard(key, lambda chosen: where.go(do=chosen)))
    if asked and asked not in SIDES:
        frame.notes([f"The link asks to do {asked!r}; it can be in or out. Showing {side}."])
    (incoming if side == "in" else outgoing).show()
