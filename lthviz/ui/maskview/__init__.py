"""The mask view on the app's pages: `view` is what they call, mount.js Streamlit's way in; what it draws is lthviz/maskview/'s."""

from __future__ import annotations

from lthviz.maskview import BAR, CELLS, FOOT, KEYS, LARGEST, MODES, ORDERS, PARTS, STAGE, STYLE, Picked, joined, packed, payload
from lthviz.ui.maskview.view import mask_view

__all__ = ["BAR", "CELLS", "FOOT", "KEYS", "LARGEST", "MODES", "ORDERS", "PARTS", "STAGE", "STYLE", "Picked", "joined", "mask_view", "packed", "payload"]
