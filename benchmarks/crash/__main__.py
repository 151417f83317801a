"""`python -m benchmarks.crash`: kills processes of every kind and says what was left of their work.

--kills: at least so many; from 200 on every scene makes all of its kills, and the rest come at random moments. --json: figures after every kill; with the same file
and seed a run that was cut goes on. Exit code 1: something was not as promised; its scene, seed and operation stand in the line before.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.crash.harness import Harness
from benchmarks.crash.scenes import SCENES
from benchmarks.crash.scenes.training import moments
from benchmarks.crash.tally import Tally

ALL = 200


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crash", description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=ALL)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--scene", nargs="+", choices=SCENES, metavar="NAME", help=f"only these of {', '.join(SCENES)}")
    parser.add_argument("--scratch", type=Path, metavar="DIR", help="where the runs are made (default: a folder for temporary files)")
    parser.add_argument("--verbose", action="store_true", help="a line for each kill")
    args = parser.parse_args()
    tally = Tally(args.seed, args.json, verbose=args.verbose)
    scratch = Path(tempfile.mkdtemp(prefix="lthviz-crash-", dir=args.scratch))
    try:
        crash(Harness(scratch, tally), args.kills, args.scene or list(SCENES))
    finally:
        if not tally.failed:
            shutil.rmtree(scratch, ignore_errors=True)
        else:
            print(f"what is left of it is in {scratch}", file=sys.stderr)
    return int(tally.failed)


def crash(harness: Harness, kills: int, names: list[str]) -> str:
    """Makes so many kills in these scenes; the line that tells of them."""
    total = sum(SCENES[x][0] for x in names)
    for name in names:
        share, scene = SCENES[name]
        scene(harness, None if kills >= ALL else max(1, round(kills * share / total)))
    if (left := kills - len(harness.tally.kills)) > 0:
        moments(harness, "more", left)
    print(line := harness.tally.line(harness.skipped), flush=True)
    return line


if __name__ == "__main__":
    raise SystemExit(main())
