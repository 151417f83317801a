"""Linear layers in a measurement: timed alone as well, and removed rows are gone from every form that runs the ticket."""

import numpy as np
import pytest
import torch
from torch import nn

from lthviz.config import Refill, Regroup
from lthviz.core import magnitude, stats, structures
from lthviz.nn import topology
from lthviz.records import Masks
from lthviz.speed import bench, program
from tests.speed.networks import difference, lively, reference

SHAPE = (2, 8, 8)


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path))


def network():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1, bias=False), nn.BatchNorm2d(12), nn.ReLU(), nn.Flatten(),
                          nn.Dropout(), nn.Linear(48, 40), nn.ReLU(), nn.Dropout(), nn.Linear(40, 24), nn.ReLU(), nn.Linear(24, 6))
    model.lthviz_stem = "0"
    model = lively(model, SHAPE)
    return model, topology.layers(model, SHAPE, linear="all")


def ticket(model, layers, structure):
    weights = {x.name: model.get_parameter(x.name).detach().numpy() for x in layers}
    pruned = magnitude.prune(weights, Masks.of({x.name: np.ones(x.shape, bool) for x in layers}), 0.5)
    return structures.apply(structure, pruned, weights=weights, classifier=[x.name for x in layers if x.classifier]).masks


@pytest.mark.parametrize("batch", [1, 5, 16])
@pytest.mark.parametrize("structure", [Refill(), Regroup(groups=2, min_rows=2)], ids=lambda s: s.kind)
def test_a_program_with_linear_layers(structure, batch):
    model, layers = network()
    masks, x = ticket(model, layers, structure), torch.randn(batch, *SHAPE)
    made = program.build(model, layers, SHAPE, masks, structural=True, batch=batch, threads=1)
    assert made.foreign == [] and difference(made(x), reference(model, layers, masks, True, x)) < 1e-5
    if structure.kind == "refill":   # only rows that are left on columns that are left
        work = {step.layer: step.macs for step in made.pass_for(batch).steps if step.layer}
        left = stats.effective(masks, layers, structural=True)
        assert all(work[x.name] <= left[x.name] < 0.5 * x.size for x in layers if x.short in ("7", "10"))


def test_a_ticket_with_linear_layers_is_measured():
    model, layers = network()
    masks = ticket(model, layers, Refill())
    found = bench.measure(model, layers, masks, image_shape=SHAPE, structural=True, batch=4, threads=1, baselines=("torch",), seconds=0.01, pairs=1)
    assert [x.name for x in found.layers] == [x.name for x in layers] and not found.conditions["executors_failed"]
    assert all(x.dense_ms > 0 and x.ticket_ms > 0 for x in found.layers)
    assert {x.name: x.kept for x in found.layers} == stats.effective(masks, layers, structural=True)
