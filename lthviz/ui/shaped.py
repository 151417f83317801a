"""What a method made of a layer, as one sentence with its numbers."""

from __future__ import annotations

from typing import Any

from lthviz.core.stats import overlap
from lthviz.methods import NM, Random, Reinit, Structure
from lthviz.records import Layer, Masks, Ticket

_RANKED = {"omp": "by their magnitude in the trained dense network", "snip": "by their effect on the loss before training",
           "grasp": "by the gradient flow they carry before training", "synflow": "by the synaptic flow they carry before training"}


def sentence(title: str, structure: Structure, before: Masks, ticket: Ticket, layer: Layer) -> str:
    """title: the method's name for people. before: the round's unstructured masks."""
    note, name = ticket.notes.get(layer.name, {}), f"`{layer.short}`"
    if note.get("spared"):
        return f"The rows of {name} are the classes: {title} leaves its mask as it was."
    if note.get("unscored"):
        return f"{name} has no BatchNorm of its own: {title} leaves its mask as it was."
    if isinstance(structure, Reinit):
        whose = structure.other.name if structure.other else "the unstructured ticket"
        return f"{title} keeps the mask of {whose}; its weights are fresh random ones, trained from the start."
    if isinstance(structure, Random) and structure.other is not None:
        what = "the channels of" if structure.shuffle == "channels" else "as many weights as"
        return f"{title} put {what} {structure.other.name} at random places in {name}; {moves(note)}."
    if structure.kind in _RANKED:
        return (f"{title} ranked the weights of all layers {_RANKED[structure.kind]}: {ticket.masks.nnz(layer.name):,} of {layer.size:,} "
                f"stay in {name}; {moves(note)} against magnitude pruning.")
    if isinstance(structure, NM):
        rest = f", the last {structure.m - note['padded']} as if padded" if note.get("padded") else ""
        return f"{title} kept the {structure.n} largest weights of every {structure.m} neighbouring input channels in {name}{rest}; {moves(note)}."
    if "kept" in note:
        return f"{title} kept {note['kept']:,} of {note['channels']:,} channels in {name}; {moves(note)}."
    moved = overlap(before, ticket.masks, layer.name)
    return f"{title} moved the weights of {name} to random places: {moved.kept:,} stayed, {moves({'back': moved.added, 'gone': moved.removed})}."


def moves(note: Any) -> str:
    return f"{note.get('back', 0):,} weights came back, {note.get('gone', 0):,} went"
