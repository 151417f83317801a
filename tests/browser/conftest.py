"""The page that browser tests work with, and the smallest finished run that several of them look at."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--set", "rounds=2", "--set", "epochs=2", "--set", "train_images=150", "--set", "threads=1"]
PROBES = re.compile(r"/[a-z]+/_stcore/(health|host-config)$")
"""Streamlit looks for itself below a page's own path first, and is answered 404."""
PATIENCE = 90_000


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory) -> tuple[Path, str]:
    """(folder of runs, id of a small finished run in it), trained once a session by the command line; not to be changed."""
    folder = tmp_path_factory.mktemp("digits") / "runs"
    done = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "digits", *SMALL, "--runs", str(folder), "--json"],
                          cwd=ROOT, check=True, capture_output=True, text=True, timeout=900)
    return folder, json.loads(done.stdout)["run_id"]


@pytest.fixture(scope="module")
def runs(digits_run, tmp_path_factory) -> tuple[Path, str]:
    """(folder of runs, id of the small finished run in it): this file's own copy, which its tests may add to."""
    folder = tmp_path_factory.mktemp("browser") / "runs"
    shutil.copytree(digits_run[0], folder)
    return folder, digits_run[1]


@pytest.fixture(scope="module")
def url(serve, runs) -> str:
    """The app on `runs`."""
    return serve(ROOT / "app.py", env={"LTHVIZ_RUNS": str(runs[0])})


@pytest.fixture
def page(browser, url) -> Iterator:
    """A page at 1440 × 1100 that, when the test is over, has logged no error and asked no other host than `url` for anything."""
    from playwright.sync_api import expect

    complaints: list[str] = []
    page = browser.new_page(viewport={"width": 1440, "height": 1100})
    page.set_default_timeout(PATIENCE)
    expect.set_options(timeout=PATIENCE)
    page.on("console", lambda m: complaints.append(m.text) if m.type == "error" and not PROBES.search(m.location["url"]) else None)
    page.on("pageerror", lambda e: complaints.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith((url, "data:", "blob:")) else complaints.append(f"asked {r.url}"))
    yield page
    page.close()
    assert not complaints
