"""The masks of a report: what the live view of every layer is given, compressed, each part once, and which rounds there is room for.

A ticket's view holds its own mask and the one before it, so most masks would lie in the file twice; they are kept by content instead. Each part is a
zlib stream in base64: the browser inflates the few that a layer needs.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from lthviz.core import stats
from lthviz.maskview import LARGEST, payload
from lthviz.records import Layer, Ticket
from lthviz.report.material import Material

ROOM = 6_000_000
"""Characters that the masks of a report may take: with plotly's 4.8 million and everything else a report stays below 12 million."""
HEIGHT = 440


@dataclass
class Chosen:
    """views: what the page is given, JSON-able; None where there is no mask. rounds: those that are in it; left_out: a sentence on what is not, or ''.
    table: a row a ticket and layer that is in it."""

    views: dict[str, Any] | None
    rounds: list[int]
    left_out: str = ""
    table: list[dict[str, Any]] = field(default_factory=list)


def choose(m: Material, room: int = ROOM) -> Chosen:
    """All rounds where there is room for them, else the last and, counted back from it, every second, third … as many as fit; of a network that is too
    large even for one round, the layers that fit, smallest first."""
    there = [k for k in m.pruned if m.rounds[k].tickets]
    layers = [x for x in m.run.layers if x.size <= LARGEST]
    if not there or not layers:
        return Chosen(None, [])
    box, most, spent = Box(m), 0, 0
    for k in reversed(there):
        spent += box.size([k], layers)
        if spent > room and most:
            break
        most += 1
    rounds, step = there, 1
    if most < len(there) or spent > room:
        step = -(-len(there) // most)
        while len(rounds := there[::-1][::step][::-1]) > 1 and box.size(rounds, layers) > room:
            step += 1
    by_size = sorted(layers, key=lambda x: x.size)
    while len(by_size) > 1 and box.size(rounds, by_size) > room:
        by_size = by_size[:-1]
    shown = [x for x in m.run.layers if x in by_size]
    return Chosen(box.views(rounds, shown), rounds, _left_out(m, there, rounds, shown), list(_table(m, rounds, shown)))


class Box:
    """Encoded views by round and layer, their parts by content."""

    def __init__(self, m: Material) -> None:
        self.m = m
        self.parts: dict[str, str] = {}
        self.made: dict[tuple[int, str], dict[str, dict[str, Any]]] = {}

    def of(self, k: int, layer: Layer) -> dict[str, dict[str, Any]]:
        """The views of a layer in a round by ticket: a head and the names of its parts."""
        if (k, layer.name) not in self.made:
            self.made[k, layer.name] = {label: self._view(ticket, layer) for label, ticket in self.m.rounds[k].tickets.items() if layer.name in ticket.masks}
        return self.made[k, layer.name]

    def _view(self, ticket: Ticket, layer: Layer) -> dict[str, Any]:
        before, _ = self.m.before(ticket)
        was = before.matrix(layer.name) if before is not None and layer.name in before else None
        blocks = ticket.blocks.get(layer.name)
        data = payload(ticket.masks.matrix(layer.name), was, layer=layer, blocks=blocks, mode="after" if was is None else "pair",
                       order="grouped" if blocks is not None and len(blocks) > 1 else "original", height=HEIGHT,
                       title=f"{layer.short} · {self.m.name(ticket.structure)}, round {ticket.round} · {self.m.run.id}")
        length = int.from_bytes(data[:4], "little")
        head, body = json.loads(data[4:4 + length]), data[4 + length:]
        head["parts"] = [[name, start, stop, self._part(body[start:stop])] for name, (start, stop) in head.pop("sections").items()]
        head.pop("colours")
        return head

    def _part(self, raw: bytes) -> str:
        name = hashlib.blake2b(raw, digest_size=6).hexdigest()
        if name not in self.parts:
            self.parts[name] = base64.b64encode(zlib.compress(raw, 9)).decode()
        return name

    def _used(self, rounds: Iterable[int], layers: Iterable[Layer]) -> list[dict[str, Any]]:
        return [view for k in rounds for layer in layers for view in self.of(k, layer).values()]

    def size(self, rounds: Iterable[int], layers: Iterable[Layer]) -> int:
        """Characters that these take."""
        used = self._used(rounds, layers)
        names = {part for view in used for *_, part in view["parts"]}
        return sum(len(self.parts[name]) + 18 for name in names) + sum(len(json.dumps(view, separators=(",", ":"))) + 24 for view in used)

    def views(self, rounds: list[int], layers: list[Layer]) -> dict[str, Any]:
        """For the page: rounds, tickets and layers to choose from, the views, the parts that they are made of, and the colours of both themes."""
        m = self.m
        names = sorted({part for view in self._used(rounds, layers) for *_, part in view["parts"]})
        colours = json.loads(_head(payload(m.rounds[rounds[0]].tickets[next(iter(m.rounds[rounds[0]].tickets))].masks.matrix(layers[0].name))))["colours"]
        tickets = [[[label, m.name(label), m.before(t)[1]] for label, t in m.rounds[k].tickets.items()] for k in rounds]
        return {"rounds": rounds, "tickets": tickets, "layers": [[x.name, f"{x.short} · {x.matrix[0]:,} × {x.matrix[1]:,}"] for x in layers], "colours": colours,
                "views": {f"{k}/{label}/{x.name}": view for k in rounds for x in layers for label, view in self.of(k, x).items()},
                "parts": {name: self.parts[name] for name in names}}


def _head(data: bytes) -> bytes:
    return data[4:4 + int.from_bytes(data[:4], "little")]


def _table(m: Material, rounds: Iterable[int], layers: list[Layer]) -> Iterable[dict[str, Any]]:
    shown = {x.name for x in layers}
    for k in rounds:
        for label, ticket in m.rounds[k].tickets.items():
            before, _ = m.before(ticket)
            for row in stats.layer_rows(ticket, m.run.layers, before):
                if row["name"] in shown:
                    yield {"round": k, "ticket": m.name(label), "layer": row["short"], "output channels": row["rows"], "columns": row["cols"], "kept": row["kept"],
                           "kept weights (%)": 100 * row["density"], "added": row["added"], "removed": row["removed"], "blocks": row["blocks"],
                           "weights in blocks (%)": 100 * row["coverage"], "removed channels": row["removed_channels"]}


def _left_out(m: Material, there: list[int], rounds: list[int], shown: list[Layer]) -> str:
    said = []
    if gone := [k for k in there if k not in rounds]:
        said.append(f"the masks of round{'s' * (len(gone) > 1)} {', '.join(map(str, gone))} are left out")
    if gone := [x.short for x in m.run.layers if x not in shown]:
        named = ", ".join(gone[:6]) + (f" and {len(gone) - 6} more" if len(gone) > 6 else "")
        said.append(f"the masks of the layer{'s' * (len(gone) > 1)} {named} are left out")
    return f"To keep this file small, {' and '.join(said)}; `lthviz export {m.run.id} --format figures` writes every mask." if said else ""
