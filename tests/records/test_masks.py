import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.errors import MaskError
from lthviz.records import Blocks, Masks, Structured

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


def test_values_say_what_they_are_in_a_line():
    mask = np.zeros((4, 1, 2, 2), bool)
    mask[:2] = True
    masks = Masks.of({"a.weight": mask})
    assert repr(masks) == "Masks(1 layer, 8 of 16 weights kept: 50.00 %)"
    blocks = Blocks((4, 4), (np.arange(2, dtype=np.int32),), (np.arange(4, dtype=np.int32),))
    assert repr(blocks) == "Blocks(1 of 4×4: 2×4)" and repr(Blocks((4, 4), (), ())) == "Blocks(0 of 4×4)"
    made = Structured(masks, {"a.weight": blocks}, {"a.weight": {"kept": 2, "channels": 4, "back": 0, "gone": 0}})
    assert repr(made) == "Structured(8 of 16 weights kept: 50.00 %; 2 of 4 channels; 1 block in 1 of 1 layers hold 100.0 % of them)"
