"""Text into HTML: everything that comes from a run is escaped here and nowhere else."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

SHOWN = {"(%)": 2, "(×)": 2, "(ms)": 3, "(s)": 1, "(nats)": 4, "(points)": 2}
"""Decimals of a column, by the unit in its name."""


def text(value: Any) -> str:
    """Escaped, for content and for attributes in double quotes."""
    return html.escape(str(value), quote=True)


def script(value: Any) -> str:
    """Strict JSON that may stand inside a script element: no `<` is left in it, so nothing ends the element or begins a comment."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def number(value: Any, column: str = "") -> str:
    """A cell as people read it."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else f"{value}"
    if isinstance(value, float):
        digits = next((n for unit, n in SHOWN.items() if column.endswith(unit)), None)
        shown = f"{value:.4g}" if digits is None or (value and abs(value) < 10 ** -digits) else f"{value:,.{digits}f}"
        return "−" + shown[1:] if shown.startswith("-") else f"+{shown}" if column.endswith("(points)") and value > 0 else shown
    return str(value)


def table(rows: Sequence[Mapping[str, Any]], name: str, *, columns: Sequence[str] | None = None, file: str = "", strong: str = "") -> str:
    """Rows as a table with its name for screen readers; a column is right-aligned where it holds numbers. A float that is shown rounded carries all its
    digits in `data-v`, which is what a saved CSV holds. strong: a column of truths that sets a row in bold, itself not shown."""
    if not rows:
        return ""
    columns = [c for c in (columns or rows[0]) if c != strong]
    right = {c for c in columns if all(isinstance(r.get(c), int | float | None) and not isinstance(r.get(c), bool) for r in rows) and any(r.get(c) is not None for r in rows)}
    out = [f'<div class="scroll" tabindex="0" role="region" aria-label="{text(name)}"><table data-file="{text(file)}"><thead><tr>']
    out += [f'<th scope="col"{_right(c in right)}>{text(c)}</th>' for c in columns]
    out.append("</tr></thead><tbody>")
    for r in rows:
        out.append('<tr class="strong">' if strong and r.get(strong) else "<tr>")
        for c in columns:
            value = r.get(c)
            shown = number(value, c)
            exact = f' data-v="{value!r}"' if isinstance(value, float) and repr(value) != shown else ""
            out.append(f"<td{_right(c in right)}{exact}>{text(shown)}</td>")
        out.append("</tr>")
    return "".join(out) + "</tbody></table></div>"


def _right(yes: bool) -> str:
    return ' class="n"' if yes else ""


def prose(words: str) -> str:
    """Sentences with their `commands` set as such."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", text(words))


def missing(words: str) -> str:
    """A sentence in the place of a figure that there is nothing to draw of."""
    return f'<p class="missing">{prose(words)}</p>'


def filled(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows without the columns of which nothing is known."""
    empty = {k for k in (rows[0] if rows else ()) if all(r.get(k) is None for r in rows)}
    return [{k: v for k, v in r.items() if k not in empty} for r in rows]
