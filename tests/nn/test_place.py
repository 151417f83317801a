"""Maps laid side by side, against an index_add into zeros; orders, against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lthviz.nn import place

SIZES = st.lists(st.integers(0, 2**12 - 1), min_size=1, max_size=3)


def runs(flags: np.ndarray) -> int:
    """Runs of True."""
    return int(np.diff(np.concatenate([[False], flags]).astype(int)).clip(0).sum())


@given(st.lists(st.lists(st.booleans(), min_size=16, max_size=16), min_size=1, max_size=5))
@settings(deadline=None)
def test_an_order_has_every_channel_once_and_few_runs_a_set(sets):
    sets = [np.array(s) for s in sets]
    found = place.order(sets)
    assert sorted(found) == list(range(16))
    for i, has in enumerate(sets):
        assert runs(has[found]) <= max(1, 2 ** (i - 1))


@given(SIZES, st.booleans(), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_maps_are_laid_where_their_channels_are(masks, channels_last, random):
    """Any channels in any order, also some that are wanted by nobody and some that nobody has."""
    sets = [np.array([c for c in range(12) if m >> c & 1] or [0]) for m in masks]
    for s in sets:
        random.shuffle(s)
    wanted = np.array(random.sample(range(12), random.randint(1, 12)))
    g = torch.Generator().manual_seed(0)
    maps = [torch.randn(2, s.size, 3, 4, generator=g, dtype=torch.float64) for s in sets]
    maps = [m.contiguous(memory_format=torch.channels_last if channels_last else torch.contiguous_format).requires_grad_() for m in maps]
    full = torch.zeros(2, 12, 3, 4, dtype=torch.float64)
    for m, s in zip(maps, sets, strict=True):
        full = full.index_add(1, torch.from_numpy(s), m)
    expected = full[:, torch.from_numpy(wanted)]
    out = place.place(place.pieces(wanted, sets), *maps)
    torch.testing.assert_close(out, expected)
    weight = torch.randn(out.shape, generator=g, dtype=torch.float64)
    for ours, theirs in zip(torch.autograd.grad((out * weight).sum(), maps), torch.autograd.grad((expected * weight).sum(), maps), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_order_makes_a_sum_of_two_branches_three_strips():
    rng = np.random.default_rng(0)
    a, b = rng.random(64) < 0.5, rng.random(64) < 0.5
    found = place.order([a, b])
    first, second = (found[s[found]] for s in (a, b))
    assert len(place.pieces(found[(a | b)[found]], [first, second])) == 3


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
def test_the_format_stays_and_types_are_promoted(dtype):
    a, b = (torch.ones(2, 3, 4, 4).contiguous(memory_format=torch.channels_last) for _ in range(2))
    out = place.place(place.pieces(np.arange(4), [np.arange(3), np.arange(1, 4)]), a, b.to(dtype).requires_grad_())
    assert out.is_contiguous(memory_format=torch.channels_last) and out.dtype == torch.promote_types(dtype, torch.float32)
    assert out[0, :, 0, 0].tolist() == [1, 2, 2, 1]


def test_a_sum_that_broadcasts_still_does():
    a, b = torch.ones(2, 2, 4, 4), torch.ones(2, 2, 1, 1)
    out = place.place(place.pieces(np.arange(3), [np.arange(2), np.arange(1, 3)]), a, b)
    assert out.shape == (2, 3, 4, 4) and out[1, :, 3, 3].tolist() == [1, 2, 1]
