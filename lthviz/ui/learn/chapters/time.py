"""Why scattered zeros save little time: one real layer under three patterns of zeros, timed on this machine."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import streamlit as st

from lthviz.config import UNSTRUCTURED
from lthviz.figures import measured, theme
from lthviz.records import Layer, Run
from lthviz.ui import access, cache, examples_shown, frame, signin, stages
from lthviz.ui.learn import material, timed
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.figure import Control, Frame, lesson_figure

LEFT = (0.5, 0.25, 0.12)
"""Shares of the weights of which the nearest rounds are shown."""
SIZE, SMALL = (f"font-size: calc({size}rem * min(var(--u), 1.35))" for size in (0.875, 0.75))
"""Letters as large as the page's, whatever the drawing's scale; --u is its units a pixel."""
FORMS = {"blocks": "row by row", "quads": "four rows at a time", "dense": "as if dense", "turned": "turned"}
"""How our kernel runs scattered weights."""


class Bar(NamedTuple):
    """A mask's share of the dense layer: of its weights, of its time with the quartiles of n turns, and how it was run."""

    title: str
    label: str
    kept: float
    time: float
    low: float
    high: float
    n: int


class Shown(NamedTuple):
    """What the chapter is about: a layer of a run in a few of its rounds, and the tickets in them."""

    run: Run
    layer: Layer
    rounds: tuple[int, ...]
    labels: tuple[str, ...]


def shown() -> Shown:
    """The largest convolution of the course's run, at the rounds nearest to LEFT. Missing where there is none."""
    run = material.run()
    layer = material.largest(run)
    kept = {r["round"]: r["density"] for r in run.rows if r["structure"] == UNSTRUCTURED and r["round"]}
    rounds = tuple(dict.fromkeys(min(kept, key=lambda k: abs(kept[k] - share)) for share in LEFT))
    there = [cache.round(run.id, k).tickets for k in rounds]      # a branch may have rounds without some of its structures
    labels = (UNSTRUCTURED, *(s.label for s in run.config.structures if s.kind in ("refill", "regroup") and all(s.label in t for t in there)))
    return Shown(run, layer, rounds, labels)


def asked(of: Shown) -> timed.Asked:
    """The masks of that layer, to be timed."""
    tickets = {(k, x): cache.round(of.run.id, k).ticket(x) for k in of.rounds for x in of.labels}
    return timed.Asked({f"{k} {x}": t.masks.matrix(of.layer.name) for (k, x), t in tickets.items()}, of.layer.shape, of.layer.out_hw[0])


def here(of: Shown, found: Mapping[str, Mapping[str, Any]]) -> dict[int, list[Bar]]:
    """What this machine has timed, by round."""
    out: dict[int, list[Bar]] = {}
    for k in of.rounds:
        for x in of.labels:
            if one := found.get(f"{k} {x}"):
                title, plain = stages.short(of.run.config, x), one["forms"].get("blocks")
                if x == UNSTRUCTURED and one["form"] != "blocks" and plain:
                    out.setdefault(k, []).append(Bar(f"{title}, {FORMS['blocks']}", x, one["kept"], plain, plain, plain, 0))
                    title += f", {FORMS[one['form']]}"
                out.setdefault(k, []).append(Bar(title, x, one["kept"], one["ratio"], one["low"], one["high"], one["n"]))
    return out


def stored(of: Shown) -> dict[int, list[Bar]]:
    """What came with the run: the same layer inside its network, on the machine that measured it."""
    timings = cache.timings(of.run.id)
    at = measured.at(timings, measured.usual(timings)) if timings else {}
    out: dict[int, list[Bar]] = {}
    for k in of.rounds:
        for x in of.labels:
            line = next((line for line in at[k, x].layers if line.name == of.layer.name), None) if (k, x) in at else None
            if line is not None and line.dense_ms:
                ratio = line.ticket_ms / line.dense_ms
                out.setdefault(k, []).append(Bar(stages.short(of.run.config, x), x, line.flops_ratio, ratio, ratio, ratio, 1))
    return out


