"""The sweep file, and the runs that a killed and restarted serial sweep of it left."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest

from lthviz.store import Store
from lthviz.sweep import grid
from tests.sweep import tiny


class Killed(NamedTuple):
    """A serial sweep that was killed in its third run and begun again: the store, the ids, what stood in the logs between, the result."""

    store: Store
    ids: tuple[str, ...]
    between: dict[str, bytes]
    dead: int
    result: dict


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sweep") / "tiny.toml"
    path.write_text(tiny.TEXT)
    return path


@pytest.fixture(scope="session")
def killed(file: Path) -> Killed:
    store, ids = Store(file.parent / "serial"), grid.read(file).ids
    first = tiny.start(file, store.root)
    try:
        tiny.until(lambda: first.poll() is not None or tiny.under_way(store, ids[2]), "the third run to be under way")
        assert first.poll() is None, first.communicate()[1]
        assert store.sweep_held("tiny")
    finally:
        tiny.end(first)
    between = {p.parent.name: p.read_bytes() for p in store.root.glob("*/events.jsonl")}
    return Killed(store, ids, between, first.pid, tiny.finish(tiny.start(file, store.root)))
