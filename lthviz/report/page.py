"""The report as one page: sections in order, figures with their sentence and their table, the scripts and the data, all in one file."""

from __future__ import annotations

import time
from functools import cache
from pathlib import Path
from typing import Any

import plotly

from lthviz import maskview
from lthviz.config import UNSTRUCTURED
from lthviz.figures import rows
from lthviz.figures.replicated import letter
from lthviz.report import masks, pictures, saying
from lthviz.report.markup import missing, prose, script, table, text
from lthviz.report.material import Material
from lthviz.report.pictures import Picture
from lthviz.store import files

HERE = Path(__file__).parent
POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; base-uri 'none'; form-action 'none'"
"""What the file allows itself: its own scripts and styles, pictures that it makes; no request, whatever is in it."""

ROWS = 600
"""About so many rows a table of epochs has at most."""


@cache
def plotly_js() -> str:
    """The library that draws the figures, as it lies in the package. What would end a script element early is written otherwise."""
    source = (Path(plotly.__file__).parent / "package_data" / "plotly.min.js").read_text(encoding="utf-8")
    return source.replace("</script", r"<\/script").replace("<!--", r"<\!--")


def page(m: Material) -> str:
    """The whole file."""
    body = _Body(m)
    summary = body.summary()
    sections = [("accuracy", "Accuracy", body.accuracy()), ("tickets", "Tickets", body.tickets()), ("layers", "Where the weights are", body.choice(pictures.layers(m), "Structure")),
                ("training", "How they trained", body.choice(pictures.training(m), "Structure")), ("masks", "Masks", body.masks()),
                ("settings", "Settings", body.settings()), ("machine", "Machine and versions", body.machine()), ("again", "How to make it again", body.again())]
    if m.damaged:
        sections.insert(0, ("damaged", "What cannot be read", body.damaged()))
    nav = "".join(f'<a href="#{key}">{text(title)}</a>' for key, title, _ in sections)
    main = "".join(f'<section aria-labelledby="{key}"><h2 id="{key}">{text(title)}</h2>{html}</section>' for key, title, html in sections)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="generator" content="lthviz {text(files.version())}">
