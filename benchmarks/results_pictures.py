"""The pictures of docs/results.md: the figures of the Curves page as SVG, drawn by plotly in headless Chromium; needs playwright."""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from benchmarks.results_read import Study
from benchmarks.results_words import methods
from lthviz.core.study import Replicates
from lthviz.figures.replicate_curves import replicate_curves
from lthviz.figures.replicated import Studies
from lthviz.records import Run

SIZE = {"width": 900, "height": 480}
FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-background-networking"]


def figures(study: Study) -> dict[str, go.Figure]:
    """The study's pictures by file name: accuracy against density, and against measured speed where any is measured; without controls."""
    rows = {label for label in study.main.labels if label in methods(study.main)}
    runs = tuple(_only(run, rows) for run in study.main.runs)
    of = Studies((Replicates(study.main.id, runs, study.main.times),), study.setting, study.timings)
    axes = {"density": "kept"} | ({"speed": "speed"} if any(t.time_ratio.n for t in study.main.tickets if not t.dense) else {})
    return {f"{study.name}-{name}.svg": replicate_curves(of, x=x, height=SIZE["height"]) for name, x in axes.items()}


def _only(run: Run, labels: set[str]) -> Run:
    return dataclasses.replace(run, rows=tuple(r for r in run.rows if not r["round"] or r["structure"] in labels))


def draw(studies: Sequence[Study], folder: Path) -> None:
    """Writes the pictures of the studies, and removes those of others."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(exist_ok=True)
    made = {name: fig for study in studies for name, fig in figures(study).items()}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=os.environ.get("CHROMIUM", "/usr/bin/chromium"), args=FLAGS)
        page = browser.new_page()
        page.set_content("<div id='figure'></div>")
        page.add_script_tag(content=get_plotlyjs())
        for name, fig in made.items():
            fig.update_layout(paper_bgcolor="#FFFFFF")
            svg = page.evaluate("async ([figure, size]) => decodeURIComponent((await Plotly.toImage(JSON.parse(figure), {format: 'svg', ...size})).split(',').slice(1).join(','))",
                                [fig.to_json(), SIZE])
            for uid in set(re.findall(r'id="defs-([0-9a-f]{6})"', svg)):      # drawn by chance: the same figure should be the same file
                svg = svg.replace(uid, "figure")
            (folder / name).write_text(svg + "\n", encoding="utf-8")
        browser.close()
    for path in folder.glob("*.svg"):
        if path.name not in made:
            path.unlink()
