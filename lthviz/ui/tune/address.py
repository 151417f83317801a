"""What the address of Tune asks for: a round, a structure with all its settings, a layer; and how a change is written back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import streamlit as st

from lthviz import methods
from lthviz.config import Refill, Regroup
from lthviz.errors import ConfigError
from lthviz.knobs import plain
from lthviz.methods.overrides import short
from lthviz.records import Layer, Run
from lthviz.tuning import TUNABLE
from lthviz.ui import where

SCOPES = {"all": "all layers", "layer": "this layer alone"}
KINDS = {cls.kind: cls for cls in TUNABLE}


@dataclasses.dataclass(frozen=True, eq=False)
class Asked:
    """scope: what a change is for, a key of SCOPES. base: label of what the numbers are held against."""

    run: Run
    round: int
    structure: Refill | Regroup
    layer: Layer
    scope: str
    base: str

    @property
    def own(self) -> dict[str, Any]:
        """What is set for the layer alone."""
        return self.structure.own.get(self.layer.short, {})

    @property
    def here(self) -> Refill | Regroup:
        """The structure as it is in the layer."""
        return self.structure.of(self.layer.name)

    @property
    def shown(self) -> Refill | Regroup:
        """What the controls show: the layer's settings, or those of all."""
        return self.here if self.scope == "layer" else dataclasses.replace(self.structure, layers="")

    def changed(self, **values: Any) -> Refill | Regroup:
        """The structure with these settings, in the scope; ConfigError."""
        if self.scope == "layer" and set(values) <= set(self.structure.BY_LAYER):
            return self.structure.set(self.layer.name, **values)
        return dataclasses.replace(self.structure, **values)

    def settled(self, name: str, value: float) -> Refill | Regroup:
        """The structure after the shown threshold was dragged: it is the layer's own where it has one."""
        if self.scope == "layer" or name in self.own:
            return self.structure.set(self.layer.name, **{name: value})
        return dataclasses.replace(self.structure, **{name: value})


def asked(run: Run) -> tuple[Asked, list[str]]:
    """What the address names, and in sentences what it names that cannot be had. `pruned(run)` must not be empty."""
    k, said = _round(run)
    structure, more = _structure(run, k)
    layer, other = where.find_layer(run.layers, where.text("layer"))
    structure, odd = _fitting(run, structure)
    scope = where.text("scope")
    if scope and scope not in SCOPES:
        odd.append(f"The link changes {scope!r}; it can be {', '.join(SCOPES)}. Changing all layers.")
    usual = "layer" if layer.short in structure.own else "all"
    base, last = _base(run, k, structure)
    return Asked(run, k, structure, layer, scope if scope in SCOPES else usual, base), said + more + other + odd + last


def pruned(run: Run) -> list[int]:
    """The rounds that have masks to tune."""
    return [k for k in run.rounds if k and run.layers]


def stored(run: Run, round: int, kind: str) -> list[str]:
    """Labels of the round's structures of that kind, as the run makes them."""
    return [s.label for s in run.config.at(round).structures if s.kind == kind]


def _round(run: Run) -> tuple[int, list[str]]:
    rounds, word = pruned(run), where.text("round")
    if not word or (where.number(word) and int(word) in rounds):
        return int(word) if word else rounds[-1], []
    if word == "0":
        return rounds[0], [f"Round 0 is the dense network: there is nothing to refill or regroup in it. Showing round {rounds[0]}."]
    has = f"rounds {rounds[0]} to {rounds[-1]}" if len(rounds) > 1 else f"round {rounds[0]} alone"
    return rounds[-1], [f"The link names round {word}; this run has {has} to tune; showing the last."]


def _structure(run: Run, round: int) -> tuple[Refill | Regroup, list[str]]:
    usual = next((s for s in reversed(run.config.at(round).structures) if isinstance(s, TUNABLE)), Regroup())
    word = where.text("structure")
    if not word:
        return usual, []
    if word == methods.UNSTRUCTURED:
        return usual, []     # remembered from a page where that ticket was looked at
    try:
        found = methods.structure(word)
    except ConfigError as e:
        return usual, [f"The link's structure {word!r} cannot be read: {e}. Showing {usual.name}."]
    if not isinstance(found, TUNABLE):
        return usual, [f"{found.name} has no threshold to tune; Refill and Regroup have. Showing {usual.name}."]
    return found, []


def _fitting(run: Run, structure: Refill | Regroup) -> tuple[Refill | Regroup, list[str]]:
    """Without settings of layers that this network does not have, or that the structure leaves as they are."""
    known = {x.short for x in run.layers if not (x.classifier and structure.kind == Refill.kind)}
    if not (odd := [name for name in structure.own if name not in known]):
        return structure, []
    for name in odd:
        structure = structure.set(name)
    return structure, [f"The link sets something for {', '.join(odd)}, which {'is no layer' if len(odd) == 1 else 'are no layers'} that "
                       f"{structure.title} changes in this network; the rest is shown."]


def _base(run: Run, round: int, structure: Refill | Regroup) -> tuple[str, list[str]]:
    labels, word = bases(run, round, structure.kind), where.text("base")
    if not word or word in labels:
        return word or labels[0], []
    return labels[0], [] if word.split("-")[0] != structure.kind else [f"The link compares with {word!r}; it can be {', '.join(labels)}."]


def bases(run: Run, round: int, kind: str) -> list[str]:
    """What a structure of that kind can be held against: the run's own, then the plain one."""
    return list(dict.fromkeys([*stored(run, round, kind), KINDS[kind]().label]))


def go(structure: Refill | Regroup, **more: Any) -> None:
    """Write a structure into the address."""
    where.go(structure=structure.label, **more)


def tune_link(run: Run, round: int, label: str, layer: Layer | None = None) -> None:
    """The way to Tune, on a page that shows a ticket of Refill or Regroup; nothing on others."""
    if round and label.partition("-")[0] in KINDS:
        query = {"run": run.id, "round": str(round), "structure": label, **({"layer": layer.name} if layer else {})}
        st.page_link("pages/tune.py", label="Tune this", icon=":material/tune:", query_params=query, help="Turn its thresholds and see what they would make of the masks")


def names(layers: Sequence[Layer], of: Refill | Regroup) -> dict[str, str]:
    """What is set for single layers, in words, by full name."""
    return {x.name: ", ".join(f"{k} {plain(v)}" for k, v in of.own[short(x.name)].items()) for x in layers if short(x.name) in of.own}
