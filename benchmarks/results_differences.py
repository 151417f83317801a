"""Sections of docs/results.md that hold one thing against another: structures and their controls, rewinding, in-loop; density and coverage."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks import results_paper as paper
from benchmarks.results_read import Study
from benchmarks.results_words import (
    by_round,
    ci,
    fill,
    fresh,
    methods,
    over_all,
    percent,
    plain_refill,
    pm,
    refills,
    regroups,
    shuffled,
    table,
)
from lthviz.config import UNSTRUCTURED
from lthviz.core.study import Replicates, Summary, summary
from lthviz.core.versus import Versus

HOW = ("A difference is in points of test accuracy, taken seed by seed at equal density (the other curve is read between its rounds), with the 95 % interval of "
       "Student's t over the seeds in brackets; over several rounds each seed's mean is taken first. An interval that holds zero shows no difference, not that there "
       "is none; and of twenty such intervals one misses.")


def structures(study: Study) -> str:
    """Regroup against Refill, every structure against the trunk, and against its random control."""
    main = study.main
    pairs = [(a, UNSTRUCTURED) for a in methods(main) if a != UNSTRUCTURED]
    pairs += [(g, r) for g in regroups(main) for r in refills(main)]
    pairs += [(a, b) for a in methods(main) for how in ("channels", "weights") if (b := shuffled(main, a, how))]
    return _pairs(main, pairs)


def rewinding(study: Study) -> str:
    """Every method against the same masks over fresh weights."""
    return _pairs(study.main, [(a, b) for a in methods(study.main) if (b := fresh(study.main, a))])


def _pairs(main: Replicates, pairs: Sequence[tuple[str, str]]) -> str:
    rows = []
    for a, b in pairs:
        if found := by_round(main, a, b):
            least, most, last = min(found, key=_mean), max(found, key=_mean), found[-1]
            rows.append((f"`{a}`", f"`{b}`", over_all(found), f"{ci(most.paired)} at {most.at:.2f}", f"{ci(least.paired)} at {least.at:.2f}",
                         f"{ci(last.paired)} at {last.at:.2f}"))
    return table(("Method", "Less", "Mean difference", "Largest, at density", "Smallest, at density", "At its sparsest"), rows) if rows else \
        "No such pair of tickets is trained yet."


def _mean(v: Versus) -> float:
    return v.paired.mean


def paper_rewinding() -> str:
    gains = paper.rewinding()
    return fill(f"In the paper Refill's rewound tickets are {min(gains):.2f} to {max(gains):.2f} points above its re-initialised ones (ResNet-18, CIFAR-10, rounds 1 to "
                f"{len(gains)}, one seed).")


def inloop(summary: Study | None, branched: Study | None) -> str:
    """The structure fed back into the trunk, against the branched tickets of the same seeds."""
    if summary is None or not summary.there or branched is None or not branched.there:
        return "Not measured yet."
    rows = []
    for fed in summary.of:
        label = fed.config.in_loop
        if label in branched.main.labels:
            for v in by_round(fed, label, label, there=branched.main):
                rows.append((f"`{label}`", v.ticket.round, f"{v.at:.3f}", pm(v.ticket.accuracy), f"{v.there.accuracy:.1f}", ci(v.paired)))
    totals = [f"`{fed.config.in_loop}` {over_all(found)}" for fed in summary.of if fed.config.in_loop in branched.main.labels
              and (found := by_round(fed, fed.config.in_loop, fed.config.in_loop, there=branched.main))]
    return "\n\n".join([
        fill(f"`{summary.file}`: the structure is fed back, so that every round prunes what it left. Held against the branched tickets of {branched.title} at equal density, "
             f"in-loop less branched: {'; '.join(totals)}. The paper reports in-loop as worse (section 4.4)."),
        table(("Method", "Round", "Density", "In-loop", "Branched there", "Difference"), rows)])


def inflation(study: Study) -> str:
    """Achieved density of every method over IMP's, a round."""
    main = study.main
    labels = [x for x in methods(main) if x != UNSTRUCTURED]
    rounds = sorted({t.round for x in labels for t in main.of(x)})
    ratio = {(k, x): _ratio(main, k, x) for k in rounds for x in labels}
    theirs = paper.inflation()
    rows = [(k, *(pm(ratio[k, x], 2) for x in labels), f"{theirs[k - 1]:.2f}" if k <= len(theirs) else "–") for k in rounds]
    ends = {x: [r.mean for k in rounds if (r := ratio[k, x]).n] for x in regroups(main)}
    said = "; ".join(f"`{x}` {min(v):.2f} to {max(v):.2f} times" for x, v in ends.items() if v)
    return "\n\n".join([fill(f"Kept weights over IMP's in the same round, mean ± standard deviation over the seeds: {said}. The paper's Regroup keeps {min(theirs):.1f} to "
                             f"{max(theirs):.1f} times (ResNet-18, CIFAR-10, rounds 1 to {len(theirs)})."),
                        table(("Round", *(f"`{x}`" for x in labels), "Paper's Regroup"), rows)])


