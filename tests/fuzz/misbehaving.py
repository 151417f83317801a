"""The process that reads, with one more reader, `bad`, that does what its third argument says: for the harness to notice."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.fuzz import child, targets
from benchmarks.fuzz.hostile import OUTSIDE

ACTS = {
    "raises": lambda folder: {}["a"],
    "says a cursor's move": lambda folder: ["a\x1b[2J"],
    "begins a program": lambda folder: subprocess.run(["true"]) and None,
    "writes elsewhere": lambda folder: (folder.parent.parent / "x").write_text("x") and None,
    "unpickles": lambda folder: pickle.loads(pickle.dumps(Path)) and None,
    "takes memory": lambda folder: np.ones(10**8) is None,
    "looks outside": lambda folder: Path(OUTSIDE, "x").exists() or (os.listdir(OUTSIDE) and None),
    "dies": lambda folder: os.kill(os.getpid(), 11),
    "hangs": lambda folder: [None for _ in iter(int, 1)],
    "reads": lambda folder: None,
}


def main() -> None:
    act = ACTS[os.environ["BAD_ACT"]]
    targets.TARGETS["bad"] = targets.Target("bad", "server", lambda: [b"seed"], lambda folder: lambda data: None if data == b"seed" else act(folder), lambda rng, data: b"bad")
    child.main()


if __name__ == "__main__":
    sys.exit(main())
