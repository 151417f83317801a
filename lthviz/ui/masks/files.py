"""What can be taken away from the Masks page: the layers as CSV, the masks as .npz, and what does the same elsewhere."""

from __future__ import annotations

import io
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import streamlit as st

from lthviz.records import Address, Masks, Run
from lthviz.ui import cache, figure, frame
from lthviz.ui.exchange.link import give_link


def npz(masks: Masks) -> bytes:
    """Masks as .npz, bool arrays of the weights' shapes by parameter name: what `lthviz refill` and `lthviz regroup` read."""
    out = io.BytesIO()
    np.savez_compressed(out, **{name: masks[name] for name in masks})
    return out.getvalue()


def python_lines(address: Address) -> str:
    """Lines of Python that give the same mask."""
    return (f"from lthviz import Store\nticket = Store().round({address.run!r}, {address.round}).ticket({address.structure!r})\n"
            f"ticket.masks[{address.layer!r}]  # bool, of the weight's shape")


def offer(run: Run, address: Address, rows: Sequence[Mapping[str, Any]]) -> None:
    """Downloads, and the same from a terminal and from Python."""
    file = f"lthviz-{address.run}-round{address.round}-{address.structure}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="masks-files"):
        st.download_button("Layers (CSV)", lambda: figure.csv_text([{k: v if not isinstance(v, list) else "×".join(map(str, v)) for k, v in r.items()} for r in rows]),
                           file_name=f"{file}-layers.csv", mime="text/csv", icon=":material/download:", key="layers-csv", on_click="ignore",
                           help="A row a layer with every number of the list, unrounded")
        st.download_button("Masks (.npz)", lambda: npz(cache.round(address.run, address.round).ticket(address.structure).masks), file_name=f"{file}.npz",
                           mime="application/octet-stream", icon=":material/download:", key="masks-npz", on_click="ignore",
                           help="The masks of all layers, bool arrays by parameter name, as `lthviz refill` and `lthviz regroup` read them")
        give_link(run, address.round, address.structure, "Other forms: weights, ONNX …")
    same = st.expander("The same from a terminal and from Python", icon=":material/terminal:", type="compact", key="masks-terminal", on_change="rerun")
    if same.open:
        with same:
            frame.command(shlex.join(["python", "-m", "lthviz", "show", address.run]))
            frame.command(python_lines(address))
