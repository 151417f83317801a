"""Numbers and tables as docs/results.md says them, and which of a study's labels are what."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, structure
from lthviz.core.intervals import Interval, interval, over_rounds
from lthviz.core.study import Replicates, Summary
from lthviz.core.versus import Versus, versus
from lthviz.methods import Structure
from lthviz.methods.controls import Reinit


def pm(s: Summary, digits: int = 1, times: float = 1.0) -> str:
    """`94.8 ± 1.3`, mean and standard deviation; `–` of nothing."""
    if not s.n:
        return "–"
    return f"{times * s.mean:.{digits}f}" + (f" ± {times * s.sd:.{digits}f}" if s.sd is not None else "")


def signed(value: float, digits: int = 1) -> str:
    word = f"{abs(value):.{digits}f}"
    return f"{'−' if value < 0 and float(word) else '+'}{word}"


def ci(found: Interval | Summary | None, digits: int = 1) -> str:
    """`+1.2 [+0.4, +2.0] (n = 10)`: a mean difference with its 95 % interval; without one where n is 1."""
    found = interval(found) if isinstance(found, Summary) else found
    if found is None:
        return "–"
    ends = "" if found.low is None else f" [{signed(found.low, digits)}, {signed(found.high, digits)}]"
    return f"{signed(found.mean, digits)}{ends} (n = {found.n})"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def fill(text: str) -> str:
    return textwrap.fill(text, 138, break_long_words=False, break_on_hyphens=False)


def percent(share: float | None, digits: int = 0) -> str:
    return "–" if share is None else f"{100 * share:.{digits}f} %"


def listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else "none"


def seeds(study: Replicates) -> str:
    return f"n = {len(study.seeds)}"


# Which label is what ----------------------------------------------------------------------------------------------------


def made(label: str) -> Structure | None:
    return None if label == UNSTRUCTURED else structure(label)


def plain_refill(study: Replicates) -> str:
    """The label of Refill at its defaults; '' where the study has none."""
    return next((x for x in study.labels if isinstance(s := made(x), Refill) and s == Refill()), "")


def refills(study: Replicates) -> list[str]:
    return [x for x in study.labels if isinstance(made(x), Refill)]


def regroups(study: Replicates) -> list[str]:
    return [x for x in study.labels if isinstance(made(x), Regroup)]


def methods(study: Replicates) -> list[str]:
    """The labels that are no controls."""
    return [x for x in study.labels if not isinstance(made(x), Random | Reinit)]


def shuffled(study: Replicates, label: str, shuffle: str = "channels") -> str:
    """The random control of a ticket: its own structure elsewhere, or as many weights a layer (`weights`); '' where there is none."""
    return next((x for x in study.labels if isinstance(s := made(x), Random) and s.of == label and s.shuffle == shuffle), "")


def fresh(study: Replicates, label: str) -> str:
    """The re-initialised control of a ticket; '' where there is none."""
    return next((x for x in study.labels if isinstance(s := made(x), Reinit) and s.of == label), "")


# Differences ------------------------------------------------------------------------------------------------------------


def by_round(study: Replicates, label: str, other: str, against: str = "density", there: Replicates | None = None) -> list[Versus]:
    """A method against another at equal density (or what `against` says), the rounds where both are known: what was trained from a later
    round on alone is not read between that and the dense network."""
    return [v for v in versus(study, label, there or study, other, against) if v.paired.n and not (v.there.high.round == 0 and v.there.low.round > 1)]


def over_all(found: Sequence[Versus]) -> str:
    """The difference over all rounds as words: mean of each seed over the rounds, interval over the seeds."""
    rounds = [v.ticket.round for v in found]
    if not rounds:
        return "nothing to compare"
    return f"{ci(over_rounds(found))} over rounds {rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else f"{ci(over_rounds(found))} in round {rounds[0]}"
