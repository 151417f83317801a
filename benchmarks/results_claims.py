"""The claims that issue from the paper, each put to the stored runs of a study: what would make it true, what was found, and whether it holds."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from benchmarks.results_accuracy import channelwise, groupwise, unstructured
from benchmarks.results_differences import beats, equal_density, hardest, won
from benchmarks.results_read import Study
from benchmarks.results_words import ci, fill, percent, pm, refills, regroups, signed, table
from lthviz.core.study import MeanTicket

UNSTRUCTURED_AT, CHANNELS_AT, GROUPS_AT = 0.6, 0.3, 0.5
"""Sparsity at which a ticket of that kind should still win."""


class Claim(NamedTuple):
    """holds: None where the tickets that it is about are not trained. found: what was found, with its n."""

    key: str
    words: str
    holds: bool | None
    found: str

    @property
    def verdict(self) -> str:
        return {True: "holds", False: "**does not hold**", None: "not there yet"}[self.holds]


def claims(study: Study) -> list[Claim]:
    """All claims, of the study's tickets that are there."""
    return [Claim(key, words, *(found(study) if study.there else (None, "no pruned ticket is there"))) for key, words, found in _CLAIMS]


def _unstructured(study: Study) -> tuple[bool | None, str]:
    return _sparse(study, unstructured(study), UNSTRUCTURED_AT, ["unstructured"], "the sparsest before which none lost")


def _channels(study: Study) -> tuple[bool | None, str]:
    return _sparse(study, channelwise(study), CHANNELS_AT, refills(study.main), "the sparsest")


def _groups(study: Study) -> tuple[bool | None, str]:
    return _sparse(study, groupwise(study), GROUPS_AT, regroups(study.main), "the sparsest")


def _sparse(study: Study, best: MeanTicket | None, least: float, labels: list[str], which: str) -> tuple[bool | None, str]:
    tickets = [t for x in labels for t in study.main.of(x) if t.accuracy.n]
    if not tickets:
        return None, "no such ticket is trained"
    level = f"to reach: {study.level.least:.2f}, n = {study.level.n}"
    if best is None:
        top = max(tickets, key=lambda t: t.accuracy.mean)
        return False, f"none wins; the best, `{top.structure}` at {percent(1 - top.density.mean)}, has {pm(top.accuracy, 2)} (n = {top.accuracy.n}; {level})"
    said = f"{which}: {percent(1 - best.density.mean)} sparse, `{best.structure}` with {pm(best.accuracy, 2)} (n = {best.accuracy.n}; {level})"
    return 1 - best.density.mean >= least, said


def _equal(study: Study) -> tuple[bool | None, str]:
    found = equal_density(study)
    if not found:
        return None, "Regroup and Refill are not both trained at one density"
    lost = [x for x in found if x[2].paired.mean < -study.level.tolerance]
    label, other, worst = min(found, key=lambda x: x[2].paired.mean)
    return not lost, (f"smallest difference over {len(found)} rounds: {ci(worst.paired, 2)} at density {worst.at:.2f}, `{label}` less `{other}`; "
                      f"tolerance {study.level.tolerance:.2f}" + (f"; below it in {len(lost)} rounds" if lost else ""))


def _random(study: Study) -> tuple[bool | None, str]:
    found = hardest(study)
    if not found:
        return None, "no structure is trained beside its random control"
    parts = [f"`{a}` {signed(v.paired.mean, 2)} (s.d. {'unknown' if v.paired.sd is None else f'{v.paired.sd:.2f}'}, n = {v.paired.n}) at density {v.at:.2f}, "
             f"in all in {_rounds(*won(study, a, b))}" for a, b, v in found]
    return all(beats(v) for *_, v in found), "less the same structure at random, sparsest round: " + "; ".join(parts)


def _rounds(some: int, every: int, at: list[float]) -> str:
    if not some:
        return f"none of {every} rounds"
    return f"{some} of {every} rounds" + (f" (densities {min(at):.2f} to {max(at):.2f})" if some > 1 else f" (density {at[0]:.2f})")


_CLAIMS: tuple[tuple[str, str, Callable[[Study], tuple[bool | None, str]]], ...] = (
    ("unstructured", f"Unstructured tickets match the dense network within the tolerance at {percent(UNSTRUCTURED_AT)} sparsity or more", _unstructured),
    ("equal", "At equal achieved density Regroup is at least Refill less the tolerance", _equal),
    ("random", "Every structured ticket beats the same structure at random places, with as many weights in every layer, by more than the seeds' spread, where it is hardest: in the sparsest round", _random),
    ("channels", f"A channel-wise winning ticket exists at {percent(CHANNELS_AT)} sparsity or more", _channels),
    ("groups", f"A group-wise winning ticket exists at {percent(GROUPS_AT)} sparsity or more", _groups),
)


def section(study: Study) -> str:
    found = claims(study)
    rows = [(c.words, c.verdict, c.found) for c in found]
    count = [sum(c.holds is x for c in found) for x in (True, False, None)]
    said = f"{study.title}: {count[0]} of {len(found)} hold" + (f", {count[1]} do{'es' * (count[1] == 1)} not" if count[1] else "") + (f", of {count[2]} the tickets are not there yet" if count[2] else "") + "."
    return "\n\n".join([fill(said), table(("Claim", "", "Found"), rows)])
