"""Speed: how fast one ticket runs on this machine, as a whole and layer by layer."""

import streamlit as st

from lthviz.ui import cache, frame, masks, speed, where

frame.frame("Speed")
where.follow()
where.arrive(where.SPEED)
with frame.answering():
    run_id = where.text("run") or masks.newest()
    if run_id:
        speed.show(cache.run(run_id))
    else:
        st.title("Speed", anchor=False)
        frame.empty("There is no run yet, so there is no ticket whose speed could be measured. Start one, and come back when its first round is trained.")
