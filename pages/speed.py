"""Speed: how fast one ticket runs on this machine, as a whole and layer by layer."""

from lthviz.ui import frame, one_run, speed, where

frame.frame("Speed")
where.follow()
where.arrive(where.SPEED)
with frame.answering():
    one_run.show("Speed", speed.show, "There is no run yet, so there is no ticket whose speed could be measured. Start one, and come back when its first round is trained.")
