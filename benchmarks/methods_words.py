"""The measured sections of docs/methods, from studies: tables, and sentences that follow from the numbers alone."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Sequence
from typing import NamedTuple

from lthviz.config import RunConfig
from lthviz.core import winning
from lthviz.core.study import MeanTicket, Replicates, Summary
from lthviz.core.versus import Versus, versus
from lthviz.methods import UNSTRUCTURED, structure


class Beside(NamedTuple):
    """What a method is held against. head: of its column."""

    label: str
    head: str
    words: str


IMP = Beside(UNSTRUCTURED, "IMP", "IMP")
RANDOM = Beside("random", "Random", "random weights (`random`)")
CHANNELS = Beside("random-shuffle=channels", "Random channels", "whole random channels (`random-shuffle=channels`)")

def section(kinds: Collection[str], studies: Sequence[Replicates]) -> str:
    """The measured section of the page of methods of those kinds: its first label in full, the others in a line each. studies: the
    main one first; the trunk of another is not told."""
    main = studies[0]
    shown = [(s, label) for s in studies for label in s.labels if kind(label) in kinds and (s is main or label != UNSTRUCTURED)]
    (study, label), dense = shown[0], main.dense
    n = dense.accuracy.n
    intro = (f"**Measured.** On the digits, n = {n} seeds; [what that can show](README.md#what-the-numbers-can-show). Test accuracy in percent, "
             f"mean ± standard deviation; dense {pm(dense.accuracy)}. The other methods are read at the same density, between their rounds.")
    out = [fill(intro), "", *_table(main, study, label), "", fill(_sentences(main, study, label))]
    if len(shown) > 1:
        out += ["", *_variants(main, shown)]
    return "\n".join(out)


def _table(main: Replicates, study: Replicates, label: str) -> list[str]:
    """A line a round: densities, accuracy, and what the methods beside it have at that density."""
    beside = _beside(main, label)
    found = {x: {v.ticket.round: v.there for v in _versus(main, study, label, x.label)} for x in beside}
    out = ["| " + " | ".join(["Round", "Density", "Effective", "In blocks", "Accuracy", *(f"{x.head} there" for x in beside)]) + " |",
           "|---" * (5 + len(beside)) + "|"]
    for t in study.of(label):
        there = [found[x].get(t.round) for x in beside]
        out.append("| " + " | ".join([str(t.round), f"{t.density.mean:.3f}", f"{t.effective_density.mean:.3f}", _share(t), pm(t.accuracy),
                                      *(f"{b.accuracy:.1f}" if b else "–" for b in there)]) + " |")
    return out


def _variants(main: Replicates, shown: Sequence[tuple[Replicates, str]]) -> list[str]:
    """A line a label: accuracy and density in each round, and how it stands to magnitude pruning."""
    rounds = range(1, main.config.rounds + 1)
    out = ["| Accuracy (density) in round | " + " | ".join(map(str, rounds)) + " | Against IMP at equal density: rounds, by points |",
           "|---" * (len(rounds) + 2) + "|"]
    for study, label in shown:
        tickets = {t.round: t for t in study.of(label)}
        cells = [f"{pm(t.accuracy)} ({t.density.mean:.2f})" if (t := tickets.get(k)) else "–" for k in rounds]
        stands = Stands.of(_versus(main, study, label, UNSTRUCTURED))
        out.append(f"| `{label}`{_apart(main.config, study.config)} | " + " | ".join([*cells, stands.short]) + " |")
    return out


def _sentences(main: Replicates, study: Replicates, label: str) -> str:
    """Whether its tickets win, how it stands to the methods beside it, and how much of it is dead inputs."""
    level, tickets = winning.level_of(study), study.of(label)
    won, last = sum(winning.wins(t, level) for t in tickets), tickets[-1]
    said = [f"`{label}` wins in {won} of {len(tickets)} rounds (a mean of at least {level.least:.1f}). At equal density:"]
    stands = [(x, Stands.of(found)) for x in _beside(main, label) if (found := _versus(main, study, label, x.label))]
    said.append("; ".join(f"against {x.words} {how.words}" for x, how in stands) + ".")
    if last.effective_density.mean < last.density.mean:
        said.append(f"Density is of the masks: without the inputs that come from removed channels the sparsest ticket has {last.effective_density.mean:.3f}.")
    return " ".join(said)


def _beside(main: Replicates, label: str) -> list[Beside]:
    """What a method is held against: magnitude pruning, random weights (as many in every layer, where there are such), and where it has
    a structure one of that structure at random."""
    tilde, made = label.replace("-", "~"), structure(label) if label != UNSTRUCTURED else None
    as_many = Beside(f"random-of={tilde}", "Random", "random weights (as many in every layer)")
    found = [IMP, as_many if as_many.label in main.labels else RANDOM]
    if made is not None and made.channelwise:
        found.append(CHANNELS)
    if made is not None and (elsewhere := f"random-shuffle=channels-of={tilde}") in main.labels:
        found.append(Beside(elsewhere, "Same blocks elsewhere", "the same blocks elsewhere"))
    return [x for x in found if x.label != label]


def _versus(main: Replicates, study: Replicates, label: str, other: str) -> list[Versus]:
    """Against another method at equal density: of the same study where it is there, else of the main one."""
    there = study if other in study.labels else main
    return versus(study, label, there, other) if other in there.labels and (study is not there or label != other) else []


class Stands(NamedTuple):
    """Paired differences of a method's rounds: those above and below by more than their own standard deviation, and how many are within."""

    above: list[float]
    below: list[float]
    within: int

    @staticmethod
    def of(found: Sequence[Versus]) -> Stands:
        pairs = [v.paired for v in found if v.paired.n > 1]
        above, below = [p.mean for p in pairs if p.mean > p.sd], [-p.mean for p in pairs if p.mean < -p.sd]
        return Stands(above, below, len(pairs) - len(above) - len(below))

    @property
    def words(self) -> str:
        total, parts = len(self.above) + len(self.below) + self.within, []
        for word, by in (("above", self.above), ("below", self.below)):
            if by:
                parts.append(f"{word} in {_of(len(by), total)} (by {_range(by)} points)")
        parts += [f"within one standard deviation in {_of(self.within, total)}"] if self.within else []
        return ", ".join(parts)

    @property
    def short(self) -> str:
        parts = [f"{len(by)} {word} ({_range(by)})" for word, by in (("above", self.above), ("below", self.below)) if by]
        return ", ".join(parts + ([f"{self.within} within one s.d."] if self.within else [])) or "–"


def _of(n: int, total: int) -> str:
    return f"all {total} rounds" if n == total else f"{n} of {total} rounds"


def _range(values: Sequence[float]) -> str:
    low, high = f"{min(values):.1f}", f"{max(values):.1f}"
    return low if low == high else f"{low} to {high}"


def _apart(main: RunConfig, other: RunConfig) -> str:
    """What a study of its own sets besides the structures, in brackets."""
    changed = {k: v for k, v in other.to_dict().items() if k not in ("structures", "seed") and main.to_dict().get(k) != v}
    return f" ({', '.join(f'`{k}={v}`' for k, v in changed.items())})" if changed else ""


def kind(label: str) -> str:
    return UNSTRUCTURED if label == UNSTRUCTURED else structure(label).kind


def _share(t: MeanTicket) -> str:
    return f"{100 * t.coverage.mean:.0f} %" if t.coverage.mean else "–"


def pm(s: Summary, digits: int = 1) -> str:
    return f"{s.mean:.{digits}f}" + (f" ± {s.sd:.{digits}f}" if s.sd is not None else "")


def fill(text: str) -> str:
    return textwrap.fill(text, 138, break_long_words=False, break_on_hyphens=False)
