"""How a figure is shown: the picture with its spoken summary, one sentence and its origin under it, the numbers behind it, and downloads.

PNG and SVG are made in the browser, by the library that drew the picture; nothing is installed or asked for to save one.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from lthviz.ui import frame, where

_NAMED = 3
"""So many runs are named under a figure of several."""
SAVE = """<div class="save" role="group" aria-label="Save the figure"><button data-format="png" title="Save as PNG, three times its size here">PNG</button
><button data-format="svg" title="Save as SVG, for print">SVG</button></div>"""
LOOK = """.save { display: var(--lthviz-tools, flex); gap: 2px; font-family: var(--st-font); }
button { font: inherit; font-size: 13px; color: color-mix(in srgb, var(--st-text-color) 72%, transparent); background: none; border: 0; padding: 2px 7px;
min-height: 26px; border-radius: 6px; cursor: pointer; }
button:hover { background: color-mix(in srgb, var(--st-text-color) 7%, transparent); }
button:focus-visible { outline: 2px solid var(--st-primary-color); }"""


@cache
def _component() -> Callable[..., Any]:
    return st.components.v2.component("lthviz_figure_save", html=SAVE, css=LOOK, js=(Path(__file__).parent / "figure_save.js").read_text(encoding="utf-8"))


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
    """Draw a plotly figure; its caption and alt text ride on it. Under it what it shows, of which runs, and PNG and SVG to save.

    on_point: called with a clicked point's `customdata`.
    """
    said = fig.layout.meta or {}
    if frame.presenting():
        from lthviz.figures.larger import larger  # plotly, which a page without figures does not load
        fig = larger(fig, frame.LARGER)
    config = {"displaylogo": False, "toImageButtonOptions": {"format": "png", "filename": name(key, said), "scale": 3}, "scrollZoom": False}
    more = {"on_select": lambda: _clicked(key, on_point), "selection_mode": "points"} if on_point else {}
    with st.container(key=f"{key}-figure"):
        st.plotly_chart(fig, key=key, theme=None, config=config, alt=said.get("alt"), **more)
    with st.container(gap=None, key=f"{key}-under"):
        st.caption(frame.plain(" ".join(filter(None, (said.get("caption", ""), origin(said, where.text("run")))))))
        if fig.data:
            _component()(key=f"{key}-save", data={"key": f"{key}-figure", "name": name(key, said)}, width=92)


def origin(said: Mapping[str, Any], run: str = "") -> str:
    """Of which runs a figure is, where its sentence does not say it: by its own account, else the run of the address."""
    runs = [r for r in (said.get("runs") or [run]) if r]
    if not runs or all(r in said.get("caption", "") for r in runs[:_NAMED]):
        return ""
    named = ", ".join(runs[:_NAMED]) + (f" and {len(runs) - _NAMED} more" if len(runs) > _NAMED else "")
    return f"Run{'s' * (len(runs) > 1)} {named}."


def name(key: str, said: Mapping[str, Any]) -> str:
    """Of the file that a figure is saved in, without its ending."""
    runs = said.get("runs") or [where.text("run")]
    return "-".join(filter(None, ("lthviz", key, runs[0] if len(runs) == 1 else f"{len(runs)}-runs")))


def numbers(table: Sequence[dict[str, Any]], *, key: str, on_row: Callable[[dict[str, Any]], None] | None = None,
            columns: Sequence[str] | None = None, widths: Mapping[str, int] | None = None) -> None:
    """The rows behind a figure, to sort, to choose from (`on_row` gets the row), and to save. columns: those shown, in order; None: all.
    widths: of columns, in pixels."""
    if not table:
        return
    more = {"on_select": lambda: _chosen(key, table, on_row), "selection_mode": "single-row"} if on_row else {}
    st.dataframe(rounded(table), hide_index=True, height="content" if len(table) < 12 else 420, key=f"{key}-frame", column_order=columns, placeholder="–",
                 column_config={k: st.column_config.Column(width=v) for k, v in {"ticket": 215, **(widths or {})}.items()}, **more)
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
