from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lthviz.errors import ConfigError
from lthviz.nn.built import built
from lthviz.nn.scores import channel_scores, of_round
from lthviz.nn.state import get_state
from lthviz.records import Layer, Masks
from tests.small import SMALL


class Two(nn.Module):
    """Two convolutions; no BatchNorm between the second and its activation, which works in place."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.norm, self.b = nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Conv2d(4, 6, 3)
        self.relu, self.fc = nn.ReLU(inplace=True), nn.Linear(6, 5)

    def forward(self, x):
        return self.fc(self.relu(self.b(self.relu(self.norm(self.a(x))))).mean((2, 3)))


LAYERS = (Layer("a.weight", (4, 3, 3, 3), (8, 8)), Layer("b.weight", (6, 4, 3, 3), (6, 6)))


@pytest.fixture
def case():
    torch.manual_seed(0)
    model = Two().train()
    model(torch.randn(64, 3, 8, 8))   # statistics that differ from a batch's
    return model, torch.randn(10, 3, 8, 8), torch.randint(0, 5, (10,))


def by_hand(m: Two, x: torch.Tensor, y: torch.Tensor):
    """Both feature maps and the gradients of the mean loss with respect to them, written out."""
    n = m.norm
    first = F.conv2d(x, m.a.weight, m.a.bias, padding=1).detach().requires_grad_()
    inner = F.relu((first - n.running_mean[:, None, None]) / torch.sqrt(n.running_var + n.eps)[:, None, None]
                   * n.weight[:, None, None] + n.bias[:, None, None])
    second = F.conv2d(inner, m.b.weight, m.b.bias)
    loss = F.cross_entropy(F.relu(second).mean((2, 3)) @ m.fc.weight.T + m.fc.bias, y)
    return (first, second), torch.autograd.grad(loss, (first, second))


@pytest.mark.parametrize("batch", [3, 100])
@pytest.mark.parametrize("score", ["l1", "l2", "saliency"])
def test_each_layer_is_scored_by_its_own_map(case, score, batch):
    model, x, y = case
    maps, gradients = by_hand(model, x, y)
    got = channel_scores(model, LAYERS, score, x, y, batch=batch)
    assert list(got) == ["a.weight", "b.weight"]
    for layer, fmap, gradient in zip(LAYERS, maps, gradients, strict=True):
        f, g = fmap.detach().double().numpy(), gradient.double().numpy()
        expected = {"l1": np.abs(f).sum((0, 2, 3)), "l2": np.sqrt((f**2).sum((0, 2, 3))), "saliency": np.abs(f * g).sum((0, 2, 3))}[score]
        assert got[layer.name].dtype == np.float64 and got[layer.name].shape == (layer.shape[0],)
        np.testing.assert_allclose(got[layer.name], expected, rtol=1e-4)


@pytest.mark.parametrize("score", ["l1", "saliency"])
def test_the_network_is_left_as_it_was(case, score):
    model, x, y = case
    model.norm.eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    first, second = (channel_scores(model, LAYERS, score, x, y) for _ in range(2))
    assert all(np.array_equal(first[k], second[k]) for k in first)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())
    assert all(p.grad is None for p in model.parameters()) and x.grad is None and not x.requires_grad
    assert not any(m._forward_hooks for m in model.modules())
    assert model.training and model.a.training and not model.norm.training


def test_frozen_networks_have_saliency_too(case):
    model, x, y = case
    free = channel_scores(model, LAYERS, "saliency", x, y)
    model.requires_grad_(False)
    frozen = channel_scores(model, LAYERS, "saliency", x, y)
    assert all(np.array_equal(free[k], frozen[k]) for k in free)


def test_a_score_without_feature_maps_is_refused(case):
    with pytest.raises(ConfigError, match="magnitude"):
        channel_scores(case[0], LAYERS, "magnitude", case[1], case[2])


def test_a_round_is_scored_by_the_pruned_trained_network():
    """As a network is scored whose own weights are those of the trunk, the pruned ones at zero."""
    config = SMALL.replace(calibration_images=30, batch_size=7)
    _, model, layers, trainer = built(config)
    other = built(config.replace(seed=5)).model
    trunk = get_state(other)
    rng = np.random.default_rng(1)
    masks = Masks.of({x.name: rng.random(x.shape) < 0.4 for x in layers})
    x, y = trainer.calibration()
    assert len(x) == 30
    got, unpruned = of_round(model, layers, trunk, masks, "l2", trainer), channel_scores(other, layers, "l2", x, y)
    for layer in layers:
        other.get_parameter(layer.name).data.mul_(torch.from_numpy(masks[layer.name]))
    expected = channel_scores(other, layers, "l2", x, y)
    assert list(got) == [layer.name for layer in layers]
    for name in got:
        np.testing.assert_allclose(got[name], expected[name], rtol=1e-4)
        assert not np.allclose(got[name], unpruned[name], rtol=0.01)
