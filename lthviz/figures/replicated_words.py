"""Studies in words and numbers: mean ± standard deviation (n), who wins and by what, what is left out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lthviz.core.study import MeanTicket, Replicates, Summary
from lthviz.core.versus import Versus
from lthviz.core.winning import Level
from lthviz.figures import rows, wording
from lthviz.figures.measured import AXES
from lthviz.figures.replicated import Studies, known
from lthviz.records import Run
from lthviz.words import capital


def mean_sd(s: Summary, form: str = ".1f", scale: float = 1.0, unit: str = "") -> str:
    """`94.1 ± 0.4 %`; without a spread where there is one replicate, a dash where there is none."""
    if s.mean is None:
        return "–"
    spread = "" if s.sd is None else f" ± {s.sd * scale:{form}}"
    return f"{s.mean * scale:{form}}{spread}{unit}"


def difference(v: Versus) -> str:
    """A ticket less another method, in points, with the number of pairs, of whose differences it is: `−5.11 ± 5.21 (n = 3)`."""
    if v.difference is None:
        return "–"
    spread = "" if v.paired.sd is None else f" ± {v.paired.sd:.2f}"
    return f"{v.difference:+.2f}{spread}".replace("-", "−") + (f" (n = {v.paired.n})" if v.paired.n else " (unpaired)")


def seeds(study: Replicates) -> str:
    """`3 seeds (0, 1, 2)`, `1 seed (4)`."""
    n = len(study.seeds)
    return f"{n} seed{'s' * (n != 1)} ({', '.join(map(str, study.seeds[:12]))}{', …' * (n > 12)})"


def title(study: Replicates, label: str) -> str:
    return rows.title(study.runs[0], label)


def short(of: Studies, study: Replicates, label: str) -> str:
    """A method's name in a legend: with what tells its study from the others, where there are several."""
    name = rows.short(study.runs[0], label, of.labels)
    name = f"{name} · {of.apart[study.id]}" if of.several and of.apart[study.id] else name
    return f"{name} (baseline)" if study.id == of.baseline and of.several else name


def level(of: Studies, study: Replicates) -> str:
    """What winning means in a study, and how many trainings stand behind it."""
    bar = of.levels[study.id]
    if bar is None and study.runs[0].config.taken_in:
        return "how accurate its dense network was is not known, so no ticket is said to win"
    if bar is None:
        return "its dense network is not trained yet, so no ticket is said to win"
    return (f"the dense network reaches {mean_sd(study.dense.accuracy, '.2f')} % (n = {bar.n}); a ticket wins from a mean of {bar.least:.2f} % on: "
            f"a tolerance of {wording.tolerance(bar)}")


def extreme(of: Studies, study: Replicates, label: str) -> str:
    """A method's extreme sparsity: its sparsest winning ticket, or that there is none."""
    t = of.extremes[study.id, label]
    rule = ", with all less sparse ones" if of.unbroken else ""
    if t is None:
        return "not known without the dense network's accuracy" if of.levels[study.id] is None else "no ticket wins"
    return (f"{100 * (1 - t.density.mean):.1f} % sparse ({mean_sd(t.density, '.1f', 100)} % of the weights, round {t.round}): "
            f"{mean_sd(t.accuracy, '.2f')} %, n = {t.accuracy.n}{rule}")


def left_out(runs: Sequence[Run]) -> list[str]:
    """What these runs have not trained yet, or cannot be read of them, a sentence a run."""
    said = []
    for run in runs:
        who = f"run {run.id} (seed {run.config.seed})"
        if not run.rows:
            said.append(f"{who} has trained nothing yet and is left out")
        elif len(run.finished) <= run.config.rounds:
            done = wording.rounds(run.finished) if run.finished else "no round"
            said.append(f"{who} has finished {done} of {run.config.rounds}; what it has not trained is left out")
        said += [f"{who}: {f'round {part}' if part.isdecimal() else part} cannot be read and is left out: {why}" for part, why in run.info.get("damaged", {}).items()]
    return said


# The twins of the figure ------------------------------------------------------------------------------------------------


