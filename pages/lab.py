"""The Lab: start a run, follow it stage by stage, and see what each stage did to a layer's mask."""

from lthviz.ui import branch, cache, frame, lab, start, where

frame.frame("Lab")
where.arrive(where.LAB)
with frame.answering():
    if where.text("new") or not where.text("run"):
        start.new_run(where.text("new") or "digits")
    elif where.text("branch"):
        branch.new_branch(cache.run(where.text("run")))
    else:
        lab.show(cache.run(where.text("run")))
