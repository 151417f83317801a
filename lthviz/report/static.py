"""Figures as SVG and PNG where that is possible here: kaleido draws them in a Chromium, with plotly's own script and no network."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

WIDTH, SCALE = 900, 3
"""Pixels across an SVG, and how many times that a PNG has."""
HOW = "pip install kaleido, and have a Chromium or Chrome"


def render(figures: Mapping[str, Mapping[str, Any]]) -> tuple[dict[str, bytes], str]:
    """Every figure as `NAME.svg` and `NAME.png`; and why there are none, '' where there are. figures: plotly's JSON by name."""
    if not figures:
        return {}, ""
    try:
        import kaleido
        from choreographer.errors import BrowserFailedError, ChromeNotFoundError
        from kaleido.errors import KaleidoError
    except ImportError:
        return {}, f"kaleido is not installed ({HOW})"
    try:
        with ThreadPoolExecutor(1) as pool:      # a loop of its own: a notebook's is running already
            return pool.submit(asyncio.run, _render(kaleido.Kaleido, figures)).result(), ""
    except ChromeNotFoundError:
        return {}, f"no Chromium or Chrome was found ({HOW})"
    except (BrowserFailedError, KaleidoError, TimeoutError, RuntimeError, OSError) as e:
        return {}, f"kaleido could not draw them: {type(e).__name__}: {str(e).splitlines()[0] if str(e) else 'no reason given'}"


async def _render(browser: Any, figures: Mapping[str, Mapping[str, Any]]) -> dict[str, bytes]:
    made = {}
    async with browser(n=1, mathjax=False, timeout=90) as k:
        for name, figure in figures.items():
            traces = [{**t, "uid": f"t{i}"} for i, t in enumerate(figure["data"])]
            fig = {"data": traces, "layout": {**figure["layout"], "paper_bgcolor": "#ffffff", "width": WIDTH, "autosize": False}}
            size = {"width": WIDTH, "height": int(figure["layout"]["height"])}
            made[f"{name}.svg"] = same(await k.calc_fig(fig, opts={"format": "svg", "scale": 1, **size}))
            made[f"{name}.png"] = await k.calc_fig(fig, opts={"format": "png", "scale": SCALE, **size})
    return made


def same(svg: bytes) -> bytes:
    """An SVG with the number that plotly draws by lot, for the names of its clips, replaced: the same figure gives the same bytes."""
    found = re.search(rb'id="defs-([0-9a-f]{6})"', svg)
    return svg.replace(found[1], b"figure") if found else svg
