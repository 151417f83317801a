"""The twins of the accuracy curves: their numbers, what is said aloud, and the sentence under them."""

from __future__ import annotations

from typing import Any

from lthviz.figures import rows, wording
from lthviz.figures.measured import AXES, Study


def accuracy_curves_table(study: Study) -> list[dict[str, Any]]:
    """A row a trained ticket, units in the column names; what is not measured is empty."""
    out = []
    for q in study.points:
        t = q.timing
        low, high = wording.quartiles(t) if t else (None, None)
        out.append({
            "run": q.run.id, "round": q.row["round"], "structure": q.row["structure"], "ticket": rows.ticket(q.run, q.row),
            "test accuracy (%)": q.accuracy, "dense accuracy (%)": rows.dense(q.run), "measured speedup (×)": t.speedup if t else None,
            "lower quartile (×)": low, "upper quartile (×)": high, "estimated speedup (×)": 1 / q.predicted if q.predicted else None,
            "FLOPs would allow (×)": 1 / q.flops if q.flops else None, "ticket (ms)": t.ticket_ms if t else None,
            "dense (ms)": t.dense_ms if t else None, "kept weights (%)": 100 * q.row["density"],
            "effective density (%)": rows.scaled(q.row.get("effective_density")), "multiply-adds (%)": rows.scaled(q.flops),
            "runs as": t.executor if t else None, "dense form": t.baseline if t else None, "batch": t.batch if t else None,
            "threads": t.threads if t else None, "pairs": t.n if t else None, "largest difference": t.max_abs_err if t else None,
            "machine": wording.machine(t) if t else None, "disturbed": "; ".join(q.disturbed) or None, "training (s)": q.row.get("seconds")})
    return out


def accuracy_curves_alt(study: Study, x: str = "speed") -> str:
    """In spoken words: the fastest or sparsest ticket of each structure, and how many win."""
    head = f"Test accuracy against {AXES[x].name if x == 'flops' else AXES[x].name.lower()}: "
    known = [q for q in study.points if q.known(x)]
    guessed = sum(q.estimated for q in study.points) if x == "speed" else 0
    predicted = f"{guessed} {'tickets are' if guessed != 1 else 'ticket is'} estimated, not measured"
    if not known:
        return head + ("no ticket is measured yet" if x == "speed" else "no ticket has been trained yet") + (f"; {predicted}." if guessed else ".")
    dense = [d for run in study.runs if (d := rows.dense(run)) is not None]
    said = [f"the dense network reaches {dense[0]:.1f} percent"] if len(dense) == 1 else \
           [f"the dense networks reach {min(dense):.1f} to {max(dense):.1f} percent"] if dense else []
    for label in study.labels:
        if mine := [q for q in known if q.row["structure"] == label]:
            q = max(mine, key=lambda q: q.at(x)) if x == "speed" else min(mine, key=lambda q: q.at(x))
            there = f"runs {wording.times(q.at(x))[:-1]} times as fast as dense" if x == "speed" else f"is at {q.at(x):.1f} percent"
            said.append(f"{rows.title(q.run, label)} {there} with {q.accuracy:.1f} percent accuracy in round {q.row['round']}")
    if study.level:
        n = sum(q.wins(x, study.level) for q in known)
        said.append(f"{n or 'none'} of {len(known)} tickets {'wins' if n == 1 else 'win'}")
    if n := len(study.disturbed) if x == "speed" else 0:
        said.append(f"{n} of them {'were' if n != 1 else 'was'} measured on a busy machine, so {'their' if n != 1 else 'its'} speed is doubtful")
    return head + "; ".join(said + ([predicted] if guessed else [])) + "."


def accuracy_curves_caption(study: Study, x: str = "speed", *, brief: bool = False, baseline: str = "") -> str:
    """What it shows, n, what winning means, and where it was measured; `brief`: without versions and load."""
    n = sum(q.known(x) for q in study.points)
    if brief:
        at = f"; {', '.join(wording.machines(study.timings).values())}, {wording.setting(study.setting)}" if x == "speed" and study.timings else ""
        return f"Test accuracy against {AXES[x].said} (n = {n} tickets{at})." + (
            f" Shaded: as accurate as the dense network, less {study.level.tolerance:.2g} points." if study.level else "") + (
            " Ticks: what the multiply-adds alone would allow." if x == "speed" and study.timings and not study.several else "") + _doubtful(study, x)
    runs = study.runs
    which = f"run {runs[0].id}" if len(runs) == 1 else f"{len(runs)} runs, a thin line each" if runs else "no run"
    said = f"Test accuracy of each ticket against {AXES[x].said}, one training a point (n = {n}; {which})."
    if study.level:
        said += f" A ticket wins with at least the dense accuracy less {wording.tolerance(study.level)}{', in less time' * (x == 'speed')}."
    elif study.several:
        said += " The dense networks of these runs were not trained alike, so none is said to win."
    if study.several and baseline in {run.id for run in runs}:
        said += f" Grey and dotted, behind: the baseline, run {baseline}."
    if x != "speed" or not study.timings:
        return said
    if not study.several:
        said += " A tick beside a point marks the speed that its multiply-adds alone would allow."
    said += f"{_doubtful(study, x)} {wording.provenance(study.timings)}"
    elsewhere = [name for k, name in wording.machines(study.timings).items() if study.here and k != study.here]
    return said + (f" Not this machine: {'; '.join(elsewhere)}." if elsewhere else "")


def _doubtful(study: Study, x: str) -> str:
    n = len(study.disturbed) if x == "speed" else 0
    return f" Open with a dot: measured on a busy machine, so doubtful (n = {n})." if n else ""
