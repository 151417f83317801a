"""compare --side: the same as the Compare page: settings that differ, and what came of each, a column a letter."""

from __future__ import annotations

import argparse
import dataclasses
from typing import Any

from rich.console import Console, ConsoleOptions, RenderResult
from rich.text import Text

from lthviz.cli.output import new_table, show_result
from lthviz.core.study import study_id
from lthviz.errors import AddressError, UsageError, did_you_mean
from lthviz.records import Run
from lthviz.store import Store


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--side", action="store_true", help="each run or study by itself, side by side: the settings that differ, and what came of each; other networks and "
                   "images as well")
    p.add_argument("--density", type=float, default=20.0, metavar="PERCENT", help="with --side: tickets nearest to this share of the weights (default 20)")
    p.add_argument("--baseline", metavar="RUN", help="with --side: the run or study whose values the differences are taken to")
    p.add_argument("--all", action="store_true", help="with --side: all settings, not only those that differ")


def side(args: argparse.Namespace) -> int:
    from lthviz.figures import compared

    if not 0 < args.density <= 100:
        raise UsageError(f"--density {args.density:g} should be a percentage above 0, up to 100")
    if args.baseline and args.baseline not in args.run:
        raise UsageError(f"--baseline {args.baseline!r} is not among the runs that are named; {did_you_mean(args.baseline, args.run)}")
    store = Store(args.runs)
    named = {name: _runs(store, name) for name in dict.fromkeys(args.run)}
    timings = {run.id: [t for t in store.timings(run.id) if args.batch in (None, t.batch) and args.threads in (None, t.threads)]
               for of in named.values() for run in of}
    of = compared.compared(named, timings, tolerance=args.tolerance, unbroken=args.unbroken, baseline=args.baseline or "")
    payload: dict[str, Any] = {
        "named": {of.names[s.id]: s.id for s in of.of}, "baseline": args.baseline, "comparable": compared.limits(of),
        "settings": compared.settings_table(of, every=args.all), "outcomes": compared.outcomes_table(of, args.density / 100, args.baseline or "")}
    show_result(args, payload, lambda: _Side(of, args, payload))
    return 0


def _runs(store: Store, name: str) -> list[Run]:
    """The run of that id, or all runs of the study of that id."""
    if store.exists(name):
        return [store.run(name)]
    studies = {run_id: study_id(store.head(store.path(run_id)).config) for run_id in store.runs()}
    if name in studies.values():
        return [store.run(run_id) for run_id, of in studies.items() if of == name]
    raise AddressError(f"there is no run or study {name!r}; " + (did_you_mean(name, [*studies, *dict.fromkeys(studies.values())]) if studies else "there is none yet"))


@dataclasses.dataclass
class _Side:
    """Tables and sentences."""

    of: Any
    args: argparse.Namespace
    payload: dict[str, Any]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from lthviz.figures import compared
        from lthviz.figures.replicated_words import level, seeds

        for s in self.of.of:
            pinned = "; the baseline" if s.id == self.args.baseline else ""
            yield Text(f"{self.of.names[s.id]}: {s.id}, {s.title}, {seeds(s)}{pinned}; {level(self.of, s)}.")
        yield from (Text(f"Note: {sentence}") for sentence in self.payload["comparable"])
        for title, rows in (("Settings" if self.args.all else "Settings that differ", self.payload["settings"]),
                            ("Outcomes", compared.outcomes_words(self.of, self.args.density / 100, self.args.baseline or ""))):
            if rows:
                columns = [c for c in rows[0] if c != "what it is"]
                table = new_table(*columns, whole=columns[0], title=title)
                for row in rows:
                    table.add_row(*(Text(str(row[c])) for c in columns))
                yield table
            else:
                yield Text(f"{title}: none")
