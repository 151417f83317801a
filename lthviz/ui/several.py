"""Which runs stand in lists: of a study among the examples one run stands for all its seeds, so that twenty seeds hide nothing else."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from lthviz.core.study import study_id
from lthviz.store.brief import Brief


def together(briefs: Iterable[Brief]) -> dict[str, list[Brief]]:
    """The examples that are replicates of one study, by its id, the lowest seed first; those of which there is one seed alone are left out."""
    of: dict[str, list[Brief]] = {}
    for b in briefs:
        if b.example:
            of.setdefault(study_id(b.config), []).append(b)
    return {name: sorted(found, key=lambda b: (b.config.seed, b.id)) for name, found in of.items() if len({b.config.seed for b in found}) > 1}


def few(briefs: Sequence[Brief], keep: Collection[str] = ()) -> list[Brief]:
    """The runs without the further seeds of the examples' studies. keep: ids that stay whatever they are."""
    further = {b.id for found in together(briefs).values() for b in found[1:]}
    return [b for b in briefs if b.id not in further or b.id in keep]


def seeds(found: Sequence[Brief]) -> str:
    """`10 seeds`."""
    return f"{len({b.config.seed for b in found})} seeds"
