"""The page Runs: all runs of the store, and sweeps of many at once.

`page` is its order from top to bottom; `table` the rows and filters, `about` one chosen run, `sweeps` what is swept,
`trash` what was deleted, `notices` what became of a click.
"""

from __future__ import annotations

from lthviz.ui.runs.page import show

__all__ = ["show"]
