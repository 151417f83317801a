"""What a file holds, as it would be taken in: a sentence, what is worth telling, and every tensor with how it was matched; and what it became."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lthviz.ui import frame, where
from lthviz.ui.exchange import packed
from lthviz.ui.linkedtable import Column, linked_table
from lthviz.words import capital

HOW = {"name": "the same name", "renamed": "the same, without its prefix", "order": "by its place"}
COLUMNS = [Column("weight", "weight", "text", "As the network here calls it"), Column("shape", "shape", "text", "Of a convolution C_out × C_in × kernel"),
           Column("found", "in the file", "text", "As the file calls it"), Column("how", "matched", "text", "By name, or where names differ by the order of layers of the same shapes"),
           Column("mask", "its mask", "text", "Where the mask of a prunable layer was found"),
           Column("kept", "kept (%)", "bar", "Share of the layer's weights that the last round's mask keeps")]
LEFT = [Column("name", "in the file", "text", "As the file calls it"), Column("why", "why it is not used", "text")]
PAGES = (("lab", "Lab", "science"), ("masks", "Masks", "grid_on"), ("tune", "Tune", "tune"), ("speed", "Speed", "speed"), ("curves", "Curves", "show_chart"))


def show(value: Mapping[str, Any]) -> None:
    """What `lthviz import --dry --json` says, as a page."""
    frame.said(sentence(value))
    lines(value["said"])
    every = rows(value)
    first = [r for r in every if r["kept"] is not None or r["how"] not in (HOW["name"], HOW["renamed"])]      # of the others nothing is to be told
    everything = 0 < len(first) < len(every) and st.toggle(f"All {len(every)} tensors, also those that matched by name and are not prunable", key="in-every")
    shown = every if everything or not first else first
    linked_table(shown, COLUMNS, key="in-matches", label=f"{len(shown)} of the {len(every)} tensors of the network, and where each is in the file", chosen="", choose=lambda _: None, height=360)
    if left := value["left"]:
        frame.quiet(f"{len(left)} of the file {'are' if len(left) != 1 else 'is'} left out:")
        linked_table([{"id": n, "name": n, "why": why, "fixed": "read"} for n, why in left.items()], LEFT, key="in-left", label="Tensors of the file that are not used, and why",
                     chosen="", choose=lambda _: None, height=200)


def sentence(value: Mapping[str, Any]) -> str:
    """What was found, with its numbers; code spans are names."""
    rounds, kept = value["rounds"], 100 * value["density"]
    form = f" in form {value['form']}" if value["form"] != "auto" else ""
    what = f"{_code(value['source'])} is a {_code(value['model'])}{form} for {_code(value['data'])} ({'×'.join(map(str, value['image_shape']))}, {value['classes']} classes)"
    if len(rounds) == 1:
        said = "a dense network: no weight is masked"
    elif value["kind"] == "file":
        said = f"its masks keep {kept:.1f} % of the {prunable(value):,} prunable weights"
    else:
        said = f"rounds {rounds[0]} to {rounds[-1]}, the last of which keeps {kept:.1f} % of the {prunable(value):,} prunable weights"
    return f"{what}; {said}. " + ("Weights to rewind to came with it." if value["rewind"] else "No weights to rewind to came with it: training here goes on from those that came.")


def prunable(value: Mapping[str, Any]) -> int:
    shapes = {m["name"]: m["shape"] for m in value["matches"]}
    total = 0
    for layer in value["layers"]:
        size = 1
        for n in shapes[layer["name"]]:
            size *= n
        total += size
    return total


def rows(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Every tensor of the network, as the table shows it; only layers that are prunable have a mask."""
    layers = {x["name"]: x for x in value["layers"]}
    out = []
    for m in value["matches"]:
        layer = layers.get(m["name"])
        out.append({"id": m["name"], "weight": m["name"], "shape": " × ".join(map(str, m["shape"])) or "a number", "found": m["found"] or None, "how": HOW.get(m["how"], "not in the file"),
                    "mask": layer["mask"] if layer else None, "kept": layer["density"] if layer else None, "fixed": "read" if layer else True})
    return out


def lines(said: Sequence[str]) -> None:
    """What is worth telling, a line each."""
    if said:
        st.html("<ul class='worth-telling'>" + "".join(f"<li>{html.escape(capital(s))}</li>" for s in said) + "</ul>")


def taken(value: Mapping[str, Any]) -> None:
    """What became of it: the run, what was measured, and where to go on."""
    run = value["run_id"]
    frame.said(taken_sentence(value))
    if "said" in value:
        lines(value["said"])
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="in-taken"):
        for page, label, icon in PAGES:
            st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:", query_params={"run": run})
        st.button("Give it out", key="in-give", icon=":material/output:", type="tertiary", on_click=where.go, kwargs={"do": "out", "run": run, "round": None, "ticket": None, "format": None})


def taken_sentence(value: Mapping[str, Any]) -> str:
    """That it is a run now, and what of it was measured here."""
    if value["kind"] == packed.KIND:
        return packed.sentence(value)
    known = {int(k): a for k, a in value["accuracies"].items() if a is not None}
    said = f"{_code(value['source'])} was taken in as run {_code(value['run_id'])}." if value["new"] else f"{_code(value['source'])} is here already, as run {_code(value['run_id'])}: the same masks and weights."
    if known:
        last = max(known)
        measured = f"{known[last]:.2f} % of the test images right in round {last}" + (f", {known[0]:.2f} % in round 0" if 0 in known and last else "")
        said += f" {'Measured here' if value['new'] else 'Known of it'}: {measured}."
    return said


def _code(words: str) -> str:
    return f"`{str(words).replace('`', chr(39))}`"
