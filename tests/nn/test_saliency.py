"""Scores before training against finite differences and the papers' own definitions, on networks small enough for plain loops."""

import copy

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from lthviz.core import ranking
from lthviz.errors import ConfigError, TrainingError
from lthviz.nn import models, saliency, topology
from lthviz.nn.state import get_state, set_state
from lthviz.records import Masks


class Tiny(nn.Module):
    """Grouped, depthwise and strided convolutions around a residual sum, BatchNorm, dropout; smooth, so that differences are exact enough."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(2, 4, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        self.grouped = nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2)
        self.depthwise = nn.Conv2d(6, 6, 3, padding=1, groups=6, bias=False)
        self.bn2 = nn.BatchNorm2d(6)
        self.point = nn.Conv2d(6, 6, 1, bias=False)
        self.act, self.drop, self.fc = nn.Softplus(), nn.Dropout(0.5), nn.Linear(6, 3)

    def forward(self, x):
        x = self.act(self.grouped(self.act(self.bn1(self.conv1(x)))))
        x = x + self.bn2(self.point(self.act(self.depthwise(x))))
        return self.fc(self.drop(x).mean((2, 3)))


@pytest.fixture(scope="module")
def tiny():
    """(model in double precision, its layers, images, labels)."""
    torch.manual_seed(3)
    model = Tiny().double()
    return model, topology.layers(model, (2, 5, 5)), torch.randn(10, 2, 5, 5, dtype=torch.float64), torch.arange(10) % 3


def loss_of(model, x, y, parts, temperature=1.0):
    """Mean cross-entropy over equal parts, each with its own batch statistics, dropout off; float tensor."""
    network = copy.deepcopy(model).train()
    network.drop.eval()
    losses = [F.cross_entropy(network(a) / temperature, b, reduction="sum") for a, b in zip(x.chunk(parts), y.chunk(parts), strict=True)]
    return sum(losses) / len(x), [network.get_parameter(n) for n in ("grouped.weight", "depthwise.weight", "point.weight")]


def moved(model, name, index, by):
    """A copy with one weight changed."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        other.get_parameter(name).view(-1)[index] += by
    return other


@pytest.mark.parametrize(("batch", "parts"), [(10, 1), (5, 2)])
def test_snip_is_the_effect_of_a_connection_on_the_loss(tiny, batch, parts):
    """|∂L(c ⊙ w)/∂c| at c = 1 by central differences."""
    model, layers, x, y = tiny
    found = saliency.snip(model, layers, x, y, batch=batch)
    assert list(found) == ["grouped.weight", "depthwise.weight", "point.weight"], "neither stem nor classifier"
    for name, scores in found.items():
        w = model.get_parameter(name).detach()
        assert scores.shape == tuple(w.shape)
        for i, value in enumerate(w.reshape(-1).tolist()):
            up, down = (loss_of(moved(model, name, i, e * value), x, y, parts)[0].item() for e in (1e-4, -1e-4))
            assert scores.reshape(-1)[i] == pytest.approx(abs(up - down) / 2e-4, rel=1e-4, abs=1e-9)


def flow_of(model, x, y, parts, temperature):
    """Squared norm of the gradient of the prunable weights, and that gradient."""
    loss, weights = loss_of(model, x, y, parts, temperature)
    gradient = torch.autograd.grad(loss, weights)
    return sum(float((g**2).sum()) for g in gradient), gradient


@pytest.mark.parametrize(("batch", "parts", "temperature"), [(10, 1, 2.0), (5, 2, 2.0), (5, 2, 200.0)])
def test_grasp_is_the_gradient_flow_that_a_weight_carries(tiny, batch, parts, temperature):
    """Removing a share ε of a weight changes gᵀg by 2ε·S(−θ) = −2ε·θ⊙Hg; by central differences, sign included."""
    model, layers, x, y = tiny
    found = saliency.grasp(model, layers, x, y, temperature=temperature, batch=batch)
    scale = max(np.abs(s).max() for s in found.values())
    for name, scores in found.items():
        for i, value in enumerate(model.get_parameter(name).detach().reshape(-1).tolist()):
            less, more = (flow_of(moved(model, name, i, -e * value), x, y, parts, temperature)[0] for e in (1e-4, -1e-4))
            change = (less - more) / 2e-4     # of the flow, per share removed
            assert scores.reshape(-1)[i] == pytest.approx(-change / 2, rel=1e-3, abs=1e-6 * scale)


def test_grasps_product_is_the_hessians(tiny):
    """Hg by central differences of the gradient along itself."""
    model, layers, x, y = tiny
    found = saliency.grasp(model, layers, x, y, temperature=2.0, batch=5)
    _, g = flow_of(model, x, y, 2, 2.0)
    ends = []
    for e in (1e-4, -1e-4):
        other = copy.deepcopy(model)
        with torch.no_grad():
            for layer, step in zip(layers, g, strict=True):
                other.get_parameter(layer.name).add_(step, alpha=e)
        ends.append(flow_of(other, x, y, 2, 2.0)[1])
    for layer, up, down in zip(layers, *ends, strict=True):
        expected = model.get_parameter(layer.name).detach() * (up - down) / 2e-4
        np.testing.assert_allclose(found[layer.name], expected.numpy(), rtol=1e-5, atol=1e-9)


