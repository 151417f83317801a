"""How a figure is shown: the picture with its spoken summary, one sentence under it, the numbers behind it, and downloads."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

from lthviz.ui import frame


def show(fig: Any, table: Sequence[dict[str, Any]], *, key: str, on_point: Callable[[Any], None] | None = None,
         on_row: Callable[[dict[str, Any]], None] | None = None) -> None:
    """A figure of lthviz.figures with its table twin behind a fold."""
    picture(fig, key=key, on_point=on_point)
    twin = st.expander("The numbers", icon=":material/table:", type="compact", key=f"{key}-table", on_change="rerun")
    if twin.open:       # a table costs half a second the first time (pandas), and most readers look at the picture
        with twin:
            st.caption(frame.plain((fig.layout.meta or {}).get("alt", "")))
            numbers(table, key=key, on_row=on_row)


def picture(fig: Any, *, key: str, on_point: Callable[[Any], None] | None = None) -> None:
    """Draw a plotly figure; its caption and alt text ride on it. It is saved from its own tool bar (PNG).

    on_point: called with a clicked point's `customdata`.
    """
    said = fig.layout.meta or {}
    config = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "filename": f"lthviz-{key}", "scale": 3}, "scrollZoom": False}
    more = {"on_select": lambda: _clicked(key, on_point), "selection_mode": "points"} if on_point else {}
    st.plotly_chart(fig, key=key, theme=None, config=config, alt=said.get("alt"), **more)
    st.caption(frame.plain(said.get("caption", "")))


def numbers(table: Sequence[dict[str, Any]], *, key: str, on_row: Callable[[dict[str, Any]], None] | None = None,
            columns: Sequence[str] | None = None) -> None:
    """The rows behind a figure, to sort, to choose from (`on_row` gets the row), and to save. columns: those shown, in order; None: all."""
    if not table:
        return
    more = {"on_select": lambda: _chosen(key, table, on_row), "selection_mode": "single-row"} if on_row else {}
    st.dataframe(rounded(table), hide_index=True, height="content" if len(table) < 12 else 420, key=f"{key}-frame", column_order=columns, placeholder="–",
                 column_config={"ticket": st.column_config.TextColumn(width=215)}, **more)
    st.download_button("CSV", csv_text(table), file_name=f"lthviz-{key}.csv", mime="text/csv", icon=":material/download:",
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


def _chosen(key: str, table: Sequence[dict[str, Any]], on_row: Callable[[dict[str, Any]], None]) -> None:
    if rows := st.session_state[f"{key}-frame"]["selection"]["rows"]:
        on_row(table[rows[0]])
