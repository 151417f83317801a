"""How measurements are put into words: numbers with their units, the machine, what is missing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from typing import Any

from lthviz.core.winning import Level
from lthviz.figures import rows
from lthviz.figures.measured import Point, Setting, settings
from lthviz.records import Timing

PACKAGES = ("torch", "numba", "onnxruntime", "triton", "python")
"""Whose versions are told beside a measurement."""


def times(speedup: float) -> str:
    """A speedup with three digits: `3.21×`, `12.4×`."""
    return f"{speedup:.2f}×" if speedup < 9.995 else f"{speedup:.1f}×" if speedup < 99.95 else f"{speedup:,.0f}×"


def ms(value: float) -> str:
    """Milliseconds with three digits."""
    digits = max(0, 2 - math.floor(math.log10(value))) if value > 0 else 0
    return f"{value:,.{min(digits, 4)}f} ms"


def signed(share: float) -> str:
    return f"{'+' if share >= 0 else '−'}{100 * abs(share):.0f} %"


def threads(n: int) -> str:
    return "all threads" if n == 0 else f"{n} thread{'s' * (n != 1)}"


def setting(s: Setting) -> str:
    """`batch 64, 2 threads`; the device and the precision where they are unusual."""
    return ", ".join([f"batch {s.batch}", *([threads(s.threads)] if s.device == "cpu" else [s.device]),
                      *([s.precision] if s.precision != "float32" else [])])


def quartiles(t: Timing) -> tuple[float, float]:
    """Quartiles of the speedup, low first."""
    low, high = t.spread
    return 1 / high, 1 / low


def tolerance(level: Level) -> str:
    """Points, and where they are from."""
    why = "stated" if level.stated else "there is one dense training" if level.n == 1 else f"one standard deviation of {level.n} dense trainings"
    return f"{level.tolerance:.2g} points ({why})"


def machine(t: Timing) -> str:
    """Where it was measured: processor or GPU, and cores."""
    c = t.conditions
    name = (c.get("gpu") if t.device != "cpu" else "") or c.get("cpu") or "a machine that is not named"
    return f"{name}, {c['cores']} cores" if c.get("cores") and t.device == "cpu" else str(name)


def identity(t: Timing) -> str:
    """What tells its machine from others."""
    return str(t.conditions.get("machine") or machine(t))


def machines(timings: Iterable[Timing]) -> dict[str, str]:
    """The machines of these measurements by identity, named for people, the one with most of them first."""
    found: dict[str, list[Timing]] = {}
    for t in timings:
        found.setdefault(identity(t), []).append(t)
    names = {k: machine(of[0]) for k, of in sorted(found.items(), key=lambda x: -len(x[1]))}
    alike = [name for name in names.values() if list(names.values()).count(name) > 1]
    return {k: f"{name} ({k})" if name in alike else name for k, name in names.items()}


def mark(i: int) -> str:
    """The sign of the i-th machine where there are several; the first has none."""
    return "" if i == 0 else "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(d)] for d in str(i + 1))


def provenance(timings: Sequence[Timing]) -> str:
    """Machine, setting, pairs, load and versions of these measurements; several machines carry the signs of the figure."""
    if not timings:
        return ""
    found = settings(timings)
    said = ["; ".join(f"{mark(i)}{m}" for i, m in enumerate(machines(timings).values())), setting(found[0]) if len(found) == 1 else "several settings",
            f"medians of {_range([t.n for t in timings], 'd')} interleaved pairs"]
    loads = [float(x) for t in timings if isinstance(x := t.conditions.get("load"), int | float)]
    said += [f"load {_range(loads, '.1f')}"] if loads else []
    newest = max(timings, key=lambda t: t.time).conditions
    said += [", ".join(f"{name} {newest[name]}" for name in PACKAGES if newest.get(name, "not installed") != "not installed")]
    return f"Measured on {'; '.join(filter(None, said))}."


def disturbed(t: Timing) -> str:
    """Why a measurement is doubtful, in a line; '' where nothing disturbed it."""
    return f"measured on a busy machine, so doubtful: {'; '.join(t.disturbed)}" if t.disturbed else ""


def remarks(t: Timing) -> list[str]:
    """What a measurement says of itself: layers that stayed dense, forms that would not run."""
    c = t.conditions
    said = [str(w) for w in c.get("warnings") or ()]
    if whole := c.get("dense_layers"):
        said.append(f"without a mask, and so run dense: {', '.join(map(str, whole))}")
    for part, what in (("baselines_failed", "dense form"), ("executors_failed", "form of the ticket")):
        said += [f"{name}, a {what}, was not timed: {why}" for name, why in (c.get(part) or {}).items()]
    return said


def errors(points: Iterable[Point]) -> str:
    """How far off the estimates of these tickets are; '' where none is both estimated and measured at rest."""
    found = [abs(q.off) for q in points if q.off is not None and not q.disturbed]
    if not found:
        return ""
    if len(found) == 1:
        return f"the estimate is {100 * found[0]:.0f} % off"
    return f"over {len(found)} tickets the estimates are {100 * statistics.median(found):.0f} % off in the median, {100 * max(found):.0f} % at most"


def tickets(points: Sequence[Point]) -> str:
    """Which tickets these are, by structure and rounds: `Refill, rounds 1 to 4 and 7; Random, round 2`."""
    by: dict[tuple[str, str], list[int]] = {}
    runs = {q.run.id: q.run for q in points}
    for q in points:
        by.setdefault((q.run.id, q.row["structure"]), []).append(q.row["round"])
    labels = [x for x in rows.labels(list(runs.values())) if any(x == label for _, label in by)]
    by = dict(sorted(by.items(), key=lambda x: (list(runs).index(x[0][0]), labels.index(x[0][1]))))
    return "; ".join(f"{rows.short(runs[run], label, labels)}{f' of {run}' if len(runs) > 1 else ''}, {rounds(found)}"
                     for (run, label), found in by.items())


def rounds(found: Sequence[int]) -> str:
    """`round 3`, `rounds 1 to 4 and 7`."""
    spans: list[list[int]] = []
    for k in sorted(set(found)):
        if spans and spans[-1][1] == k - 1:
            spans[-1][1] = k
        else:
            spans.append([k, k])
    words = [f"{a}" if a == b else f"{a} to {b}" for a, b in spans]
    return f"round{'s' * (len(set(found)) != 1)} " + (f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0])


def _range(values: Sequence[Any], form: str) -> str:
    low, high = format(min(values), form), format(max(values), form)
    return low if low == high else f"{low} to {high}"
