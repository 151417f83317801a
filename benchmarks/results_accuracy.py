"""Sections of docs/results.md: what was run, accuracy against density and against measured speed, the sparsest winning tickets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks import results_paper as paper
from benchmarks.results_read import Study
from benchmarks.results_words import fill, listed, methods, percent, pm, refills, regroups, table
from lthviz.config import OWN_IMAGES, UNSTRUCTURED
from lthviz.core import winning
from lthviz.core.study import MeanTicket, Replicates
from lthviz.figures import wording

SHOWN = 6
"""So many missing runs are named; of more, how many."""


def what(stored: Mapping[str, Study], summaries: Mapping[str, Study]) -> str:
    """Every study: its file, network and data, seeds, length, conditions, and what of it is not there."""
    rows = []
    for study in (*stored.values(), *summaries.values()):
        c = study.main.config if study.main else None
        kept = "runs in data/examples" if study.name in stored else f"numbers in benchmarks/results/{study.name}.json"
        rows.append((f"[{study.title}](../{study.file})", f"{c.model} on {Path(c.data_dir).name if c.data in OWN_IMAGES else c.data}" if c else "–", len(study.main.seeds) if study.main else 0,
                     f"{c.epochs} epochs, {c.rounds} rounds at {100 * c.rate:g} %" if c else "–",
                     f"{study.info['train_images']:,} / {study.info['test_images']:,}" if study.info else "–",
                     kept if study.main else "not yet trained", _there(study)))
    out = [table(("Study", "Network, data", "Seeds", "A training; pruning", "Training / test images", "Kept", "Runs finished"), rows)]
    for study in (*stored.values(), *summaries.values()):
        if study.missing:
            named = ", ".join(f"`{x}`" for x in study.missing[:SHOWN]) + (f" and {len(study.missing) - SHOWN} more" if len(study.missing) > SHOWN else "")
            out.append(fill(f"**{study.title} is not complete**: {len(study.missing)} of {study.expected} runs are not there or not finished ({named}). What is said of it "
                            "below is of the tickets that are there, and n says of how many seeds."))
    out.append(fill(_conditions([*stored.values(), *summaries.values()])))
    return "\n\n".join(out)


def _there(study: Study) -> str:
    return f"{study.expected - len(study.missing)} of {study.expected}"


def _conditions(studies: list[Study]) -> str:
    said = {}
    for study in studies:
        if study.info:
            i, c = study.info, study.main.config
            on = {"cpu": "a CPU"}.get(i.get("device"), f"a {i.get('device')} device")
            versions = ", ".join(f"{k} {v}" for k, v in i.get("versions", {}).items())
            said.setdefault(f"on {on}, {i.get('threads')} thread{'s' * (i.get('threads') != 1)}, {c.precision}, {versions}", []).append(study.title)
    return "Conditions: " + "; ".join(f"{listed(names)} {how}" for how, names in said.items()) + "." if said else ""


def density(study: Study) -> str:
    """Mean accuracy ± standard deviation of every structure, round by round, with the density that it reached."""
    main = study.main
    out = [_head(study), f"![Accuracy against density, {study.title}](results/{study.name}-density.svg)"]
    out.append(_rounds(study, methods(main)))
    controls = [x for x in main.labels if x not in methods(main)]
    if controls:
        out.append("Their controls, which have the densities of what they are controls of:")
        out.append(_rounds(study, controls, with_density=False))
    return "\n\n".join(out)


def _head(study: Study) -> str:
    level = study.level
    return fill(f"Test accuracy in percent, mean ± standard deviation over the seeds that have the ticket (n = {_n(study.main)}); below it the density that "
                f"was reached. Dense: {pm(study.main.dense.accuracy)} (n = {study.main.dense.accuracy.n}); **bold**: wins, a mean of at least {level.least:.2f} "
                f"({wording.tolerance(level)} below the dense mean).")


def _n(study: Replicates) -> str:
    counts = sorted({t.accuracy.n for t in study.tickets if t.accuracy.n})
    return f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"


def _rounds(study: Study, labels: list[str], with_density: bool = True) -> str:
    by = {(t.round, t.structure): t for t in study.main.tickets}
    rounds = sorted({k for k, label in by if k and label in labels})
    rows = [(k, *(_cell(study, by.get((k, label)), with_density) for label in labels)) for k in rounds]
    return table(("Round", *(f"`{x}`" for x in labels)), rows)


def _cell(study: Study, t: MeanTicket | None, with_density: bool) -> str:
    if t is None or not t.accuracy.n:
        return "–"
    said = f"**{pm(t.accuracy)}**" if winning.wins(t, study.level) else pm(t.accuracy)
    return f"{said}<br>at {t.density.mean:.3f}" if with_density else said


def speed(study: Study) -> str:
    """The same against measured speed, where it is measured."""
    timed = [t for t in study.main.tickets if not t.dense and t.time_ratio.n and t.accuracy.n]
    if not timed:
        return fill("No speed of this study's tickets has been measured on a machine at rest yet; `python benchmarks/examples.py` does it.")
    fastest = sorted(timed, key=lambda t: -t.speedup)
    by_label = {label: max((t for t in timed if t.structure == label), key=lambda t: t.speedup) for label in study.main.labels if any(t.structure == label for t in timed)}
    rows = [(f"`{t.structure}`", t.round, f"{t.density.mean:.3f}", pm(t.accuracy), wording.times(t.speedup), percent(1 - t.time_ratio.mean), t.time_ratio.n,
             percent(t.flops_ratio.mean)) for t in by_label.values()]
    ratio = [t.time_ratio.n for t in fastest]
    where = f"{wording.setting(study.setting)}, {wording.machine(study.timings[0])}"
    return "\n\n".join([
        fill(f"Time of a forward pass over that of the fastest dense form of the network ({where}; {len(timed)} tickets timed, each over {min(ratio)} to {max(ratio)} seeds). "
             "The fastest ticket of each structure, whatever its accuracy; which of them pay is told [further below](#which-weights-pay)."),
        f"![Accuracy against measured speed, {study.title}](results/{study.name}-speed.svg)",
        table(("Structure", "Round", "Density", "Accuracy", "Speedup", "Time saved", "Seeds timed", "Multiply-adds left"), rows),
        fill("The paper saves up to " + ", ".join(f"{saved} % of the running time at {at} % sparsity on {data}" for data, (saved, at) in paper.SAVED.items())
             + f" ({paper.SOURCE}; RTX 2080 Ti, other networks: a figure to stand beside, not to be compared with).")])


def sparsest(stored: Mapping[str, Study]) -> str:
    """The sparsest winning ticket of each method, beside the paper's."""
    rows = []
    for study in (s for s in stored.values() if s.there):
        for label in study.main.labels:
            tickets = study.main.of(label)
            best, unbroken = winning.extreme(tickets, study.level), winning.extreme(tickets, study.level, unbroken=True)
            rows.append((study.title, f"`{label}`", _sparsity(best), pm(best.accuracy) if best else "–", best.accuracy.n if best else max((t.accuracy.n for t in tickets), default=0),
                         _sparsity(unbroken), f"round {best.round} of {max(t.round for t in tickets)}" if best else "–"))
    levels = "; ".join(f"{s.title}: {s.level.least:.2f} = {s.level.accuracy:.2f} less {wording.tolerance(s.level)}" for s in stored.values() if s.there)
    theirs = [(f"{net}, {data}", *(f"{x} %" if x else "none" for x in pair)) for data, nets in paper.SPARSEST.items() for net, pair in nets.items()]
    return "\n\n".join([
        fill(f"Sparsity of the sparsest ticket that wins. *Unbroken* asks every less sparse ticket of the method to win as well, which keeps out a lucky one. To "
             f"reach: {levels}."),
        table(("Study", "Method", "Sparsest winning", "Its accuracy", "n", "Unbroken", "In"), rows),
        fill(f"The paper's ({paper.SOURCE}; a single seed each, so without a spread):"),
        table(("Network, data", "Channel-wise", "Group-wise"), theirs)])


def _sparsity(t: MeanTicket | None) -> str:
    return percent(1 - t.density.mean) if t else "none wins"


def channelwise(study: Study) -> MeanTicket | None:
    """The sparsest winning channel-wise ticket, Refill or Refill+."""
    return _best(study, refills(study.main))


def groupwise(study: Study) -> MeanTicket | None:
    return _best(study, regroups(study.main))


def _best(study: Study, labels: list[str]) -> MeanTicket | None:
    return winning.extreme([t for x in labels for t in study.main.of(x)], study.level)


def unstructured(study: Study) -> MeanTicket | None:
    """The sparsest winning unstructured ticket before which none lost."""
    return winning.extreme(study.main.of(UNSTRUCTURED), study.level, unbroken=True)
