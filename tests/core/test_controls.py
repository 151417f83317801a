import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.config import STRUCTURES, Random, Refill, Regroup, RunConfig, structure
from lthviz.core.blocks import from_mask, to_mask
from lthviz.core.controls import shuffle
from lthviz.core.refill import refill, remain_scores
from lthviz.core.structures import apply
from lthviz.errors import ConfigError
from lthviz.methods import NM, Reinit
from lthviz.records import Masks
from tests.core.oracles import networks


@given(networks(), st.integers(0, 5))
def test_every_layer_keeps_its_number_of_weights(network, seed):
    masks, _ = network
    made = shuffle(masks, Random(), seed=seed)
    for name in masks:
        assert made.masks.nnz(name) == masks.nnz(name) and made.masks.shape(name) == masks.shape(name)
        assert made.notes[name] == {"back": int((made.masks[name] & ~masks[name]).sum()),
                                    "gone": int((masks[name] & ~made.masks[name]).sum())}
    assert made.blocks == {}


@given(networks(), st.integers(0, 5))
def test_whole_channels_as_many_as_refill(network, seed):
    masks, _ = network
    made, refilled = shuffle(masks, Random(shuffle="channels"), seed=seed), refill(masks, remain_scores(masks))
    for name in masks:
        rows = made.masks.matrix(name)
        assert (rows.all(axis=1) | ~rows.any(axis=1)).all()
        assert rows.all(axis=1).sum() == refilled.masks.matrix(name).all(axis=1).sum() == made.notes[name]["kept"]


def test_places_are_uniform():
    """Each of 24 places holds a weight in a quarter of 800 draws; 5 standard deviations either way."""
    masks = Masks.of({"w": np.arange(24).reshape(4, 6) < 6})
    for settings, sigma in ((Random(), 0.0153), (Random(shuffle="channels"), 0.0153)):
        share = np.mean([shuffle(masks, settings, seed=s).masks["w"] for s in range(800)], axis=0)
        assert np.abs(share - 0.25).max() < 5 * sigma


def test_the_seed_and_the_name_decide():
    mask = np.random.default_rng(0).random((20, 30)) < 0.3
    masks = Masks.of({"a": mask, "b": mask})
    for settings in (Random(), Random(shuffle="channels")):
        one, again, other = (shuffle(masks, settings, seed=s).masks for s in (0, 0, 1))
        assert one == again and one != other and (one["a"] != one["b"]).any()
        assert (shuffle(Masks.of({"b": mask}), settings, seed=0).masks["b"] == one["b"]).all()


MASK = np.random.default_rng(1).random((48, 12, 3, 3)) < 0.3
MASKS = Masks.of({"a": MASK, "b": MASK.reshape(48, -1)[:, :40]})
WEIGHTS = {name: np.random.default_rng(2).standard_normal(MASKS.shape(name)) for name in MASKS}
OTHERS = (Refill(), Refill(fractional=True), Regroup(groups=3, min_rows=4))


def test_a_control_of_another_ticket_has_its_density_in_every_layer():
    for other in OTHERS:
        base = apply(other, MASKS, weights=WEIGHTS)
        made = apply(Random(of=other.label), MASKS, base=base, seed=3)
        assert made.masks != base.masks and made.blocks == {}
        for name in MASKS:
            assert made.masks.nnz(name) == base.masks.nnz(name)
            assert made.notes[name] == {"back": int((made.masks[name] & ~MASKS[name]).sum()), "gone": int((MASKS[name] & ~made.masks[name]).sum())}


