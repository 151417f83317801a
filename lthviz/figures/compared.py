"""Studies and single runs side by side: each under a letter, with its settings and its outcomes.

A single run is a study of one seed: its numbers carry n = 1. Methods of one kind stand in one row where no study has two of them, whatever
their settings: what differs in those is a row of the settings.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lthviz.core import study as studying
from lthviz.core.comparable import caveats, unlike
from lthviz.core.settings import side_by_side
from lthviz.core.study import MeanTicket, Replicates
from lthviz.figures import measured, replicated_words, rows, theme, wording
from lthviz.figures.measured import Setting
from lthviz.figures.replicated import Studies, letter
from lthviz.records import Run, Timing
from lthviz.words import capital

NEAR = 1.25
"""Densities within this ratio are near: what a round that prunes a fifth changes."""


def compared(named: Mapping[str, Sequence[Run]], timings: Mapping[str, Sequence[Timing]] | None = None, setting: Setting | None = None, *,
             tolerance: float | None = None, unbroken: bool = False, here: str = "", baseline: str = "") -> Studies:
    """Studies and single runs, in order, named A, B, C … named: the runs of each by its id; a run may stand alone and in its study."""
    timings = timings or {}
    runs = {run.id: run for of in named.values() for run in of}
    setting = setting or measured.usual([t for run in runs for t in timings.get(run, ())])
    found = {run: measured.at(timings.get(run, ()), setting) for run in runs}
    times = {(run, k, label): t.time_ratio for run, of in found.items() for (k, label), t in of.items()}
    of = tuple(Replicates(name, studying.studies(its)[0].runs, times) for name, its in named.items())
    letters = {study.id: letter(i) for i, study in enumerate(of)}
    doubtful = frozenset((run, k, label) for run, by in found.items() for (k, label), t in by.items() if k and t.disturbed)
    return Studies(of, setting, tuple(t for by in found.values() for t in by.values() if t.round), tolerance, unbroken, here, doubtful, letters, baseline)


def methods(of: Studies) -> list[tuple[str, dict[str, str]]]:
    """The methods that were trained, each by its name with the label that it has in each study (by study id)."""
    out: dict[str, dict[str, str]] = {}
    several = {kind for study in of.of for kind in map(theme.kind, study.labels) if [*map(theme.kind, study.labels)].count(kind) > 1}
    for study in of.of:
        for label in study.labels:
            bare = rows.bare(label)
            name = replicated_words.title(study, label) if theme.kind(label) in several or not bare else bare
            out.setdefault(name, {})[study.id] = label
    return list(out.items())


# What came of it --------------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What became of a method in a study. near: the trained ticket whose density is nearest to the one asked for, as a ratio; fastest: of the winning
    tickets the one with the lowest measured time; extreme: the sparsest winning one. None: there is none."""

    study: Replicates
    label: str
    near: MeanTicket | None
    fastest: MeanTicket | None
    extreme: MeanTicket | None


def outcome(of: Studies, study: Replicates, label: str, density: float) -> Outcome:
    """density: the share of the weights asked for, 0..1."""
    trained = [t for t in study.of(label) if t.accuracy.n and t.density.mean]
    near = min(trained, key=lambda t: (abs(math.log(t.density.mean / density)), -t.density.mean), default=None)
    fastest = min((t for t in trained if of.wins(study, t) and t.time_ratio.mean), key=lambda t: t.time_ratio.mean, default=None)
    return Outcome(study, label, near, fastest, of.extremes[study.id, label])