def words() -> Sequence[str]:
    of = shown()
    rows, columns = of.layer.matrix
    return [
        f"A convolution multiplies its {rows} × {columns} matrix by the activations. A zero weight needs no multiplication, so with half of the weights gone half of the time should be gone too.",
        "It is not. A processor is fast as long as one load of an activation serves many rows. Where zeros are scattered every row wants other activations: taken row by row, "
        "the layer may even be slower than with all its weights. Our kernel takes four scattered rows at a time, and part of the gain is still lost.",
        "Put the same number of weights into whole channels or dense blocks and every load serves a whole block again. That is the reason for everything that follows: "
        "the structure matters as much as the number.",
        "Here is one real layer under three patterns of zeros, beside itself without zeros. Time it on this machine: all run on one kernel then, so the pattern is the only difference.",
    ]


def figure() -> None:
    of = shown()
    if not frame.presenting() and (strip := examples_shown.mask_strip(of.run, of.rounds[0], of.labels[1:], few=True)):
        st.html(strip)
    frame.fragment(_live, run_every=0.5 if timed.progress(cache.store().root, asked(of)).running else None)(of)


def _live(of: Shown) -> None:
    root, masks = cache.store().root, asked(of)
    now = timed.progress(root, masks)
    done = len(now.found) == len(masks.masks)
    if done and now.running:       # its last line is there, and it is about to end
        now = now._replace(running=False)
    if now.running != st.session_state.get("learn-timing", False):
        st.session_state["learn-timing"] = now.running
        st.rerun()
    own, other = here(of, now.found), stored(of)
    frames = [drawn(k, own.get(k) or other.get(k, []), bool(own.get(k)), frame.dark()) for k in of.rounds]
    texts = tuple(f"{100 * density(of, k):.0f} %" for k in of.rounds)
    lesson_figure(frames, [Control("Weights left", texts, "choice", start=1)] if len(texts) > 1 else [], key="learn-time")
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        pressed = st.button("Time it again" if now.found else "Time it on this machine", key="learn-time-it", icon=":material/timer:", type="secondary" if done else "primary",
                            **access.locked(now.running))
        if now.running:
            frame.quiet(f"{len(now.found)} of {len(masks.masks)} masks timed; each takes its turn with the dense layer.", width="content")
        elif done:
            frame.quiet(f"{of.layer.short} of {of.run.id} alone, timed here with {timed.BATCH} images on one thread; whiskers: the middle half of the turns.", width="content")
        elif other:
            frame.quiet(f"Until it is timed here: {of.layer.short} inside its network, where inputs from removed channels are gone as well; stored with run {of.run.id}.", width="content")
    if now.error and not now.running:
        frame.told("error", f"Timing ended early: {now.error}", "error")
    signin.note()
    if pressed:
        access.require()
        timed.start(root, masks)
        st.session_state["learn-timing"] = True
        st.rerun()


def density(of: Shown, k: int) -> float:
    """Share of the layer's weights that the trunk keeps in a round."""
    return cache.round(of.run.id, k).ticket(UNSTRUCTURED).masks.density(of.layer.name)