def test_keeping_the_highest_grasp_scores_keeps_more_flow_than_keeping_the_lowest(tiny):
    """To first order; so on a small share, and against the mistake of turning the sign."""
    model, layers, x, y = tiny
    scores = saliency.grasp(model, layers, x, y, temperature=2.0, batch=10)
    ones = Masks.of({layer.name: np.ones(layer.shape, bool) for layer in layers})
    flows = []
    for sign in (1, -1):
        masks = ranking.keep({n: sign * s for n, s in scores.items()}, ones, ones.nnz() - 6).masks
        other = copy.deepcopy(model)
        with torch.no_grad():
            for layer in layers:     # a twentieth of each of the six, where first order holds
                other.get_parameter(layer.name).mul_(torch.from_numpy(np.where(masks[layer.name], 1, 0.95)))
        flows.append(flow_of(other, x, y, 1, 2.0)[0])
    assert flows[0] > flow_of(model, x, y, 1, 2.0)[0] > flows[1]


class Chain(nn.Module):
    """1×1 convolutions on one pixel: matrices. Biases, BatchNorm shifts and a clipping activation have no say."""

    def __init__(self, widths=(2, 5, 4, 6), groups=(1, 1, 2)) -> None:
        super().__init__()
        convs = [nn.Conv2d(a, b, 1, groups=g) for a, b, g in zip(widths, widths[1:], groups, strict=False)]
        self.features = nn.Sequential(*(m for c in convs for m in (c, nn.BatchNorm2d(c.out_channels), nn.ReLU6())))
        self.fc = nn.Linear(widths[-1], 3)

    def forward(self, x):
        return self.fc(self.features(x).flatten(1))


def chain(seed=0):
    torch.manual_seed(seed)
    model = Chain()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 3)
        for m in model.modules():
            if isinstance(m, nn.BatchNorm2d):
                m.running_var.uniform_(0.5, 2)
                m.running_mean.normal_()
    return model


