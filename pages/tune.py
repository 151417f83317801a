"""Tune: turn a threshold and see what it makes of every layer, before anything is trained."""

import streamlit as st

from lthviz.ui import cache, frame, masks, tune, where

frame.frame("Tune")
where.follow()
where.arrive(where.TUNE)
with frame.answering():
    run_id = where.text("run") or masks.newest()
    if run_id:
        tune.show(cache.run(run_id))
    else:
        st.title("Tune", anchor=False)
        frame.empty("There is no run yet, so there is no mask to tune. Start one, and come back after its first pruning.")
