"""Linear layers among the prunable ones: as they are described, counted, removed and trained."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lthviz import engine
from lthviz.config import Random, Refill, Regroup
from lthviz.core import stats
from lthviz.core.structures import apply
from lthviz.methods import Filters
from lthviz.nn import topology
from lthviz.nn.compact import compact
from lthviz.nn.masking import Masked
from lthviz.nn.scores import channel_scores
from lthviz.nn.smaller import Smaller
from lthviz.nn.state import get_state
from lthviz.records import Layer, Masks, Stage, Ticket
from tests.nn.test_compact import check, lively
from tests.small import SMALL

SHAPE = (2, 8, 8)


class Net(nn.Module):
    """A map of 6×2×2 made flat, a BatchNorm behind a linear layer, a residual sum of flat maps, the classifier."""

    lthviz_stem = "stem"

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.conv, self.bn = nn.Conv2d(2, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6)
        self.first, self.norm = nn.Linear(24, 12), nn.BatchNorm1d(12)
        self.second, self.third = nn.Linear(12, 12), nn.Linear(12, 9)
        self.drop, self.last = nn.Dropout(0.0), nn.Linear(9, 10)

    def forward(self, x):
        x = F.relu(self.bn(self.conv(F.relu(self.stem(x)))))
        x = F.relu(self.norm(self.first(self.drop(x.flatten(1)))))
        x = F.relu(self.second(x) + x)
        return self.last(F.gelu(self.third(x)))


@pytest.fixture
def net() -> tuple[Net, tuple[Layer, ...]]:
    torch.manual_seed(0)
    model = lively(Net())
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            module.eps = 0.1
            nn.init.normal_(module.bias)
    return model, topology.layers(model, SHAPE, linear="all")


def random_masks(layers, keep: float, inside: float, seed: int = 0) -> Masks:
    rng = np.random.default_rng(seed)
    return Masks.of({x.name: (rng.random(x.matrix) < inside).reshape(x.shape)
                     & (rng.random(x.shape[0]) < keep).reshape(-1, *(1,) * (len(x.shape) - 1)) for x in layers})


def test_what_each_choice_prunes(net):
    model, _ = net
    names = {choice: [x.short for x in topology.layers(model, SHAPE, linear=choice)] for choice in ("none", "hidden", "all")}
    assert names == {"none": ["conv"], "hidden": ["conv", "first", "second", "third"], "all": ["conv", "first", "second", "third", "last"]}


def test_layers_say_what_they_read(net):
    _, (conv, first, second, third, last) = net
    assert first == Layer("first.weight", (12, 24), (1, 1), "norm", ("conv.weight",))
    assert second == Layer("second.weight", (12, 12), (1, 1), "", ("first.weight",))
    assert third.sources == ("first.weight", "second.weight") and last.sources == ("third.weight",)
    assert last.classifier and not any(x.classifier for x in (conv, first, second, third))
    assert (first.matrix, first.size, first.macs, last.matrix) == ((12, 24), 288, 288, (10, 9))


def by_loops(model: Net, layers, masks: Masks) -> dict[str, int]:
    """Kept weights whose input is not always zero, one weight at a time. An output channel is removed with its last weight."""
    gone = {x.name: [not masks[x.name][row].any() for row in range(x.shape[0])] for x in layers}
    kept = {}
    for layer in layers:
        mask, count = masks[layer.name], 0
        for index in np.ndindex(*layer.shape):
            channel = index[1] // 4 if layer.name == "first.weight" else index[1]     # 2×2 pixels a channel
            dead = layer.sources is not None and all(gone[s][channel] for s in layer.sources)
            count += bool(mask[index]) and not dead
        kept[layer.name] = count
    return kept


@pytest.mark.parametrize("seed", range(4))
def test_effective_weights_are_those_that_read_something(net, seed):
    model, layers = net
    masks = random_masks(layers, 0.5, 0.6, seed)
    assert stats.effective(masks, layers, structural=True) == by_loops(model, layers, masks)
    whole = Masks.of({x.name: np.ones(x.shape, bool) if x.classifier else np.broadcast_to(
        masks.matrix(x.name).any(1).reshape(-1, *(1,) * (len(x.shape) - 1)), x.shape) for x in layers})
    assert stats.smaller(masks, layers) == by_loops(model, layers, whole)


@pytest.mark.parametrize("inside", [1.0, 0.5])
@pytest.mark.parametrize("keep", [0.0, 0.2, 0.6, 1.0])
def test_the_smaller_network_is_the_masked_one(net, keep, inside):
    model, layers = net
    masks = random_masks(layers, keep, inside, seed=3)
    small = check(model, layers, masks, SHAPE)
    rows = {x.short: masks.matrix(x.name).any(axis=1) for x in layers}
    assert small.last.out_features == 10
    if keep == 0.6:
        assert small.third.out_features <= rows["third"].sum() and small.first.in_features <= 4 * rows["conv"].sum()
        assert small.norm.num_features == small.first.out_features <= rows["first"].sum() < 12


def test_a_class_is_never_removed(net):
    """Its row may be empty: then its bias alone speaks, in the masked network and in the smaller one."""
    model, layers = net
    arrays = {x.name: np.ones(x.shape, bool) for x in layers}
    arrays["last.weight"][2] = False
    masks, x = Masks.of(arrays), torch.randn(3, *SHAPE)
    small = compact(model, layers, masks).eval()
    Masked(model, layers, masks, structural=True).enforce()
    assert model.last.bias[2] != 0
    for network in (model.eval(), small):
        assert torch.equal(network(x)[:, 2], model.last.bias[2].expand(3))
    rows = {r["short"]: r for r in stats.layer_rows(Ticket("refill", 1, masks), layers)}
    assert rows["last"]["removed_channels"] == 0 and rows["last"]["shape"] == [10, 9]


@pytest.mark.parametrize("structure", [Refill(), Refill(score="remain", rho=0.2), Refill(fractional=True), Random("channels"), Filters()])
def test_what_removes_channels_spares_the_classifier(net, structure):
    model, layers = net
    masks, weights = random_masks(layers, 1.0, 0.5), {x.name: model.get_parameter(x.name).detach().numpy() for x in layers}
    made = apply(structure, masks, weights=weights, seed=1, classifier=["last.weight"])
    assert list(made.masks) == list(masks) and "last.weight" not in made.blocks
    assert np.array_equal(made.masks["last.weight"], masks["last.weight"])
    assert made.notes["last.weight"] == {"back": 0, "gone": 0, "spared": True}
    for layer in layers[:-1]:
        full = made.masks.matrix(layer.name)
        assert made.masks.shape(layer.name) == layer.shape and not full.any(axis=1).all()
        if not getattr(structure, "fractional", False):
            assert (full.all(axis=1) | ~full.any(axis=1)).all()


@pytest.mark.parametrize("structure", [Regroup(groups=2, min_rows=2), Random()])
def test_what_moves_single_weights_takes_the_classifier_too(net, structure):
    _, layers = net
    masks = random_masks(layers, 1.0, 0.4)
    made = apply(structure, masks, seed=1, classifier=["last.weight"])
    assert "spared" not in made.notes["last.weight"] and made.masks.shape("last.weight") == (10, 9)


@torch.no_grad()
def test_scores_by_feature_map(net):
    model, layers = net
    x, y = torch.randn(7, *SHAPE), torch.randint(0, 5, (7,))
    scores = channel_scores(model, layers, "l1", x, y, batch=3)
    model.eval()
    for name in ("first", "third"):
        seen = []
        handle = model.get_submodule(name).register_forward_hook(lambda m, a, out, seen=seen: seen.append(out.double().abs()))
        model(x)
        handle.remove()
        np.testing.assert_allclose(scores[f"{name}.weight"], seen[0].sum(0).numpy(), rtol=1e-5)
    assert channel_scores(model, layers, "saliency", x, y)["last.weight"].shape == (10,)


def test_training_as_the_smaller_network_leaves_what_masked_training_leaves(net):
    """Weights, biases, both BatchNorms' statistics, in double precision; what is removed or reads it included."""
    _, layers = net
    masks = random_masks(layers, 0.5, 1.0)
    states = []
    for way in (Masked, Smaller):
        torch.manual_seed(0)
        full = lively(Net()).double()
        for module in full.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eps = 0.1
        laid = way(full, layers, masks, structural=True) if way is Masked else Smaller(full, layers, masks)
        network, masked = (full, laid) if way is Masked else (laid.network, laid.masked)
        if way is Smaller:
            laid.read()
        masked.enforce()
        optimizer = torch.optim.SGD((full if way is Masked else laid).parameters(), lr=0.05, momentum=0.9, weight_decay=0.01)
        network.train()
        for _ in range(6):
            x, y = torch.randn(8, *SHAPE, dtype=torch.float64), torch.randint(0, 5, (8,))
            network.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()
            masked.enforce()
            if way is Smaller:
                laid.stepped()
        if way is Smaller:
            assert sum(p.numel() for p in network.parameters()) < 0.5 * sum(p.numel() for p in full.parameters())
            laid.write()
        states.append(get_state(full))
    for name, value in states[0].items():
        np.testing.assert_allclose(states[1][name], value, rtol=1e-7, atol=1e-9, err_msg=name)


def test_a_run_prunes_its_classifier_where_asked():
    config = SMALL.replace(linear="all", rounds=1, epochs=1, structures=(Refill(), Regroup(groups=4, min_rows=8)))
    events = list(engine.events(config))
    layers = events[0].layers
    assert (layers[-1].name, layers[-1].shape, layers[-1].classifier) == ("fc.weight", (10, 128), True)
    tickets = [e for e in events if isinstance(e, Stage)][-1].round.tickets
    assert 0 < tickets["unstructured"].masks.nnz("fc.weight") < 1280
    assert tickets["refill"].notes["fc.weight"]["spared"] and tickets["refill"].test_acc is not None
    for ticket in tickets.values():
        assert ticket.masks.shape("fc.weight") == (10, 128) and not ticket.weights["fc.weight"][~ticket.masks["fc.weight"]].any()
