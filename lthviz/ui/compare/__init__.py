"""The page Compare: `page` is its order from top to bottom, `parts` its figure and tables."""

from __future__ import annotations

from lthviz.ui.compare.page import asked, show

__all__ = ["asked", "show"]
