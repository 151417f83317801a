"""The thresholds' own arithmetic in the browser, against Python's."""

import numpy as np
import pytest

from lthviz.core.refill import channels
from lthviz.core.regroup import cut
from tests.tuned import found, plant

pytestmark = pytest.mark.browser


def test_the_cut_compares_in_float64_as_numpy_does(lab):
    """t1·L(i) just at i: values of t1 beside every quotient i/L(i) of a part."""
    before, _, owner, _ = plant((40, 10, 3, 3), 0.2, 2)
    part = found(before, owner)[0]
    i = np.flatnonzero(part.left) + 1
    near = [float(v) for q in i / part.left[i - 1] for v in (np.nextafter(q, 0), q, np.nextafter(q, 9e9))]
    told = lab.evaluate("([left, values]) => values.map(t1 => cutOf(Int32Array.from(left), t1))", [part.left.tolist(), near])
    assert told == [cut(part, t1) for t1 in near]


def test_the_budget_takes_the_decimal_that_was_meant(lab):
    """Every thousandth, sums of decimals, floats beside them, and awkward ones, for layers whose budgets are often whole."""
    rng = np.random.default_rng(0)
    values = [k / 1000 for k in range(1001)] + [0.1 + 0.2, 0.7 + 0.1, 1 / 3, 2 / 7, 1e-9, 4e-10, 6e-10, 1e-300, 0.1234567891234, np.nextafter(1, 0)]
    values += [float(v) for v in rng.random(500)] + [float(np.nextafter(k / 100, s)) for k in range(1, 100) for s in (0, 1)]
    for nnz, shape in ((0, (10, 10)), (250, (50, 25)), (1217, (64, 90)), (90, (1, 90)), (100, (10, 10))):
        told = lab.evaluate("([nnz, R, C, values]) => values.map(v => channelsOf(nnz, R, C, v, false).full)", [nnz, *shape, values])
        assert told == [channels(nnz, shape, v) for v in values]


def test_rho_of_a_mark_keeps_so_many_channels_in_few_decimals(lab):
    for nnz, (R, n) in ((1217, (64, 90)), (25, (10, 10)), (0, (7, 5)), (2_000_000, (2048, 4608))):
        least = channels(nnz, (R, n))
        wanted = [*range(1, R + 1, max(1, R // 200)), R]
        for K, rho in zip(wanted, lab.evaluate("([nnz, R, C, all]) => all.map(K => rhoFor(K, nnz, R, C))", [nnz, R, n, wanted]), strict=True):
            assert channels(nnz, (R, n), rho) == max(K, least) and len(repr(rho)) <= 8


def test_steps_reach_every_value_and_stop_at_the_ends(lab):
    for kind, low, high in (("regroup", 0.01, 980), ("refill", 0, 1)):
        up = lab.evaluate("kind => { let v = KINDS[kind].values[0]; const all = [v]; while (stepped(KINDS[kind], v, 1) !== v) all.push(v = stepped(KINDS[kind], v, 1)); return all; }", kind)
        assert (up[0], up[-1]) == (low, high) and up == sorted(set(up)) and all(len(repr(v)) <= 6 for v in up)
        assert lab.evaluate("([kind, all]) => all.map(v => stepped(KINDS[kind], v, -1))", [kind, up]) == [up[0], *up[:-1]]
    assert lab.evaluate("[stepped(KINDS.regroup, 1.52, 1), stepped(KINDS.regroup, 1.52, -1), stepped(KINDS.regroup, 0.004, 1), stepped(KINDS.regroup, 0.004, -1)]") == [1.55, 1.5, 0.01, 0.004]
