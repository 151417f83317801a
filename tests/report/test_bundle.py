"""The figure bundle: what lies in it, that it is the run's, and what it does where no picture can be drawn."""

import csv
import io
import json
import struct
import sys
import xml.etree.ElementTree as ET
import zipfile

import numpy as np
import plotly.io as pio
import pytest
from PIL import Image

from lthviz.errors import ExchangeError
from lthviz.records import Address
from lthviz.report import bundle, pictures, static
from lthviz.report.material import gather
from lthviz.store.parts import MARK
from tests import shipped

RUN = shipped.FIRST


@pytest.fixture
def undrawn(monkeypatch):
    """As where kaleido is not installed."""
    monkeypatch.setitem(sys.modules, "kaleido", None)


def read(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != MARK}


def test_it_holds_every_figure_and_every_mask(cut, undrawn, tmp_path):
    store = cut(3)
    bundle.write(store, RUN, tmp_path / "out")
    made, run = read(tmp_path / "out"), store.run(RUN)
    m = gather(store, RUN)
    for p in pictures.every(m):
        rows = list(csv.DictReader(io.StringIO(made[f"figures/{p.key}.csv"].decode())))
        assert [{k: "" if v is None else str(v) for k, v in row.items()} for row in p.table] == rows and rows
        fig = pio.from_json(made[f"figures/{p.key}.json"].decode())
        assert [t.name for t in fig.data] == [t.name for t in p.light.data]
        html = made[f"figures/{p.key}.html"].decode()
        assert 'src="plotly.min.js"' in html and "http" not in html.partition("<script")[0] and f"{p.key}.html" in made["index.html"].decode()
    masks = {name for name in made if name.startswith("masks/") and "-x" not in name}
    assert masks == {f"masks/round-{k:03d}/{label}/{x.short}.png" for k in (1, 2) for label in run.config.tickets(k) for x in run.layers}
    mask = store.mask(Address(RUN, 2, "refill", "features.0.weight")).reshape(128, -1)
    assert np.array_equal(np.array(Image.open(io.BytesIO(made["masks/round-002/refill/features.0.png"]))), ~mask)
    times = 4096 // 288
    assert np.array_equal(np.array(Image.open(io.BytesIO(made[f"masks/round-002/refill/features.0-x{times}.png"]))), ~np.kron(mask, np.ones((times, times), bool)))
    readme = made["README.txt"].decode()
    assert "No .svg and no .png: kaleido is not installed (pip install kaleido" in readme and "kaleido is not installed" in made["index.html"].decode()
    assert not [name for name in made if name.endswith(".svg") or (name.startswith("figures/") and name.endswith(".png"))]


def test_an_archive_holds_the_same_and_is_the_same_each_time(cut, undrawn, tmp_path):
    store = cut(2)
    bundle.write(store, RUN, tmp_path / "a.zip")
    bundle.write(store, RUN, tmp_path / "b.zip")
    bundle.write(store, RUN, tmp_path / "folder")
    bundle.write(store, RUN, tmp_path / "folder")        # in the place of the first
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as z:
        assert {name: z.read(name) for name in z.namelist()} == read(tmp_path / "folder")
    assert sorted(p.name for p in tmp_path.iterdir() if p.name.startswith(".")) == [], "nothing is left aside"


def test_a_file_is_not_replaced_by_a_folder(cut, undrawn, tmp_path):
    (tmp_path / "out").write_text("mine")
    with pytest.raises(ExchangeError, match="is a file, and figures are a folder"):
        bundle.write(cut(1), RUN, tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"


def test_a_run_that_has_not_begun_gives_what_there_is_to_say(cut, tmp_path):
    bundle.write(cut(0), RUN, tmp_path / "out")
    made = read(tmp_path / "out")
    assert set(made) == {"README.txt", "index.html"} and "No network has been trained yet" in made["index.html"].decode()


def test_titles_are_text_there_too(cut, undrawn, tmp_path):
    store = cut(2)
    store.set_about(RUN, title="<script>x</script>")
    bundle.write(store, RUN, tmp_path / "out.zip")
    with zipfile.ZipFile(tmp_path / "out.zip") as z:
        assert b"<script>x" not in z.read("index.html") and b"&lt;script&gt;x" in z.read("index.html")


@pytest.mark.browser
def test_pictures_are_drawn_without_a_network(whole, browser):
    """Kaleido in the Chromium that is here, once for all figures; the same figure gives the same SVG."""
    p = pictures.accuracy(gather(whole, RUN))[0]
    made, why = static.render({"a": pictures.plain(p.light), "b": pictures.plain(p.light)})
    assert not why and set(made) == {"a.svg", "a.png", "b.svg", "b.png"} and made["a.svg"] == made["b.svg"]
    svg = ET.fromstring(made["a.svg"])
    words = {"".join(x.itertext()) for x in svg.iter("{http://www.w3.org/2000/svg}text")}
    assert {"kept weights (%)", "test accuracy (%)", "Refill"} <= words and svg.get("width") == "900"
    assert struct.unpack(">II", made["a.png"][16:24]) == (2700, 1380)
    picture = np.array(Image.open(io.BytesIO(made["a.png"])).convert("RGB"))
    assert (picture[0, 0] == 255).all() and len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


def test_where_no_chromium_is_it_says_so(whole, monkeypatch):
    monkeypatch.setenv("BROWSER_PATH", "/nothing/here")
    p = pictures.accuracy(gather(whole, RUN))[0]
    made, why = static.render({"a": pictures.plain(p.light)})
    assert made == {} and ("was found" in why or "could not draw" in why) and json.dumps(why)
