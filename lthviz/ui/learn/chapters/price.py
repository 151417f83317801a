"""The price and the gain: what dense blocks cost in weights, size and accuracy, and what they save in work and measured time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.core import winning
from lthviz.records import Masks, Round, Run
from lthviz.ui import cache, frame
from lthviz.ui.learn import evidence, saying
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.chapters.price_bars import MEASURES, Values, bars
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.figure import Control, Frame, lesson_figure
from lthviz.ui.learn.saying import percent

NEED = "speed"


def methods(of: Evidence) -> tuple[str, ...]:
    """The unstructured ticket, then Refill and Regroup where they were trained."""
    return (UNSTRUCTURED, *(x for x in (of.refill, of.regroup) if x))


def words() -> list[str]:
    of = evidence.found(NEED)
    said = [
        "A structure has a **price**. Filling blocks up brings weights back that pruning had removed, and what lies outside the blocks is lost: the density *inflates* or falls, and "
        "with what is lost goes some of the **kept magnitude**, the share of Σ|w| that the unstructured mask had kept. What of the mask really lies in dense blocks or whole "
        "channels is its **structured coverage** (ICML 2022, sections 3.2 and 3.3).",
        "The **gain** is time: not of multiply-adds counted but of a forward pass measured, against the fastest dense form of the same network on the same machine. "
        "Scattered zeros remove as many multiply-adds as blocks of the same density do, and save least of the time.",
    ]
    if not of.timings:
        said.append("No ticket of the runs here has been timed, so the bars of measured time are empty; the Speed page times them.")
    else:
        said.append("Move through the rounds: the masks of a round come from one pruning, but pay differently. Then ask of each whether it still *wins*; what is fast and wrong is no gain.")
    return said


def figure() -> None:
    of = evidence.found(NEED)
    made, controls = _frames(of, frame.presenting())
    lesson_figure(made, controls, key="price")
    machine = saying.machine(of)
    run = keeper(of)
    counted = sorted({t.time_ratio.n for x in methods(of) for t in of.study.of(x) if t.time_ratio.n})
    saying.origin(of, f"Densities, multiply-adds and accuracies are means over {saying.seeds(of)}" if len(of.study.seeds) > 1 else "",
                    f"kept magnitude is of run {run.id}" if run else "",
                    f"Time is of {' to '.join(map(str, counted))} seed{'s' * (counted != [1])}: {machine}" if machine and counted else "no time was measured", key="price")


def frames(of: Evidence, wide: bool = False) -> tuple[list[Frame], list[Control]]:
    """A frame for each round. wide: for a page that is shown to others, in two columns."""
    held = magnitudes(of, cache.round)
    made = []
    for k in of.rounds:
        found = values(of, k, held)
        said = sentence(of, k, found)
        made.append(Frame(said, drawing=bars(of, found, 2 if wide else 1), alt=f"Bars of {', '.join(name.lower() for name, _ in MEASURES.values())} for {len(found)} tickets of round {k}. {said}"))
    return made, [Control("Round", tuple(f"{k}: pruned to {percent(of.study.ticket(k, UNSTRUCTURED).density.mean)}" for k in of.rounds), "slider", start=(len(of.rounds) - 1) // 2)]


_frames = lru_cache(maxsize=8)(frames)


def keeper(of: Evidence) -> Run | None:
    """The run whose trained weights are kept, so that magnitudes are known."""
    return next((r for r in of.runs if r.config.keep_weights != "none" and r.layers and not r.config.in_loop), None)


def magnitudes(of: Evidence, round: Callable[[str, int], Round]) -> dict[tuple[int, str], float]:
    """Share of Σ|w| of a round's unstructured mask that a structure keeps, by round and label. w: what the round was pruned by."""
    run, found = keeper(of), {}
    for k in (k for k in run.finished if k) if run else ():
        if k - 1 not in run.finished:      # a file that is damaged or gone
            continue
        before, tickets = round(run.id, k - 1).tickets.get(UNSTRUCTURED), round(run.id, k).tickets
        if before is None or not before.weights or UNSTRUCTURED not in tickets:
            continue
        sizes = {x.name: np.abs(before.weights[x.name]).ravel() for x in run.layers}
        base = tickets[UNSTRUCTURED].masks
        whole = _held(sizes, base, base)
        found |= {(k, x): _held(sizes, base, tickets[x].masks) / whole for x in methods(of) if x in tickets and whole}
    return found


