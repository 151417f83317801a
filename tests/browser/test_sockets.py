"""No page, no command and no process behind them speaks to another host: the server's and its children's sockets are watched, and every name that the
browser looks up leads to a recorder."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from playwright.sync_api import Error

from tests import watched

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("", "learn", "learn?chapter=yours", "lab?run={run}", "lab?new=digits", "lab?run={run}&branch=1", "masks?run={run}", "tune?run={run}&round=1", "speed?run={run}", "curves?run={run}", "compare?of={run}",
         "exchange?do=in", "exchange?do=out&run={run}", "runs")


OWN = re.compile(rb"(google|gstatic|gvt1|googleapis)\.com")
"""Whom Chromium itself asks now and then, whatever page is open, for its own updates; what a page asks for is seen by the browser's own events as well."""


class Recorder:
    """Listens where every outside name leads, and keeps what it is asked: the beginning of an HTTP request or of a TLS one, either of which has the name."""

    def __init__(self) -> None:
        self.said: list[bytes] = []
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def asked(self) -> list[bytes]:
        return [x for x in self.said if x and not OWN.search(x)]

    def _listen(self) -> None:
        while True:
            try:
                talk, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=self._hear, args=(talk,), daemon=True).start()

    def _hear(self, talk: socket.socket) -> None:
        with talk:
            talk.settimeout(5)
            try:
                self.said.append(talk.recv(4000))
            except OSError:
                self.said.append(b"")


@pytest.fixture(scope="module")
def sealed(browser):
    """(a browser for which every name but this machine's leads to a recorder, the recorder)."""
    recorder = Recorder()
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))))
    alone = browser.browser_type.launch(executable_path=chromium, args=[
        "--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking", "--disable-component-update", f"--host-resolver-rules=MAP * 127.0.0.1:{recorder.port}, EXCLUDE 127.0.0.1"])
    yield alone, recorder
    alone.close()
    recorder.socket.close()


def opened(sealed, address: str, ready: str):
    """A page of that browser and the addresses that it asked for."""
    page = sealed[0].new_page(viewport={"width": 1440, "height": 1000})
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    page.on("websocket", lambda w: asked.append(w.url.replace("ws", "http", 1)))
    page.goto(address)
    page.locator(ready).first.wait_for(timeout=60_000)
    return page, asked


def test_the_recorder_would_hear_a_page_that_speaks_to_another_host(sealed):
    """Else the other tests could pass with nobody listening."""
    page = sealed[0].new_page()
    asked: list[str] = []
    page.on("request", lambda r: asked.append(r.url))
    with contextlib.suppress(Error):       # nobody answers
        page.goto("http://outside.example/x.png", timeout=5000)
    page.close()
    assert "http://outside.example/x.png" in asked and any(b"outside.example" in x for x in sealed[1].asked)
    sealed[1].said.clear()


def test_the_watch_would_hear_a_process_that_does(tmp_path):
    env = watched.environment(tmp_path / "watch", ROOT)
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import socket\\ntry: socket.getaddrinfo(\"outside.example\", 80)\\nexcept OSError: pass\\ntry: socket.create_connection((\"192.0.2.1\", 9), 0.1)\\nexcept OSError: pass'])"
    subprocess.run([sys.executable, "-c", child], env=env, check=True, timeout=60)
    assert any("outside.example" in x for x in watched.outside(tmp_path / "watch")) and any("192.0.2.1" in x for x in watched.outside(tmp_path / "watch"))


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """(folder of runs, id of a run in it, where its sockets were written down, a way to call lthviz so), trained here and watched."""
    folder = tmp_path_factory.mktemp("watched")
    env = {**watched.environment(folder / "watch", ROOT), "LTHVIZ_RUNS": str(folder / "runs"), "LTHVIZ_EXAMPLES": "", "LTHVIZ_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}

    def lthviz(*words: str) -> str:
        done = subprocess.run([sys.executable, "-m", "lthviz", *words], cwd=ROOT, env=env, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = lthviz("run", "--preset", "digits", "--json", *(w for s in ("rounds=1", "epochs=1", "train_images=100", "threads=1", "structures=refill", "keep_weights=all") for w in ("--set", s)))
    return folder, json.loads(said)["run_id"], folder / "watch", lthviz


def test_no_page_and_nothing_behind_it_speaks_to_another_host(sealed, serve, lived, tmp_path):
    folder, run, _, _ = lived
    watch = tmp_path / "watch"
    url = serve(ROOT / "app.py", env={**watched.environment(watch, ROOT), "LTHVIZ_RUNS": str(folder / "runs"), "LTHVIZ_EXAMPLES": "", "LTHVIZ_CACHE": str(tmp_path / "cache")})
    everywhere: list[str] = []
    for address in PAGES:
        page, asked = opened(sealed, f"{url}/{address.format(run=run)}", "[data-testid=stHeading], h1")
        page.wait_for_function("!document.querySelector('[data-test-script-state=running]')", timeout=60_000)
        page.wait_for_timeout(300)
        everywhere += asked
        page.close()
    assert len(everywhere) > 10 * len(PAGES)
    assert not [x for x in everywhere if not x.startswith((url, "data:", "blob:"))]
    assert not sealed[1].asked
    assert not watched.outside(watch)


def test_no_command_speaks_to_another_host_and_neither_does_a_report(sealed, lived, tmp_path):
    _, run, watch, lthviz = lived
    lthviz("export", run, "--round", "1", "--structure", "refill", "--format", "state-dict", "-o", f"{tmp_path}/net.pt")
    lthviz("export", run, "--format", "report", "-o", f"{tmp_path}/report.html")
    lthviz("pack", run, "-o", f"{tmp_path}/run.h5")
    lthviz("unpack", f"{tmp_path}/run.h5", "--runs", f"{tmp_path}/other")
    lthviz("bench", "--run", run, "--round", "1", "--structure", "refill", "--seconds", "0.5", "--batch", "4", "--threads", "1")
    lthviz("import", f"{tmp_path}/net.pt", "--model", "convnet", "--data", "digits", "--runs", f"{tmp_path}/other")
    assert not watched.outside(watch)
    page, asked = opened(sealed, f"file://{tmp_path}/report.html", "h1")
    page.wait_for_timeout(500)
    page.close()
    assert not [x for x in asked if not x.startswith(("file://", "data:", "blob:"))] and not sealed[1].asked
