"""Learn: the method in chapters, each beside a live figure."""

from lthviz.ui import frame, learn, where

frame.frame("Learn")
where.follow()
learn.show()
