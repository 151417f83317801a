"""A table that the reader sorts and chooses a row of, linked to what the page shows: what is chosen stays chosen however it is sorted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import streamlit as st

NONE = "-"
"""What the browser says when a row was let go."""


class Column(NamedTuple):
    """key: of the rows. kind: text; number; percent, of a share 0..1; bar, the same with a bar. digits: after the point, of percent."""

    key: str
    name: str
    kind: Literal["text", "number", "percent", "bar"] = "number"
    help: str = ""
    digits: int = 1


@cache
def _component() -> Callable[..., Any]:
    here = Path(__file__).parent
    return st.components.v2.component("lthviz_linked_table", html='<div class="wrap"><table><thead></thead><tbody></tbody></table></div>',
                                      js=(here / "linkedtable.js").read_text(encoding="utf-8"), css=(here / "linkedtable.css").read_text(encoding="utf-8"))


def linked_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[Column], *, key: str, label: str, chosen: str, choose: Callable[[str], None],
                 required: bool = False, height: int = 340) -> None:
    """Draw rows, each with an `id`; a row with `fixed` cannot be chosen and is
    paler, one with `fixed` = "read" is not paler. label: what the table is, spoken. chosen: id of the chosen row, ''
    for none. choose: called with the id that the reader chose, '' when it was let go, which `required` forbids. height: css pixels at most."""
    _component()(key=key, data={"columns": [c._asdict() for c in columns], "rows": [dict(r) for r in rows], "label": label, "chosen": chosen,
                                "required": required, "height": height}, on_choose_change=lambda: choose("" if (row := st.session_state[key]["choose"]) in (None, NONE) else row))
