"""What chapters read from finished runs: the study that says most about tickets and their controls, and what was measured of its speed.

The examples come first, so that a course shows the same numbers everywhere; without them, the reader's own finished runs.
"""

from __future__ import annotations

import functools
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import streamlit as st

from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, RunConfig, structure
from lthviz.core.families import families, family_id
from lthviz.core.study import Replicates, Summary, study_id
from lthviz.core.winning import Level, level_of
from lthviz.errors import AddressError
from lthviz.figures import measured, rows, wording
from lthviz.methods.controls import Reinit
from lthviz.records import Run, Timing
from lthviz.store.brief import Brief
from lthviz.ui import cache, frame
from lthviz.words import capital

TRIED = 3
"""So many families are opened in search of one that serves."""


class Evidence(NamedTuple):
    """A study over its seeds. runs: as they are stored; stamp: of their files; level: what winning means; timings: at the setting under
    which most was measured, by round and label, of every run that has them; () where nothing was."""

    study: Replicates
    runs: tuple[Run, ...]
    stamp: tuple
    level: Level
    timings: Mapping[tuple[int, str], tuple[Timing, ...]]
    timed: Run | None

    @property
    def rounds(self) -> tuple[int, ...]:
        """Rounds of the unstructured ticket, without the dense network's."""
        return tuple(t.round for t in self.study.of(UNSTRUCTURED) if t.accuracy.n and t.density.mean)

    def label(self, kind: type) -> str:
        """The plainest ticket of that method (Refill without more, not Refill+); '' of none."""
        of = [x for x in self.study.labels if x != UNSTRUCTURED and isinstance(structure(x), kind)]
        return min(of, key=len, default="")

    @property
    def refill(self) -> str:
        return self.label(Refill)

    @property
    def regroup(self) -> str:
        return self.label(Regroup)

    def controls(self, of: str = UNSTRUCTURED) -> dict[str, str]:
        """`reinit` and `random`: the labels of a ticket's controls, those that are there. For a structure, `random` keeps its shape."""
        found = {}
        for label in self.study.labels:
            made = None if label == UNSTRUCTURED else structure(label)
            if isinstance(made, Reinit) and made.of == of:
                found["reinit"] = label
            elif isinstance(made, Random) and made.of == of and (made.shuffle == "weights") == (of == UNSTRUCTURED):
                found["random"] = label
        return found


def found(need: str = "controls") -> Evidence:
    """The study to teach from. need: what it must be rich in. AddressError in one sentence where no finished run has pruned anything."""
    known, _ = cache.briefs()
    done = [b for b in known if b.status.state == "finished" and b.config.rounds]
    poorer: Evidence | None = None
    for pool in ([b for b in done if b.example], [b for b in done if not b.example]):
        by: dict[str, list[Brief]] = {}
        for b in pool:
            by.setdefault(family_id(b.config), []).append(b)
        for best in sorted(by.values(), key=functools.partial(_worth, need=need), reverse=True)[:TRIED]:
            ids = tuple(sorted(b.id for b in best))
            of = _evidence(ids, tuple(cache.stamp(i) for i in ids))
            if of is not None and (of.timings if need == "speed" else of.controls()):
                return of
            poorer = poorer or of
    if poorer is None:
        raise AddressError("no finished run here has a trained ticket yet; start the digits study on Home, and the course shows its numbers")
    return poorer


def _worth(of: Sequence[Brief], need: str) -> tuple:
    """What of a family counts: its controls or its timings, then its seeds, and how small its images are in all."""
    if need == "speed":
        first: float = any(cache.timings(b.id) for b in of)
    else:
        first = min(2, sum(isinstance(s, Random | Reinit) and s.of == UNSTRUCTURED for s in {s for b in of for s in b.config.structures}))
    seeds = len({b.config.seed for b in of})
    return first, seeds > 1, -_size(of), seeds, of[0].id


def _size(of: Sequence[Brief]) -> int:
    """Numbers in the training images."""
    info = cache.run(of[0].id).info
    return math.prod(int(x) for x in (info.get("train_images") or 0, *(info.get("image_shape") or ())))