<title>{text(m.title)} · {text(m.run.id)}</title><style>{maskview.joined(HERE / "report.css")}</style></head><body>
<a class="skip" href="#content">To the content</a>
<header><div class="top"><p class="kind">Report of a pruning run</p><button id="theme" type="button" aria-pressed="false">Dark</button></div>{body.head()}</header>
<nav aria-label="Sections">{nav}</nav>
<main id="content">{summary}{main}</main>
<footer><p>Made with lthviz {text(files.version())} from run {text(m.run.id)}. This file asks no network for anything.</p></footer>
<noscript><p class="missing">The figures are drawn by JavaScript, which is off; their numbers are in the tables.</p></noscript>
{body.templates()}
<script>{plotly_js()}</script>
<script id="figure-data" type="application/json">{script(body.data)}</script>
<script>{maskview.joined(HERE / "report.js")}</script>
<script type="module">{maskview.joined(*maskview.PARTS, HERE / "masks.js")}</script>
</body></html>
"""


def _thin(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str]:
    """Of a long table of epochs every n-th and the last of each training, and a sentence on it: a browser is slow with many thousands of cells."""
    step = -(-len(rows) // ROWS)
    if step < 2 or "epoch" not in rows[0]:
        return rows, ""
    last = {r["round"]: r["epoch"] for r in rows}
    return [r for r in rows if r["epoch"] % step == 0 or r["epoch"] == last[r["round"]]], f" Of {len(rows):,} epochs the table has one in {step} and the last of each training."


class _Body:
    """The parts of a page, which count their figures and tables as they come. data: of every figure by its key, light and dark."""

    def __init__(self, m: Material) -> None:
        self.m = m
        self.data: dict[str, dict[str, object]] = {}
        self.figures = self.tables = 0
        self.views: masks.Chosen | None = None

    def head(self) -> str:
        m, run = self.m, self.m.run
        when = time.strftime("%Y-%m-%d", time.gmtime(run.created)) if run.created else ""
        line = " · ".join(filter(None, (run.id, f"{run.config.model} on {run.config.data}", f"seed {run.config.seed}", f"begun {when}" if when else "",
                                        f"branch of {run.parent} from round {run.config.from_round}" if run.parent else "", f"came in {m.about.source}" if m.about.source else "")))
        note = f'<div class="note" role="note">{text(m.about.note)}</div>' if m.about.note else ""
        return f'<h1>{text(m.title)}</h1><p class="of">{text(line)}</p>{note}'

    def summary(self) -> str:
        html = f'<section aria-labelledby="summary"><h2 id="summary">Summary</h2><p>{text(" ".join(saying.summary(self.m)))}</p>'
        found = saying.winners(self.m)
        if found:
            html += self._table(found, f"The sparsest winning ticket of each structure (n = 1 training a ticket; run {self.m.run.id}).", "winners")
        return html + "</section>"

    # Figures ---------------------------------------------------------------------------------------------------------------

    def accuracy(self) -> str:
        found = pictures.accuracy(self.m)
        if isinstance(found, str):
            return missing(found)
        html = "".join(self._figure(p) for p in found)
        for said in (pictures.unmeasured(self.m), saying.other_settings(self.m)):
            html += missing(said) if said else ""
        return html

    def choice(self, found: list[Picture] | str, what: str) -> str:
        """One of several figures at a time, in print all."""
        if isinstance(found, str):
            return missing(found)
        if len(found) == 1:
            return self._figure(found[0])
        first = next((i for i, p in enumerate(found) if p.choice != "Unstructured"), 0)
        group = found[0].key.partition("-")[0]
        buttons = "".join(f'<button type="button" aria-pressed="{str(i == first).lower()}" aria-controls="fig-{p.key}">{text(p.choice)}</button>' for i, p in enumerate(found))
        self.figures += 1
        return (f'<div class="seg" role="group" aria-label="{text(what)}" data-group="{group}">{buttons}</div>'
                + "".join(self._figure(p, f"{self.figures}{letter(i).lower()}", hidden=i != first) for i, p in enumerate(found)))

    def _figure(self, p: Picture, number: str = "", hidden: bool = False) -> str:
        said = p.said
        self.figures += not number
        number = number or f"{self.figures}"
        self.data[p.key] = {"light": pictures.plain(p.light), "dark": pictures.plain(p.dark)}
        caption = said["caption"] if self.m.run.id in said["caption"] else f"{said['caption']} Run {self.m.run.id}."
        shown, thinned = _thin(p.table)
        height = int(p.light.layout.height)
        return (f'<figure id="fig-{p.key}"{" hidden" if hidden else ""}><h3>{text(p.title)}{f": {text(p.choice)}" if p.choice else ""}</h3>'
                f'<div class="plot" id="plot-{p.key}" data-key="{p.key}" role="group" aria-label="{text(said["alt"])}" style="min-height:{height}px"></div>'
                f'<figcaption><b>Figure {number}.</b> {text(caption)} <span class="save" data-of="{p.key}" data-name="lthviz-{text(p.key)}-{text(self.m.run.id)}"></span></figcaption>'
                f'<details><summary>The numbers of figure {number}</summary><p>{text(said["alt"])}{thinned}</p>{table(shown, f"The numbers of figure {number}", file=f"lthviz-{p.key}-{self.m.run.id}")}</details></figure>')

    # Tables ----------------------------------------------------------------------------------------------------------------

    def tickets(self) -> str:
        found = saying.tickets(self.m)
        if not found:
            return missing("No ticket has been trained yet.")
        n = len(found)
        speeds = " Speedups are over the fastest dense form of the network, medians with their quartiles." if "measured speedup (×)" in found[0] else ""
        what, each = ("ticket", "") if self.m.run.config.imported else ("trained ticket", ", one training each")
        return self._table(found, f"Every {what} (n = {n} ticket{'s' * (n != 1)}{each}; run {self.m.run.id}).{speeds}", "tickets")

    def settings(self) -> str:
        found = saying.settings(self.m.run.config)
        own, usual = [r for r in found if r["set"]], [{k: v for k, v in r.items() if k not in ("set", "default")} for r in found if not r["set"]]
        html = self._table(own, "Settings that are not the defaults.", "settings", strong="set") if own else missing("Every setting is the default.")
        return html + f"<details><summary>The {len(usual)} settings that are the defaults</summary>{table(usual, 'Settings that are the defaults', file='lthviz-defaults')}</details>"

    def machine(self) -> str:
        found = saying.places(self.m)
        return self._table(found, "Where it was trained, and where its speeds were measured.", "machine") if found else missing("The run says nothing of its machine.")

    def again(self) -> str:
        lines, said = saying.again(self.m)
        return "".join(f'<pre tabindex="0"><code>{text(line)}</code></pre>' for line in lines) + (f"<p>{prose(said)}</p>" if said else "")

    def damaged(self) -> str:
        items = "".join(f"<li><b>{text(f'round {part}' if part.isdecimal() else part)}</b>: {text(why)}</li>" for part, why in self.m.damaged.items())
        return f"<p>These parts of the run cannot be read and are left out of everything below:</p><ul>{items}</ul>"

    def _table(self, found: list[dict], caption: str, key: str, strong: str = "") -> str:
        self.tables += 1
        return (f'<div class="tabled">{table(found, f"Table {self.tables}", file=f"lthviz-{key}-{self.m.run.id}", strong=strong)}'
                f'<p class="caption"><b>Table {self.tables}.</b> {text(caption)}</p></div>')

    # Masks -----------------------------------------------------------------------------------------------------------------

    def masks(self) -> str:
        m = self.m
        found = self.views = masks.choose(m)
        if found.views is None:
            return missing("There is no mask to show: no weight is pruned yet." if not m.damaged else "There is no mask that can be read.")
        self.figures += 1
        trained = {r["round"] for r in m.run.rows if rows.accuracy(r) is not None}
        start = next((k for k in reversed(found.rounds) if k in trained), found.rounds[-1])
        there = m.rounds[start].tickets
        names = [name for name, _ in found.views["layers"]]
        ticket = max(there, key=lambda x: max((min(64, len(b)) for b in there[x].blocks.values() if 1 < len(b) <= 64), default=x != UNSTRUCTURED))
        layer = max(names, key=lambda n: (m.run.by_name[n].size <= 600_000 and len(there[ticket].blocks.get(n) or ()), -abs(names.index(n) - len(names) // 2)))
        n = len(found.table)
        return (f'<figure id="fig-masks"><h3>Every layer\'s mask, before and after</h3><div class="picks"><label>Round <select id="mask-round"></select></label>'
                f'<label>Ticket <select id="mask-ticket"></select></label><label>Layer <select id="mask-layer"></select></label></div>'
                f'<div id="mask-view" data-round="{start}" data-ticket="{text(ticket)}" data-layer="{text(layer)}"></div><p id="mask-said" aria-live="polite"></p>'
                f'<figcaption><b>Figure {self.figures}.</b> Which weights each ticket keeps, an output channel a row: kept, added and removed against the mask before; dense blocks are outlined, and in the '
                f"grouped order their rows and columns stand together (n = {n} masks of {len(names)} layers in {len(found.rounds)} rounds; run {text(m.run.id)}). J and K change the layer. "
                f'{prose(found.left_out)}</figcaption>'
                f'<details><summary>The numbers of figure {self.figures}</summary>{table(found.table, f"The numbers of figure {self.figures}", file=f"lthviz-masks-{m.run.id}")}</details></figure>')

    def templates(self) -> str:
        if self.views is None or self.views.views is None:
            return ""
        return (f'<template id="mask-frame"><style>{maskview.joined(maskview.STYLE)}</style><div class="mv">{maskview.BAR}{maskview.STAGE}{maskview.FOOT}</div></template>'
                f'<script id="mask-data" type="application/json">{script(self.views.views)}</script>')
