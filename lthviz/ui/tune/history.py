"""Undo and redo: the addresses that Tune had in this session, one behind the other."""

from __future__ import annotations

import streamlit as st

from lthviz.ui import where

FIELDS = ("round", "structure", "layer", "scope")
"""What a step takes back; what is compared with or coloured by stays."""
MOST = 200
_KEY = "tune-history"


def note(run_id: str) -> None:
    """Remember where the page stands, however it came there. Another run begins anew."""
    now = {name: where.text(name) for name in FIELDS}
    known = st.session_state.get(_KEY)
    if known is None or known["run"] != run_id:
        known = {"run": run_id, "at": 0, "of": [now]}
    elif known["of"][known["at"]] != now:
        past = [*known["of"][:known["at"] + 1], now][-MOST:]
        known = {"run": run_id, "at": len(past) - 1, "of": past}
    st.session_state[_KEY] = known


def buttons() -> None:
    known = st.session_state[_KEY]
    for label, icon, keys, step, off in (("Undo", "undo", "ctrl+z", -1, known["at"] == 0),
                                         ("Redo", "redo", "ctrl+shift+z", 1, known["at"] + 1 == len(known["of"]))):
        st.button(label, key=f"tune-{label.lower()}", icon=f":material/{icon}:", shortcut=keys, type="tertiary", disabled=off, on_click=_step, args=(step,))


def _step(step: int) -> None:
    known = st.session_state[_KEY]
    at = min(max(known["at"] + step, 0), len(known["of"]) - 1)
    st.session_state[_KEY] = {**known, "at": at}
    where.go(**known["of"][at])
