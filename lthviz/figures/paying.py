"""Which weights pay, in words: the fastest tickets of a study that still win, by what kind of weights they keep."""

from __future__ import annotations

from collections.abc import Sequence

from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, structure
from lthviz.core.frontier import Spot, fastest, spots
from lthviz.core.study import Replicates
from lthviz.core.winning import Level, level_of
from lthviz.figures.wording import times
from lthviz.methods.controls import Reinit
from lthviz.words import capital

KINDS = {"dense blocks": Regroup, "whole channels": Refill, "scattered weights": None}
"""What a ticket keeps, by its method; None: the unstructured ticket."""


def kind(label: str) -> str:
    """Which of KINDS a ticket is; '' of a control or another method."""
    made = None if label == UNSTRUCTURED else structure(label)
    return next((name for name, cls in KINDS.items() if (made is None if cls is None else isinstance(made, cls))), "")


def is_control(label: str) -> bool:
    return label != UNSTRUCTURED and isinstance(structure(label), Random | Reinit)


def finding(study: Replicates, named: str) -> tuple[str, ...]:
    """Two sentences on what of a study pays; none where no ticket's speed is measured. named: the study, as in `On the digits`."""
    level = level_of(study)
    of = [s for s in spots(study, level) if not is_control(s.ticket.structure)]
    if not of or level is None:
        return ()
    best, seeds = fastest(of), f"{len(study.seeds)} seed{'s' * (len(study.seeds) != 1)}"
    if best is None:
        return (f"{named} ({seeds}) no ticket that was timed is as accurate as the dense network less {level.tolerance:.2g} points.",)
    return (_best(study, best, level, f"{named} ({seeds})"), _kinds(of))


def _best(study: Replicates, best: Spot, level: Level, head: str) -> str:
    t = best.ticket
    return (f"{head} the fastest ticket that still wins is {_named(t.structure)} in round {t.round}: {times(best.speedup)} the speed of the dense network, "
            f"{t.accuracy.mean:.1f} % test accuracy where that has {level.accuracy:.1f} %, with {100 * t.density.mean:.0f} % of the weights "
            f"(accuracy: {_of(t.accuracy.n)}; speed: measured on {'one of them' if t.time_ratio.n == 1 < t.accuracy.n else _of(t.time_ratio.n)}).")


def _of(n: int) -> str:
    return f"mean of {n} seeds" if n > 1 else "one training"


def _named(label: str) -> str:
    """A ticket as it stands in a sentence: a method without its settings."""
    return "the unstructured one" if label == UNSTRUCTURED else f"{structure(label).title}'s"


def _kinds(of: Sequence[Spot]) -> str:
    parts = []
    for name in KINDS:
        if mine := [s for s in of if kind(s.ticket.structure) == name]:
            best = fastest(mine)
            parts.append(f"{name} win at up to {times(best.speedup)}" if best else f"no ticket of {name} wins")
    said = "; ".join(parts)
    return capital(said) + "."
