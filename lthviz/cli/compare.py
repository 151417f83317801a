"""compare: studies over all their seeds, who wins, how sparse each method may get, and methods at equal density or speed."""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.table import Table

from lthviz.cli import side
from lthviz.cli.output import new_table, show_result
from lthviz.core import comparable
from lthviz.core.study import MeanTicket, Replicates, study_id
from lthviz.core.versus import AXES, Versus
from lthviz.errors import AddressError, UsageError, did_you_mean
from lthviz.records import Run
from lthviz.store import Store

if TYPE_CHECKING:   # figures import plotly, which takes a third of a second
    from lthviz.figures.replicated import Studies

EPILOG = """RUN is the id of a run or of a study. Runs that differ in nothing but the seed (and in where they ran) are replicates of one study, and all
of them that the store has are taken in. A ticket wins when its mean test accuracy over the replicates is at least the dense network's
mean less the tolerance: one standard deviation of the dense replicates, 0.25 points where there is one, or --tolerance. Methods are held
against each other at equal density or equal measured speed, between the two rounds that are named; where they share seeds the difference
is paired by seed, else it is that of the means. Runs of other networks or other images (form, folder, size, classes) are refused."""


def add_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", nargs="+", metavar="RUN", help="a run or a study")
    p.add_argument("--tolerance", type=float, metavar="POINTS", help="what a winning ticket may lack (default: one standard deviation of the dense "
                   "replicates, 0.25 of a single one)")
    p.add_argument("--against", default="density", metavar="AXIS", help=f"what is held equal: {' or '.join(AXES)} (default density)")
    p.add_argument("--reference", metavar="STRUCTURE", help="the method that the others are held against (default: unstructured)")
    p.add_argument("--unbroken", action="store_true", help="extreme sparsity needs all less sparse tickets of the method to win as well")
    p.add_argument("--batch", type=int, metavar="N", help="speed as measured with this batch (default: what most tickets are measured with)")
    p.add_argument("--threads", type=int, metavar="T", help="speed as measured with so many threads")
    side.add_options(p)


def compare(args: argparse.Namespace) -> int:
    from lthviz.figures import measured, replicated, replicated_words

    if args.against not in AXES:
        raise UsageError(f"--against {args.against!r} is not known; {did_you_mean(args.against, AXES)}")
    if args.tolerance is not None and not 0 <= args.tolerance < math.inf:
        raise UsageError(f"--tolerance {args.tolerance:g} should be 0 or more points")
    if args.side:
        return side.side(args)
    store = Store(args.runs)
    runs, unread = replicates(store, args.run)
    of_one_kind(runs)
    timings = {run.id: [t for t in store.timings(run.id) if args.batch in (None, t.batch) and args.threads in (None, t.threads)] for run in runs}
    of = replicated.studies(runs, timings, tolerance=args.tolerance, unbroken=args.unbroken)
    if args.reference and args.reference not in of.labels:
        raise UsageError(f"--reference {args.reference!r} was trained in none of these runs; {did_you_mean(args.reference, of.labels)}")
    if args.against == "speed" and not of.timings:
        raise UsageError(f"no ticket of {' and '.join(s.id for s in of.of)} is measured{_asked(args)}; `lthviz bench --run RUN --round K --structure S` "
                         "measures one, the Curves page all of them")
    out = replicated_words.left_out(runs) + unread
    found = of.versus(args.against, args.reference or "")
    payload = _payload(of, found, args, out)
    setting = measured.setting_of(of.timings[0])._asdict() if of.timings else None
    show_result(args, payload | {"setting": setting}, lambda: _Words(of, found, args, out))
    return 0


def replicates(store: Store, names: Sequence[str]) -> tuple[list[Run], list[str]]:
    """Every run of the studies that are named by their own id or by a run's, and what stands among them and cannot be read.
    AddressError for an id that is not there."""
    studies = {run_id: study_id(store.head(store.path(run_id)).config) for run_id in store.runs()}
    wanted: dict[str, None] = {}
    for name in names:
        if name not in studies and name in store.broken():
            store.path(name), store.run(name)          # says what is wrong with it
        if name not in studies and name not in studies.values():
            near = difflib.get_close_matches(name, [*dict.fromkeys(studies.values()), *studies], n=3, cutoff=0.5)
            raise AddressError(f"there is no run or study {name!r}; " + (f"did you mean {' or '.join(near)}?" if near else "`lthviz ls` lists the runs"))
        wanted[studies.get(name, name)] = None
    runs = [store.run(run_id) for study in wanted for run_id, of in studies.items() if of == study]
    return runs, [f"{name} cannot be read and is left out: {why}" for name, why in store.broken().items()]


def of_one_kind(runs: Sequence[Run]) -> None:
    """UsageError where runs differ in their network or data: their accuracies say nothing about each other."""
    for i, run in enumerate(runs):
        if why := comparable.unlike(runs[:i], run):
            raise UsageError(why)


def _asked(args: argparse.Namespace) -> str:
    words = [f"{name} {value}" for name, value in (("batch", args.batch), ("threads", args.threads)) if value is not None]
    return f" with {', '.join(words)}" if words else ""


# As JSON ----------------------------------------------------------------------------------------------------------------


