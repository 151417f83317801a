"""Curves: test accuracy against measured speed, kept weights or multiply-adds, of one run, of several, or of all seeds of a study."""

import streamlit as st

from lthviz.ui import cache, curves, frame, one_run, studies, where

frame.frame("Curves")
where.follow()
where.arrive(where.CURVES)
with frame.answering():
    if of := [x for x in where.text("of").split(",") if x]:      # as Compare names what it shows
        curves.go(of, curves.by_study())
        where.go(of=None)
    run_id = where.text("run") or one_run.newest()
    if where.text("study"):
        studies.show(where.text("study"))
    elif run_id:
        curves.show(cache.run(run_id))
    else:
        st.title("Curves", anchor=False)
        frame.empty("There is no run yet, so there is no curve. Start one, and its tickets appear here as they are trained.")