def replicate_curves_table(of: Studies) -> list[dict[str, Any]]:
    """A row a ticket, units in the column names; sd: standard deviation over the replicates, empty of one."""
    out = []
    for study in of.of:
        bar = of.levels[study.id]
        for t in study.tickets:
            row: dict[str, Any] = {"study": study.id, "round": t.round, "structure": t.structure, "ticket": "Dense" if t.dense else title(study, t.structure),
                                   "test accuracy (%)": t.accuracy.mean, "sd (points)": t.accuracy.sd, "n": t.accuracy.n,
                                   "verdict": verdict(of, study, t) + (", sparsest" if t is of.extremes.get((study.id, t.structure)) else ""),
                                   "has to reach (%)": bar.least if bar else None}
            for name, s in (("kept weights", t.density), ("effective density", t.effective_density), ("in blocks", t.coverage),
                            ("multiply-adds", t.flops_ratio)):
                row |= {f"{name} (%)": rows.scaled(s.mean), f"{name}, sd (%)": rows.scaled(s.sd)}
            speed = {} if t.dense else {"measured speedup (×)": t.speedup, "time ratio": t.time_ratio.mean, "time ratio, sd": t.time_ratio.sd,
                                        "time ratio, n": t.time_ratio.n, "disturbed": doubt(of, study, t) or None}
            row |= dict.fromkeys(("measured speedup (×)", "time ratio", "time ratio, sd", "time ratio, n", "disturbed")) | speed
            row |= {"training (s)": t.seconds.mean, "training, sd (s)": t.seconds.sd, "seeds": " ".join(map(str, t.seeds))}
            out.append(row)
    return out


def versus_table(of: Studies, against: str = "density", reference: str = "") -> list[dict[str, Any]]:
    """A row a ticket of every method but the reference one, held against that at equal density or measured time."""
    out = []
    for study, label, found in of.versus(against, reference):
        for v in found:
            low, high = (v.there.high.round, v.there.low.round) if v.there else (None, None)
            out.append({"ticket": short(of, study, label), "round": v.ticket.round,
                        **({"kept weights (%)": 100 * v.at} if against == "density" else {"measured speedup (×)": 1 / v.at}),
                        "test accuracy (%)": v.ticket.accuracy.mean, "there (%)": v.there and v.there.accuracy, "between rounds": v.there and f"{low}, {high}",
                        "difference (points)": v.difference, "s.d. of the differences (points)": v.paired.sd, "pairs": v.paired.n,
                        "difference is": v.words or None,
                        **({"disturbed": doubt(of, study, v.ticket) or None} if against == "speed" else {})})
    return out


def doubt(of: Studies, study: Replicates, t: MeanTicket) -> str:
    """`1 of 3 measured on a busy machine, so doubtful`; '' where none was."""
    n = of.doubtful(study, t)
    return f"{n} of {t.time_ratio.n} measured on a busy machine, so doubtful" if n else ""


def verdict(of: Studies, study: Replicates, t: MeanTicket) -> str:
    """`wins`, `below`, or nothing where nothing can be said; the dense network is what the others are held against."""
    if t.dense or of.levels[study.id] is None or not t.accuracy.n:
        return ""
    return "wins" if of.wins(study, t) else "below"


def replicate_curves_alt(of: Studies, x: str = "kept") -> str:
    """In spoken words: the dense networks, each method's extreme sparsity, and how many seeds there are."""
    said = []
    for study in of.of:
        if study.dense and study.dense.accuracy.n:
            said.append(f"the dense network reaches {study.dense.accuracy.mean:.1f} percent over {study.dense.accuracy.n} "
                        f"seed{'s' * (study.dense.accuracy.n != 1)}{_apart(of, study)}")
        for label in study.labels:
            t = of.extremes[study.id, label]
            name = f"{title(study, label)}{_apart(of, study)}"
            said.append(f"{name}: sparsest winning ticket at {100 * t.density.mean:.1f} percent of the weights with {t.accuracy.mean:.1f} percent accuracy" if t
                        else f"{name}: no ticket wins")
    if n := len(_marked(of)) if x == "speed" else 0:
        said.append(f"the speed of {n} ticket{'s' * (n != 1)} is doubtful, measured on a busy machine")
    axis = AXES[x].name if x == "flops" else AXES[x].name.lower()
    return f"Mean test accuracy over seeds against {axis}: " + ("; ".join(said) if said else "no ticket has been trained yet") + "."


def shaded(of: Studies) -> Level | None:
    """What a ticket wins with in the one region that a figure shades: the baseline's; without one that of all, None where they differ."""
    if pinned := of.levels.get(of.baseline) if of.several else None:
        return pinned
    bars = {bar.least: bar for bar in of.levels.values() if bar}
    return next(iter(bars.values())) if len(bars) == 1 else None


