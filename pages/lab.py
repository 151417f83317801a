"""The Lab: start a run, follow it stage by stage, and see what each stage did to a layer's mask."""

from lthviz.ui import branch, cache, frame, lab, start, where

frame.frame("Lab")
asked = where.text("x")
where.arrive(where.LAB)
if not asked and where.text("x") not in lab.AGAINST:      # left by another page that has more axes: nobody's wish here
    where.go(x=None)
with frame.answering():
    if where.text("new") or not where.text("run"):
        start.new_run(where.text("new") or "digits")
    elif where.text("branch"):
        branch.new_branch(cache.run(where.text("run")))
    else:
        lab.show(cache.run(where.text("run")))
