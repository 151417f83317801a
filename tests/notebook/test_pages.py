"""docs/api.md, docs/notebook.md and the README's code: written from the names themselves, complete, and run as they stand."""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
import torch
import torchvision

import lthviz as lt
from lthviz import apidoc, figures

pytestmark = pytest.mark.usefixtures("partitions_once")
ROOT = Path(__file__).resolve().parents[2]
NAMES = apidoc.public()
FUNCTIONS = [n for n in NAMES if inspect.isfunction(apidoc.value(n))]
VALUES = [n for n in NAMES if dataclasses.is_dataclass(apidoc.value(n)) or hasattr(apidoc.value(n), "_fields")]


def blocks(page: Path) -> list[str]:
    return re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)


def run(code: str, **names: object) -> tuple[str, dict[str, object]]:
    out, space = io.StringIO(), {"lt": lt, **names}
    with contextlib.redirect_stdout(out):
        exec(compile(code, "<page>", "exec"), space)
    return out.getvalue(), space


def test_the_page_is_what_the_command_prints():
    printed = subprocess.run([sys.executable, "-m", "lthviz.apidoc"], cwd=ROOT, check=True, capture_output=True, timeout=120).stdout.decode()
    assert (ROOT / "docs" / "api.md").read_text(encoding="utf-8") == printed == apidoc.markdown(), "write it again: python -m lthviz.apidoc > docs/api.md"


def test_every_public_name_has_one_entry():
    grouped = [n for names in apidoc.GROUPS.values() for n in names]
    assert sorted(grouped) == sorted(n for n in lt.__all__ if n != "figures")
    headings = re.findall(r"^### lt\.(\S+)", (ROOT / "docs" / "api.md").read_text(encoding="utf-8"), re.M)
    assert sorted(headings) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_says_what_it_is_where_it_is_from_and_shows_it(name):
    text = apidoc.doc(name)
    first = text.split("\n\n")[0]
    assert first.endswith((".", ":")) and len(first) > 20
    assert re.search(r"^Source: .+\.$", text, re.M) and apidoc.example(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_explained_and_annotated(name):
    what = apidoc.value(name)
    text, signature = apidoc.doc(name), inspect.signature(what)
    items = {n for line in text.splitlines() if (m := apidoc.ITEM.match(line)) for n in m[1].split(", ")}
    plain = [p for p in signature.parameters.values() if p.kind is not p.VAR_KEYWORD]
    knobs = {f.name for kind in (lt.Refill, lt.Regroup) for f in dataclasses.fields(kind)} if "settings" in signature.parameters else set()
    assert {p.name for p in plain} - knobs <= items, "a line `name: …` each"
    assert all(p.annotation is not p.empty for p in signature.parameters.values()) and signature.return_annotation is not signature.empty
    assert {"Returns", "Errors"} <= items


@pytest.mark.parametrize("name", VALUES)
def test_every_field_is_explained(name):
    what = apidoc.value(name)
    helped = {f.name for f in dataclasses.fields(what) if f.metadata.get("help")} if dataclasses.is_dataclass(what) else set()
    items = {n for line in apidoc.doc(name).splitlines() if (m := apidoc.ITEM.match(line)) for n in m[1].split(", ")}
    fields = [f.name for f in dataclasses.fields(what)] if dataclasses.is_dataclass(what) else what._fields
    assert set(fields) <= items | helped


def test_a_notebook_completes_every_setting():
    assert {"groups", "t1", "min_rows"} <= set(inspect.signature(lt.regroup).parameters) and "rho" in inspect.signature(lt.refill).parameters
    assert set(lt.__all__) <= set(dir(lt)) and set(figures.__all__) <= set(dir(lt.figures))


# Examples --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def space(small_network):
    """What the examples speak of: a network with a `layer1.0.conv1`, its masks, a store with a run of a Refill."""
    model = small_network()
    masks = lt.magnitude(model, density=0.3)
    store = lt.Store(ROOT / "data" / "nobodys", examples=ROOT / "data" / "examples")
    channel = lt.refill(model, masks)
    return {"model": model, "masks": masks, "channel": channel, "np": np, "loss": torch.nn.functional.cross_entropy, "images": torch.randn(4, 3, 8, 8),
            "labels": torch.arange(4), "store": store, "run_id": store.runs()[0], "optimizer": torch.optim.SGD(model.parameters(), lr=0.01),
            "timing": lt.bench(model, channel, (3, 8, 8), batch=2, pairs=2, seconds=0.1, threads=1, baselines="quick")}


@pytest.mark.parametrize("name", [n for n in NAMES if n not in ("bench", "take_in", "export")])    # what `space` calls already; test_files.py runs the others
def test_the_example_runs(name, space):
    code = apidoc.example(name).replace('lt.Store("data/runs")', "store")
    said, after = run(code, **space)
    assert said or "print" not in code
    last = code.splitlines()[-1]
    if name.startswith("figures."):
        assert isinstance(eval(last, after), go.Figure)


# The pages ---------------------------------------------------------------------------------------------------------------


def test_the_ten_lines_of_the_readme_run():
    code = blocks(ROOT / "README.md")
    assert len(code) == 1 and len(code[0].splitlines()) <= 10
    said, after = run(code[0])
    assert said.startswith("Masks(2 layers, 15,091 of 75,456 weights kept: 20.00 %)") and "torch.Size([1, 10]) Timing(" in said
    assert after["masks"].nnz() == round(0.2 * 75_456)


def test_the_walk_runs_with_a_smaller_network(monkeypatch, small_network):
    """In the place of ResNet-18, whose groups take half a minute: it has the layers that the page names."""
    monkeypatch.setattr(torchvision.models, "resnet18", lambda num_classes: small_network())
    code = "".join(blocks(ROOT / "docs" / "notebook.md"))
    assert 15 <= sum(bool(line.strip()) for line in code.splitlines()) <= 40
    said, after = run(code)
    assert "the same outputs: True" in said and "parameters, " in said and "Timing(" in said
    assert isinstance(after["blocks"], lt.Structured) and after["blocks"].blocks["layer3.0.conv1.weight"]


def test_what_the_walk_says_of_the_real_network_is_so():
    first = blocks(ROOT / "docs" / "notebook.md")[0]
    page = (ROOT / "docs" / "notebook.md").read_text(encoding="utf-8")
    assert f"```text\n{run(first)[0]}```" in page