def _payload(of: Studies, found: Sequence[tuple[Replicates, str, list[Versus]]], args: argparse.Namespace, out: list[str]) -> dict[str, Any]:
    def ticket(study: Replicates, t: MeanTicket) -> dict[str, Any]:
        return {k: v._asdict() if hasattr(v, "_asdict") else v for k, v in vars(t).items()} | {
            "wins": None if t.dense or not of.levels[study.id] else of.wins(study, t), "n": t.accuracy.n, "disturbed": of.doubtful(study, t)}

    studies = []
    for study in of.of:
        bar = of.levels[study.id]
        extremes = {label: of.extremes[study.id, label] for label in study.labels}
        studies.append({
            "study_id": study.id, "title": study.title, "seeds": list(study.seeds), "runs": [run.id for run in study.runs],
            "level": None if bar is None else {**bar._asdict(), "least": bar.least}, "tickets": [ticket(study, t) for t in study.tickets],
            "extreme": {label: None if t is None else {"round": t.round, "density": t.density.mean, "sparsity": 1 - t.density.mean,
                                                       "accuracy": t.accuracy.mean, "n": t.accuracy.n} for label, t in extremes.items()}})
    against = [{"study_id": study.id, "structure": label, "round": v.ticket.round, "at": v.at, "accuracy": v.ticket.accuracy.mean,
                "reference_accuracy": v.there and v.there.accuracy, "bracket": v.there and [v.there.low._asdict(), v.there.high._asdict()],
                "paired": v.paired._asdict(), "difference": v.difference, "difference_is": v.words} for study, label, of_it in found for v in of_it]
    return {"studies": studies, "against": args.against, "reference": args.reference or of.reference, "unbroken": of.unbroken,
            "equal": against, "caveats": of.caveats, "left_out": out}


# For people -------------------------------------------------------------------------------------------------------------


@dataclasses.dataclass
class _Words:
    """Tables and sentences."""

    of: Studies
    found: Sequence[tuple[Replicates, str, list[Versus]]]
    args: argparse.Namespace
    out: list[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from lthviz.figures import replicated_words as words
        from lthviz.figures import wording

        for study in self.of.of:
            differs = self.of.apart[study.id]
            yield f"Study {study.id}: {study.title}, {words.seeds(study)}" + (f"; {differs}" if differs else "")
            yield f"  {words.level(self.of, study)}."
            yield Group(*(self._tickets(study, label) for label in study.labels))
            if study.labels:
                yield "Extreme sparsity" + (", all less sparse tickets winning too" if self.of.unbroken else "") + ":"
                yield from (f"  {words.title(study, label)}: {words.extreme(self.of, study, label)}" for label in study.labels)
            yield ""
        if any(of for _, _, of in self.found):
            yield self._equal()
            how = "; ".join(dict.fromkeys(v.words for _, _, of in self.found for v in of if v.words))
            yield ("there: the mean of the reference at that place, between the two rounds. –: the reference has no tickets on both sides."
                   + f" Difference, in points: {how}." * bool(how))
        if self.of.timings and self.args.against == "speed":
            yield wording.provenance(self.of.timings)
            if doubtful := words.doubtful(self.of).removeprefix("Open with a dot: "):
                yield f"?: {doubtful}"
        yield from (f"Note: {sentence}." for sentence in self.of.caveats + self.out)

    def _tickets(self, study: Replicates, label: str) -> Table:
        from lthviz.figures import replicated_words as words

        speed = self.args.against == "speed"
        table = new_table("round", "weights %", "effective %", "time" if speed else "in blocks %", "test %", "n", "verdict", whole="round",
                          title=words.title(study, label))
        sparsest = self.of.extremes[study.id, label]
        for t in study.of(label):
            seeds = f" ({t.time_ratio.n})" if t.time_ratio.n not in (0, t.accuracy.n) else ""
            fourth = words.mean_sd(t.time_ratio, ".3f") + seeds + "?" * bool(self.of.doubtful(study, t)) if speed else words.mean_sd(t.coverage, ".0f", 100)
            table.add_row(str(t.round), words.mean_sd(t.density, ".1f", 100), words.mean_sd(t.effective_density, ".1f", 100), fourth,
                          words.mean_sd(t.accuracy, ".2f"), str(t.accuracy.n), words.verdict(self.of, study, t) + ("*" if t is sparsest else ""))
        return table

    def _equal(self) -> Table:
        from lthviz.figures import replicated_words as words
        from lthviz.figures import rows

        reference = self.args.reference or self.of.reference
        base = next(s for s in self.of.of if reference in s.labels)
        name, density = words.title(base, reference), self.args.against == "density"
        table = new_table("method", "round", "weights %" if density else "time", "test %", "there", "rounds", "difference", whole="method",
                          title=f"At equal {'density' if density else 'measured time'}, against {name}" + (f", {self.of.apart[base.id]}" if self.of.several else ""))
        for study, label, of_it in self.found:
            method = rows.short(study.runs[0], label, self.of.labels) + (f" · {self.of.apart[study.id]}" if self.of.several else "")
            for v in of_it:
                at = f"{100 * v.at:.1f}" if density else f"{v.at:.3f}" + "?" * bool(self.of.doubtful(study, v.ticket))
                there = (f"{v.there.accuracy:.2f}", f"{v.there.high.round}, {v.there.low.round}") if v.there else ("–", "–")
                table.add_row(method, str(v.ticket.round), at, f"{v.ticket.accuracy.mean:.2f}", *there, words.difference(v))
        return table
