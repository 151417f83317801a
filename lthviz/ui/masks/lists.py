"""The layers of a ticket and the blocks of a layer as tables that are linked to the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from lthviz.glossary import definition
from lthviz.records import Blocks, Layer, Run, Ticket
from lthviz.ui import frame, pickers, where
from lthviz.ui.linkedtable import Column, linked_table
from lthviz.ui.masks import magnitudes


def columns(compared: bool, magnitude: bool) -> list[Column]:
    out = [Column("layer", "layer", "text"), Column("shape", "shape", "text", "C_out × C_in × kernel"),
           Column("density", "density (%)", "bar", f"Of this layer. {definition('density')}"),
           Column("effective", "effective (%)", "percent", definition("effective density")),
           Column("coverage", "in blocks (%)", "percent", f"The share of the layer's kept weights. Structured coverage: {definition('structured coverage')}", 0),
           Column("blocks", "blocks", help=definition("block")), Column("kept", "kept", help="Weights")]
    if compared:
        out += [Column("added", "added", help="Weights that were not there before"), Column("removed", "removed", help="Weights that were there before"),
                Column("change", "changed (%)", "percent", "Added and removed weights over the layer's weights")]
    if magnitude:
        out.append(Column("magnitude", "kept |w| (%)", "percent", "Share of Σ|w| that the mask keeps of the mask it was made from; w: the trained weights that "
                          "the round was pruned by"))
    return [*out, Column("gone", "channels gone", help=f"Removed channels. {definition('removed channel')}")]


def layer_rows(rows: Sequence[Mapping[str, Any]], magnitude: Mapping[str, float | None] | None) -> list[dict[str, Any]]:
    """`core.stats.layer_rows` as they are listed; shares 0..1. magnitude: by layer."""
    return [{"id": r["name"], "layer": r["short"], "shape": "×".join(map(str, r["shape"])), "density": r["density"], "effective": r["effective_density"],
             "coverage": r["coverage"], "blocks": r["blocks"], "kept": r["kept"], "added": r["added"], "removed": r["removed"],
             "change": None if r["added"] is None else (r["added"] + r["removed"]) / max(1, r["rows"] * r["cols"]),
             "magnitude": magnitude.get(r["name"]) if magnitude else None, "gone": r["removed_channels"]} for r in rows]


def layer_list(rows: Sequence[Mapping[str, Any]], layer: Layer, *, compared: bool, magnitude: Mapping[str, float | None] | None) -> None:
    """The layers; the chosen one is the address's."""
    names = [r["name"] for r in rows]
    linked_table(layer_rows(rows, magnitude), columns(compared, magnitude is not None), key="layer-list", label=spoken(rows), chosen=layer.name, required=True,
                 height=36 + 30 * min(12, len(rows)), choose=lambda name: where.go(layer=name, window=None, select=None))
    with st.container(horizontal=True, vertical_alignment="center"):
        pickers.layer_keys(names, names.index(layer.name))


def magnitude(run: Run, ticket: Ticket) -> dict[str, float | None] | None:
    """The share of |w| that each layer keeps, where it is stored, and where it is asked for; None else."""
    if not magnitudes.stored(run, ticket.round):
        return None
    large = sum(layer.size for layer in run.layers) > magnitudes.QUICK
    if large and not st.toggle("Kept |w|", key="magnitude", help="Reads the trained weights that this round was pruned by"):
        return None
    return magnitudes.kept(run, ticket)


def spoken(rows: Sequence[Mapping[str, Any]]) -> str:
    least, most = min(rows, key=lambda r: r["density"]), max(rows, key=lambda r: r["density"])
    return (f"{len(rows)} layers; the sparsest is {least['short']} with {100 * least['density']:.1f} percent kept, "
            f"the densest {most['short']} with {100 * most['density']:.1f} percent.")


def block_rows(blocks: Blocks, mask_kept: int) -> list[dict[str, Any]]:
    """A row a block, and one for the kept weights in none. share: of the layer's kept weights; of_layer: of all its weights."""
    size = blocks.shape[0] * blocks.shape[1]
    rows = [{"id": f"block-{b + 1}", "block": str(b + 1), "rows": int(r.size), "cols": int(c.size), "weights": int(r.size * c.size),
             "share": r.size * c.size / max(1, mask_kept), "of_layer": r.size * c.size / max(1, size)}
            for b, (r, c) in enumerate(zip(blocks.rows, blocks.cols, strict=True))]
    left = mask_kept - blocks.area
    return [*rows, {"id": "left", "fixed": True, "block": "in no block", "rows": None, "cols": None, "weights": left, "share": left / max(1, mask_kept),
                    "of_layer": left / max(1, size)}]


def block_list(blocks: Blocks, kept: int, chosen: str) -> None:
    """The dense blocks of the shown layer; the chosen one is selected in the picture, and the reverse."""
    frame.quiet(f"{len(blocks)} dense block{'s' * (len(blocks) != 1)} hold {blocks.area:,} of the layer's {kept:,} kept weights. Choosing one selects it in the picture.")
    linked_table(block_rows(blocks, kept), [Column("block", "block", "text"), Column("rows", "rows"), Column("cols", "columns"), Column("weights", "weights"),
                                            Column("share", "of the kept (%)", "bar", "Share of the layer's kept weights"),
                                            Column("of_layer", "of the layer (%)", "percent", "Share of all the layer's weights")],
                 key="block-list", label=f"{len(blocks)} dense blocks", chosen=chosen if chosen.startswith("block-") else "", height=300,
                 choose=lambda block: where.go(select=block or None))
