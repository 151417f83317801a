"""The mask of a layer as a live picture in the browser.

`view` is what pages call and what goes over; `levels` the sizes of weights that go along. The scripts are joined into one module in the order of
`PARTS`: cells, kernels and weights hold what came, shape, window and zoom say what is seen, paint, motion and marks draw it, words, views,
selection, link, controls, save and hands answer the reader, view puts them together and mount is Streamlit's way in.
"""

from __future__ import annotations

from lthviz.ui.maskview.view import (
    BAR,
    CELLS,
    FOOT,
    KEYS,
    LARGEST,
    MODES,
    ORDERS,
    PARTS,
    STAGE,
    STYLE,
    Picked,
    joined,
    mask_view,
    packed,
    payload,
)

__all__ = ["BAR", "CELLS", "FOOT", "KEYS", "LARGEST", "MODES", "ORDERS", "PARTS", "STAGE", "STYLE", "Picked", "joined", "mask_view", "packed", "payload"]
