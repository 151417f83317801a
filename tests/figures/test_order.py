import numpy as np
import pytest

from lthviz.figures.order import MAX_BANDS, given, grouped
from lthviz.records import Blocks


def planted(seed, shape=(40, 90), groups=4):
    """A mask of dense blocks at scattered rows and columns, shared between blocks, and a sparse mask before it."""
    rng = np.random.default_rng(seed)
    owner = rng.integers(-1, groups, shape[0])
    owner[:groups] = np.arange(groups)
    rows = [np.flatnonzero(owner == g).astype(np.int32) for g in range(groups)]
    cols = [np.sort(rng.choice(shape[1], rng.integers(5, 40), replace=False)).astype(np.int32) for _ in range(groups)]
    after = np.zeros(shape, bool)
    for r, c in zip(rows, cols):
        after[np.ix_(r, c)] = True
    return after, rng.random(shape) < 0.3, Blocks(shape, tuple(rows), tuple(cols))


@pytest.mark.parametrize("seed", range(8))
def test_every_block_becomes_one_rectangle_at_the_left_of_its_band(seed):
    after, before, blocks = planted(seed)
    order = grouped(after, before, blocks)
    assert sorted(order.rows) == list(range(40)) and [b.start for b in order.bands] == [0] + [b.stop for b in order.bands[:-1]]
    shown = order.permute(after)
    for band in order.bands:
        assert sorted(band.cols) == list(range(90))
        if band.block >= 0:
            width = blocks.cols[band.block].size
            assert sorted(order.rows[band.start:band.stop]) == list(blocks.rows[band.block])
            assert shown[band.start:band.stop, :width].all() and not shown[band.start:band.stop, width:].any()
    assert order.bands[-1].stop == 40 and shown.sum() == after.sum()


@pytest.mark.parametrize("seed", range(4))
def test_columns_and_rows_fall_off_by_what_was_there_before(seed):
    after, before, blocks = planted(seed)
    order = grouped(after, before, blocks)
    for band in (b for b in order.bands if b.block >= 0):
        weight = before[blocks.rows[band.block]].sum(0)
        inside = np.isin(band.cols, blocks.cols[band.block])
        for part in (band.cols[inside], band.cols[~inside]):
            assert list(part) == sorted(part, key=lambda c: (-weight[c], c))
        rows = order.rows[band.start:band.stop]
        assert list(rows) == sorted(rows, key=lambda r: (-before[r].sum(), r))


def test_a_whole_channel_block_keeps_the_natural_columns():
    after = np.zeros((6, 8), bool)
    after[[1, 4]] = True
    order = grouped(after, None, Blocks((6, 8), (np.array([1, 4]),), (np.arange(8),)))
    assert list(order.rows) == [1, 4, 0, 2, 3, 5]
    assert all(list(b.cols) == list(range(8)) for b in order.bands)


def test_where_no_grouping_helps_there_is_none():
    after, before, _ = planted(0)
    assert grouped(after, before, None) is None
    assert grouped(after, before, Blocks(after.shape, (), ())) is None
    many = Blocks((100, 2), tuple(np.array([r]) for r in range(MAX_BANDS + 1)), (np.array([0]),) * (MAX_BANDS + 1))
    assert grouped(np.ones((100, 2), bool), None, many) is None
    shared = Blocks((3, 4), (np.array([0, 1]), np.array([1, 2])), (np.array([0]), np.array([1])))
    assert grouped(np.ones((3, 4), bool), None, shared) is None


def test_given_orders_are_checked():
    assert given((3, 4), None, None) is None
    order = given((3, 4), np.array([2, 0, 1]), None)
    assert list(order.rows) == [2, 0, 1] and list(order.bands[0].cols) == [0, 1, 2, 3]
    for rows, cols in (([0, 0, 1], None), ([0, 1], None), (None, [0, 1, 2, 4])):
        with pytest.raises(ValueError, match="once"):
            given((3, 4), rows, cols)