def synflow_by_hand(model, count, iterations):
    """Algorithm 1 of Tanaka et al. 2020 for `Chain` in plain loops: the scores of the last step.

    (Weights that follow each other on the only path left have equal scores but for rounding, so few may be left here only with care.)
    """
    convs, norms = model.features[::3], model.features[1::3]
    mats = []
    for conv in convs:
        w, g = conv.weight.detach().double().abs().numpy()[:, :, 0, 0], conv.groups
        full = np.zeros((w.shape[0], conv.in_channels))
        for o in range(w.shape[0]):
            for i in range(w.shape[1]):
                full[o, o // (w.shape[0] // g) * w.shape[1] + i] = w[o, i]
        mats.append(full)
    gains = [(n.weight.detach().double().abs() / torch.sqrt(n.running_var.double() + n.eps)).numpy() for n in norms]
    exists = [m > 0 for m in mats]
    last = model.fc.weight.detach().double().abs().numpy()
    total = sum(int(e.sum()) for e in exists)
    gone = [np.zeros(m.shape, bool) for m in mats]
    for k in range(1, iterations + 1):
        into = [np.ones(mats[0].shape[1])]
        for m, gain in zip(mats, gains, strict=True):
            into.append(gain * (m @ into[-1]))
        out = last.sum(axis=0)
        scores = [None] * len(mats)
        for i in reversed(range(len(mats))):
            out = out * gains[i]
            scores[i] = np.where(gone[i], -1.0, mats[i] * out[:, None] * into[i][None, :])
            out = out @ mats[i]
        if k < iterations:
            places = sorted((-scores[i][o, c], i, o, c) for i in range(len(mats)) for o, c in zip(*np.nonzero(exists[i]), strict=True))
            for _, i, o, c in places[round(total * (count / total) ** (k / iterations)):]:
                mats[i][o, c], gone[i][o, c] = 0.0, True
    return [s[e] for s, e in zip(scores, exists, strict=True)]


@pytest.mark.parametrize(("iterations", "count"), [(1, 20), (2, 20), (4, 28), (7, 24)])
def test_synflow_is_algorithm_1(iterations, count):
    model = chain()
    layers = topology.layers(model, (2, 1, 1))
    model.features[0].weight.requires_grad_(False)      # a frozen network is scored too
    found = saliency.synflow(model, layers, (2, 1, 1), count, iterations=iterations)
    expected = synflow_by_hand(model, count, iterations)
    names = [n for n in ("features.0.weight", "features.3.weight", "features.6.weight") if n in found]
    assert len(names) == len(layers) == 3
    for name, scores in zip(names, expected, strict=True):
        np.testing.assert_allclose(found[name].reshape(-1), scores, rtol=1e-10)
    assert sum(int((s == -1).sum()) for s in found.values()) == (0 if iterations == 1 else 42 - round(42 * (count / 42) ** (1 - 1 / iterations)))


def test_synaptic_flow_is_conserved_layer_by_layer(config):
    """Tanaka et al. 2020, theorem 2: the scores of every layer that cuts the network add up to the same number, R."""
    model = models.build(config, (1, 8, 8), 10)
    layers = topology.layers(model, (1, 8, 8))
    sums = [s.sum() for s in saliency.synflow(model, layers, (1, 8, 8), 1000, iterations=1).values()]
    linear = copy.deepcopy(model).double().eval()
    with torch.no_grad():
        for name, p in linear.named_parameters():
            p.zero_() if name.endswith("bias") else p.abs_()
        flow = linear(torch.ones((1, 1, 8, 8), dtype=torch.float64)).sum().item()
    np.testing.assert_allclose(sums, flow, rtol=1e-10)


def test_synflow_loses_no_layer_at_a_thousandth():
    """Twelve narrow layers, 99.9 % pruned: 28 weights left, and some in every layer, so something comes out. One step loses most layers."""
    torch.manual_seed(0)
    convs = [m for _ in range(12) for m in (nn.Conv2d(16, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU())]
    model = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), *convs, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
    model.lthviz_stem = "0"
    layers = topology.layers(model, (3, 6, 6))
    masks = Masks.of({layer.name: np.ones(layer.shape, bool) for layer in layers})
    left = {}
    for iterations in (1, 100):
        kept = ranking.keep(saliency.synflow(model, layers, (3, 6, 6), 28, iterations=iterations), masks, 28).masks
        left[iterations] = [kept.nnz(name) for name in kept]
    assert len(left[1]) == 12 and sum(left[1]) == sum(left[100]) == 28 == round(0.001 * masks.nnz())
    assert min(left[100]) >= 1 and min(left[1]) == 0
    after = saliency.synflow(masked_by(model, kept), layers, (3, 6, 6), 28, iterations=1)
    assert after["1.weight"].max() > 0


def masked_by(model, masks):
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name in masks:
            other.get_parameter(name).mul_(torch.from_numpy(masks[name]))
    return other


def test_synflow_of_a_network_that_overflows_says_so():
    deep = nn.Sequential(*(nn.Conv2d(2, 2, 1) for _ in range(12)), nn.Flatten())
    with torch.no_grad():
        for p in deep.parameters():
            p.fill_(1e30)
    with pytest.raises(TrainingError, match="not finite"):
        saliency.synflow(deep, topology.layers(deep, (2, 1, 1)), (2, 1, 1), 5)


def test_scales_are_those_of_the_batchnorm_behind_a_convolution(tiny):
    model, layers, *_ = tiny
    with torch.no_grad():
        model.bn2.weight.copy_(torch.tensor([-3.0, 2, 0, 1, -1, 5]))
    found = saliency.bn_scales(model, layers)
    assert list(found) == ["point.weight"] and found["point.weight"].tolist() == [3, 2, 0, 1, 1, 5]
    with torch.no_grad():
        model.bn2.weight.fill_(1)


@pytest.mark.parametrize("score", ["snip", "grasp", "synflow", "bn_scales"])
def test_the_network_is_left_as_it_was(config, images, score):
    for training in (True, False):
        model = models.build(config, images.shape, 10).train(training)
        layers = topology.layers(model, images.shape)
        x, y = images.calibration(20, 0)
        before = get_state(model)
        more = {"snip": (x, y), "grasp": (x, y), "synflow": (images.shape, 500), "bn_scales": ()}[score]
        found = getattr(saliency, score)(model, layers, *more)
        assert all(np.isfinite(s).all() and s.dtype.kind == "f" for s in found.values())
        assert all(m.training is training for m in model.modules())
        assert all(p.grad is None and p.requires_grad for p in model.parameters())
        for name, value in get_state(model).items():
            np.testing.assert_array_equal(value, before[name], err_msg=name)
        set_state(model, before)


def test_images_balanced_over_the_classes():
    labels = np.repeat([0, 1, 2, 3], [40, 30, 2, 8])
    chosen = saliency.balanced(labels, 5, seed=1)
    assert np.bincount(labels[chosen]).tolist() == [5, 5, 2, 5] and len(set(chosen.tolist())) == 17
    assert sorted(labels[chosen[:4]]) == sorted(labels[chosen[4:8]]) == [0, 1, 2, 3], "every part is balanced as far as can be"
    assert (saliency.balanced(labels, 5, seed=1) == chosen).all() and (saliency.balanced(labels, 5, seed=2) != chosen).any()


def test_one_image_is_too_few(tiny):
    model, layers, x, y = tiny
    with pytest.raises(ConfigError, match="1 image is too few"):
        saliency.snip(model, layers, x[:1], y[:1])
