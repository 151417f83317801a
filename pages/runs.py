"""Runs: all of them in a table, what is at work, and sweeps of many at once."""

from lthviz.ui import frame, runs, where

frame.frame("Runs")
where.follow()
with frame.answering():
    runs.show()