def replicate_curves_caption(of: Studies, x: str = "kept") -> str:
    """What it shows, how many seeds stand behind it, what winning means, and how sparse each method may get."""
    n = "; ".join(f"{of.apart[s.id] or s.title}: n = {seeds(s)}" if of.several else f"n = {seeds(s)}" for s in of.of)
    one = all(len(s.seeds) == 1 for s in of.of)
    said = f"Test accuracy of each ticket against {AXES[x].said}, one training a point ({n or 'no study'})." if one else \
        f"Mean test accuracy of each ticket over the seeds of a study against {AXES[x].said}; the band is one standard deviation to either side ({n})."
    if fewer := _fewer(of):
        said += f" Fewer seeds: {fewer}."
    if x == "speed" and of.timings:
        counts = [t.time_ratio.n for study in of.of for t in study.tickets if not t.dense and t.time_ratio.n]
        said += f" A ticket's speed is that of its mean time ratio over {_range(counts)} measured seed{'s' * (max(counts) != 1)}."
    said += "".join(f" {_capital(of, study)}{level(of, study)}." for study in of.of)
    if base := next((s for s in of.of if s.id == of.baseline and of.several), None):
        said += f" Grey and dotted, behind: the baseline, {of.apart[base.id] or base.title}."
    if of.several and (bar := shaded(of)):
        said += f" Shaded: at least {bar.least:.2f} %, with which a ticket wins" + (f" in {of.apart[of.baseline] or 'the baseline'}." if of.levels.get(of.baseline) else ".")
    ringed = [f"{short(of, study, label)} {100 * t.density.mean:.1f} % of the weights" for study in of.of for label in study.labels if (t := of.extremes[study.id, label])]
    if ringed:
        rule = "sparsest that wins, all less sparse ones winning too" if of.unbroken else "sparsest that wins"
        said += f" Ringed, the {rule}: {'; '.join(ringed)}."
    elif any(of.levels.values()):
        said += " No ticket wins."
    said += "".join(f" {_first_up(sentence)}." for sentence in of.caveats)
    return said + (f" {wording.provenance(of.timings)} {doubtful(of)}".rstrip() if x == "speed" and of.timings else "")


def hover(of: Studies, study: Replicates, t: MeanTicket) -> list[str]:
    """All numbers of a ticket, a line each; the first is its name."""
    name = "Dense" if t.dense else f"{title(study, t.structure)}, round {t.round}"
    said = [name + (f", {of.apart[study.id]}" if of.several and of.apart[study.id] else ""),
            f"test accuracy {mean_sd(t.accuracy, '.2f')} % (n = {t.accuracy.n}, seed{'s' * (len(t.seeds) != 1)} {', '.join(map(str, t.seeds))})"]
    if word := verdict(of, study, t):
        bar = of.levels[study.id]
        said.append(f"{word}: {bar.least:.2f} % to reach" + ("; sparsest that wins" if t is of.extremes[study.id, t.structure] else ""))
    shares = (("kept", t.density), ("effective", t.effective_density), ("in blocks", t.coverage), ("multiply-adds", t.flops_ratio))
    said += [f"{what} {mean_sd(s, '.1f', 100, ' %')}" for what, s in shares if s.n]
    if t.time_ratio.n and not t.dense:
        said.append(f"measured {wording.times(t.speedup)}: {mean_sd(t.time_ratio, '.3f')} of the dense time (n = {t.time_ratio.n})"
                    + (f"; {words}" if (words := doubt(of, study, t)) else ""))
    return said + ([f"training {mean_sd(t.seconds, '.1f')} s"] if t.seconds.n else [])


def drawn(of: Studies, x: str) -> list[MeanTicket]:
    """The tickets of the figure, the dense networks aside."""
    return [t for study in of.of for t in study.tickets if not t.dense and known(t, x)]


def _fewer(of: Studies) -> str:
    """Which tickets have fewer seeds than their study, and how many."""
    by: dict[tuple[str, str], list[str]] = {}
    for study in of.of:
        for label in study.labels:
            if found := [t for t in study.of(label) if t.accuracy.n < len(study.seeds)]:
                alike = wording.rounds([t.round for t in found]), _range([t.accuracy.n for t in found])
                by.setdefault(alike, []).append(short(of, study, label))
    methods = sum(len(study.labels) for study in of.of)
    return "; ".join(f"{'' if len(names) == methods else ' and '.join(names) + ', '}{where} (n = {n})" for (where, n), names in by.items())


def doubtful(of: Studies) -> str:
    """A sentence about the measurements that were made on a busy machine; '' where none was."""
    n, tickets = len(of.disturbed), len(_marked(of))
    return (f"Open with a dot: {n} of the {len(of.timings)} measurements, of {tickets} ticket{'s' * (tickets != 1)}, "
            f"{'were' if n != 1 else 'was'} made on a busy machine and {'are' if n != 1 else 'is'} doubtful.") if n else ""


def _marked(of: Studies) -> list[MeanTicket]:
    """The tickets behind whose speed there is a doubtful measurement."""
    return [t for study in of.of for t in study.tickets if of.doubtful(study, t)]


def _apart(of: Studies, study: Replicates) -> str:
    return f" ({of.apart[study.id]})" if of.several and of.apart[study.id] else ""


def _capital(of: Studies, study: Replicates) -> str:
    return f"{of.apart[study.id] or study.title}: " if of.several else "Here "


def _first_up(sentence: str) -> str:
    return capital(sentence)


def _range(values: Sequence[int]) -> str:
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"
