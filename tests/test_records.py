import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.config import Refill, RunConfig
from lthviz.errors import AddressError, MaskError
from lthviz.records import APART, BUSY_CORES, STEADY, Masks, Round, Run, Timing

arrays = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=4, max_side=7))


@given(st.dictionaries(st.text("abc.", min_size=1), arrays, max_size=4))
def test_masks_hold_every_bit(given_arrays):
    masks = Masks.of(given_arrays)
    assert set(masks) == set(given_arrays)
    for name, array in given_arrays.items():
        np.testing.assert_array_equal(masks[name], array)
        assert masks.nnz(name) == array.sum() and masks.density(name) == array.mean()
        assert masks.matrix(name).shape == (array.shape[0], array[0].size)
    assert masks.nnz() == sum(int(a.sum()) for a in given_arrays.values())


@given(arrays, st.data())
def test_one_flipped_bit_changes_the_digest(array, data):
    masks = Masks.of({"a": array})
    flipped = array.copy()
    flipped.flat[data.draw(st.integers(0, array.size - 1))] ^= True
    assert Masks.of({"a": flipped}) != masks
    assert Masks.of({"a": array.copy()}) == masks and hash(Masks.of({"a": array})) == hash(masks)
    assert Masks.of({"b": array}) != masks


def test_what_masks_refuse():
    with pytest.raises(MaskError, match="int64"):
        Masks.of({"a": np.ones((2, 2), np.int64)})
    with pytest.raises(MaskError, match="'a'"):
        Masks({"a": np.zeros(3, np.uint8)}, {"a": (2, 2)})
    masks = Masks.of({"a": np.ones((2, 2), bool)})
    with pytest.raises(ValueError, match="read-only"):
        masks.packed("a")[0] = 0
    masks["a"][:] = False
    assert masks.nnz("a") == 4 and masks["a"].all(), "what is handed out is a copy"


@pytest.mark.parametrize(("change", "why"), [
    ({}, []), ({"conditions": {"others_cores": BUSY_CORES, "drift": STEADY}}, []), ({"conditions": {"others_cores": None, "drift": None}}, []),
    ({"conditions": {"others_cores": 0.8, "drift": 1.0}}, ["0.8 cores"]), ({"conditions": {"others_cores": 0.1, "drift": 1.4}}, ["1.40 times"]),
    ({"conditions": {"drift": 0.7}}, ["0.70 times"]), ({"spread": (0.4, 0.4 * APART)}, []), ({"spread": (0.4, 0.7)}, ["0.400 to 0.700"]),
    ({"spread": (0.4, 0.7), "conditions": {"others_cores": 0.1}}, []), ({"conditions": {"others_cores": 1, "drift": 2}}, ["1 cores", "2.00 times"]),
    ({"spread": (0.4, 0.7), "device": "cuda", "conditions": {"others_cores": 0.1}}, ["0.400 to 0.700"]),
    ({"device": "cuda", "conditions": {"others_cores": 1.5}}, []),
])
def test_what_was_measured_on_a_busy_machine_is_disturbed(change, why):
    calm = Timing(1, "refill", "cpu", 2, 64, 20.0, 10.0, 0.5, (0.49, 0.51), 0.4, 1e-6, "torch", "blocks", 9)
    found = dataclasses.replace(calm, **change).disturbed
    assert len(found) == len(why) and all(part in line for part, line in zip(why, found))


def test_a_missing_ticket_names_the_near_miss():
    with pytest.raises(AddressError, match="refill"):
        Round(1, {"refill": None}, 3, False).ticket("refil")


def test_a_round_is_finished_when_all_its_tickets_are_trained():
    config = RunConfig(structures=(Refill(),), rounds=2)
    rows = tuple({"round": k, "structure": s} for k, s in ((0, "unstructured"), (1, "unstructured"), (1, "refill"), (2, "unstructured")))
    run = Run("r", config, (), {}, rows, (0, 1, 2), 0.0)
    assert run.finished == (0, 1)
