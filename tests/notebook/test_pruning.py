"""Masks of a user's network against torch's own pruning, and what is said of networks and settings that will not do."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
import torchvision
from torch import nn
from torch.nn.utils import prune

import lthviz as lt

CONVOLUTIONS = ["first.weight", "deep.weight", "wide.weight", "more.weight"]


def theirs(model: nn.Module, names: list[str], amount: float) -> dict[str, np.ndarray]:
    """What torch.nn.utils.prune.global_unstructured keeps."""
    model = copy.deepcopy(model)
    modules = [model.get_submodule(n.removesuffix(".weight")) for n in names]
    prune.global_unstructured([(m, "weight") for m in modules], pruning_method=prune.L1Unstructured, amount=amount)
    return {n: m.weight_mask.numpy() != 0 for n, m in zip(names, modules, strict=True)}


@pytest.mark.parametrize("density", [1.0, 0.9, 0.5, 0.2, 0.013])
def test_global_magnitude_is_torchs(own, density):
    masks = lt.magnitude(own, density)
    assert list(masks) == CONVOLUTIONS
    for name, mask in theirs(own, CONVOLUTIONS, 1 - density).items():
        np.testing.assert_array_equal(masks[name], mask)


def test_of_a_known_network_the_stem_stays_and_the_layers_are_torchs():
    model = torchvision.models.resnet18(num_classes=10)
    masks = lt.magnitude(model, density=0.2)
    names = [f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.Conv2d) and n != "conv1"]
    found = theirs(model, names, 0.8)
    assert set(masks) == set(names) and masks.nnz() == sum(m.sum() for m in found.values())
    other = {n: np.abs(model.get_parameter(n).detach().numpy()[masks[n] != found[n]]) for n in names}
    assert len(np.unique(np.concatenate([*other.values()]))) <= 1, "of equal magnitudes torch takes any"


def test_rounds_of_imp_are_torchs_rounds(own):
    """Pruning again what torch has pruned once goes on from its mask; so does `masks=`."""
    ours = None
    for _ in range(3):
        ours = lt.magnitude(own, rate=0.2, masks=ours)
    modules = [own.get_submodule(n.removesuffix(".weight")) for n in CONVOLUTIONS]
    for _ in range(3):
        prune.global_unstructured([(m, "weight") for m in modules], pruning_method=prune.L1Unstructured, amount=0.2)
    for name, module in zip(CONVOLUTIONS, modules, strict=True):
        np.testing.assert_array_equal(ours[name], module.weight_mask.numpy() != 0)
    assert lt.masks_of(own) == ours, "the buffers are the masks"
    assert lt.magnitude(own, density=ours.density(), masks=ours) == ours


def test_density_counts_from_the_whole_network_wherever_it_goes_on(own):
    half = lt.magnitude(own, density=0.5)
    assert lt.magnitude(own, density=0.2, masks=half) == lt.magnitude(own, density=0.2)
    assert lt.magnitude(own, density=0.2, masks={n: torch.tensor(half[n]) for n in half}) == lt.magnitude(own, density=0.2)


def test_by_layer_every_one_keeps_its_share(own):
    masks = lt.magnitude(own, density=0.25, scope="layer")
    for name in CONVOLUTIONS:
        weight = np.abs(own.get_parameter(name).detach().numpy())
        assert masks.nnz(name) == weight.size - round(0.75 * weight.size)
        assert weight[masks[name]].min() >= weight[~masks[name]].max()


def test_layers_are_chosen_by_name_by_layer_or_with_the_linear_ones(own):
    assert list(lt.magnitude(own, 0.5, layers=["more", "wide.weight"])) == ["more.weight", "wide.weight"]
    assert list(lt.magnitude(own, 0.5, layers=lt.layers(own, (3, 8, 8))[1:3])) == CONVOLUTIONS[1:3]
    assert list(lt.magnitude(own, 0.5, linear="all")) == [*CONVOLUTIONS, "head.weight"]
    assert list(lt.magnitude(own, 0.5, linear="hidden")) == CONVOLUTIONS, "the only linear layer is the classifier"
    assert lt.layers(own, (3, 8, 8), names=["head"])[0].classifier


def test_nothing_of_the_network_changes(own):
    own.train()
    before = {k: v.clone() for k, v in own.state_dict().items()}
    masks = lt.magnitude(own, 0.3)
    channel = lt.refill(own, masks)
    lt.scores(own, masks, "saliency", images=torch.randn(4, 3, 8, 8), labels=torch.tensor([0, 1, 2, 3]))
    lt.stats(own, channel, (3, 8, 8))
    lt.compact(own, channel)
    assert own.training and all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    assert all(p.grad is None for p in own.parameters())


def test_zeros_are_masks_where_torch_holds_none(own):
    masks = lt.magnitude(own, 0.3)
    assert lt.masks_of(own).density() == 1
    lt.apply(own, masks)
    assert lt.masks_of(own) == masks
    assert np.array_equal(lt.weights(own, ["more"])["more.weight"], own.more.weight.detach().numpy())


def test_wrappers_are_looked_through(own):
    masks = lt.magnitude(own, 0.3)
    assert lt.magnitude(nn.DataParallel(own), 0.3) == masks == lt.magnitude(torch.compile(own), 0.3)


def test_a_network_that_cannot_be_traced_is_pruned_all_the_same(untraceable, caplog):
    layers = lt.layers(untraceable, (3, 8, 8))
    assert [x.name for x in layers] == CONVOLUTIONS and all(x.sources is None for x in layers) and "cannot be traced" in caplog.text
    channel = lt.refill(untraceable, lt.magnitude(untraceable, 0.3))
    small = lt.compact(untraceable, channel)
    assert "its removed channels stay" in caplog.text and small(torch.zeros(1, 3, 8, 8)).shape == (1, 7)


class Odd(nn.Module):
    """Runs on images of one size alone, which is none of the usual ones."""

    def __init__(self) -> None:
        super().__init__()
        self.c, self.head = nn.Conv2d(2, 8, 3), nn.Linear(8 * 9 * 3, 4)

    def forward(self, x):
        return self.head(self.c(x).flatten(1))


def test_the_shape_is_asked_for_where_it_is_needed():
    with pytest.raises(lt.LthvizError, match=r"image_shape is missing, and Odd runs on no square image"):
        lt.magnitude(Odd(), 0.5)
    assert list(lt.magnitude(Odd(), 0.5, image_shape=(2, 11, 5))) == ["c.weight"]
    for call in (lt.layers, lambda m: lt.stats(m, lt.magnitude(m, 0.5, image_shape=(2, 11, 5))), lambda m: lt.bench(m, lt.magnitude(m, 0.5, image_shape=(2, 11, 5)))):
        with pytest.raises(lt.LthvizError, match=r"image_shape is missing: .* as in lt"):
            call(Odd())
    with pytest.raises(lt.LthvizError, match=r"does not run on images of shape \(2, 8, 8\): .*shapes cannot be multiplied"):
        lt.layers(Odd(), (2, 8, 8))
    with pytest.raises(lt.LthvizError, match=r"should be \(channels, height, width\), without the batch"):
        lt.layers(Odd(), (1, 2, 11, 5))


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda m: lt.magnitude(m, 0.0), r"density = 0.0 is out of range; it must be a number above 0 and at most 1"), (lambda m: lt.magnitude(m, 1.2), "density = 1.2"),
    (lambda m: lt.magnitude(m, "0.2"), "density = '0.2'"), (lambda m: lt.magnitude(m, True), "density = True"), (lambda m: lt.magnitude(m, float("nan")), "density = nan"),
    (lambda m: lt.magnitude(m), "give either density"), (lambda m: lt.magnitude(m, 0.2, rate=0.1), "give either density"), (lambda m: lt.magnitude(m, rate=1.0), "rate = 1.0"),
    (lambda m: lt.magnitude(m, densty=0.2), "'densty' is not a keyword of lt.magnitude; did you mean density"),
    (lambda m: lt.magnitude(m, 0.2, scope="layers"), "did you mean layer"), (lambda m: lt.magnitude(m, 0.2, linear="every"), "linear = 'every'"),
    (lambda m: lt.magnitude(m, 0.2, layers=["mor"]), "there is no layer 'mor' here; did you mean more"), (lambda m: lt.magnitude(m, 0.2, layers=[]), "layers is empty"),
    (lambda m: lt.magnitude(m, 0.9, masks=lt.magnitude(m, 0.5)), r"density = 0.9 is more than the masks have left \(0.5"),
    (lambda m: lt.magnitude(m, 0.1, masks={"mor.weight": np.ones((48, 48, 3, 3), bool)}), "no such convolution or linear layer in the network; did you mean more.weight"),
    (lambda m: lt.magnitude(m, 0.1, masks={"more.weight": np.ones((48, 47, 3, 3), bool)}), r"shape \(48, 47, 3, 3\); the network's weight has \(48, 48, 3, 3\)"),
    (lambda m: lt.magnitude(m, 0.1, masks={"more.weight": np.full((48, 48, 3, 3), 2.0)}), "other values than 0 and 1"), (lambda m: lt.magnitude(m, 0.1, masks=3), "this is a int"),
    (lambda m: lt.magnitude(m, 0.1, masks={}), "there is no mask in the masks"),
    (lambda m: lt.magnitude("resnet18", 0.1), "model should be a torch.nn.Module; this is a str"), (lambda m: lt.magnitude(nn.ReLU(), 0.1), "ReLU has no prunable layer"),
    (lambda m: lt.magnitude(nn.Sequential(nn.Flatten(), nn.Linear(192, 4)), 0.1, image_shape=(3, 8, 8)), r"no convolution \(nn.Conv2d\) runs; linear = 'hidden'"),
    (lambda m: lt.magnitude(nn.Conv2d(3, 8, 3), 0.1), "single Conv2d; put it into an nn.Sequential"),
])
def test_what_will_not_do_is_said_in_a_line(own, wrong, said):
    with pytest.raises(lt.LthvizError, match=said) as found:
        wrong(own)
    assert "\n" not in str(found.value)


def test_a_weight_that_is_not_finite_is_named(own):
    with torch.no_grad():
        own.wide.weight[0] = torch.nan
    with pytest.raises(lt.LthvizError, match=r"wide.weight.*not finite"):
        lt.magnitude(own, 0.5)