def outcomes_table(of: Studies, density: float, baseline: str = "") -> list[dict[str, Any]]:
    """A row a study and method, every number unrounded; density: 0..1. baseline: id of the study whose values the differences are taken to."""
    base = {name: outcome(of, study, labels[baseline], density) for name, labels in methods(of) if baseline in labels
            for study in of.of if study.id == baseline}
    their_dense = next((s.dense.accuracy.mean for s in of.of if s.id == baseline and s.dense), None)
    out = []
    for name, labels in methods(of):
        for study in (s for s in of.of if s.id in labels):
            o, bar, dense = outcome(of, study, labels[study.id], density), of.levels[study.id], study.dense
            other = base.get(name) if study.id != baseline else None
            out.append({
                "name": of.apart[study.id], "id": study.id, "method": name, "ticket": labels[study.id],
                "dense accuracy (%)": dense and dense.accuracy.mean, "dense sd (points)": dense and dense.accuracy.sd, "dense n": dense.accuracy.n if dense else 0,
                "has to reach (%)": bar and bar.least, "asked for (% of weights)": 100 * density,
                "nearest (% of weights)": o.near and 100 * o.near.density.mean, "nearest: round": o.near and o.near.round,
                "nearest: accuracy (%)": o.near and o.near.accuracy.mean, "nearest: sd (points)": o.near and o.near.accuracy.sd,
                "nearest: n": o.near.accuracy.n if o.near else 0, "nearest: verdict": replicated_words.verdict(of, study, o.near) if o.near else "",
                "fastest that wins (×)": o.fastest and o.fastest.speedup, "fastest: round": o.fastest and o.fastest.round,
                "fastest: accuracy (%)": o.fastest and o.fastest.accuracy.mean, "fastest: n measured": o.fastest.time_ratio.n if o.fastest else 0,
                "extreme sparsity (%)": o.extreme and 100 * (1 - o.extreme.density.mean), "extreme: round": o.extreme and o.extreme.round,
                "extreme: accuracy (%)": o.extreme and o.extreme.accuracy.mean, "extreme: n": o.extreme.accuracy.n if o.extreme else 0,
                "dense, less baseline (points)": less(dense and dense.accuracy.mean, their_dense) if baseline and study.id != baseline else None,
                "nearest, less baseline (points)": less(o.near and o.near.accuracy.mean, other and other.near and other.near.accuracy.mean)
                if o.near and other and other.near and _alike(o.near.density.mean, other.near.density.mean) else None,
                "fastest, over baseline": over(o.fastest and o.fastest.speedup, other and other.fastest and other.fastest.speedup),
                "extreme sparsity, less baseline (points)": less(o.extreme and -100 * o.extreme.density.mean,
                                                                 other and other.extreme and -100 * other.extreme.density.mean)})
    return out


def outcomes_words(of: Studies, density: float, baseline: str = "") -> list[dict[str, str]]:
    """The same for reading: a row an outcome, a column a study; in brackets the difference to the baseline."""
    table = outcomes_table(of, density, baseline)
    by = {(r["method"], r["id"]): r for r in table}
    out = [{"outcome": "Dense network"} | {of.apart[s.id]: _dense(of, s, baseline) for s in of.of}]
    for name, labels in methods(of):
        lines: tuple[tuple[str, Any], ...] = ((f"{name} near {100 * density:g} %", _near), (f"{name}, fastest that wins", _fastest),
                                              (f"{name}, extreme sparsity", _extreme))
        for title, said in lines:
            out.append({"outcome": title} | {of.apart[s.id]: said(of, s, by[name, s.id]) if s.id in labels else "not trained" for s in of.of})
    return out


def _dense(of: Studies, study: Replicates, baseline: str) -> str:
    if not study.dense or not study.dense.accuracy.n:
        return "not trained yet"
    base = next((s.dense.accuracy.mean for s in of.of if s.id == baseline and s.dense), None)
    return (f"{replicated_words.mean_sd(study.dense.accuracy, '.2f', unit=' %')}{_bracket(less(study.dense.accuracy.mean, base) if study.id != baseline else None)}"
            f" · n = {study.dense.accuracy.n}")


def _near(of: Studies, study: Replicates, r: Mapping[str, Any]) -> str:
    if r["nearest (% of weights)"] is None:
        return "no ticket"
    spread = "" if r["nearest: sd (points)"] is None else f" ± {r['nearest: sd (points)']:.2f}"
    far = "" if _alike(r["nearest (% of weights)"], r["asked for (% of weights)"]) else " (not near)"
    return (f"{r['nearest: accuracy (%)']:.2f}{spread} %{_bracket(r['nearest, less baseline (points)'])} at {r['nearest (% of weights)']:.1f} %{far}, round {r['nearest: round']}"
            + (f" · {r['nearest: verdict']}" if r["nearest: verdict"] else "") + f" · n = {r['nearest: n']}")


def _fastest(of: Studies, study: Replicates, r: Mapping[str, Any]) -> str:
    if r["fastest that wins (×)"] is None:
        measured_any = any(t.time_ratio.n for t in study.of(r["ticket"]))
        return "none measured wins" if measured_any else "not measured"
    ratio = r["fastest, over baseline"]
    return (f"{wording.times(r['fastest that wins (×)'])}{f' ({ratio:.2f} of its)' if ratio is not None else ''}, {r['fastest: accuracy (%)']:.2f} %, "
            f"round {r['fastest: round']} · n = {r['fastest: n measured']}")


def _extreme(of: Studies, study: Replicates, r: Mapping[str, Any]) -> str:
    if r["extreme sparsity (%)"] is None:
        return "no ticket wins" if of.levels[study.id] else "not known yet"
    return (f"{r['extreme sparsity (%)']:.1f} % sparse{_bracket(r['extreme sparsity, less baseline (points)'], '.1f')}, wins with {r['extreme: accuracy (%)']:.2f} %, "
            f"round {r['extreme: round']} · n = {r['extreme: n']}")


