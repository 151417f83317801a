"""The page Tune: one round's masks under other thresholds, before anything is trained.

`page` is its order from top to bottom; `address` what the link says, `knobs` its settings and `history` the way back through them, `view` the live
picture in the browser (rules, live, plot and side are its scripts) and `paper` the one of the variant that has no live one, `numbers` and `map` what
comes out, `data` where it is had from, `train` and `branches` the ticket that is trained.
"""

from __future__ import annotations

from lthviz.ui.tune.address import tune_link
from lthviz.ui.tune.page import show

__all__ = ["show", "tune_link"]