@st.cache_resource(max_entries=4, show_spinner=False)
def _evidence(ids: tuple[str, ...], stamps: tuple) -> Evidence | None:
    runs = tuple(cache.run(i) for i in ids)
    timings = {r.id: cache.timings(r.id) for r in runs}
    setting = measured.usual([t for of in timings.values() for t in of if t.round])
    at = {i: measured.at(of, setting) for i, of in timings.items()} if setting else {}
    of = max(families(runs, {(i, *key): t.time_ratio for i, here in at.items() for key, t in here.items()}), key=lambda s: len(s.tickets))
    level = level_of(of)
    if level is None or not any(t.accuracy.n for t in of.of(UNSTRUCTURED)):
        return None
    by: dict[tuple[int, str], list[Timing]] = {}
    for here in at.values():
        for key, t in here.items():
            if key[0]:
                by.setdefault(key, []).append(t)
    timed = max((r for r in runs if at.get(r.id)), key=lambda r: len(at[r.id]), default=None) if by else None
    return Evidence(of, runs, (ids, stamps), level, {k: tuple(v) for k, v in by.items()}, timed)


# In words ----------------------------------------------------------------------------------------------------------------


def name(label: str) -> str:
    """A method without its settings, as it stands in a sentence: `Regroup`, `unstructured`."""
    return "unstructured" if label == UNSTRUCTURED else rows.bare(label) or label


def whose(label: str) -> str:
    """`the unstructured ticket`, `Regroup's ticket`."""
    return "the unstructured ticket" if label == UNSTRUCTURED else f"{name(label)}'s ticket"


def control_name(label: str) -> str:
    """What a control is, in a sentence."""
    return "the same mask over fresh random weights" if isinstance(structure(label), Reinit) else "a random mask of the same shape and density"


def percent(share: float, digits: int = 1) -> str:
    """`26.2 %`, on one line."""
    return f"{100 * share:.{digits}f}\u00a0%"


def points(value: float) -> str:
    """A difference in points of accuracy with its sign: `+1.2`, `−0.4`."""
    return f"{'−' if value < 0 else '+'}{abs(value):.1f}"


def mean(accuracy: Summary) -> str:
    """`92.1 ± 1.4 %`, without a spread where there is one replicate."""
    return f"{accuracy.mean:.1f}{'' if accuracy.sd is None else f' ± {accuracy.sd:.1f}'}\u00a0%"


def seeds(of: Evidence) -> str:
    n = len(of.study.seeds)
    return f"{n} seeds" if n > 1 else "one seed"


def machine(of: Evidence) -> str:
    """What was measured where: `24 pairs each of batch 64, 2 threads on …`; '' where nothing was."""
    every = [t for here in of.timings.values() for t in here]
    if not every:
        return ""
    pairs = sorted({t.n for t in every})
    n = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    return f"{wording.setting(measured.setting_of(every[0]))} on {'; '.join(wording.machines(every).values())}, medians of {n} interleaved pairs"


def apart(of: Evidence) -> float:
    """By how much the quartiles of the pairs' ratios typically lie apart, as a share."""
    return statistics.median(t.spread[1] / t.spread[0] - 1 for here in of.timings.values() for t in here)


def runs_query(of: Evidence, **more: str) -> dict[str, str | list[str]]:
    """Where Curves shows the study: its seeds, and what else of it is there."""
    ids = list(dict.fromkeys(study_id(r.config) for r in sorted(of.runs, key=lambda r: (-len(_labels(r.config)), r.id))))
    first = next(r for r in of.runs if study_id(r.config) == ids[0])
    if len(of.runs) == 1:
        return {"run": first.id, **more}
    return {"study": ids[0], "run": first.id, **more} | ({"with": ids[1:]} if len(ids) > 1 and more.get("x") == "speed" else {})


def _labels(config: RunConfig) -> tuple[str, ...]:
    return tuple(s.label for s in config.structures)


def origin(of: Evidence, *more: str, key: str, query: Mapping[str, str | list[str]] | None = None) -> None:
    """A quiet line of where the numbers come from, with the way to these runs."""
    said = f"{of.study.title}: {f'{len(of.runs)} runs' if len(of.runs) > 1 else 'one run'}, {_ids(r.id for r in of.runs)}"
    with st.container(key=f"origin-{key}", gap=None):
        frame.quiet("From " + ". ".join(map(capital, [said, *filter(None, more)])) + ".")
        st.page_link("pages/curves.py", label="These runs in Curves", icon=":material/show_chart:", query_params=dict(query or runs_query(of)))


def _ids(ids: Iterable[str]) -> str:
    """Of many, the first and the last."""
    every = sorted(ids)
    return " and ".join(every) if len(every) < 3 else f"{every[0]} to {every[-1]}"
