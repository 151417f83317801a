"""How a figure is shown: the picture with its spoken summary, one sentence under it, the numbers behind it, and downloads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lthviz.ui import frame


def show(fig: Any, table: Sequence[dict[str, Any]], *, key: str, on_point: Callable[[Any], None] | None = None) -> None:
    """Draw a plotly figure of lthviz.figures (its caption and alt text ride on it) with its table twin.

    on_point: called with a clicked point's `customdata`. The picture itself is saved from the figure's own tool bar (PNG).
    """
    said = fig.layout.meta or {}
    name = f"lthviz-{key}"
    config = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "filename": name, "scale": 3}, "scrollZoom": False}
    more = {"on_select": lambda: _clicked(key, on_point), "selection_mode": "points"} if on_point else {}
    st.plotly_chart(fig, key=key, theme=None, config=config, alt=said.get("alt"), **more)
    st.caption(frame.plain(said.get("caption", "")))
    twin = st.expander("The numbers", icon=":material/table:", type="compact", key=f"{key}-table", on_change="rerun")
    if not twin.open:       # a table costs half a second the first time (pandas), and most readers look at the picture
        return
    with twin:
        st.caption(frame.plain(said.get("alt", "")))
        if table:
            st.dataframe(rounded(table), hide_index=True, height="content" if len(table) < 12 else 420, key=f"{key}-frame")
            st.download_button("CSV", csv_text(table), file_name=f"{name}.csv", mime="text/csv", icon=":material/download:",
                               key=f"{key}-csv", on_click="ignore", help="Every number behind this figure, unrounded")


def csv_text(table: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV, the first row's keys as its head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(table[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    return out.getvalue()


def rounded(table: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows for reading: four significant digits."""
    return [{k: float(f"{v:.4g}") if isinstance(v, float) else v for k, v in row.items()} for row in table]


def _clicked(key: str, on_point: Callable[[Any], None]) -> None:
    points = st.session_state[key]["selection"]["points"]
    if points and points[0].get("customdata"):
        on_point(points[0]["customdata"])
