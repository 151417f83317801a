"""python -m lthviz.tuning ROOT: what desk.py starts."""

import sys
from pathlib import Path

from lthviz.tuning.child import main

main(Path(sys.argv[1]))
