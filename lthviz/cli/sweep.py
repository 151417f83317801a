"""sweep: many runs from one file, here or on a Ray cluster."""

from __future__ import annotations

import argparse
import logging
import sys
from typing import Any

from rich.table import Table

from lthviz.cli.output import new_table, show_result
from lthviz.errors import UsageError
from lthviz.store import Store
from lthviz.store.brief import Briefs
from lthviz.sweep import grid as grids
from lthviz.sweep.grid import Grid
from lthviz.sweep.run import BACKENDS, Backend, Result, run
from lthviz.sweep.tally import Tally, tally
from lthviz.sweep.terminal import Terminal

EPILOG = """F.toml has `preset` and settings that all runs share, and a table [grid] with a list for each setting that varies:

    title = "Refill against Regroup"
    preset = "digits"
    [grid]
    structures = ["refill", "regroup-groups=4-min_rows=8", ["refill", "random"]]
    seed = [0, 1, 2]

Every combination is a run (here nine). Settings that belong together are alternatives: [[grid.variant]], a table for each. [[branches]], a
table for each, are run as branches of every run: they take over its trunk and have structures, rounds, rate … of their own. A run is found by
its id, so what is finished is not repeated: starting a sweep again does the rest. With --backend ray the runs' folder (--runs) must be on a
file system that all machines of the cluster mount. Exit code 1: a run failed; the others are done."""


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("file", metavar="F.toml")
    p.add_argument("--backend", choices=BACKENDS, default="serial", help="serial: one run after another, here; ray: on a Ray cluster (default serial)")
    p.add_argument("--workers", type=int, default=0, metavar="N", help="with ray: runs at once (default: as many as the cores allow)")
    p.add_argument("--address", default="", metavar="A", help="with ray: HOST:PORT of a cluster, ray://HOST:PORT or auto (default: workers on this machine)")
    p.add_argument("--dry-run", action="store_true", help="list the runs with their ids and what is done already; train nothing")
    p.add_argument("--yes", action="store_true", help=f"do not ask, however many runs it makes (it asks from {grids.ASK_FROM} on)")


def sweep(args: argparse.Namespace) -> int:
    backend = _backend(args)
    grid = grids.read(args.file)
    store = Store(args.runs)
    if args.dry_run:
        now = tally(Briefs(store), grid.ids)
        show_result(args, {"title": grid.title, **_counts(grid, now), "runs": _rows(grid, now)}, lambda: _table(grid, now))
        return 0
    if len(grid.points) >= grids.ASK_FROM and not args.yes:
        _ask(grid)
    with Terminal(store, grid) as terminal:
        result = run(store, grid, backend, terminal, terminal.begin)
    for outcome in result.outcomes:
        if outcome.trace:
            logging.getLogger("lthviz").error("%s: %s", outcome.run_id, outcome.trace)
    payload = {"name": result.sweep.name, "title": grid.title, **_counts(grid, result.tally), "failures": result.failures,
               "runs": _rows(grid, result.tally)}
    show_result(args, payload, lambda: _words(grid, result))
    return 0 if result.tally.done == result.tally.total else 1


def _backend(args: argparse.Namespace) -> Backend:
    if args.backend != "ray" and (args.workers or args.address):
        raise UsageError(f"{'--workers' if args.workers else '--address'} goes with --backend ray")
    if not 0 <= args.workers <= 10_000:
        raise UsageError(f"--workers {args.workers} should be between 1 and 10,000")
    return Backend(args.backend, args.address, args.workers)


def _ask(grid: Grid) -> None:
    n = len(grid.points)
    if sys.stdin is None or not sys.stdin.isatty():   # None: it is closed
        raise UsageError(f"{grid.name} makes {n:,} runs; if that is what you want, say --yes (--dry-run lists them)")
    print(f"{grid.name} makes {n:,} runs. Begin? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was begun; --dry-run lists the runs")


def _counts(grid: Grid, now: Tally) -> dict[str, int]:
    return {"total": now.total, "combinations": grid.combinations, "done": now.done, "failed": now.failed,
            "at_work": len(now.at_work), "left": now.left}


def _rows(grid: Grid, now: Tally) -> list[dict[str, Any]]:
    return [{"run_id": p.id, "state": now.state(p.id), "varies": dict(p.varies), "preset": p.preset} for p in grid.points]


def _table(grid: Grid, now: Tally) -> Table:
    names = list(dict.fromkeys(k for p in grid.points for k in p.varies))
    same = grid.combinations - len(grid.points)
    title = f"{grid.title or grid.name}: {now.sentence()}" + (f"; {same} more combinations are the same runs" if same else "")
    table = new_table("run", "state", *names, whole="run", title=title)
    for p in grid.points:
        table.add_row(p.id, now.state(p.id), *(grids.plain(p.varies[k]) if k in p.varies else "" for k in names))
    return table


def _words(grid: Grid, result: Result) -> str:
    lines = [f"{grid.title or grid.name}: {result.tally.sentence()}"]
    lines += [f"  {run_id}: {why}" for run_id, why in result.failures.items()]
    if result.tally.done < result.tally.total:
        lines.append("starting the same sweep again does the rest")
    return "\n".join(lines)
