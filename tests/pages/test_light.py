"""Looking costs no torch: a page on a finished run leaves it, scikit-learn and SciPy alone, and so does the course."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lthviz.ui.learn.course import CHAPTERS
from tests.shipped import EXAMPLES

ROOT = Path(__file__).resolve().parents[2]
CODE = """
import sys
from streamlit.testing.v1 import AppTest
at = AppTest.from_file("app.py", default_timeout=60).run()
page, run, *chapters = sys.argv[1:]
if page != "home":
    at.switch_page(f"pages/{page}.py")
    at.query_params["run"] = run
    at.run()
for chapter in chapters:
    at.query_params["chapter"] = chapter
    at.run()
    assert not at.exception and at.radio, (chapter, at.exception)
assert not at.exception, at.exception
heavy = {"torch", "torchvision", "sklearn", "scipy", "altair", "matplotlib", "ray"} & set(sys.modules)
assert not heavy, heavy
"""


@pytest.mark.parametrize("page", ["home", "lab", "masks", "speed", "curves", "runs", "tune", "exchange"])
def test_a_page_imports_nothing_heavy(page, trained):
    subprocess.run([sys.executable, "-c", CODE, page, trained[1]], cwd=ROOT, check=True, timeout=120,
                   env={**os.environ, "LTHVIZ_RUNS": str(trained[0])})


def test_the_course_imports_nothing_heavy_but_for_its_one_interval(tmp_path):
    light = [x for x in CHAPTERS if x != "fooled"]      # Student's t is SciPy's
    subprocess.run([sys.executable, "-c", CODE, "learn", "", *light], cwd=ROOT, check=True, timeout=120,
                   env={**os.environ, "LTHVIZ_RUNS": str(tmp_path), "LTHVIZ_EXAMPLES": str(EXAMPLES)})
