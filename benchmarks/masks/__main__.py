"""Writes masks of a real run as a file for `python -m lthviz bench --masks`."""

import sys

import numpy as np

from benchmarks.masks import NAMES, load

if len(sys.argv) != 3 or sys.argv[1] not in NAMES:
    sys.exit(f"usage: python -m benchmarks.masks NAME OUT.npz; NAME one of {', '.join(NAMES)}")
masks = load(sys.argv[1])
np.savez_compressed(sys.argv[2], **{name: masks[name] for name in masks})
