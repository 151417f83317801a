"""Sections of docs/results.md about settings: which score is best for Refill, and what t1 and the number of groups do in Regroup."""

from __future__ import annotations

from benchmarks.results_read import Study
from benchmarks.results_words import by_round, ci, fill, made, over_all, percent, plain_refill, pm, regroups, table
from lthviz.config import UNSTRUCTURED, Refill, Regroup
from lthviz.core.intervals import interval, over_rounds
from lthviz.core.study import Replicates, Summary, summary


def scores(study: Study | None) -> str:
    """Every score of Refill against magnitude, of the same seeds and densities."""
    if study is None or not study.there:
        return "Not measured yet."
    main, base = study.main, plain_refill(study.main)
    labels = [x for x in main.labels if isinstance(s := made(x), Refill) and s == Refill(score=s.score)]
    found = {x: by_round(main, x, base) for x in labels if x != base}
    rows = []
    for x in labels:
        tickets = main.of(x)
        against = ci(over_rounds(found[x])) if x != base else "–"
        rows.append((f"`{made(x).score}`", *(pm(t.accuracy) for t in tickets), against))
    apart = [x for x, v in found.items() if (i := over_rounds(v)) and (i.above or i.below)]
    best = max(labels, key=lambda x: sum(t.accuracy.mean for t in main.of(x)))
    verdict = "No score is apart from magnitude by more than its interval." if not apart else \
        "Apart from magnitude by more than their interval: " + "; ".join(f"`{made(x).score}` {ci(over_rounds(found[x]))}" for x in apart) + "."
    return "\n\n".join([
        fill(f"{study.title} (`{study.file}`), n = {len(main.seeds)} seeds. The highest mean over the rounds has `{made(best).score}`. {verdict} The paper chooses magnitude "
             "(section 3.2)."),
        table(("Score", *(f"Round {t.round}, density {t.density.mean:.2f}" for t in main.of(base)), "Less magnitude, mean over rounds"), rows)])


def regroup(study: Study | None) -> str:
    """Density, coverage and accuracy of Regroup by t1 and groups."""
    if study is None or not study.there:
        return "Not measured yet."
    main = study.main
    labels = sorted(regroups(main), key=lambda x: (made(x).groups, made(x).t1))
    base = next((x for x in labels if isinstance(s := made(x), Regroup) and (s.groups, s.t1) == (8, 1.5)), labels[0])
    level = max(t.round for t in main.of(base))
    rows = [(made(x).groups, f"{made(x).t1:g}", pm(_inflation(main, x), 2), percent(_mean(main, x, "coverage")), f"{t.density.mean:.3f}", pm(t.accuracy),
             "–" if x == base else over_all(by_round(main, x, base)), over_all(by_round(main, x, UNSTRUCTURED)))
            for x in labels for t in main.of(x) if t.round == level]
    return "\n\n".join([
        fill(f"`{study.file}`: n = {len(main.seeds)} seeds, {main.config.rounds} rounds that prune {100 * main.config.rate:g} % each, `min_rows={made(base).min_rows}`. Density over "
             "IMP's and share in blocks are means over all rounds. The last two columns are at equal density, so that a setting that only keeps more weights gains "
             f"nothing by it; the paper's setting is {made(base).groups} groups with t1 = {made(base).t1:g}."),
        table(("Groups", "t1", "Density over IMP's", "In blocks", f"Density, round {level}", f"Accuracy, round {level}",
               f"Less {made(base).groups} groups, t1 {made(base).t1:g}", "Less IMP"), rows),
        _factors(main, labels)])


def _factors(main: Replicates, labels: list[str]) -> str:
    """What each setting does on its own: the mean over the levels of the other, its lowest against its highest value."""
    said = []
    for name in ("groups", "t1"):
        values = sorted({getattr(made(x), name) for x in labels})
        other = "t1" if name == "groups" else "groups"
        low, high = ([x for x in labels if getattr(made(x), name) == v] for v in (values[0], values[-1]))
        partner = {getattr(made(x), other): x for x in low}
        pairs = [(x, partner[getattr(made(x), other)]) for x in high]
        by_seed: dict[int, list[float]] = {}
        for a, b in pairs:
            for v in by_round(main, a, b):
                for seed, d in v.pairs.items():
                    by_seed.setdefault(seed, []).append(d)
        if by_seed:
            found = interval(summary(sum(v) / len(v) for v in by_seed.values()))
            said.append(f"{name} {values[-1]:g} less {values[0]:g}: {ci(found)} points")
    return fill("Each on its own, at equal density, over all values of the other: " + "; ".join(said) + ".") if said else ""


def _inflation(main: Replicates, label: str) -> Summary:
    of_seed = []
    for rows in main.rows.values():
        ratios = [r["density"] / rows[k, UNSTRUCTURED]["density"] for (k, x), r in rows.items() if x == label and (k, UNSTRUCTURED) in rows]
        of_seed += [sum(ratios) / len(ratios)] if ratios else []
    return summary(of_seed)


def _mean(main: Replicates, label: str, name: str) -> float:
    tickets = main.of(label)
    return sum(getattr(t, name).mean for t in tickets) / len(tickets)
