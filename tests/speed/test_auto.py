"""The choice between a layer's forms: measured once, remembered, and right where there is no doubt."""

import json

import numpy as np
import pytest
import torch

from lthviz.nn import topology
from lthviz.nn.models.convnet import ConvNet
from lthviz.records import Masks
from lthviz.speed import auto, cache, program
from lthviz.speed.graph import Conv

SHAPE = (1, 8, 8)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path))
    return tmp_path


def plan(mask_of):
    torch.manual_seed(0)
    model = ConvNet(1, 10).eval()
    layers = topology.layers(model, SHAPE)
    kept = Masks.of({layer.name: mask_of(np.random.default_rng(0), layer) for layer in layers})
    return layers, program.plan_of(model, layers, SHAPE, kept, structural=True)


def almost_dense(rng, layer):
    return rng.random(layer.shape) < 0.97


def two_groups(rng, layer):
    """Two halves of the rows with disjoint columns: as one block they would be twice the work."""
    mask = np.zeros(layer.matrix, bool)
    half = rng.random(layer.matrix[1]) < 0.5
    mask[::2, half] = mask[1::2, ~half] = True
    return mask.reshape(layer.shape)


def half(rng, layer):
    return rng.random(layer.shape) < 0.5


def test_scattered_rows_never_run_one_by_one_and_two_tall_groups_as_blocks():
    layers, made = plan(almost_dense)
    assert {auto.choose(made, 64, 1)[layer.name] for layer in layers} <= {"dense", "quads"}
    layers, made = plan(half)
    assert {auto.choose(made, 64, 1)[layer.name] for layer in layers if min(layer.shape[:2]) >= 64} <= {"quads"}
    layers, made = plan(two_groups)
    assert {auto.choose(made, 64, 1)[layer.name] for layer in layers} == {"blocks"}


def test_what_is_one_block_or_hopeless_is_not_measured(monkeypatch):
    monkeypatch.setattr(auto, "_measured", lambda *a: pytest.fail("measured"))
    _, made = plan(lambda rng, layer: np.ones(layer.shape, bool))
    assert set(auto.choose(made, 64, 1).values()) == {"blocks"}
    _, made = plan(lambda rng, layer: rng.random(layer.shape) < 0.05)
    assert not any("dense" in auto.candidates(made, op, 64) for op in made.graph.ops if isinstance(op, Conv) and not op.linear)


def test_a_choice_is_measured_once_for_a_batch_and_threads(monkeypatch, own_cache):
    layers, made = plan(almost_dense)
    first = auto.choose(made, 16, 1)
    entries = cache.read(auto.TABLE)
    assert len(entries) == len(layers)
    calls = []
    measured = auto._measured
    monkeypatch.setattr(auto, "_measured", lambda *a: calls.append(a[1:]) or measured(*a))
    assert auto.choose(made, 16, 1) == first and not calls
    auto.choose(made, 8, 1)
    assert len(calls) == 1
    # The same shapes under other masks are another question.
    _, other = plan(two_groups)
    auto.choose(other, 16, 1)
    assert len(calls) == 2


@pytest.mark.parametrize("content", ["", "[1, 2]", "{\"x\": 3}", "{"])
def test_a_damaged_memory_costs_a_measurement(own_cache, content, caplog):
    (own_cache / "forms.json").write_text(content)
    layers, made = plan(almost_dense)
    assert set(auto.choose(made, 16, 1)) >= {layer.name for layer in layers}
    assert len(json.loads((own_cache / "forms.json").read_text())) >= len(layers)
    assert bool(caplog.records) == (content in ("", "{"))


def test_a_folder_that_cannot_be_written_is_told_and_nothing_lost(monkeypatch, tmp_path, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path / "file" / "below"))
    _, made = plan(almost_dense)
    assert {"dense", "quads"} & set(auto.choose(made, 16, 1).values())
    assert "cannot be written" in caplog.text
