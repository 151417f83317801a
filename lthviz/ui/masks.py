"""One ticket's masks: the list of its layers with totals, and the mask of the chosen layer, before | after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.core.stats import coverage, effective, overlap
from lthviz.figures.masks import mask_table, mask_text
from lthviz.records import Address, Layer, Masks, Round, Run, Ticket
from lthviz.ui import cache, frame, pickers, stages, where
from lthviz.ui.maskview import MODES, ORDERS, mask_view

AGAINST = {"round": "the round's unstructured ticket", "previous": "the previous round", "none": "nothing"}
_VIEWS = {"view": MODES, "order": ORDERS}


def show(run: Run) -> None:
    """The whole page below the menu."""
    _head(run)
    there = where.positions(run.config, run.rounds, cache.done_in_last(run))
    if not there or not run.layers:
        with st.container(border=True, key="nothing-yet"):
            st.markdown("### :material/hourglass_empty: No mask yet")
            st.markdown(f"This run is {cache.store().status(run.id).state} and no stage of it has ended. Its first masks come with the first pruning.")
            st.page_link("pages/lab.py", label="Watch it in the Lab", icon=":material/science:", query_params={"run": run.id})
        return
    frame.fragment(_ticket)(run, there)


def newest() -> str:
    """The newest run that has masks, else the newest; '' without any."""
    found = cache.briefs()[0]
    return next((r.id for r in found if r.rounds), found[0].id if found else "")


def _head(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="masks-head"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.title("Masks", anchor=False, width="content")
            frame.badge(cache.store().status(run.id), cache.store().is_example(run.id))
        pickers.pick_run(run.id)
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}")


def _ticket(run: Run, there: Sequence[where.Position]) -> None:
    rounds = sorted({p.round for p in there})
    place, said = where.find(run.config, there, where.text("round"), "")
    k = place.round
    now = cache.round(run.id, k)
    label, more = where.find_ticket(run.config, now.tickets, k, where.text("ticket"))
    against, odd = _against(run, now, label)
    layer, other = where.find_layer(run.layers, where.text("layer"))
    frame.notes(said + more + odd + other)
    _pick(run, rounds, now, label, against)
    ticket, before = now.ticket(label), _before(run, against)
    frame.said(totals(run, ticket, before, against))
    _layer_list(cache.layer_rows(Address(run.id, k, label), against), layer, before is not None)
    picture(ticket, before, layer, key="masks-mask", title=f"{layer.short} · {stages.name(run.config, k, label)}, round {k}", height=430)
    _details(ticket, before, layer)


def _against(run: Run, now: Round, label: str) -> tuple[Address | None, list[str]]:
    """What the ticket is compared with, by the address: `round`, `previous`, `none`."""
    asked = where.text("against")
    choice = asked if asked in AGAINST else "round" if label != UNSTRUCTURED else "previous"
    said = [] if not asked or asked in AGAINST else [f"The link compares with {asked!r}; it can be {', '.join(AGAINST)}. Showing {AGAINST[choice]}."]
    if choice == "round" and label != UNSTRUCTURED and UNSTRUCTURED in now.tickets:
        return Address(run.id, now.index, UNSTRUCTURED), said
    if choice == "previous" and now.index - 1 in run.rounds:
        last = cache.round(run.id, now.index - 1)
        return Address(run.id, now.index - 1, label if label in last.tickets else UNSTRUCTURED), said
    return None, said


def _before(run: Run, against: Address | None) -> Masks | None:
    return cache.round(run.id, against.round).ticket(against.structure).masks if against else None


def _pick(run: Run, rounds: Sequence[int], now: Round, label: str, against: Address | None) -> None:
    choice = "none" if against is None else "round" if against.round == now.index else "previous"
    options = [x for x in AGAINST if (x != "round" or label != UNSTRUCTURED) and (x != "previous" or now.index - 1 in rounds)]
    which, other = pickers.showing("pick-ticket", label), pickers.showing("pick-against", choice)
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium", key="masks-pick"):
        pickers.pick_round(rounds, now.index)
        st.segmented_control("Ticket", list(now.tickets), key=which, required=True,
                             format_func=lambda x: "Dense" if now.index == 0 else stages.short(run.config, x),
                             on_change=lambda: where.go(ticket=st.session_state[which], round=now.index, against=None))
        if len(options) > 1:
            st.selectbox("Compared with", options, key=other, format_func=AGAINST.get, width=280,
                         on_change=lambda: where.go(against=st.session_state[other]))


def totals(run: Run, ticket: Ticket, before: Masks | None, against: Address | None) -> str:
    """The ticket in one or two sentences, with the whole network's numbers."""
    masks, size = ticket.masks, ticket.masks.size()
    said = f"{stages.name(run.config, ticket.round, ticket.structure)} keeps {masks.nnz():,} of {size:,} weights ({100 * masks.density():.1f} %)"
    alive = sum(effective(masks, run.layers, ticket.structural).values())
    if alive != masks.nnz():
        said += f", {alive:,} ({100 * alive / size:.1f} %) once inputs from removed channels are gone"
    if ticket.blocks:
        covered = coverage(masks, ticket.blocks)
        said += f"; {100 * covered.weights:.0f} % of them in dense blocks, in {round(covered.layers * len(run.layers))} of {len(run.layers)} layers"
    said += "."
    if before is not None and against is not None:
        moved = overlap(before, masks)
        other = stages.name(run.config, against.round, against.structure) + (f" of round {against.round}" if against.round != ticket.round else "")
        said += f" Against {other}, {moved.added:,} weights came back and {moved.removed:,} went."
    return said


