"""A small run whose own Refill and Regroup tickets previews are held against."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lthviz import launch
from lthviz.config import Refill, Regroup
from lthviz.store import Store
from lthviz.tuning import desk
from tests.small import SMALL

STRUCTURES = (Refill(), Refill(score="l1"), Refill(rho=0.1, layers="features.3@rho=0.4@features.6@fractional=true"), Regroup(groups=4, min_rows=8),
              Regroup(groups=2, t1=0.7, min_rows=8, leftovers="keep", layers="features.3@features.6@groups=4@t1=3.0"), Regroup(),
              Regroup(groups=2, variant="paper", min_nnz=2, min_rows=4, min_cols=4, leftovers="keep", layers="features.3@min_nnz=3"))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two rounds of a small run with all of STRUCTURES, the trunk's weights kept."""
    store = Store(tmp_path_factory.mktemp("tuned") / "runs", examples=Path("nowhere"))
    launch.drive(store, store.begin(SMALL.replace(structures=STRUCTURES, epochs=1, keep_weights="trunk")))
    yield store
    for child in desk._children.values():
        child.stdin.close()     # it ends by itself then
        child.wait()


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this machine's calibration nor its other children have a part in a test."""
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def until() -> Callable[[Callable[[], bool]], None]:
    """Waits until something is so."""
    def wait(true: Callable[[], bool]) -> None:
        for _ in range(1200):
            if true():
                return
            time.sleep(0.05)
        pytest.fail("it did not come about within a minute")
    return wait
