import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.core.nm import nm
from lthviz.errors import ConfigError
from lthviz.methods import NM
from lthviz.records import Masks
from tests.core.oracles import VALUES

SHAPES = st.one_of(st.tuples(st.integers(1, 4), st.integers(1, 9), st.integers(1, 3), st.integers(1, 2)), st.tuples(st.integers(1, 4), st.integers(1, 9)))


def oracle(w, n, m):
    out = np.zeros(w.shape, bool)
    w4, o4 = w.reshape(*w.shape[:2], -1), out.reshape(*w.shape[:2], -1)
    for o in range(w4.shape[0]):
        for place in range(w4.shape[2]):
            for first in range(0, w4.shape[1], m):
                group = range(first, min(first + m, w4.shape[1]))
                for c in sorted(group, key=lambda c: (-abs(w4[o, c, place]), c))[:n]:
                    o4[o, c, place] = True
    return out


@given(st.data(), st.integers(2, 5))
def test_the_n_largest_of_every_m_neighbouring_input_channels(data, m):
    w = data.draw(SHAPES.flatmap(lambda s: hnp.arrays(np.float32, s, elements=VALUES)))
    n = data.draw(st.integers(1, m - 1))
    masks = Masks.of({"w": np.abs(w) > 1})
    made = nm(masks, {"w": w}, NM(n=n, m=m))
    np.testing.assert_array_equal(made.masks["w"], oracle(w, n, m))
    assert made.notes["w"].get("padded", 0) == (m - w.shape[1] % m) % m
    assert made.notes["w"]["back"] == int((made.masks["w"] & ~masks["w"]).sum()) and made.blocks == {}


def test_two_of_four_and_layers_that_do_not_divide():
    rng = np.random.default_rng(0)
    shapes = {"conv": (8, 16, 3, 3), "depthwise": (8, 1, 3, 3), "image": (8, 3, 3, 3)}
    weights = {name: rng.standard_normal(s) for name, s in shapes.items()}
    made = nm(Masks.of({name: w > 0 for name, w in weights.items()}), weights, NM())
    groups = made.masks["conv"].reshape(8, 4, 4, 9)
    assert (groups.sum(axis=2) == 2).all() and "padded" not in made.notes["conv"]
    assert made.masks["depthwise"].all() and made.notes["depthwise"]["padded"] == 3
    assert (made.masks["image"].sum(axis=1) == 2).all() and made.notes["image"]["padded"] == 1


def test_what_removes_nothing_is_refused():
    with pytest.raises(ConfigError, match="n = 4 of m = 4"):
        NM(n=4)
