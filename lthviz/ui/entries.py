"""What Home shows of the examples: the entries of gallery.toml, the runs that each is of, and what to notice, filled in from these runs."""

from __future__ import annotations

import string
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lthviz.config import MODELS, UNSTRUCTURED, Regroup, RunConfig
from lthviz.core import winning
from lthviz.core.families import families, family_id
from lthviz.core.study import Replicates
from lthviz.errors import StoreError, did_you_mean
from lthviz.figures import theme
from lthviz.knobs import toml
from lthviz.records import Run
from lthviz.store.brief import Brief

FILE = "gallery.toml"
PICTURES, PAGES = ("masks", "curve"), ("lab", "masks", "curves")
KINDS = {UNSTRUCTURED: "unstructured", "refill": "refill", "refill+": "refillplus", "regroup": "regroup"}
"""Kinds of tickets as `figures.theme` tells them apart, and their names in a template."""


@dataclass(frozen=True)
class Entry:
    """One of gallery.toml, as it stands there. notice: alternatives, the first that can be filled in counts."""

    title: str
    run: str = ""
    model: str = ""
    data: str = ""
    structure: str = ""
    seeds: int = 1
    picture: str = "masks"
    open: str = "lab"
    round: int = 0
    notice: Sequence[str] = field(default=())

    def of(self, briefs: Sequence[Brief]) -> list[Brief]:
        """The examples that it is of, by seed; none unless they have as many seeds as it asks for."""
        found = [b for b in briefs if b.id == self.run] if self.run else \
            [b for b in briefs if b.config.data == (self.data or b.config.data) and b.config.model == (self.model or b.config.model) and (not self.structure or label_of(b.config, self.structure))]
        if not self.run and found:       # one family, the one with most seeds; what else is like that is another entry's
            by: dict[str, list[Brief]] = {}
            for b in found:
                by.setdefault(family_id(b.config), []).append(b)
            found = max(by.values(), key=lambda of: (len({b.config.seed for b in of}), len({s for b in of for s in b.config.structures})))
        return sorted(found, key=lambda b: (b.config.seed, bool(b.parent), b.id)) if len({b.config.seed for b in found}) >= self.seeds else []


def read(examples: Path | None) -> list[Entry]:
    """The entries beside the examples; none without the file. StoreError names what is wrong in it."""
    file = examples / FILE if examples else None
    if file is None or not file.is_file():
        return []
    try:
        return [_entry(x) for x in toml(file.read_text(encoding="utf-8")).get("entry", [])]
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError, TypeError) as e:
        raise StoreError(f"{file}: {e}") from None


def _entry(value: dict[str, Any]) -> Entry:
    known = Entry.__dataclass_fields__
    if unknown := [k for k in value if k not in known]:
        raise ValueError(f"{unknown[0]!r} is no part of an entry; {did_you_mean(unknown[0], known)}")
    made = Entry(**value)
    for name, values in (("picture", PICTURES), ("open", PAGES)):
        if (word := getattr(made, name)) not in values:
            raise ValueError(f"{name} = {word!r} of {made.title!r} is not known; {did_you_mean(str(word), values)}")
    if bool(made.run) == bool(made.data or made.model):
        raise ValueError(f"{made.title!r} should name either run or model and data")
    return made


def label_of(config: RunConfig, kind: str) -> str:
    """The first ticket of that kind that a run of these settings trains; '' without one."""
    return next((x for x in (UNSTRUCTURED, *(s.label for s in config.structures)) if theme.kind(x) == kind), "")


def study(runs: Sequence[Run]) -> Replicates:
    """The runs of an entry as one study."""
    return max(families(runs), key=lambda s: len(s.tickets))


def middle(study: Replicates, asked: int = 0) -> int:
    """The round that is shown: the one asked for where it is there, else the middle one that every method has; 0: none is there."""
    of = [{t.round for t in study.of(x) if t.accuracy.n} for x in study.labels]
    rounds = sorted(set.intersection(*of)) if of else []
    return asked if asked in rounds else rounds[(len(rounds) - 1) // 2] if rounds else 0


def numbers(study: Replicates, index: int, blocks: int = 0) -> dict[str, str]:
    """What a template may name, as words; what is not known is not there."""
    level, config = winning.level_of(study), study.config
    said = {"seeds": str(len(study.seeds)), "rounds": str(max((t.round for t in study.tickets), default=0)), "network": MODELS.get(config.model, config.model).split(" (")[0]}
    said["of"] = f"means of {len(study.seeds)} seeds" if len(study.seeds) > 1 else "one training"
    said |= {"round": str(index)} if index else {}
    said |= {"dense": f"{level.accuracy:.1f}"} if level else {}
    said |= {"regroup_blocks": str(blocks)} if blocks > 1 else {}
    for kind, name in KINDS.items():
        label = next((x for x in study.labels if theme.kind(x) == kind), "")
        t = study.ticket(index, label) if label and index else None
        if t is not None and t.accuracy.n:
            said |= {f"{name}_accuracy": f"{t.accuracy.mean:.1f}", f"{name}_kept": f"{100 * t.density.mean:.0f}"}
        if label and (best := winning.extreme(study.of(label), level)):
            said[f"{name}_least"] = f"{100 * best.density.mean:.0f}"
    return said


def notice(entry: Entry, known: dict[str, str]) -> str:
    """The first alternative all of whose numbers are there; '' of none."""
    for words in entry.notice:
        if all(name in known for _, name, _, _ in string.Formatter().parse(words) if name is not None):
            return words.format_map(known)
    return ""


def blocks_label(study: Replicates) -> str:
    """The structure whose blocks are counted; '' without one."""
    return next((s.label for s in study.config.structures if isinstance(s, Regroup) and s.label in study.labels), "")
