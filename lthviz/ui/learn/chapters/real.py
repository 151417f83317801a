"""The ways from a chapter to the same thing on the whole layer."""

from __future__ import annotations

from lthviz.records import Layer, Run
from lthviz.ui.learn.chapter import Link


def masks(text: str, found: Run, round: int, ticket: str, layer: Layer) -> Link:
    """The mask of a round's ticket in one layer."""
    return Link(text, "pages/masks.py", {"run": found.id, "round": str(round), "ticket": ticket, "layer": layer.name}, ":material/grid_on:")


def tune(text: str, found: Run, round: int, structure: str, layer: Layer) -> Link:
    """The same layer under a structure whose thresholds can be turned."""
    return Link(text, "pages/tune.py", {"run": found.id, "round": str(round), "structure": structure, "layer": layer.name}, ":material/tune:")


def lab(text: str, found: Run, round: int, stage: str, layer: Layer) -> Link:
    """A stage of a round (`prune:unstructured`), with those before and after it, at a layer."""
    return Link(text, "pages/lab.py", {"run": found.id, "round": str(round), "stage": stage, "layer": layer.name}, ":material/science:")
