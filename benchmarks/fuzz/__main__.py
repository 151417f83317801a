"""`python -m benchmarks.fuzz`: prints a line a target and one of the whole."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.fuzz import __doc__ as about
from benchmarks.fuzz import watching
from benchmarks.fuzz.targets import TARGETS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz", description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", action="append", choices=list(TARGETS), metavar="NAME", help=f"one reader; may be repeated (default: all of {', '.join(TARGETS)})")
    parser.add_argument("--seconds", type=float, default=120.0, help="of all targets together")
    parser.add_argument("--inputs", type=int, default=10**9, help="of each target at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--blind", action="store_true", help="not guided by coverage, though atheris is here")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-findings"), metavar="DIR", help="where what was found is kept")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    names, guide = args.target or list(TARGETS), watching.guided() and not args.blind
    results: list[watching.Result] = []

    def told(r: watching.Result) -> None:
        results.append(r)
        print(f"{r.name:18} {r.where:9} {r.inputs:>11,} inputs {r.seconds:7.1f} s {r.inputs / max(r.seconds, 0.1):>9,.0f}/s  {len(r.findings)} findings", flush=True)
        for file, words in r.findings.items():
            print(f"    {words}  ({file})", flush=True)
        if args.json:
            args.json.write_text(json.dumps(watching.summary(results, guide, args.seed), indent=1))

    watching.run(names, seconds=args.seconds / len(names), inputs=args.inputs, seed=args.seed, keep_in=args.keep, guide=guide, told=told)
    found = sum(len(r.findings) for r in results)
    print(f"{sum(r.inputs for r in results):,} inputs to {len(results)} readers in {sum(r.seconds for r in results):,.0f} s{', guided by coverage' * guide}: {found} findings")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
