"""What chapters read from finished runs: the study that says most about tickets and their controls, and what was measured of its speed.

The examples come first, so that a course shows the same numbers everywhere; without them, the reader's own finished runs.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, structure
from lthviz.core.families import families, family_id
from lthviz.core.study import Replicates
from lthviz.core.winning import Level, level_of
from lthviz.figures import measured
from lthviz.methods.controls import Reinit
from lthviz.records import Run, Timing
from lthviz.store.brief import Brief
from lthviz.ui import cache
from lthviz.ui.learn.chapter import Missing

TRIED = 3
"""So many families are opened in search of one that serves."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """A study over its seeds; another object once a file of its runs has changed, so that what is made of it can be kept by it. runs: as they are stored; level: what winning means; timings: at the setting under
    which most was measured, by round and label, of every run that has them; () where nothing was."""

    study: Replicates
    runs: tuple[Run, ...]
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
    """The study to teach from. need: what it must be rich in. Missing in one sentence where no finished run has pruned anything."""
    known, _ = cache.briefs()
    done = [b for b in known if b.status.state == "finished" and b.config.rounds]
    poorer: Evidence | None = None
    for pool in ([b for b in done if b.example], [b for b in done if not b.example]):
        by: dict[str, list[Brief]] = {}
        for b in pool:
            by.setdefault(_family(b.config), []).append(b)
        for best in sorted(by.values(), key=functools.partial(_worth, need=need), reverse=True)[:TRIED]:
            ids = tuple(sorted(b.id for b in best))
            of = _evidence(ids, tuple(cache.stamp(i) for i in ids))
            if of is not None and (of.timings if need == "speed" else of.controls()):
                return of
            poorer = poorer or of
    if poorer is None:
        raise Missing("no finished run here has trained an unstructured ticket yet; start the digits study on Home, and the course shows its numbers")
    return poorer


_family = functools.lru_cache(maxsize=4096)(family_id)


def _worth(of: Sequence[Brief], need: str) -> tuple:
    """What of a family counts: its controls or its timings, then its seeds, and how small its images are in all."""
    if need == "speed":
        first = int(any(next(folder.glob("*.json"), None) for b in of for folder in cache.store().timing_folders(b.id)))
    else:
        first = min(2, sum(isinstance(s, Random | Reinit) and s.of == UNSTRUCTURED for s in {s for b in of for s in b.config.structures}))
    seeds = len({b.config.seed for b in of})
    return first, seeds > 1, -_size(of), seeds, of[0].id


def _size(of: Sequence[Brief]) -> int:
    """Numbers in the training images."""
    info = cache.run(of[0].id).info
    return math.prod(int(x) for x in (info.get("train_images") or 0, *(info.get("image_shape") or ())))


@functools.lru_cache(maxsize=8)
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
    return Evidence(of, runs, level, {k: tuple(v) for k, v in by.items()}, timed)

