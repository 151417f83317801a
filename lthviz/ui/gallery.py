"""Home: the runs that are here, each with a picture of what it did to a layer."""

from __future__ import annotations

import html
from collections.abc import Sequence

import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.figures.masks import data_url
from lthviz.presets import preset
from lthviz.records import Address, Run, Status
from lthviz.ui import cache, frame, pickers, stages, transport, where

MOST = 12
"""So many of the reader's own runs are shown, the newest; the Runs page has all."""


def show() -> None:
    """Examples with their pictures, then the reader's own runs, then what cannot be read."""
    found, broken = cache.listed(MOST)
    examples = [(r, s) for r, s in found if cache.store().is_example(r.id)]
    own = [(r, s) for r, s in found if not cache.store().is_example(r.id)]
    if not found and not broken:
        frame.empty(f"No run is here yet. The digits study is {preset('digits').note}.", link=False)
    for run, _ in examples:
        st.subheader("An example to look at" if len(examples) == 1 else frame.plain(pickers.run_title(run)), anchor=False)
        example(run)
    if own:
        st.subheader("Your runs", anchor=False)
        alive = any(s.alive for _, s in own)
        frame.fragment(_own, run_every=1.0 if alive else None)(tuple((r.id, s.state) for r, s in own))
        if len(own) == MOST:
            st.page_link("pages/runs.py", label="All runs", icon=":material/table_rows:")
    for name, why in broken.items():
        frame.told("error", f"{name!r} cannot be read, and is left as it is: {why}", "broken_image")


def example(run: Run) -> None:
    """A run with its strip of masks, what it found, and the ways in."""
    if strip := mask_strip(run):
        st.html(strip)
    frame.said(findings(run))
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}")
    _links(run, **telling(run))


def telling(run: Run) -> dict[str, str]:
    """The stage of a finished run that shows most at once, as fields of an address: the last structure of its middle round."""
    rounds, shapes = [k for k in run.rounds if k], [s for s in run.config.structures if s.kind in ("refill", "regroup")]
    if not rounds or not shapes:
        return {}
    return {"round": str(_middle(rounds)), "stage": f"{shapes[-1].kind}:{shapes[-1].label}", "ticket": shapes[-1].label}


def _middle(rounds: Sequence[int]) -> int:
    return rounds[(len(rounds) - 1) // 2]


def mask_strip(run: Run) -> str:
    """One layer through the run: the trunk's mask round by round, then the structures of a middle round, as HTML."""
    rounds = [k for k in run.rounds if k and any(r["round"] == k for r in run.rows)]
    if not rounds or not run.layers:
        return ""
    layer = where.find_layer(run.layers, "")[0]
    middle = _middle(rounds)
    labels = [s.label for s in run.config.structures if any(r["round"] == middle and r["structure"] == s.label for r in run.rows)][:2]
    shown = [Address(run.id, k, UNSTRUCTURED, layer.name) for k in dict.fromkeys([rounds[0], middle, rounds[-1]])]
    shown += [Address(run.id, middle, label, layer.name) for label in labels]
    figures = []
    for at in shown:
        ticket = cache.round(run.id, at.round).ticket(at.structure)
        kept, blocks = f"{100 * ticket.masks.density(layer.name):.1f} % kept", ticket.blocks.get(layer.name)
        if blocks is not None and len(blocks) > 1:
            kept += f", ordered by its {len(blocks)} blocks"
        name = "Pruned" if at.structure == UNSTRUCTURED else stages.short(run.config, at.structure)
        png = cache.thumbnail(at, width=216, height=128, dark=frame.dark())
        said = f"{name}, round {at.round}"
        figures.append(f"<figure><img src='{data_url(png)}' alt='Mask of {html.escape(layer.short)}: {html.escape(said)}, {kept}'>"
                       f"<figcaption>{html.escape(said)}<br><span class='quiet'>{kept}</span></figcaption></figure>")
    return (f"<div class='strip'>{''.join(figures)}</div><div class='quiet'>The mask of {html.escape(layer.short)}, "
            f"{layer.matrix[0]:,} output channels by {layer.matrix[1]:,} weights each: a cell is drawn where a weight is kept.</div>")


def findings(run: Run) -> str:
    """What a run found, in two sentences with numbers."""
    dense = next((r["dense_acc"] for r in run.rows if r.get("dense_acc") is not None), None)
    last = max((r["round"] for r in run.rows), default=0)
    if dense is None or not last:
        return "Nothing has been pruned and trained yet."
    ends = [(stages.short(run.config, r["structure"]), r) for r in run.rows if r["round"] == last]
    said = "; ".join(f"{name} {r['test_acc']:.1f} % with {100 * r['density']:.0f} % of the weights" for name, r in ends)
    return f"The dense network reaches {dense:.1f} % test accuracy. After {last} round{'s' * (last != 1)}: {said}."


def _own(known: tuple[tuple[str, str], ...]) -> None:
    found = [(r, s) for r, s in cache.listed(MOST)[0] if not cache.store().is_example(r.id)]
    if tuple((r.id, s.state) for r, s in found) != known:
        st.rerun()
    for run, status in found:
        with st.container(border=True, key=f"run-{run.id}"):
            with st.container(horizontal=True, vertical_alignment="center"):
                st.markdown(f"**{frame.plain(pickers.run_title(run))}**", width="content")
                frame.badge(status)
                st.space("stretch")
                _links(run)
            frame.quiet(f"{pickers.summary(run.config)} · {run.id}")
            _state(run, status)


def _state(run: Run, status: Status) -> None:
    """Progress of a living run, what a finished one found, why another stopped."""
    if status.alive:
        there = where.positions(run.config, run.rounds, cache.done_in_last(run))
        st.progress(min(1.0, status.done / status.total) if status.total else 0.0,
                    text=transport.progress_sentence(run, status, transport.upcoming(run, there), ()))
    elif status.state == "finished":
        st.text(findings(run))
    else:
        kept = f"{len(run.rounds)} of {run.config.rounds + 1} rounds were begun" if run.rounds else "it had not begun a round"
        st.text(f"{status.message[:1].upper()}{status.message[1:]}" if status.message else f"Cancelled; {kept}.")


def _links(run: Run, **at: str) -> None:
    """Ways in; at: where, as fields of an address."""
    with st.container(horizontal=True, gap="small", width="content"):
        for page, label, icon, names in (("lab", "Open in the Lab", "science", where.LAB), ("masks", "Its masks", "grid_on", where.MASKS)):
            st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:",
                         query_params={k: v for k, v in {"run": run.id, **at}.items() if k in names})
