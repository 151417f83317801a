"""How often the verdict "wins" is right by chance: the tables of docs/replicates.md. `python benchmarks/verdict.py`, seconds.

Accuracies of both networks scatter normally with one standard deviation, which is the unit here; the tolerance is that of
lthviz.core.winning: the sample's standard deviation, and TOLERANCE points of a single seed, where one unit is SCATTER points.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # so that it runs from a clone that is not installed
from lthviz.core.winning import TOLERANCE

SCATTER = 1.8
"""Standard deviation of dense seeds of the digits study, in points (docs/measured.md)."""
DRAWS = 400_000


def least(rng: np.random.Generator, n: int, draws: int) -> np.ndarray:
    """What n dense trainings ask of a ticket, in so many draws."""
    dense = rng.normal(0, 1, (draws, n))
    return dense.mean(axis=1) - (dense.std(axis=1, ddof=1) if n > 1 else TOLERANCE / SCATTER)


def wins(rng: np.random.Generator, n: int, worse: float, asked: np.ndarray) -> np.ndarray:
    """Whether a ticket that is so much worse wins."""
    return rng.normal(-worse, 1, (len(asked), n)).mean(axis=1) >= asked


def main() -> None:
    rng = np.random.default_rng(0)
    print("how often a ticket wins that is as good, 0.5, 1 and 2 standard deviations worse")
    for n in (1, 2, 3, 5, 10):
        print(f"  n = {n:2}: " + "  ".join(f"{100 * wins(rng, n, worse, least(rng, n, DRAWS)).mean():5.1f} %" for worse in (0, 0.5, 1, 2)))
    print("at least one of twelve independent tickets 1.5 standard deviations worse; the first of them")
    for n in (1, 10):
        asked = least(rng, n, DRAWS // 4)
        won = np.stack([wins(rng, n, 1.5, asked) for _ in range(12)])
        print(f"  n = {n:2}: {100 * won.any(axis=0).mean():5.1f} %  {100 * won[0].mean():5.1f} %")
    print("95 % limits: of the mean, in s; of the standard deviation, over s")
    for n in (2, 3, 5, 10, 20):
        low, high = (((n - 1) / stats.chi2.ppf(q, n - 1)) ** 0.5 for q in (0.975, 0.025))
        print(f"  n = {n:2}: ± {stats.t.ppf(0.975, n - 1) / n**0.5:.2f}  {low:.2f} to {high:.2f}")


if __name__ == "__main__":
    main()
