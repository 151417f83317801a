"""The mask of a layer as a live picture in a browser: in the app, and in a report without any server.

`payload` is what goes over; `levels` the sizes of weights that go along. The scripts are joined into one module in the order of
`PARTS`: cells, kernels and weights hold what came, shape, window and zoom say what is seen, paint, motion and marks draw it, words, views,
selection, link, controls, save and hands answer the reader, and view puts them together; who shows it mounts it.
"""

from __future__ import annotations

from lthviz.maskview.payload import (
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
    packed,
    payload,
)

__all__ = ["BAR", "CELLS", "FOOT", "KEYS", "LARGEST", "MODES", "ORDERS", "PARTS", "STAGE", "STYLE", "Picked", "joined", "packed", "payload"]
