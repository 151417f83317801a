"""A store with a real run in it, trained once a session, and the pages opened on it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lthviz.presets import preset
from lthviz.store import Store

ROOT = Path(__file__).resolve().parents[2]
SMALL = {"rounds": 2, "epochs": 2, "train_images": 150, "threads": 1}


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """(folder of runs, id of a small finished digits run in it), trained by the command line in its own process."""
    runs = tmp_path_factory.mktemp("trained") / "runs"
    words = [w for k, v in SMALL.items() for w in ("--set", f"{k}={v}")]
    done = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "digits", *words, "--runs", str(runs), "--json"],
                          cwd=ROOT, check=True, capture_output=True, text=True, timeout=900)
    return runs, json.loads(done.stdout)["run_id"]


@pytest.fixture
def store(trained: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A copy of the trained store that a test may change; the pages look at it."""
    shutil.copytree(trained[0], tmp_path / "runs")
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "runs"))
    return Store()


@pytest.fixture(autouse=True)
def uncalibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the reader's machine has measured of itself is no part of a test."""
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def run_id(trained: tuple[Path, str]) -> str:
    return trained[1]


@pytest.fixture
def nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """A store without any run."""
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "runs"))
    return Store()


@pytest.fixture
def example(store: Store, run_id: str, tmp_path: Path) -> Store:
    """The trained run as a read-only example, and no run of one's own."""
    (tmp_path / "examples").mkdir()
    shutil.move(store.path(run_id), tmp_path / "examples" / run_id)
    return Store()


@pytest.fixture
def unfinished() -> Callable[..., str]:
    """`unfinished(store, state, message, cause, …)`: a run of the digits preset, with these other settings, that has done nothing and is in that state."""
    def make(store: Store, state: str, message: str = "", cause: str = "", **settings: object) -> str:
        made = store.begin(preset("digits").config.replace(seed=7, **settings), preset="digits")
        store.set_state(made, state, message, cause)
        return made
    return make


@pytest.fixture
def page() -> Iterator[Callable[..., AppTest]]:
    """`page("lab", run=…, round=…)`: that page, opened from Home, at that address; it raised nothing."""
    def open_page(name: str, **address: object) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30).run()
        assert not at.exception
        if name != "home":
            at.switch_page(f"pages/{name}.py")
        for key, value in address.items():
            at.query_params[key] = value if isinstance(value, list) else str(value)
        at.run()
        assert not at.exception, at.exception
        return at
    yield open_page


@pytest.fixture
def words() -> Callable[[AppTest], str]:
    """All that a page says, as one text, what is escaped for Markdown as it is read; a no-break space reads as a space."""
    def read(at: AppTest) -> str:
        kinds = ("title", "subheader", "html", "markdown", "caption", "text", "info", "warning", "error", "code", "progress")
        said = [str(getattr(e, "value", None) or getattr(e, "body", "")) for kind in kinds for e in at.get(kind)]
        return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", " ".join(said).replace("\u00a0", " "))
    return read
