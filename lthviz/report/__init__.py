"""A run as one self-contained HTML file: for a paper's appendix or a colleague who has nothing installed.

`write` makes it; `bundle.write` makes a folder of the same figures, one file each. Nothing here imports torch or Streamlit, and the same store
gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from lthviz.report import bundle
from lthviz.store import Store, files

__all__ = ["bundle", "html", "write"]


def html(store: Store, run_id: str) -> str:
    """The report of a run as text. AddressError where there is no such run, StoreError where its settings cannot be read."""
    from lthviz.report.material import gather
    from lthviz.report.page import page

    return page(gather(store, run_id))


def write(store: Store, run_id: str, out: Path) -> None:
    """Writes the report of a run to `out`, whole or not at all. Raises what `html` raises; StoreError where it cannot be written."""
    files.write(out, html(store, run_id).encode())
