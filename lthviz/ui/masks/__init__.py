"""The page Masks: one ticket's masks against others.

`page` is its order from top to bottom; `against` what the ticket is held against, `strip` all layers at a glance, `picture` the chosen one (the Lab
shows it as well), `lists` layers and blocks with their `magnitudes`, `sentences` what is said of them, `files` what can be taken away.
"""

from __future__ import annotations

from lthviz.ui.masks.page import show

__all__ = ["show"]
