"""Masks: every layer of a ticket with its density, and the mask of the chosen one, before | after."""

from lthviz.ui import frame, masks, one_run, where

frame.frame("Masks")
where.arrive(where.MASKS)
with frame.answering():
    one_run.show("Masks", masks.show, "There is no run yet, so there is no mask to look at. Start one, and its first masks come with its first pruning.")
