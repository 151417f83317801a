"""The way to this page, from where a ticket is looked at."""

from __future__ import annotations

import streamlit as st

from lthviz.records import Run


def give_link(run: Run, round: int, label: str, words: str = "Give it out") -> None:
    """The way to every form in which a ticket of a finished round goes out; nothing where the round is not finished."""
    if round in run.finished:
        st.page_link("pages/exchange.py", label=words, icon=":material/output:", query_params={"do": "out", "run": run.id, "round": str(round), "ticket": label},
                     help="Masks, weights, ONNX and more, for other programs")