def _alike(a: float, b: float) -> bool:
    """Whether two densities are so near that tickets at them can be held against each other: a pruning round of a fifth apart at most."""
    return max(a, b) <= NEAR * min(a, b)


def less(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def over(a: float | None, b: float | None) -> float | None:
    return a / b if a and b else None


def _bracket(value: float | None, form: str = ".2f") -> str:
    return "" if value is None else f" ({value:+{form}})".replace("-", "−")


def extremes_table(of: Studies) -> list[dict[str, Any]]:
    """Each method's extreme sparsity: its sparsest winning ticket with what it had to reach; n = 1 where one training stands behind it."""
    out = []
    for study in of.of:
        bar = of.levels[study.id]
        for label in study.labels:
            t = of.extremes[study.id, label]
            verdict = "wins" if t else "no ticket wins" if bar else "not known yet"
            out.append({"id": study.id, "study": of.apart[study.id] or study.title, "method": replicated_words.title(study, label), "verdict": verdict,
                        "extreme sparsity (%)": t and 100 * (1 - t.density.mean), "kept weights (%)": t and 100 * t.density.mean, "round": t and t.round,
                        "test accuracy (%)": t and t.accuracy.mean, "sd (points)": t and t.accuracy.sd, "n": t.accuracy.n if t else len(study.seeds),
                        "has to reach (%)": bar and bar.least, "dense n": bar.n if bar else 0})
    return out


# How it was made --------------------------------------------------------------------------------------------------------


def settings_table(of: Studies, *, every: bool = False) -> list[dict[str, Any]]:
    """A row a setting, a column a study; every: those in which they are alike as well. The seeds of a study are one setting."""
    out = []
    for s in side_by_side([study.config for study in of.of]):
        values = [", ".join(map(str, study.seeds)) for study in of.of] if s.name == "seed" else [_plain(v) for v in s.values]
        differs = len(set(values)) > 1
        if differs or every:
            out.append({"setting": s.name, **({"differs": "≠" if differs else "="} if every else {}), **{of.apart[study.id]: v for study, v in zip(of.of, values)},
                        "what it is": s.help + (" (where it ran: no part of its id)" if s.place else "")})
    return out


def _plain(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value) or "none"


# What can be compared ---------------------------------------------------------------------------------------------------


def limits(of: Studies) -> list[str]:
    """What cannot be held against each other here, and what can, in sentences; none where all train one network on one data set alike."""
    said = []
    data, models = ({getattr(s.config, part): None for s in of.of} for part in ("data", "model"))
    if len(data) > 1:
        said.append(f"They are tested on different images ({_who(of, 'data')}), so their accuracies say nothing about each other: compare only how far each ticket "
                    "is from its own dense network.")
    if len(models) > 1:
        sizes = {of.apart[s.id] or s.id: sum(x.size for x in s.runs[0].layers) for s in of.of if s.runs[0].layers}
        many = "; ".join(f"{k} has {v:,}" for k, v in sizes.items())
        said.append(f"They are different networks ({_who(of, 'model')}), so an equal share of the weights is not an equal number of them"
                    + (f" ({many} weights that can be pruned)" if many else "") + ". Speedups are each over its own dense network; layers cannot be compared one by one.")
    if len(data) == len(models) == 1:
        why = [unlike([of.of[0].runs[0]], s.runs[0]) for s in of.of[1:]]
        said += [f"{capital(words)}." for words in dict.fromkeys([*filter(None, why), *caveats([s.runs[0] for s in of.of])])]
    return said


def _who(of: Studies, part: str) -> str:
    by: dict[str, list[str]] = {}
    for s in of.of:
        by.setdefault(str(getattr(s.config, part)), []).append(of.apart[s.id] or s.id)
    return ", ".join(f"{' and '.join(who)}: {value}" for value, who in by.items())


def of_first_data(of: Studies) -> Studies:
    """Those that are tested on the images of the first: what one figure of accuracies may hold."""
    kept = tuple(s for s in of.of if s.config.data == of.of[0].config.data)
    return of if len(kept) == len(of.of) else dataclasses.replace(of, of=kept)


def shared_layers(a: Run, b: Run) -> str:
    """Whether two runs' layers can be read row by row, in a sentence."""
    mine, theirs = ({x.name: x.shape for x in run.layers} for run in (a, b))
    same = sum(theirs.get(name) == shape for name, shape in mine.items())
    if not mine or not theirs:
        return "One of the two has not built its network yet."
    if mine == theirs:
        return f"Both have the same {len(mine)} layers: each row stands beside its own."
    if same:
        return (f"The networks differ: {same} layers have the same name and shape in both, of {len(mine)} and {len(theirs)}; only those can be read row by row.")
    return ("No layer of one network is a layer of the other, so no row stands beside its own: compare only how the density runs from the image to the classifier.")


