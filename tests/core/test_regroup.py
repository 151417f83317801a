import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.config import Regroup
from lthviz.core.blocks import to_mask
from lthviz.core.partition import Partition, partition_all
from lthviz.core.regroup import all_parts, cut, parts, regroup
from lthviz.records import Masks
from tests.core import oracles
from tests.core.oracles import matrices


def given_parts(assignment):
    return Partition(np.asarray(assignment, np.int32), "by hand", 0)


@st.composite
def divided(draw):
    """A mask and any partition of its non-empty rows."""
    mask = draw(matrices())
    assignment = draw(hnp.arrays(np.int32, len(mask), elements=st.integers(0, 3)))
    return mask, given_parts(np.where(mask.any(axis=1), assignment, -1))


@given(divided(), st.sampled_from([0.3, 1.0, 1.5, 2.0]), st.integers(0, 3), st.integers(1, 4), st.booleans())
def test_equals_the_loop(case, t1, min_rows, tile_rows, keep):
    mask, partition = case
    settings = Regroup(groups=4, t1=t1, min_rows=min_rows, tile_rows=tile_rows, leftovers="keep" if keep else "drop")
    made = regroup(Masks.of({"w": mask}), settings, partitions={"w": partition})
    after, blocks = oracles.regroup(mask, partition.assignment, t1, min_rows, tile_rows, keep)
    np.testing.assert_array_equal(made.masks["w"], after)
    assert ("w" in made.blocks) == bool(blocks) and made.notes["w"]["fallback"] == (not blocks)
    if blocks:
        found = made.blocks["w"]
        assert [(r.tolist(), c.tolist()) for r, c in zip(found.rows, found.cols)] == blocks
        inside = to_mask(found)
        assert found.area == inside.sum() and not (inside & ~after).any()
    note = made.notes["w"]
    assert note["back"] == (after & ~mask).sum() and note["gone"] == (mask & ~after).sum()
    assert sum(part["rows"] for part in note["parts"]) == mask.any(axis=1).sum()


@given(divided(), st.sampled_from([0.3, 1.0, 1.5, 2.0]))
def test_a_part_is_its_curve(case, t1):
    mask, partition = case
    for part in parts(mask, partition):
        order, i = oracles.cut(mask, part.rows.tolist(), t1)
        assert part.order.tolist() == order and cut(part, t1) == i
        assert part.counts.tolist() == [int(mask[part.rows][:, c].sum()) for c in order]
        assert part.left.tolist() == [max(int(mask[r, order[k:]].sum()) for r in part.rows) for k in range(1, mask.shape[1] + 1)]
        assert part.rows.dtype == part.order.dtype == part.counts.dtype == part.left.dtype == np.int32


def test_leftovers_are_counted_outside_the_sorted_columns():
    """The released code counts what is left at the natural index, in columns the block may well hold."""
    mask = np.zeros((3, 8), bool)
    mask[:, [5, 6]] = True  # the most popular columns stand last
    mask[0, 0] = True
    part = parts(mask, given_parts([0, 0, 0]))[0]
    natural = next(i for i in range(1, 9) if all(i > 1.5 * mask[r, i:].sum() for r in range(3)))
    assert part.order[:2].tolist() == [5, 6]
    assert cut(part, 1.5) == 2 and natural == 4


def test_every_row_of_the_part_is_looked_at():
    """The released code leaves its loop at the first row that fails and keeps stale counts for the later ones."""
    mask = np.zeros((3, 20), bool)
    mask[:, 0] = True
    mask[2, 1:10] = True  # only the last row has much outside
    part = parts(mask, given_parts([0, 0, 0]))[0]
    assert part.left[:3].tolist() == [9, 8, 7] and cut(part, 1.0) == 6
    assert cut(parts(mask[:2], given_parts([0, 0]))[0], 1.0) == 1


def test_tiles_split_once_at_a_multiple():
    mask = np.zeros((11, 6), bool)
    mask[:, [1, 4]] = True
    for tile, expected in ((4, [8, 3]), (11, [11]), (12, [11]), (5, [10, 1])):
        made = regroup(Masks.of({"w": mask}), Regroup(min_rows=2, tile_rows=tile), partitions={"w": given_parts([0] * 11)})
        assert [r.size for r in made.blocks["w"].rows] == expected
        assert all(c.tolist() == [1, 4] for c in made.blocks["w"].cols)


