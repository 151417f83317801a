"""Reading an accuracy-versus-speed curve, built up step by step from the measured tickets of a study."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from functools import lru_cache

from lthviz.config import UNSTRUCTURED
from lthviz.core.frontier import Spot, fastest, frontier, spots
from lthviz.figures.paying import is_control
from lthviz.figures.wording import times
from lthviz.ui.learn import evidence, saying
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.chapters.curve_picture import Picture
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.figure import Control, Frame, lesson_figure
from lthviz.words import capital

NEED = "speed"
STEPS = ("Dense", "A method", "All", "Winning", "Estimates", "Scatter", "Frontier")
NOT_TIMED = "No ticket of the runs here has been timed yet, so there is no curve of accuracy against speed to read; the Speed page measures a ticket in seconds, and this chapter draws what was measured."


def measured(of: Evidence) -> list[Spot]:
    """The tickets whose accuracy and speed are both known, without the controls."""
    return [s for s in spots(of.study, of.level) if not is_control(s.ticket.structure)]


def first_method(of: Evidence) -> str:
    """Whose points come first: Regroup's, else Refill's, else whatever was timed."""
    timed = {s.ticket.structure for s in measured(of)}
    return next((x for x in (of.regroup, of.refill, UNSTRUCTURED) if x in timed), next(iter(sorted(timed)), ""))


def words() -> list[str]:
    of = evidence.found(NEED)
    said = [
        "Sparsity is no end in itself. What a user has of a ticket is one point: how accurate it is, and how fast it runs *measured* on a machine. The dense network sits at 1×, "
        "and it is the fastest dense form that counts, not the slowest one that can be found.",
        "A method is not a point but a trail of them, a round each: faster, then faster and wrong. A ticket that another one beats in both accuracy and speed is "
        "nobody's choice. What is left is the **frontier**, and on it a ticket stays in the game while it **wins**, within the tolerance of the dense accuracy. To choose among those is a matter of need, not of skill.",
    ]
    if not measured(of):
        return [*said, NOT_TIMED]
    n = sorted({s.ticket.time_ratio.n for s in measured(of)})
    seeds = f"{n[0]} seed" if n == [1] else f"{n[0]} seeds" if len(n) == 1 else f"{n[0]} to {n[-1]} seeds"
    return [*said, f"Two things stay in sight while reading: an accuracy here is a mean over {saying.seeds(of)}, and a speed comes from {seeds} on one machine. Both scatter, and an *estimated* speed is no measurement."]


def figure() -> None:
    of = evidence.found(NEED)
    if not measured(of):
        lesson_figure([Frame(NOT_TIMED, drawing=Picture(of, []).draw(dense=True), alt="The dense network alone, at one time its own speed.")], key="curve-empty")
    else:
        lesson_figure(_frames(of), [Control("Reading", STEPS, "steps")], key="curve")
    machine = saying.machine(of)
    saying.origin(of, f"Speed: {machine}" if machine else "No speed was measured", key="curve", query=saying.runs_query(of, x="speed"))


def frames(of: Evidence) -> list[Frame]:
    """A frame for each of STEPS."""
    every = measured(of)
    picture, first, best = Picture(of, every), first_method(of), frontier(every)
    mine = [s for s in every if s.ticket.structure == first]
    title = saying.name(first)
    says = (dense_words(of), _method(of, title, mine), _all(of, every), _winners(of, every), _estimates(of), _scatter(of), _dominated(every, best))
    drawings = (picture.draw(dense=True, arrows=True), picture.draw(dense=True, shown=mine, rounds=True), picture.draw(dense=True, shown=every, names=True),
                picture.draw(dense=True, shown=every, names=True, region=True), picture.draw(dense=True, shown=mine, region=True, estimates=True),
                picture.draw(dense=True, shown=mine, region=True, scatter=True), picture.draw(dense=True, shown=every, names=True, region=True, best=best))
    return [Frame(said, drawing=drawn, alt=f"Mean test accuracy against measured speedup, step {i + 1} of {len(STEPS)}: {STEPS[i].lower()}. {said}")
            for i, (said, drawn) in enumerate(zip(says, drawings, strict=True))]


_frames = lru_cache(maxsize=8)(frames)


def dense_words(of: Evidence) -> str:
    d = of.study.dense.accuracy
    return f"The dense network: {saying.mean(d)} test accuracy (n = {d.n}), and by definition 1×. Up is more accurate, right is faster; usually the way right leads down."


def _method(of: Evidence, title: str, mine: Sequence[Spot]) -> str:
    ordered = sorted(mine, key=lambda s: s.ticket.round)
    a, b = ordered[0], ordered[-1]
    return (f"{title}'s tickets, a round each: from {times(a.speedup)} at {a.accuracy:.1f} % in round {a.ticket.round} to {times(b.speedup)} at {b.accuracy:.1f} % in round {b.ticket.round}.")


def _all(of: Evidence, every: Sequence[Spot]) -> str:
    by = {x: max((s for s in every if s.ticket.structure == x), key=lambda s: s.speedup) for x in dict.fromkeys(s.ticket.structure for s in every)}
    return "All that were timed. Fastest of each: " + "; ".join(f"{saying.name(x)} {times(s.speedup)} at {s.accuracy:.1f} %" for x, s in by.items()) + "."


def _winners(of: Evidence, every: Sequence[Spot]) -> str:
    won, level = [s for s in every if s.wins], of.level
    best = fastest(every)
    said = f"Shaded: at least {level.least:.1f} %, the dense {level.accuracy:.1f} % less {level.tolerance:.2g} points. {len(won)} of {len(every)} tickets win"
    return f"{said}; the fastest of them is {spot_name(best)} at {times(best.speedup)}." if best else f"{said}."


def _estimates(of: Evidence) -> str:
    """How far the kept estimates are off the measurements."""
    kept = [t for here in of.timings.values() for t in here if t.estimated_ms and not t.disturbed]
    off = [abs(t.time_ratio * t.dense_ms / t.estimated_ms - 1) for t in kept]
    controls = any(is_control(t.structure) for t in kept)
    if not off:
        return "No estimate was kept with these measurements. An estimate is a prediction from layers timed before; it never stands under the name of a measurement."
    return (f"Open: where a calibration had predicted each ticket, before it ran. Over {len(off)} tickets{', controls among them,' if controls else ''} the predictions are {100 * statistics.median(off):.0f} % off in the median, "
            f"{100 * max(off):.0f} % at most: enough to plan with, never to report.")


def _scatter(of: Evidence) -> str:
    pairs = sorted({t.n for here in of.timings.values() for t in here})
    n = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    d = of.study.dense.accuracy
    spread = f"; up and down: one standard deviation over {d.n} seeds" if d.sd is not None else ""
    return (f"Across: the quartiles of {n} timed pairs, typically {100 * saying.apart(of):.0f} % apart{spread}. "
            "Where two tickets' crosses overlap, their order is not certain.")


def _dominated(every: Sequence[Spot], best: Sequence[Spot]) -> str:
    rest = [s for s in every if s not in best]
    said = f"On the frontier lie {len(best)} of {len(every)}; {sum(s.wins for s in best)} of them win. The other {len(rest)}, drawn faint, nobody should choose"
    pair = telling(every, best)
    return f"{said}: {spot_name(pair[0])} ({times(pair[0].speedup)}, {pair[0].accuracy:.1f} %), for one, is beaten in both by {spot_name(pair[1])} ({times(pair[1].speedup)}, {pair[1].accuracy:.1f} %)." if pair else f"{said}."


def telling(every: Sequence[Spot], best: Sequence[Spot]) -> tuple[Spot, Spot] | None:
    """A ticket that wins and yet is beaten, by another method where there is such a one, as clearly as can be in speed; and what beats it. None where none is."""
    pairs = [(s, b) for s in every if s not in best for b in best if b.speedup > s.speedup and b.accuracy > s.accuracy]
    return max(pairs, key=lambda p: (p[0].wins, p[0].ticket.structure != p[1].ticket.structure, p[1].speedup / p[0].speedup), default=None)


def spot_name(s: Spot) -> str:
    return f"{saying.whose(s.ticket.structure)} of round {s.ticket.round}"


def question() -> Question | None:
    """Which ticket to deploy: the fastest that wins, among the fastest of all, the most accurate, and one that is beaten."""
    of = evidence.found(NEED)
    every = measured(of)
    best, front = fastest(every), frontier(every)
    if best is None:
        return None
    rest = [front[0], front[-1], *(pair[:1] if (pair := telling(every, front)) else ())]
    why = capital(f"{spot_name(best)} runs {times(best.speedup)} as fast and has {best.accuracy:.1f} %, where {of.level.least:.1f} % is enough (n = {best.ticket.accuracy.n}; timed on "
           f"{best.ticket.time_ratio.n}).")
    options = [Option(_offer(best), True, why)]
    for s in rest:
        if s is not best and all(_offer(s) != o.text for o in options):
            options.append(Option(_offer(s), False, _why_not(s, best, of)))
    if len(options) < 2:
        return None
    options.sort(key=lambda o: o.text)
    return Question(f"You need speed; accuracy may fall by no more than {of.level.tolerance:.2g} points below the dense {of.level.accuracy:.1f} %. Which of these tickets would you deploy?", tuple(options))


def _offer(s: Spot) -> str:
    return f"{capital(saying.name(s.ticket.structure))}, round {s.ticket.round}: {times(s.speedup)}, {s.accuracy:.1f} %"


def _why_not(s: Spot, best: Spot, of: Evidence) -> str:
    if not s.wins:
        return f"It is {of.level.least - s.accuracy:.1f} points short of {of.level.least:.1f} %."
    return f"It wins, but {spot_name(best)} wins too and runs {times(best.speedup)} as fast instead of {times(s.speedup)}."


def links() -> list[Link]:
    of = evidence.found(NEED)
    found, best = [], fastest(measured(of))
    if best is not None and of.timed is not None:
        at = {"run": of.timed.id, "round": str(best.ticket.round), "ticket": best.ticket.structure}
        found.append(Link("The fastest that wins, layer by layer", "pages/speed.py", at, ":material/speed:"))
        found.append(Link("Its masks", "pages/masks.py", at, ":material/grid_on:"))
    return found


CHAPTER = Chapter(words, figure, question, links)