def _layer_list(rows: Sequence[dict[str, Any]], layer: Layer, compared: bool) -> None:
    """The layers with bars; the selected row is the layer of the address."""
    names = [r["name"] for r in rows]
    at = names.index(layer.name)
    key = pickers.showing("layers", {"selection": {"rows": [at], "columns": [], "cells": []}})
    table = [{"layer": r["short"], "shape": "×".join(map(str, r["shape"])), "density": 100 * r["density"],
              "effective": 100 * r["effective_density"], "in blocks": 100 * r["coverage"], "blocks": r["blocks"], "kept": r["kept"],
              **({"added": r["added"], "removed": r["removed"]} if compared else {}), "channels gone": r["removed_channels"]} for r in rows]
    percent = st.column_config.NumberColumn
    st.dataframe(table, key=key, on_select=_chosen(key, names), selection_mode="single-row-required", hide_index=True, alt=_list_alt(rows),
                 height=38 + 35 * min(9, len(rows)), column_config={
        "density": st.column_config.ProgressColumn("density (%)", format="%.1f", min_value=0, max_value=100, width="small",
                                                   help="Share of the layer's weights that the mask keeps"),
        "effective": percent("effective (%)", format="%.1f", help="The same after inputs from removed channels are taken away"),
        "in blocks": percent("in blocks (%)", format="%.0f", help="Share of the kept weights that lie in dense blocks"),
        "kept": percent(format="localized"), "added": percent(format="localized"), "removed": percent(format="localized")})
    with st.container(horizontal=True, vertical_alignment="center"):
        pickers.layer_keys(names, at)


def _chosen(key: str, names: Sequence[str]) -> Any:
    def choose() -> None:
        if rows := st.session_state[key]["selection"]["rows"]:
            where.go(layer=names[rows[0]])
    return choose


def _list_alt(rows: Sequence[dict[str, Any]]) -> str:
    least, most = min(rows, key=lambda r: r["density"]), max(rows, key=lambda r: r["density"])
    return (f"{len(rows)} layers; the sparsest is {least['short']} with {100 * least['density']:.1f} percent kept, "
            f"the densest {most['short']} with {100 * most['density']:.1f} percent.")


def picture(ticket: Ticket, before: Masks | None, layer: Layer, *, key: str, title: str, height: int) -> None:
    """The mask of a layer in the live view; which view and order are shown is in the address."""
    said, asked = [], {}
    for name, known in _VIEWS.items():
        asked[name] = where.text(name)
        if asked[name] and asked[name] not in known:
            said.append(f"The link names {name} {asked[name]!r}; it can be {', '.join(known)}.")
            asked[name] = ""
    frame.notes(said)
    paired, blocks = before is not None, ticket.blocks.get(layer.name)
    usual = "grouped" if blocks is not None and len(blocks) > 1 else "original"   # groups are seen only when brought together
    mask_view(ticket.masks.matrix(layer.name), before.matrix(layer.name) if paired else None, key=key, layer=layer,
              blocks=blocks, title=title, mode=(asked["view"] or "pair") if paired else "after",
              order=asked["order"] or usual, height=height, on_view_change=lambda: _viewed(key, paired, usual))


def _viewed(key: str, paired: bool, usual: str) -> None:
    view = st.session_state[key].get("view") or {}
    order = view.get("order")
    where.go(order=None if order == usual else order, **({"view": view.get("mode")} if paired else {}))


def _details(ticket: Ticket, before: Masks | None, layer: Layer) -> None:
    after, was = ticket.masks.matrix(layer.name), before.matrix(layer.name) if before is not None else None
    words = st.expander("The mask in words and numbers", icon=":material/table:", type="compact", key="mask-table", on_change="rerun")
    if words.open:
        words.caption(frame.plain(mask_text(after, was, layer)))
        words.dataframe([{**r, "share (%)": float(f"{r['share (%)']:.4g}")} for r in mask_table(after, was, layer)], hide_index=True)
    found = ticket.blocks.get(layer.name)
    if found is not None and len(found):
        blocks = st.expander(f"{len(found)} dense block{'s' * (len(found) != 1)}", icon=":material/view_quilt:", type="compact", key="block-list",
                             on_change="rerun")
        if blocks.open:
            blocks.dataframe([{"block": b, "rows": r.size, "columns": c.size, "weights": r.size * c.size,
                              "share of the layer (%)": float(f"{100 * r.size * c.size / layer.size:.4g}")}
                             for b, (r, c) in enumerate(zip(found.rows, found.cols, strict=True))], hide_index=True)
