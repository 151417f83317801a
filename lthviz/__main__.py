"""python -m lthviz"""

from lthviz.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
