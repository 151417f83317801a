"""Curves: test accuracy against measured speed, kept weights or multiply-adds, of one run or several."""

import streamlit as st

from lthviz.ui import cache, curves, frame, masks, where

frame.frame("Curves")
where.follow()
where.arrive(where.CURVES)
with frame.answering():
    run_id = where.text("run") or masks.newest()
    if run_id:
        curves.show(cache.run(run_id))
    else:
        st.title("Curves", anchor=False)
        frame.empty("There is no run yet, so there is no curve. Start one, and its tickets appear here as they are trained.")
