"""Measured speeds that the example runs come with: `python benchmarks/examples.py` on an idle machine, about ten seconds a ticket.

Every ticket of data/examples that has no timing yet (`--again`: every one) is measured as the app measures it (batch 64, all cores) and its timing
put beside the run. What was disturbed by other work is not kept; the exit code is then 1, and the next call measures what is missing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lthviz import launch, measuring  # noqa: E402
from lthviz.store import Store, timings  # noqa: E402

EXAMPLES = ROOT / "data" / "examples"


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("--seconds", type=float, default=8.0, help="about how long to time each ticket (default 8)")
    args.add_argument("--again", action="store_true", help="those as well that are measured already")
    args.add_argument("runs", nargs="*", help="ids of the runs (default: all)")
    options, disturbed = args.parse_args(), 0
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder), examples=EXAMPLES)
        examples = [r for r in store.runs() if store.is_example(r) and (not options.runs or r in options.runs)]
        for run_id in examples:
            there = set() if options.again else {t.key for t in store.timings(run_id)}
            items = [i for i in measuring.items(store.run(run_id), None, None, 64, 0, "cpu", "float32") if i.key not in there]
            store.ask_measuring(run_id, items, {"baselines": "all", "seconds": options.seconds}, patience=60.0)
        launch.work(store)
        for run_id in examples:
            to, here = EXAMPLES / run_id / timings.FOLDER, Path(folder) / f".{timings.FOLDER}" / run_id
            for t in timings.read_all([here])[0]:
                disturbed += bool(t.disturbed)
                if t.disturbed:
                    print(f"{t.key}: {t.disturbed[0]}")
                else:
                    timings.write(to, t)
            print(f"{run_id}: {len(list(to.glob('*.json')))} of {sum(r['round'] > 0 for r in store.run(run_id).rows)} tickets")
    return int(disturbed > 0)


if __name__ == "__main__":
    raise SystemExit(main())
