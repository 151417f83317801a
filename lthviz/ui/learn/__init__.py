"""Learn: a course in chapters, each a few sentences beside one live figure, a question, and the way to the same thing on a real layer.

`course` says which chapters there are and in what order, `page` draws one, `chapter` is what a chapter gives, `chapters` are they. A
chapter's figure is made of frames, all computed in Python by the functions that runs use and sent at once: the browser only chooses which
to show (`figure`), so that a slider follows the hand.
"""

from __future__ import annotations

from lthviz.ui.learn.page import show

__all__ = ["show"]
