"""The digits study: how long it takes, and whether it shows the method.

    python benchmarks/digits.py                 # the preset, timed, against the stored spread of dense seeds
    python benchmarks/digits.py --dense 10      # measure that spread anew (ten dense trainings) and store it
    python benchmarks/digits.py --check F.json  # the verdict on the output of `lthviz run --preset digits --json`

Exit code 1 when the study does not show what the README says it shows. Time is printed, never judged.
"""

from __future__ import annotations

import argparse
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.machine import describe, header  # noqa: E402
from lthviz.config import UNSTRUCTURED  # noqa: E402
from lthviz.presets import preset  # noqa: E402

DENSE = ROOT / "benchmarks" / "results" / "digits-dense.json"


def measure_dense(seeds: int) -> None:
    """Train the dense network from several seeds and store mean and standard deviation of the test accuracy."""
    from lthviz.engine import events
    from lthviz.records import Stage

    accuracies = []
    for seed in range(seeds):
        for e in events(preset("digits").config.replace(rounds=0, seed=seed)):
            if isinstance(e, Stage):
                accuracies.append(e.round.ticket(UNSTRUCTURED).test_acc)
        print(f"seed {seed}: {accuracies[-1]:.2f} %", flush=True)
    DENSE.parent.mkdir(exist_ok=True)
    DENSE.write_text(json.dumps({
        "what": "test accuracy of the dense network of preset digits, percent, one value a seed from 0 on",
        "accuracies": accuracies, "mean": statistics.mean(accuracies), "std": statistics.stdev(accuracies), "n": seeds,
        "config": preset("digits").config.replace(rounds=0).run_id, "machine": describe()}, indent=2) + "\n")


def verdict(result: dict) -> bool:
    """Print what the study shows beside what it should; whether it does."""
    dense = json.loads(DENSE.read_text())
    if dense["config"] != preset("digits").config.replace(rounds=0).run_id:
        print(f"{DENSE.name} was measured on other settings; run this file with --dense 10")
        return False
    mean, std = dense["mean"], dense["std"]
    curves: dict[str, dict[int, dict]] = {}
    for r in result["rounds"]:
        curves.setdefault(r["structure"].split("-")[0], {})[r["round"]] = r
    late = [k for k, r in curves[UNSTRUCTURED].items() if r["density"] <= 0.4]
    # Of a difference between two means of as many independent trainings; the rounds of one run are not, so it is too small.
    error = std * (2 / len(late)) ** 0.5
    gap = {s: statistics.mean(c[k]["test_acc"] for k in late) for s, c in curves.items()}
    wins = [k for k, r in curves[UNSTRUCTURED].items() if r["test_acc"] >= mean - std]
    sparsest = 1 - min(curves[UNSTRUCTURED][k]["density"] for k in wins) if wins else 0.0
    coverage = statistics.mean(r["coverage"] for r in curves["regroup"].values())
    print(f"{result['run_id']}: {result['seconds']:.1f} s of work, {result.get('wall_seconds', 0):.1f} s in all\n{header('measured on')}")
    print(f"dense: {mean:.2f} ± {std:.2f} % over {dense['n']} seeds; this run {curves[UNSTRUCTURED][0]['test_acc']:.2f} %")
    for s, acc in gap.items():
        print(f"mean accuracy at 40 % of the weights and fewer ({len(late)} rounds): {s:13s} {acc:.2f} %")
    checks = {
        f"8 rounds at least: {max(curves[UNSTRUCTURED])}": max(curves[UNSTRUCTURED]) >= 8,
        f"the unstructured ticket keeps the dense accuracy up to {100 * sparsest:.1f} % sparsity (60 % asked)": sparsest >= 0.6,
        f"and on average at 60 % sparsity and more: {gap[UNSTRUCTURED]:.2f} ≥ {mean - std:.2f} %": gap[UNSTRUCTURED] >= mean - std,
        **{f"{x} and {y} differ by {abs(gap[x] - gap[y]):.2f} points (standard error {error:.2f})": abs(gap[x] - gap[y]) > error
           for x, y in itertools.combinations(("refill", "regroup", "random"), 2)},
        f"Regroup has {100 * coverage:.0f} % of its weights in blocks": coverage > 0.5,
    }
    for words, holds in checks.items():
        print(("holds  " if holds else "FAILS  ") + words)
    return all(checks.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dense", type=int, metavar="SEEDS")
    parser.add_argument("--check", type=Path, metavar="F.json")
    args = parser.parse_args()
    if args.dense:
        measure_dense(args.dense)
        return 0
    if args.check:
        return 0 if verdict(json.loads(args.check.read_text())) else 1
    with tempfile.TemporaryDirectory() as runs:
        done = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "digits", "--runs", runs, "--json"],
                              cwd=ROOT, stdout=subprocess.PIPE, check=True)
    return 0 if verdict(json.loads(done.stdout)) else 1


if __name__ == "__main__":
    raise SystemExit(main())
