"""What all tests share: how they are spread over processes, a Chromium, and a real Streamlit server on a free port.

The one allowed skip is here: where there is no Chromium, tests that ask for `browser` say how to get it. With
LTHVIZ_NEED_BROWSER=1 they fail.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])   # how long an example takes on a busy machine says nothing
settings.load_profile("untimed")
ROOT = Path(__file__).resolve().parents[1]
os.environ["LTHVIZ_EXAMPLES"] = ""   # a test sees the examples that it puts beside its runs, and no other
if "PYTEST_XDIST_WORKER" in os.environ:    # threads of several processes that wait for one another without sleeping would starve one another
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from tests.spread import ByFile

    return ByFile(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if "PYTEST_XDIST_WORKER" in os.environ:
        from tests.spread import rank

        items.sort(key=lambda item: rank(item.nodeid))


@pytest.fixture(scope="session")
def browser() -> Iterator:
    """A headless Chromium (Playwright); `browser.new_page(viewport={"width": 1440, "height": 900})`."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        (pytest.fail if os.environ.get("LTHVIZ_NEED_BROWSER") == "1" else pytest.skip)("browser tests need Chromium: apt install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chrome = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield chrome
        chrome.close()


@pytest.fixture(scope="session")
def three_seeds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """(folder of runs, ids of three small finished runs of one study in it, by seed), trained once a session; not to be changed."""
    from tests import replicates

    folder = tmp_path_factory.mktemp("three-seeds") / "runs"
    return folder, replicates.train(folder)


@pytest.fixture(scope="module")
def partitions_once() -> Iterator[None]:
    """Rows that were divided once in this file are not divided again: most of a small run's time is Regroup's partitioner.

    What it gives is a function of the mask, the settings and the seed alone, in every process and with any number of threads
    (tests/core/test_partition.py), so that runs that are trained again and again need not wait for it each time.
    """
    from lthviz.core import partitioners

    divide, known = partitioners.divide, {}

    def once(mask, *how):
        key = (mask.shape, mask.tobytes(), *how)
        if key not in known:
            known[key] = divide(mask, *how)
        return known[key].copy()

    with pytest.MonkeyPatch.context() as m:
        m.setattr(partitioners, "divide", once)
        yield


@pytest.fixture(scope="module")
def serve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., str]]:
    """`serve(script, env={…}, cwd=…) -> url`: a Streamlit server that lives as long as the test module.

    script: a path, or the text of a script. The log is quoted when the server does not come up. The theme follows the browser:
    `browser.new_page(color_scheme="dark")`.
    """
    running: list[tuple[subprocess.Popen, object]] = []

    def start(script: str | Path, *, env: dict[str, str] | None = None, cwd: Path = ROOT) -> str:
        folder = tmp_path_factory.mktemp("app")
        if not isinstance(script, Path):
            path = folder / "script.py"
            path.write_text(script, encoding="utf-8")
            script = path
        port, log = _free_port(), folder / "server.log"
        out = log.open("wb")
        server = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port), "--server.address", "127.0.0.1",
             "--server.headless", "true", "--browser.gatherUsageStats", "false", "--server.fileWatcherType", "none"],
            cwd=cwd, env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}, stdout=out, stderr=subprocess.STDOUT)
        running.append((server, out))
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            if server.poll() is not None:
                break
            try:
                with urllib.request.urlopen(f"{url}/_stcore/health", timeout=1):
                    return url
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        pytest.fail(f"the server did not come up:\n{log.read_text(errors='replace')}")

    yield start
    for server, out in running:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        out.close()


def _free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