def test_rows_of_a_rejected_part_are_dropped_or_kept():
    mask = np.eye(6, 10, dtype=bool)
    mask[:4, :3] = True
    partition = {"w": given_parts([0, 0, 0, 0, 1, 1])}
    dropped = regroup(Masks.of({"w": mask}), Regroup(min_rows=2), partitions=partition)
    kept = regroup(Masks.of({"w": mask}), Regroup(min_rows=2, leftovers="keep"), partitions=partition)
    assert not dropped.masks["w"][4:].any() and (kept.masks["w"][4:] == mask[4:]).all()
    assert (dropped.masks["w"][:4] == kept.masks["w"][:4]).all()
    assert [p["block"] for p in kept.notes["w"]["parts"]] == [True, False]


def test_kept_parts_answer_a_new_threshold():
    rng = np.random.default_rng(0)
    masks = Masks.of({"a.weight": rng.random((40, 5, 3, 3)) < 0.2, "b.weight": rng.random((50, 60)) < 0.1})
    settings = Regroup(groups=2, min_rows=4)
    partitions = partition_all(masks, settings, 3)
    ready = all_parts(masks, partitions)
    widths = set()
    for t1 in (0.5, 1.5, 3.0):
        settings = Regroup(groups=2, min_rows=4, t1=t1)
        fast, slow = regroup(masks, settings, partitions=partitions, parts_by_layer=ready), regroup(masks, settings, seed=3)
        assert fast.masks == slow.masks and fast.notes == slow.notes
        widths.add(fast.masks.nnz())
    assert len(widths) == 3


@hypothesis_settings(max_examples=40, deadline=None)
@given(matrices(st.tuples(st.integers(2, 14), st.integers(2, 12))), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4),
       st.booleans())
def test_the_papers_variant_equals_the_loop(mask, min_nnz, min_rows, min_cols, keep):
    chosen = Regroup(variant="paper", groups=2, min_nnz=min_nnz, min_rows=min_rows, min_cols=min_cols,
                     leftovers="keep" if keep else "drop")
    masks = Masks.of({"w": mask})
    made = regroup(masks, chosen, seed=1)
    first = partition_all(masks, chosen, 1)["w"].assignment
    after, blocks = oracles.paper(mask, first, chosen, "w", 1)
    np.testing.assert_array_equal(made.masks["w"], after)
    assert ("w" in made.blocks) == bool(blocks)
    if blocks:
        found = made.blocks["w"]
        assert [(r.tolist(), c.tolist()) for r, c in zip(found.rows, found.cols)] == blocks
        assert found.area == to_mask(found).sum()  # no cell is in two blocks


def test_the_papers_variant_goes_on_while_blocks_form():
    """Two planted divisions of the same rows: the second is found only once the first is taken out."""
    rows = np.arange(40)
    mask = np.zeros((40, 100), bool)
    mask[:20, :30], mask[20:, 30:60] = True, True
    mask[rows % 20 < 10, 60:80], mask[rows % 20 >= 10, 80:] = True, True  # ten of these in either part: too few at first
    mask = np.random.default_rng(2).permutation(mask)
    made = regroup(Masks.of({"w": mask}), Regroup(variant="paper", groups=2, min_nnz=12, min_rows=8, min_cols=8))
    passes = {p["pass"] for p in made.notes["w"]["parts"] if p["block"]}
    assert passes == {1, 2} and len(made.blocks["w"]) == 4
    np.testing.assert_array_equal(made.masks["w"], mask)


@pytest.mark.parametrize("settings", [Regroup(groups=4, t1=50, min_rows=10), Regroup(groups=4, variant="paper", min_rows=10, min_nnz=4)],
                         ids=["code", "paper"])
def test_planted_blocks_come_out_whole(settings):
    rng = np.random.default_rng(4)
    planted, owner = rng.permutation(np.arange(80) % 4), rng.permutation(np.arange(160) % 4)
    inside = planted[:, None] == owner[None]
    mask = inside & (rng.random((80, 160)) < 0.8)
    made = regroup(Masks.of({"w": mask}), settings)
    np.testing.assert_array_equal(made.masks["w"], inside)
    assert len(made.blocks["w"]) == 4
