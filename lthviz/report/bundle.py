"""The figures of a report one by one: as pages, data, plotly's JSON and, where it can be made here, SVG and PNG; every mask as a picture."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from lthviz.report import pictures, static
from lthviz.report.markup import script, text
from lthviz.report.material import Material, gather
from lthviz.report.page import plotly_js
from lthviz.store import Store, parts

LARGE = 4096
"""Pixels that the longer side of a magnified mask has at most."""


def write(store: Store, run_id: str, out: Path) -> None:
    """The figure bundle of a run: into the folder `out`, or into one archive where it ends in .zip; what stands there is replaced once all is made.

    AddressError, DamagedError and StoreError as the store raises them; ExchangeError where a folder's place is taken by a file.
    """
    m = gather(store, run_id)
    found = pictures.every(m)
    plain = {p.key: pictures.plain(p.light) for p in found}
    drawn, why = static.render(plain)
    made: dict[str, bytes] = {f"figures/{name}": data for name, data in drawn.items()}
    for p in found:
        made |= {f"figures/{p.key}.html": _page(m, p, plain[p.key]).encode(), f"figures/{p.key}.csv": csv_text(p.table).encode(),
                 f"figures/{p.key}.json": script(plain[p.key]).encode()}
    if found:
        made["figures/plotly.min.js"] = plotly_js().encode()
    masks = dict(_masks(m))
    made |= masks
    made |= {"index.html": _index(m, found, bool(drawn), len(masks), why).encode(), "README.txt": _readme(m, found, len(masks), why).encode()}
    parts.write(out, dict(sorted(made.items())), "figures")


def csv_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV with every digit, all their columns as its head."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(dict.fromkeys(k for r in rows for k in r)), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


# Masks -----------------------------------------------------------------------------------------------------------------


def _masks(m: Material) -> Iterable[tuple[str, bytes]]:
    for k in m.pruned:
        for label, ticket in m.rounds[k].tickets.items():
            for layer in m.run.layers:
                if layer.name in ticket.masks:
                    mask, base = ticket.masks.matrix(layer.name), f"masks/round-{k:03d}/{label}/{layer.short}"
                    yield f"{base}.png", mask_png(mask)
                    if (times := LARGE // max(mask.shape)) > 1:
                        yield f"{base}-x{times}.png", mask_png(mask, times)


def mask_png(mask: np.ndarray, times: int = 1) -> bytes:
    """A (C, n) mask as a PNG of one bit a pixel, black where a weight is kept; a weight is times × times pixels."""
    image = Image.fromarray(~mask.repeat(times, 0).repeat(times, 1))      # bool: a picture of one bit
    info = PngInfo()
    info.add_text("Comment", f"output channels × columns; a weight is {times} × {times} pixel{'s' * (times > 1)}, black where it is kept")
    out = io.BytesIO()
    image.save(out, "PNG", optimize=True, pnginfo=info)
    return out.getvalue()


# Pages and words -------------------------------------------------------------------------------------------------------


_LOOK = (Path(__file__).parent / "bundle.css").read_text(encoding="utf-8")


def _html(title: str, body: str, last: str = "") -> str:
    return (f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{text(title)}</title><style>{_LOOK}</style></head>\n'
            f"<body><main>{body}</main>{last}</body></html>\n")


def _title(p: pictures.Picture) -> str:
    return f"{p.title}: {p.choice}" if p.choice else p.title


def _page(m: Material, p: pictures.Picture, light: Mapping[str, Any]) -> str:
    said = p.said
    body = (f'<h1>{text(_title(p))}</h1><div id="plot" role="group" aria-label="{text(said["alt"])}" style="min-height:{light["layout"]["height"]}px"></div>'
            f'<p>{text(said["caption"])}</p><p><a href="{p.key}.csv">Its numbers</a></p>')
    data = script({"light": light, "dark": pictures.plain(p.dark)})
    draw = ('const all = JSON.parse(document.getElementById("data").textContent), wish = matchMedia("(prefers-color-scheme: dark)");\n'
            'const draw = () => { const f = all[wish.matches ? "dark" : "light"]; Plotly.react("plot", f.data, f.layout, { displaylogo: false, responsive: true }); };\n'
            'wish.addEventListener("change", draw);\ndraw();')
    return _html(f"{_title(p)} · {m.run.id}", body, f'<script src="plotly.min.js"></script><script id="data" type="application/json">{data}</script><script>{draw}</script>')


def _index(m: Material, found: Sequence[pictures.Picture], drawn: bool, masks: int, why: str) -> str:
    body = f"<h1>Figures of {text(m.title)}</h1><p>Run {text(m.run.id)}.{f' No SVG and no PNG of the figures: {text(why)}.' if why else ''}</p>"
    for p in found:
        said = p.said
        forms = ["html", "csv", "json", *(["svg", "png"] if drawn else [])]
        body += f"<h2>{text(_title(p))}</h2>" + (f'<img class="drawn" src="figures/{p.key}.svg" alt="{text(said["alt"])}">' if drawn else "")
        body += f"<p>{text(said['caption'])}</p><p>" + " · ".join(f'<a href="figures/{p.key}.{x}">{x.upper()}</a>' for x in forms) + "</p>"
    missing = [x for x in (pictures.accuracy(m), pictures.layers(m), pictures.training(m)) if isinstance(x, str)]
    body += "".join(f"<p>{text(x)}</p>" for x in missing)
    body += f"<h2>Masks</h2><p>{masks} pictures in masks/, by round and ticket.</p>" if masks else ""
    return _html(f"Figures of {m.run.id}", body)


def _readme(m: Material, found: Sequence[pictures.Picture], masks: int, why: str) -> str:
    lines = [f"Figures of run {m.run.id}: {m.title}", "", "index.html           all figures with a sentence each"]
    for p in found:
        lines.append(f"figures/{p.key + '.*':<20} {_title(p)}")
    if found:
        lines += ["", "Of each figure: .html (alive; needs plotly.min.js beside it and no network), .csv (its numbers, units in the column names),",
                  ".json (plotly's own form: plotly.io.from_json reads it)" + (f". No .svg and no .png: {why}." if why else f", .svg and .png (white paper, {static.WIDTH * static.SCALE} pixels across).")]
    if masks:
        lines += ["", "masks/round-KKK/TICKET/LAYER.png: a pixel a weight, an output channel a row, black where a weight is kept; LAYER-xN.png: N times larger."]
    if m.damaged:
        lines += ["", "Left out, as it cannot be read:", *(f"  {f'round {k}' if k.isdecimal() else k}: {v}" for k, v in m.damaged.items())]
    return "\n".join(lines) + "\n"
