"""The course on the shipped examples, with no run of the reader's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from lthviz.store import Store
from tests.shipped import EXAMPLES


@pytest.fixture
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "runs"))
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(EXAMPLES))
    return Store()
