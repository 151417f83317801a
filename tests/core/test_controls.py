import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lthviz.config import Random
from lthviz.core.controls import shuffle
from lthviz.core.refill import refill, remain_scores
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
