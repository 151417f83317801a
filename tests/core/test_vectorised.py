"""No Python loop over matrix elements: a larger mask takes as many Python steps as a small one."""

import sys

import numpy as np
import pytest

from lthviz.config import Random, Refill, Regroup
from lthviz.core import structures
from lthviz.core.blocks import from_mask
from lthviz.core.magnitude import prune
from lthviz.core.partition import Partition, km1
from lthviz.core.regroup import regroup
from lthviz.records import Masks


def steps(work) -> int:
    """Lines of the core that run while `work` does."""
    count = 0

    def trace(frame, event, arg):
        nonlocal count
        if "lthviz" not in frame.f_code.co_filename:
            return None
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def case(rows, cols):
    rng = np.random.default_rng(0)
    mask = rng.random((rows, cols)) < 0.3
    mask[: rows // 2, : cols // 2], mask[rows // 2 :, cols // 2 :] = True, True
    masks, weights = Masks.of({"w": mask}), {"w": rng.standard_normal((rows, cols))}
    halves = Partition((np.arange(rows) >= rows // 2).astype(np.int32), "by hand", 0)
    return {
        "prune": lambda: prune(weights, masks, 0.2),
        "refill": lambda: structures.apply(Refill(rho=0.2), masks, weights=weights),
        "fractional": lambda: structures.apply(Refill(fractional=True), masks, weights=weights),
        "random": lambda: structures.apply(Random(), masks),
        "regroup": lambda: regroup(masks, Regroup(groups=2, min_rows=2, tile_rows=10**6), partitions={"w": halves}),
        "km1": lambda: km1(mask, halves.assignment),
        "blocks": lambda: from_mask(np.repeat([[True] * cols, [True, False] * (cols // 2)], rows // 2, axis=0)),
    }


@pytest.mark.parametrize("name", list(case(8, 16)))
def test_steps_do_not_grow_with_the_matrix(name):
    small, large = case(16, 24)[name], case(64, 960)[name]
    small(), large()  # whatever is cached is cached
    assert steps(large) == steps(small) > 0
