"""A question to answer before looking: once an answer is chosen, whether it is right and why."""

from __future__ import annotations

import streamlit as st

from lthviz.ui import frame
from lthviz.ui.learn.chapter import Question


def ask(question: Question, key: str) -> None:
    """Draw it. Every answer that is chosen is explained; another may be tried."""
    frame.fragment(_ask)(question, key)


def _ask(question: Question, key: str) -> None:
    with st.container(border=True, key=f"question-{key}"):
        st.html("<p class='predict'>Predict first</p>")
        chosen = st.radio(frame.plain(question.asks), range(len(question.options)), index=None, key=f"answer-{key}",
                          format_func=lambda i: frame.plain(question.options[i].text), persist_state="session")
        if chosen is None or not 0 <= chosen < len(question.options):
            return
        option = question.options[chosen]
        with st.container(key=f"verdict-{key}-{chosen}"):
            st.markdown(f"{':green[:material/check_circle:] **Right.**' if option.right else ':orange[:material/cancel:] **Not so.**'} {frame.plain(option.why)}")
