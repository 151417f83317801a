"""The page Exchange: what comes in from elsewhere, and what goes out.

`page` is its two sides; `incoming` takes networks in: `asked` is what its form asks for, `found` shows what a file holds, `packed` takes runs of
lthviz; `outgoing` gives a ticket or a run out in the forms that `menu` groups; `work` is a child process at work for this reader.
"""

from __future__ import annotations

from lthviz.ui.exchange.page import show

__all__ = ["show"]
