"""One ticket's masks: all layers at a glance, the mask of the chosen one in the live view, and lists that are linked to it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz.figures.masks import mask_table, mask_text
from lthviz.records import Address, Layer, Masks, Round, Run, Ticket
from lthviz.ui import cache, frame, one_run, pickers, stages, transport, untrained, where
from lthviz.ui.masks import against, files, lists, sentences, strip
from lthviz.ui.masks.picture import picture
from lthviz.ui.tune import tune_link


def show(run: Run) -> None:
    """The whole page below the menu."""
    one_run.head("Masks", run)
    there = where.positions(run.config, run.rounds, cache.done_in_last(run))
    if there and not run.layers:
        return transport.damaged(run)
    if not there:
        return untrained.show([run], "No mask yet", "The first masks come with the first pruning.")
    frame.fragment(_ticket)(run, there)


def _ticket(run: Run, there: Sequence[where.Position]) -> None:
    rounds = sorted({p.round for p in there})
    place, said = where.find(run.config, there, where.text("round"), "")
    k = place.round
    now = cache.round(run.id, k)
    label, more = where.find_ticket(run.config, now.tickets, k, where.text("ticket"))
    found = against.find(run, now, label, where.text("against"))
    layer, other = where.find_layer(run.layers, where.text("layer"))
    with st.container(key="masks-notes"):
        frame.notes(said + more + found.said + other)
    _pick(run, rounds, now, label, found)
    with st.container(key="masks-other-notes"):
        frame.notes(sentences.not_comparable(run, found))
    ticket, before, address = now.ticket(label), found.masks, Address(run.id, k, label)
    frame.said(sentences.totals(run, ticket, found), beside=lambda: tune_link(run, k, label, layer))
    rows = cache.layer_rows(address, found.address if before is not None else None)
    strip.strip(address, run.layers, rows, layer, f"{stages.name(run.config, k, label)}, round {k}")
    picture(ticket, before, layer, key="masks-mask", title=_title(run, ticket, layer, found), height=430, why=sentences.why_no_weights(run, ticket))
    _lists(run, ticket, rows, layer, before)
    if words := sentences.alike_words(run, ticket, found, layer):
        frame.quiet(words)
    _words(ticket, before, layer)
    files.offer(run, address._replace(layer=layer.name), rows)


def _title(run: Run, ticket: Ticket, layer: Layer, found: against.Against) -> str:
    """The layer and both tickets, in the order in which they are seen."""
    said = f"{layer.short} · {stages.name(run.config, ticket.round, ticket.structure)}, round {ticket.round}"
    if found.masks is None or found.address is None or layer.name not in found.masks:
        return said
    return f"{said}, after {against.name(found.address, run, round=found.address.round != ticket.round or found.address.run != run.id)}"


def _pick(run: Run, rounds: Sequence[int], now: Round, label: str, found: against.Against) -> None:
    which = pickers.showing("pick-ticket", label)

    def chose(ticket: str) -> None:      # what was chosen by its full address stays
        where.go(ticket=ticket, round=now.index, select=None, **({} if "/" in where.text("against") else {"against": None}))

    with st.container(horizontal=True, vertical_alignment="top", gap="medium", key="masks-pick"):
        pickers.pick_round(rounds, now.index)
        st.segmented_control("Ticket", list(now.tickets), key=which, required=True, on_change=pickers.heard(which, chose),
                             format_func=lambda x: "Dense" if now.index == 0 else stages.short(run.config, x))
        against.pick(run, now, label, found)
    with st.container(key="masks-against"):
        if found.choice == "other" and found.address is not None:
            against.pick_other(found.address)


def _lists(run: Run, ticket: Ticket, rows: Sequence[dict], layer: Layer, before: Masks | None) -> None:
    """The layers, and beside them the shown layer's blocks where it has several."""
    blocks = ticket.blocks.get(layer.name)
    lists.layer_list(rows, layer, compared=before is not None, magnitude=lists.magnitude(run, ticket))
    if blocks is not None and len(blocks):
        folded = st.expander(f"{len(blocks)} dense block{'s' * (len(blocks) != 1)} in {layer.short}", icon=":material/view_quilt:", type="compact", key="blocks",
                             expanded=len(blocks) > 1, on_change="rerun")
        if folded.open:
            with folded:
                lists.block_list(blocks, ticket.masks.nnz(layer.name), where.text("select"))


def _words(ticket: Ticket, before: Masks | None, layer: Layer) -> None:
    after, was = ticket.masks.matrix(layer.name), before.matrix(layer.name) if before is not None and layer.name in before else None
    words = st.expander("The mask in words and numbers", icon=":material/table:", type="compact", key="mask-table", on_change="rerun")
    if words.open:
        words.caption(frame.plain(mask_text(after, was, layer)))
        words.dataframe([{**r, "share (%)": float(f"{r['share (%)']:.4g}")} for r in mask_table(after, was, layer)], hide_index=True)
