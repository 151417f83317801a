import numpy as np
from hypothesis import given

from lthviz.core.blocks import from_mask, to_mask
from lthviz.records import Blocks
from tests.core.oracles import matrices


@given(matrices())
def test_there_and_back(mask):
    np.testing.assert_array_equal(to_mask(from_mask(mask)), mask)


@given(matrices())
def test_rows_with_the_same_columns_form_a_block(mask):
    expected = {}
    for r, row in enumerate(mask):
        if row.any():
            expected.setdefault(tuple(np.flatnonzero(row).tolist()), []).append(r)
    found = from_mask(mask)
    assert [(tuple(c.tolist()), r.tolist()) for r, c in zip(found.rows, found.cols)] == list(expected.items())
    assert found.area == mask.sum() and found.shape == mask.shape
    assert all(a.dtype == np.int32 for a in (*found.rows, *found.cols))


def test_blocks_of_any_order_draw_the_same_mask():
    blocks = Blocks((3, 4), (np.array([2, 0]), np.array([1])), (np.array([3, 1]), np.array([0])))
    assert to_mask(blocks).astype(int).tolist() == [[0, 1, 0, 1], [1, 0, 0, 0], [0, 1, 0, 1]]