def _ratio(main: Replicates, k: int, label: str) -> Summary:
    return summary(of[k, label]["density"] / of[k, UNSTRUCTURED]["density"] for of in main.rows.values() if (k, label) in of and (k, UNSTRUCTURED) in of)


def coverage(study: Study) -> str:
    """Share of the kept weights that is in blocks."""
    main, labels = study.main, regroups(study.main)
    rows = [(t.round, f"`{x}`", f"{t.density.mean:.3f}", percent(t.coverage.mean), _least(main, x, t.round)) for x in labels for t in main.of(x)]
    return "\n\n".join([fill("Share of a group-wise ticket's kept weights that really are in dense blocks, mean over the seeds, and the smallest of a seed. What is not in a "
                             "block stands in a layer that yielded none and kept its unstructured mask."),
                        table(("Round", "Method", "Density", "In blocks", "Least of a seed"), rows)])


def _least(main: Replicates, label: str, k: int) -> str:
    return percent(min((of[k, label]["coverage"] for of in main.rows.values() if (k, label) in of), default=None))


def effective(study: Study) -> dict[str, tuple[list[Versus], list[Versus]]]:
    """Refill less IMP at equal density of the masks, and at equal density once dead inputs are removed, by label. Of the rounds alone in
    which IMP has been so sparse."""
    found = {}
    for x in refills(study.main):
        without = by_round(study.main, x, UNSTRUCTURED, "effective")
        rounds = {v.ticket.round for v in without}
        found[x] = [v for v in by_round(study.main, x, UNSTRUCTURED) if v.ticket.round in rounds], without
    return found


def hardest(study: Study) -> list[tuple[str, str, Versus]]:
    """Every structure against its structured random control in its sparsest round: (method, control, difference)."""
    found = []
    for label in (x for x in methods(study.main) if x != UNSTRUCTURED):
        control = shuffled(study.main, label)
        if control and (pairs := by_round(study.main, label, control)):
            found.append((label, control, pairs[-1]))
    return found


def won(study: Study, label: str, control: str) -> tuple[int, int, list[float]]:
    """In how many rounds a structure beats its control, of how many, and the densities of these rounds."""
    found = by_round(study.main, label, control)
    there = [v.at for v in found if beats(v)]
    return len(there), len(found), there


def beats(v: Versus) -> bool:
    """By more than the seeds' spread: the mean difference is larger than its standard deviation."""
    return v.paired.sd is not None and v.paired.mean > v.paired.sd


def equal_density(study: Study) -> list[tuple[str, str, Versus]]:
    """Regroup less Refill at equal density, every round of Regroup within Refill's curve."""
    refill = plain_refill(study.main)
    return [(label, refill, v) for label in regroups(study.main) for v in by_round(study.main, label, refill)] if refill else []
