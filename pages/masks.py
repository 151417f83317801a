"""Masks: every layer of a ticket with its density, and the mask of the chosen one, before | after."""

import streamlit as st

from lthviz.ui import cache, frame, masks, where

frame.frame("Masks")
where.arrive(where.MASKS)
with frame.answering():
    run_id = where.text("run") or masks.newest()
    if run_id:
        masks.show(cache.run(run_id))
    else:
        st.title("Masks", anchor=False)
        frame.empty("There is no run yet, so there is no mask to look at. Start one, and its first masks come with its first pruning.")