def _held(sizes: Mapping[str, np.ndarray], a: Masks, b: Masks) -> float:
    """Σ|w| of the weights that are in both masks."""
    return sum(float(np.dot(w, np.unpackbits(a.packed(name) & b.packed(name), count=w.size).astype(np.float32))) for name, w in sizes.items())


def values(of: Evidence, k: int, held: Mapping[tuple[int, str], float]) -> dict[str, Values]:
    """The numbers of a round by label, as shares; None where one is not known."""
    found = {}
    for label in methods(of):
        t = of.study.ticket(k, label)
        if t is not None and t.density.n:
            found[label] = Values(t.density.mean, t.coverage.mean if t.coverage.n else None, held.get((k, label)), t.flops_ratio.mean, t.time_ratio.mean,
                                  t.accuracy.mean / 100 if t.accuracy.n else None, winning.wins(t, of.level))
    return found


def sentence(of: Evidence, k: int, found: Mapping[str, Values]) -> str:
    base = found[UNSTRUCTURED]
    parts = []
    for label, v in found.items():
        if label == UNSTRUCTURED:
            continue
        said = f"{saying.name(label)} keeps {percent(v.density)} ({v.density / base.density:.2f} times as many)"
        if v.time is not None:
            said += f" and takes {percent(v.time, 0)} of the dense time"
        if v.accuracy is not None:
            said += f" at {percent(v.accuracy)} accuracy{', which wins' if v.wins else ', which does not win'}"
        parts.append(said)
    own = f"; that ticket takes {percent(base.time, 0)} of the dense time" if base.time is not None else ""
    return f"Round {k} prunes to {percent(base.density)} of the weights{own}. {'. '.join(parts)}{'.' if parts else ''}"


def question() -> Question | None:
    """Whether Regroup's first ticket is denser than the mask that it was made of."""
    of = evidence.found(NEED)
    found = values(of, of.rounds[0], {})
    if not of.regroup or of.regroup not in found:
        return None
    k, base, made = of.rounds[0], found[UNSTRUCTURED].density, found[of.regroup].density
    right = "more" if made > 1.02 * base else "fewer" if made < 0.98 * base else "as many"
    later = {j: values(of, j, {}) for j in of.rounds}
    ratios = {j: v[of.regroup].density / v[UNSTRUCTURED].density for j, v in later.items() if of.regroup in v}
    most = max(ratios, key=ratios.get)
    why = (f"Regroup keeps {percent(made)} in round {k}: empty places inside the blocks are filled, and every weight outside them is dropped"
           + (". Here more is dropped than filled. " if right == "fewer" else ". ") +
           (f"In round {most} it is the other way round: {ratios[most]:.2f} times the density." if ratios[most] > 1 and right == "fewer" else f"At most it is {ratios[most]:.2f} times the density, in round {most}."))
    wrong = {"fewer": "What is outside does go, but that is only one half. ", "more": "Blocks are filled, but that is only one half. ",
             "as many": "Sorting moves rows and columns only in the drawing; a weight stays where it is or goes. "}
    options = {"fewer": "Fewer: what is outside of the blocks is dropped", "as many": "As many: they only change places", "more": "More: to be dense, blocks must be filled up"}
    return Question(f"Round {k} prunes to {percent(base)} of the weights. Regroup then makes dense blocks of that mask. How many weights does its ticket keep?",
                    tuple(Option(text, x == right, why if x == right else wrong[x] + why) for x, text in options.items()))


def links() -> list[Link]:
    of = evidence.found(NEED)
    k = of.rounds[(len(of.rounds) - 1) // 2]
    run = next((r for r in (keeper(of), of.timed, *of.runs) if r is not None and k in r.finished), of.runs[0])
    label = of.regroup or of.refill
    if not label:
        return [Link("Its curves", "pages/curves.py", saying.runs_query(of), ":material/show_chart:")]
    stage = next((x.key for x in run.config.stages(k) if x.structure == label and x.kind != "train"), "")
    return [Link(f"{saying.name(label)} in round {k}, in the Lab", "pages/lab.py", {"run": run.id, "round": str(k), "stage": stage}, ":material/science:"),
            Link("Change its price in Tune", "pages/tune.py", {"run": run.id, "round": str(k), "structure": label}, ":material/tune:"),
            Link("Layer by layer in Speed", "pages/speed.py", {"run": (of.timed or run).id, "round": str(k), "ticket": label}, ":material/speed:")]


CHAPTER = Chapter(words, figure, question, links)
