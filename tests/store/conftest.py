import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # store_writer.py is a script for other processes as well

from lthviz.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "runs")
