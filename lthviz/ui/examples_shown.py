"""The examples on Home: each with its picture, what to notice in it, and the way to the page that shows it; and which weights pay."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.core.families import families
from lthviz.core.study import Replicates, study_id
from lthviz.errors import LthvizError
from lthviz.figures import measured, theme
from lthviz.figures.masks import data_url
from lthviz.figures.paying import finding
from lthviz.figures.small_curve import small_curve
from lthviz.records import Address, Run
from lthviz.store.brief import Brief
from lthviz.ui import cache, entries, frame, pickers, several, stages, where
from lthviz.ui.entries import Entry

DRAWN = (UNSTRUCTURED, "refill", "regroup", "random")
"""Kinds of tickets in a small curve; controls of a structure's own are left to Curves."""


def show(briefs: Sequence[Brief]) -> dict[str, str]:
    """The entries of the gallery whose runs are here, and the examples that are of no entry; what cannot be read: name → why."""
    broken: dict[str, str] = {}
    try:
        listed = entries.read(cache.store().examples)
    except LthvizError as e:
        listed, broken[entries.FILE] = [], str(e)
    here = [(entry, found) for entry in listed if (found := entry.of(briefs))]
    rest = several.few([b for b in briefs if not any(b in found for _, found in here)])
    runs = _runs([b for b in briefs if b in rest or any(b in found for _, found in here)], broken)
    here = [(entry, mine) for entry, found in here if (mine := [runs[b.id] for b in found if b.id in runs])]
    if here:
        _entry(*here[0], wide=True)
        _pays(list(runs.values()))
        for at in range(1, len(here), 2):
            for column, (entry, mine) in zip(st.columns(2, gap="large"), here[at:at + 2]):
                with column:
                    _entry(entry, mine)
    for b in (b for b in rest if b.id in runs):
        st.subheader("An example to look at" if len(briefs) == 1 else frame.plain(pickers.run_title(b)), anchor=False)
        example(runs[b.id])
    return broken


def _runs(briefs: Iterable[Brief], broken: dict[str, str]) -> dict[str, Run]:
    found = {}
    for b in briefs:
        try:
            found[b.id] = cache.run(b.id)
        except LthvizError as e:
            broken[b.id] = str(e)
    return found


def _entry(entry: Entry, runs: Sequence[Run], wide: bool = False) -> None:
    """An entry: title, picture, what to notice, the way in."""
    of = entries.study(runs)
    index = entries.middle(of, entry.round)
    label = entries.label_of(of.config, entry.structure) if entry.structure else entries.blocks_label(of)
    shown = next((r for r in runs if any((x["round"], x["structure"]) == (index, label) for x in r.rows)), runs[0])
    st.subheader(frame.plain(entry.title.replace("{seeds}", str(len(of.seeds)))), anchor=False)
    if entry.picture == "curve":
        if picture := _curve(of):
            st.html(picture)
    elif strip := mask_strip(shown, index, [label] if label else [], few=not wide):
        st.html(strip)
    blocks = 0
    if label and index and shown.layers and label in (now := cache.round(shown.id, index)).tickets:
        there = now.ticket(label).blocks.get(where.find_layer(shown.layers, "")[0].name)
        blocks = len(there) if there is not None else 0
    words = entries.notice(entry, entries.numbers(of, index, blocks)) or findings(shown)
    frame.said(words) if wide else st.html(f"<p class='notice'>{html.escape(words).replace(' %', chr(160) + '%')}</p>")
    _open(entry, of, runs, shown, index, label)


def _curve(of: Replicates) -> str:
    labels = [next((x for x in of.labels if theme.kind(x) == kind), "") for kind in DRAWN]
    return small_curve(of, [x for x in labels if x], dark=frame.dark())


def _open(entry: Entry, of: Replicates, runs: Sequence[Run], shown: Run, index: int, label: str) -> None:
    """The link that opens an entry at what its picture shows."""
    n = len({r.config.seed for r in runs})
    if entry.open == "curves":
        ids = list(dict.fromkeys(study_id(r.config) for r in runs))
        query = [("study", ids[0]), ("run", runs[0].id), *(("with", x) for x in ids[1:])] if n > 1 else [("run", runs[0].id)]
        with st.container(horizontal=True, gap="small", width="content"):
            st.page_link("pages/curves.py", label=f"Open the curves of {n} seeds" if n > 1 else "Open its curves", icon=":material/show_chart:", query_params=query)
        return
    stage = next((s.kind for s in shown.config.structures if s.label == label), "")
    at = {"round": str(index), "ticket": label, "stage": f"{stage}:{label}"} if index and label else telling(shown)
    links(shown, first=entry.open, **at)
    if entry.structure and n > 1:
        frame.quiet(f"Seed {shown.config.seed} of {n}")


