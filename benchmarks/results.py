"""docs/results.md: what came out of the studies, beside the paper's figures. No number of it is typed by hand.

    python benchmarks/results.py                # the page anew, from data/examples and benchmarks/results
    python benchmarks/results.py --check        # exit code 1 where the page says something else
    python benchmarks/results.py --pictures     # its pictures too, which needs playwright and Chromium
    python benchmarks/results.py --gather regroup --runs FOLDER     # a study's runs into benchmarks/results/regroup.json, then the page
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks import (  # noqa: E402
    methods,
    results_accuracy,
    results_claims,
    results_differences,
    results_pictures,
    results_read,
    results_reasons,
    results_settings,
)
from benchmarks.results_read import RESULTS, Study  # noqa: E402
from benchmarks.results_words import fill  # noqa: E402

PAGE = ROOT / "docs" / "results.md"
HEAD = "<!-- written by `python benchmarks/results.py` from data/examples and benchmarks/results; a test compares -->"


def text(stored: dict[str, Study], summaries: dict[str, Study]) -> str:
    """The whole page."""
    there = [s for s in stored.values() if s.there]
    return "\n\n".join(part for part in (
        HEAD, "# What came out",
        fill("What the studies of this project say of the paper's claims (Chen et al., ICML 2022), with how many seeds stand behind each figure. Every number on this page is computed "
             "from the runs in data/examples and the summaries in benchmarks/results when `python benchmarks/results.py` is run."),
        "## What was run", results_accuracy.what(stored, summaries),
        "## The claims", *[results_claims.section(s) for s in stored.values()],
        "## The paper and this", results_reasons.beside_paper(stored, summaries),
        "## Accuracy against density", *_each(there, results_accuracy.density),
        "## Accuracy against measured speed", *_each(there, results_accuracy.speed),
        "## The sparsest winning tickets", results_accuracy.sparsest(stored),
        "## At equal density", fill(results_differences.HOW), *_each(there, results_differences.structures),
        "## Rewinding against re-initialisation", results_differences.paper_rewinding(), *_each(there, results_differences.rewinding),
        "## In-loop against branched", results_differences.inloop(summaries.get("inloop"), stored.get("digits")),
        "## Density inflation", *_each(there, results_differences.inflation),
        "## Coverage", *_each(there, results_differences.coverage),
        "## Which score for Refill", results_settings.scores(summaries.get("methods")),
        "## t1 and the number of groups", results_settings.regroup(summaries.get("regroup")),
        "## Which weights pay", results_reasons.pays(stored),
        "## Where it is otherwise than in the paper, and why", *[results_reasons.reasons(s, summaries) for s in there],
        "## What was tried", results_reasons.tried(),
        "## How to do it again", _again(stored, summaries),
    ) if part) + "\n"


def _each(studies: list[Study], section: Callable[[Study], str]) -> list[str]:
    return [part for s in studies for part in (f"### {s.title}", section(s))] or ["Nothing is trained yet."]


def _again(stored: dict[str, Study], summaries: dict[str, Study]) -> str:
    lines = [f"    python -m lthviz sweep {s.file} --runs FOLDER" for s in (*stored.values(), *summaries.values())]
    lines += [f"    python benchmarks/results.py --gather {name} --runs FOLDER" for name in summaries if name != "methods"]
    return "\n".join([*lines, "    python benchmarks/methods.py --runs FOLDER", "    python benchmarks/results.py --pictures"])


def page() -> str:
    """The page as it should be, of what is stored."""
    return text(results_read.stored(), results_read.summaries())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; say whether the page differs")
    parser.add_argument("--pictures", action="store_true", help="draw its pictures as well")
    parser.add_argument("--gather", metavar="NAME", help="read the runs of benchmarks/studies/NAME.toml below --runs, and keep their numbers")
    parser.add_argument("--runs", type=Path, metavar="FOLDER")
    args = parser.parse_args()
    if args.gather:
        if not args.runs:
            parser.error("--gather needs --runs FOLDER")
        study = ROOT / "benchmarks" / "studies" / f"{args.gather}.toml"
        (RESULTS / f"{args.gather}.json").write_text(methods.text_of(methods.read(args.runs, study)), encoding="utf-8")
    stored, summaries = results_read.stored(), results_read.summaries()
    if args.pictures:
        results_pictures.draw([s for s in stored.values() if s.there], PAGE.parent / "results")
    said = text(stored, summaries)
    stale = not PAGE.exists() or PAGE.read_text(encoding="utf-8") != said
    if stale:
        print(f"{PAGE.relative_to(ROOT)} {'differs' if args.check else 'written'}")
    if stale and not args.check:
        PAGE.write_text(said, encoding="utf-8")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
