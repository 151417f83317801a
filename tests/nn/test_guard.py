"""What importing lthviz.nn says when torch or torchvision cannot be used, in processes where that is really so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lthviz

ROOT = Path(lthviz.__file__).parents[1]
CATCH = """
from lthviz import errors
try:
    import lthviz.nn
except errors.EnvironmentFault as e:
    print(type(e).__name__, e)
"""


def says(code: str, *options: str, path: str = "") -> str:
    env = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [path, str(ROOT)]))}
    done = subprocess.run([sys.executable, *options, "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize("failure", ["RuntimeError('operator torchvision::nms does not exist')",
                                     "ImportError('undefined symbol: _ZN5torch3jit')", "OSError('libtorch.so: cannot open')"])
def test_an_unmatched_pair_is_answered_with_the_way_out(tmp_path, failure):
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text(f"raise {failure}\n")
    line = says(CATCH, path=str(tmp_path))
    assert line.startswith("TorchMismatch torch 2") and len(line.splitlines()) == 1
    assert "do not belong together" in line and "--index-url https://download.pytorch.org/whl/cpu" in line
    assert failure.split("'")[1] in line


def test_missing_torch_is_no_mismatch():
    line = says(CATCH, "-S")   # without site-packages
    assert line.startswith("EnvironmentFault torch is not installed") and "pip install torch torchvision" in line


def test_missing_torchvision_is_named():
    assert says("import sys; sys.modules['torchvision'] = None\n" + CATCH).startswith("EnvironmentFault torchvision is not installed")


def test_a_fault_inside_torch_is_not_called_missing(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise ImportError('libcudart.so.13: cannot open shared object file')\n")
    line = says(CATCH, path=str(tmp_path))
    assert line.startswith("EnvironmentFault torch") and "libcudart" in line