def _pays(runs: Sequence[Run]) -> None:
    """Which weights pay, of every family of examples whose speeds are measured: two sentences, and one each where there are more. What wins in
    one training alone is not said to pay."""
    timings = {r.id: cache.timings(r.id) for r in runs}
    setting = measured.usual([t for found in timings.values() for t in found])
    if not any(timings.values()) or setting is None:
        return
    at = {run_id: measured.at(found, setting) for run_id, found in timings.items()}
    times = {(run_id, k, label): t.time_ratio for run_id, of in at.items() for (k, label), t in of.items()}
    said = [(of, words) for of in families(runs, times) if len(of.seeds) > 1 and (words := finding(of, _on(of)))]
    if not said:
        return
    st.subheader("Which weights pay", anchor=False)
    frame.said(" ".join(said[0][1] if len(said) == 1 else [words[0] for _, words in said]))
    most = max(runs, key=lambda r: len(at[r.id]))
    with st.container(horizontal=True, gap="small", width="content"):
        st.page_link("pages/curves.py", label="Accuracy against measured speed", icon=":material/speed:", query_params={"run": most.id, "x": "speed"})


def _on(of: Replicates) -> str:
    return "On the digits" if of.config.data == "digits" else f"On {of.title.split(',')[0]}"


# A run on its own --------------------------------------------------------------------------------------------------------


def example(run: Run) -> None:
    """A run with its strip of masks, what it found, and the ways in."""
    if strip := mask_strip(run):
        st.html(strip)
    frame.said(findings(run))
    frame.quiet(f"{pickers.run_title(run)} · {pickers.summary(run.config)} · {run.id}")
    links(run, **telling(run))


def telling(run: Run) -> dict[str, str]:
    """The stage of a finished run that shows most at once, as fields of an address: the last structure of its middle round."""
    rounds, shapes = [k for k in run.rounds if k], [s for s in run.config.structures if s.kind in ("refill", "regroup")]
    if not rounds or not shapes:
        return {}
    return {"round": str(_middle(rounds)), "stage": f"{shapes[-1].kind}:{shapes[-1].label}", "ticket": shapes[-1].label}


def _middle(rounds: Sequence[int]) -> int:
    return rounds[(len(rounds) - 1) // 2]


def mask_strip(run: Run, index: int = 0, labels: Sequence[str] = (), *, few: bool = False) -> str:
    """One layer through the run: the trunk's mask round by round, then structures of a round, as HTML. index: that round, 0: the middle
    one; labels: of the structures, none: the first two; few: of the trunk that round alone."""
    rounds = [k for k in run.rounds if k and any(r["round"] == k for r in run.rows)]
    if not rounds or not run.layers:
        return ""
    layer = where.find_layer(run.layers, "")[0]
    middle = index or _middle(rounds)
    there = [s.label for s in run.config.structures if any(r["round"] == middle and r["structure"] == s.label for r in run.rows)]
    labels = [x for x in labels if x in there] if few else there[:2]
    shown = [Address(run.id, k, UNSTRUCTURED, layer.name) for k in ([middle] if few else dict.fromkeys([rounds[0], middle, rounds[-1]]))]
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


def links(run: Run, first: str = "lab", **at: str) -> None:
    """Ways in. first: the page that stands first; at: where, as fields of an address."""
    ways = (("lab", "Open in the Lab", "science", where.LAB), ("masks", "Its masks", "grid_on", where.MASKS))
    with st.container(horizontal=True, gap="small", width="content"):
        for page, label, icon, names in sorted(ways, key=lambda way: way[0] != first):
            st.page_link(f"pages/{page}.py", label=label, icon=f":material/{icon}:",
                         query_params={k: v for k, v in {"run": run.id, **at}.items() if k in names})