def test_shuffled_channels_keep_the_structure():
    """Sorted row sums, sorted sums of input channels and the shapes of the blocks stay; the blocks lie where the weights do."""
    for other in OTHERS:
        base = apply(other, MASKS, weights=WEIGHTS)
        made = apply(Random(shuffle="channels", of=other.label), MASKS, base=base, seed=3)
        assert made.masks != base.masks and made.blocks.keys() == base.blocks.keys()
        for name in MASKS:
            was, now = (m[name].reshape(48, MASKS.shape(name)[1], -1) for m in (base.masks, made.masks))
            for axes in ((1, 2), (0, 2)):
                assert sorted(was.sum(axes)) == sorted(now.sum(axes))
            assert (was.sum((0, 1)) == now.sum((0, 1))).all(), "places of the kernel stay"
            found, expected = made.blocks[name], base.blocks[name]
            assert [(r.size, c.size) for r, c in zip(found.rows, found.cols)] == [(r.size, c.size) for r, c in zip(expected.rows, expected.cols)]
            assert all((np.diff(x) > 0).all() and x.dtype == np.int32 for x in (*found.rows, *found.cols))
            assert not (to_mask(found) & ~made.masks.matrix(name)).any() and found.area == expected.area
            assert len(from_mask(made.masks.matrix(name))) == len(from_mask(base.masks.matrix(name)))


def test_shuffled_channels_go_anywhere():
    """A block of 12 rows by 3 input channels in 48 by 12: every cell is in it in 1/16 of 1,600 draws; 5 standard deviations either way."""
    mask = np.zeros((48, 12, 1, 1), bool)
    mask[:12, :3] = True
    masks = Masks.of({"w": mask})
    base = apply(Reinit(), masks)
    share = np.mean([shuffle(masks, Random(shuffle="channels", of="regroup"), seed=s, base=base).masks["w"] for s in range(1600)], axis=0)
    assert np.abs(share - 1 / 16).max() < 5 * 0.00605


def test_a_reinitialised_ticket_is_the_same_mask():
    for other in OTHERS:
        base = apply(other, MASKS, weights=WEIGHTS)
        assert apply(Reinit(of=other.label), MASKS, base=base) is base
    assert apply(Reinit(), MASKS).masks == MASKS


@pytest.mark.parametrize(("label", "meant"), [
    ("random-of=refill-rho=0.2", Random(of="refill-rho=0.2")),
    ("reinit-of=refill-rho=0.2", Reinit(of="refill-rho=0.2")),
    ("random-of=regroup-groups=4-min_rows=8", Random(of="regroup-groups=4-min_rows=8")),
    ("random-of=regroup~groups=4-min_rows=8", Random(of="regroup-groups=4-min_rows=8")),
    ("random-of=regroup-groups=4-shuffle=channels-min_rows=8", Random(shuffle="channels", of="regroup-groups=4-min_rows=8")),
    ("random-shuffle=channels-of=nm-n=1", Random(shuffle="channels", of=NM(n=1).label)),
])
def test_what_stands_behind_of_is_the_other_tickets_with_hyphens_as_with_tildes(label, meant):
    found = structure(label)
    assert found == meant and structure(found.label) == meant and "-" not in found.label.partition("of=")[2]
    assert structure(found.to_dict()) == meant


def test_no_method_shares_a_setting_with_the_controls():
    """Else a hyphen behind `of=` could mean either."""
    own = {"shuffle", "of"}
    assert all(not own & set(cls.__dataclass_fields__) for cls in STRUCTURES.values() if cls not in (Random, Reinit))


@pytest.mark.parametrize(("label", "words"), [
    ("random-rho=0.2", "'rho' is not a setting of random but of refill; .* as in random-of=refill~rho=0.2$"),
    ("reinit-rho=0.2-of=refill", "reinit-of=refill~rho=0.2$"),
    ("random-of=unstructured-rho=0.2", "random-of=refill~rho=0.2$"),
    ("random-of=refill-groups=4", "'groups' is not a setting of refill"),
    ("random-of=refill-rhoo=0.2", "'rhoo' is not a setting of refill; did you mean rho"),
    ("random-of=refill~rho=0.2-rho=0.3", "sets something twice"),
    ("random-of=refill-of=regroup", "sets something twice"),
    ("random-shufle=channels", "'shufle' is not a setting of random; did you mean shuffle"),
])
def test_a_setting_that_is_nobodys_says_where_it_belongs(label, words):
    with pytest.raises(ConfigError, match=words):
        RunConfig(structures=(label,))
