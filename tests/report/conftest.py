"""Stores to report of: the first example as it is, and copies of it with something missing."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lthviz import report
from lthviz.store import Store
from tests import shipped
from tests.report.reading import Page


@pytest.fixture(scope="session")
def whole(tmp_path_factory) -> Store:
    """The example run with its timings; not to be changed."""
    return Store(tmp_path_factory.mktemp("report") / "runs", shipped.EXAMPLES)


@pytest.fixture(scope="session")
def source(whole) -> str:
    """The report of the example run."""
    return report.html(whole, shipped.FIRST)


@pytest.fixture(scope="session")
def page(source) -> Page:
    return Page(source)


@pytest.fixture
def cut(tmp_path):
    """`cut(rounds)`: a store with a copy of the example that has only so many rounds, no timings and no checkpoint; `config`: changes of its settings."""
    def make(rounds: int, **config) -> Store:
        run = tmp_path / "runs" / shipped.FIRST
        shutil.copytree(shipped.EXAMPLES / shipped.FIRST, run, ignore=shutil.ignore_patterns("timings", "checkpoint.h5"))
        for file in sorted((run / "rounds").glob("*.h5"))[rounds:]:
            file.unlink()
        lines = [line for line in (run / "events.jsonl").read_text().splitlines() if json.loads(line).get("round", 0) < max(rounds, 1) and json.loads(line).get("state") != "finished"]
        (run / "events.jsonl").write_text("".join(f"{line}\n" for line in lines))
        if not rounds:
            for name in ("layers.json", "events.jsonl"):
                Path(run / name).unlink()
        return Store(tmp_path / "runs", tmp_path / "none")
    return make