def drawn(k: int, bars: Sequence[Bar], own: bool, dark: bool = False) -> Frame:
    """The bars of a round: of each pattern the multiply-adds that are left, thin, and the time that is left."""
    if not bars:
        return Frame(f"Round {k}: nothing has timed this layer yet. Press the button below.", drawing="<svg viewBox='0 0 440 20'></svg>", alt="Nothing is timed yet")
    wide, step = 540, 70
    most = max(1.0, *(b.high for b in bars))
    def x(share: float) -> float:
        return 1 + (wide - 2) * share / most

    parts = []
    for i, b in enumerate(bars):
        y = 4 + step * i
        parts += [f"<text x='0' y='{y + 15}' style='{SIZE}' fill='currentColor'>{html.escape(b.title)}</text>",
                  f"<text x='{wide}' y='{y + 15}' text-anchor='end' style='{SIZE}' font-weight='700' fill='currentColor'>{100 * b.time:.0f} % of the time</text>",
                  f"<rect x='1' y='{y + 22}' width='{x(b.kept) - 1:.1f}' height='7' rx='1' fill='none' stroke='var(--muted)'/>",
                  f"<text x='{x(b.kept) + 8:.1f}' y='{y + 29}' style='{SMALL}' fill='var(--muted)'>{100 * b.kept:.0f} % of the multiply-adds</text>",
                  f"<rect x='1' y='{y + 32}' width='{x(b.time) - 1:.1f}' height='18' rx='1' fill='{theme.style(b.label).line(dark)}'/>"]
        if b.high > b.low:
            parts.append(f"<path d='M{x(b.low):.1f} {y + 41}H{x(b.high):.1f}M{x(b.low):.1f} {y + 36}v10M{x(b.high):.1f} {y + 36}v10' stroke='currentColor' fill='none'/>")
        parts.append(f"<path d='M{x(1):.1f} {y + 31}v20' stroke='var(--accent)' stroke-width='1.5' fill='none'/>")
    parts.append(f"<text x='{x(1):.1f}' y='{step * len(bars) + 4}' text-anchor='{'end' if x(1) > 90 else 'start'}' style='{SMALL}' fill='var(--accent)'>the dense layer: 100 %</text>")
    said = f"Round {k}: " + "; ".join(f"{b.title} with {100 * b.kept:.0f}\u00a0% of the multiply-adds takes {100 * b.time:.0f}\u00a0% of the dense layer's time" for b in bars) + "."
    where_ = f"timed here, {min(b.n for b in bars if b.n)} turns or more each" if own else "as stored with the run"
    svg = f"<svg viewBox='0 0 {wide} {step * len(bars) + 12}' preserveAspectRatio='xMinYMin' font-family='inherit'>{''.join(parts)}</svg>"
    return Frame(f"{said} ({where_[0].upper()}{where_[1:]}.)", drawing=svg, alt=said)


def question() -> Question | None:
    of = shown()
    bars = stored(of).get(of.rounds[0])
    return asks(of, bars[0], bars[1:]) if bars and bars[0].label == UNSTRUCTURED else None


def asks(of: Shown, scattered: Bar, others: Sequence[Bar]) -> Question:
    """How much of the layer's time goes with the scattered weights of the first round shown."""
    gone, saved = 1 - scattered.kept, 1 - scattered.time
    right = "none" if saved <= 0.05 else "same" if abs(saved - gone) <= 0.15 else "less" if saved < gone else "more"
    best = min(others, key=lambda b: b.time) if others else None
    told = f"With {100 * gone:.0f} % of the multiply-adds of {of.layer.short} gone, {100 * max(0.0, saved):.0f} % of its time goes" + (f"; {best.title} saves {100 * (1 - best.time):.0f} %." if best else ".")
    told += f" Measured with run {of.run.id}, with a kernel that runs four scattered rows at a time."
    answers = {"none": ("None: it takes as long, or longer", "Row by row it may come to that; four rows at a time share some of their loads."),
               "less": ("Some, but clearly less than as much", "The loads are shared by fewer rows, but that does not eat up the gain here."),
               "same": ("About as much", "Only the multiplications go. The loads of the activations stay, and fewer rows share each of them."),
               "more": ("More, since the processor can skip", "A processor skips nothing by itself: where each weight stands must be looked up, and that costs time.")}
    return Question(f"{100 * gone:.0f} % of a layer's weights are zero, at scattered places. How much of its time is saved?",
                    tuple(Option(text, x == right, told if x == right else f"{why} {told}") for x, (text, why) in answers.items()))


def links() -> Sequence[Link]:
    of = shown()
    return [Link("The speed of every layer", "pages/speed.py", {"run": of.run.id, "round": str(of.rounds[0]), "ticket": of.labels[-1]}, ":material/speed:"),
            Link("These masks", "pages/masks.py", {"run": of.run.id, "round": str(of.rounds[0]), "ticket": of.labels[-1], "layer": of.layer.name}, ":material/grid_on:")]


CHAPTER = Chapter(words, figure, question, links)
