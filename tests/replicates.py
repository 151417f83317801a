"""Three seeds of one small real study, trained once a test session in a process of their own, and their time ratios."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = {"rounds": 2, "epochs": 1, "train_images": 64, "batch_size": 16, "threads": 1}
SEEDS = (0, 1, 2)
_TRAIN = """
import sys
from lthviz.cli import main
for seed in sys.argv[2].split():
    code = main(["run", "--preset", "digits", "--runs", sys.argv[1], "--json", *sys.argv[3:], "--set", f"seed={seed}"])
    assert code == 0, code
"""


def train(folder: Path) -> list[str]:
    """Trains the three seeds into a store; their run ids, by seed."""
    words = [w for k, v in SETTINGS.items() for w in ("--set", f"{k}={v}")]
    done = subprocess.run([sys.executable, "-c", _TRAIN, str(folder), " ".join(map(str, SEEDS)), *words], cwd=ROOT, check=True, capture_output=True,
                          text=True, timeout=300)
    out, ids = done.stdout, []
    while out.strip():
        value, end = json.JSONDecoder().raw_decode(out.lstrip())
        ids.append(value["run_id"])
        out = out.lstrip()[end:]
    return ids
