"""Where there is no Chromium: a skip that says how to get it, or a failure where it must be there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("need", "code", "outcome"), [("", 0, "1 skipped"), ("1", 1, "1 error")])
def test_a_missing_chromium(need, code, outcome, tmp_path):
    done = subprocess.run([sys.executable, "-m", "pytest", "tests/browser/test_app.py::test_a_cold_link_to_masks_shows_its_ticket_and_layer",
                           "-rs", "-p", "no:cacheprovider"], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PATH": str(tmp_path), "LTHVIZ_NEED_BROWSER": need})
    assert (done.returncode, done.stderr) == (code, "") and outcome in done.stdout
    assert "browser tests need Chromium: apt install chromium" in done.stdout
