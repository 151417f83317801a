"""Looking costs no torch: a page on a finished run leaves it, scikit-learn and SciPy alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app.py", default_timeout=60).run()
page, run = sys.argv[1:]
if page != "home":
    at.switch_page(f"pages/{page}.py")
    at.query_params["run"] = run
    at.run()
assert not at.exception, at.exception
heavy = {"torch", "torchvision", "sklearn", "scipy", "altair", "matplotlib", "ray"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("page", ["home", "lab", "masks", "speed", "curves", "runs", "tune"])
def test_a_page_imports_nothing_heavy(page, trained):
    subprocess.run([sys.executable, "-c", CODE, page, trained[1]], cwd=ROOT, check=True, timeout=120,
                   env={**os.environ, "LTHVIZ_RUNS": str(trained[0])})
