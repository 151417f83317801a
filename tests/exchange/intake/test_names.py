"""Which tensor is which."""

import pytest
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.exchange.intake.names import INNER, WRAPPERS, match
from tests.exchange.intake.networks import as_openlth, network


def shapes(state):
    return {n: tuple(t.shape) for n, t in state.items()}


NETWORK = shapes(network("resnet20", (3, 32, 32)).state_dict())


@settings(deadline=None)
@given(st.lists(st.sampled_from(WRAPPERS), max_size=3))
def test_wrappers_are_taken_off(wrappers):
    prefix = "".join(f"{w}." for w in wrappers)
    found = match({prefix + n: s for n, s in NETWORK.items()}, NETWORK)
    assert not found.missing and not found.left and found.prefix == "".join(f"{w}." for w in wrappers if w not in INNER)
    assert found.found == {n: prefix + n for n in NETWORK}


def test_other_names_are_matched_by_their_order():
    net = network("resnet20", (3, 32, 32))
    renamed = as_openlth(net.state_dict())
    found = match(shapes(renamed), NETWORK)
    assert not found.missing and not found.left
    for ours, theirs in found.found.items():
        assert renamed[theirs] is net.state_dict()[ours] or renamed[theirs].data_ptr() == net.state_dict()[ours].data_ptr()


def test_by_order_also_where_the_norms_stand_behind_the_convolutions():
    plain = {n: s for n, s in NETWORK.items() if "num_batches" not in n}
    apart = {**{f"a.{n}": s for n, s in plain.items() if len(s) > 1 or n.startswith("fc")}, **{f"b.{n}": s for n, s in plain.items() if len(s) == 1 and not n.startswith("fc")}}
    found = match({n.replace("layer", "stage"): s for n, s in apart.items()}, NETWORK)
    assert not found.missing
    assert all(theirs.replace("stage", "layer").removeprefix("a.").removeprefix("b.") == ours for ours, theirs in found.found.items())


@pytest.mark.parametrize("other", ["resnet34", "vgg11_bn", "mobilenet_v2"])
def test_another_architecture_is_never_matched_whole(other):
    """All of ResNet-18's names and shapes are in ResNet-34: then layers are left."""
    theirs = shapes(torchvision.models.get_model(other, weights=None, num_classes=10).state_dict())
    found = match(theirs, shapes(torchvision.models.resnet18(num_classes=10).state_dict()))
    assert found.missing or any(len(theirs[n]) == 4 for n in found.left)


@settings(deadline=None)
@given(st.sets(st.sampled_from(sorted(NETWORK)), min_size=1))
def test_what_is_left_out_is_missing_and_nothing_takes_its_place_but_its_like(gone):
    found = match({n: s for n, s in NETWORK.items() if n not in gone}, NETWORK)
    assert {m.name for m in found.missing} == {n for n in gone if not n.endswith("num_batches_tracked")}


def test_another_shape_is_said():
    found = match({**NETWORK, "fc.weight": (100, 64)}, NETWORK)
    assert [(m.name, m.why) for m in found.missing] == [("fc.weight", "it has shape 100×64 there and 10×64 here")]
