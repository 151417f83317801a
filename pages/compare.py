"""Compare: several runs and studies side by side: their settings, their outcomes, their curves, and where each keeps its weights."""

import streamlit as st

from lthviz.ui import compare, frame, where

frame.frame("Compare")
where.follow()
where.arrive(where.COMPARE)
with frame.answering():
    if names := compare.asked():
        compare.show(names)
    else:
        st.title("Compare", anchor=False)
        frame.empty("There is no run yet, so there is nothing to compare. Start two that differ in one setting, and see here what it changes.")
