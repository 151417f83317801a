"""Tune: turn a threshold and see what it makes of every layer, before anything is trained."""

from lthviz.ui import frame, one_run, tune, where

frame.frame("Tune")
where.follow()
where.arrive(where.TUNE)
with frame.answering():
    one_run.show("Tune", tune.show, "There is no run yet, so there is no mask to tune. Start one, and come back after its first pruning.")
