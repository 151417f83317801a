"""Linear layers in a measurement: timed alone as well, and removed rows are gone from every form that runs the ticket."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lthviz.config import Refill, Regroup
from lthviz.core import magnitude, stats, structures
from lthviz.nn import topology
from lthviz.nn.masking import Masked
from lthviz.records import Masks
from lthviz.speed import bench, executors, gpu_program, gpu_steps, graph, live, program
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


def test_the_gpu_program_tells_who_runs_a_linear_layer():
    """Its dense forms run without a GPU as well."""
    model, layers = network()
    whole = ticket(model, layers, Refill())
    gone = Masks.of({x.name: np.zeros(x.shape, bool) if x.short == "10" else whole[x.name] for x in layers})
    for masks, expected in ((whole, "dense"), (gone, "removed")):
        masked = copy.deepcopy(model)
        Masked(masked, layers, masks, structural=True).enforce()
        made = gpu_program.GpuProgram(live.Plan(graph.trace(masked, SHAPE), dict(masks)), "float32")
        choices = {c.layer: c for c in made.choices}
        assert set(choices) == {"0.weight", *(x.name for x in layers)}, "the stem is never pruned"
        assert {x.short: choices[x.name].executor for x in layers if len(x.shape) == 2} == dict.fromkeys(("7", "10", "12"), expected), \
            "without the middle one nothing is read of the one before, and the one behind reads nothing"
        made.use(["dense"] * len(made.convs))
        x = torch.randn(3, *SHAPE)
        assert difference(made(x), reference(model, layers, masks, True, x)) < 1e-5
        step = next(s for s in made.steps if isinstance(s, gpu_steps.Linear) and s.layer == "7.weight")
        step.measure(torch.randn(2, step.weight.shape[1], 1, 1), clock=lambda call: call().numel() / 100)
        found, ms = executors.by_layer(made.choices, layers)
        assert ms == {"7.weight": 2 * len(step.weight) / 100} and found["7.weight"] == expected


def test_a_layer_without_a_step_of_its_own_is_not_called_removed():
    _, layers = network()
    choices = [gpu_program.Choice(layers[0].name, "blocks", 1.0, 2.0), gpu_program.Choice(layers[1].name, "removed", None, None)]
    found, ms = executors.by_layer(choices, layers)
    assert [found[x.name] for x in layers] == ["blocks", "removed", *["torch"] * (len(layers) - 2)] and ms == {layers[0].name: 1.0}
