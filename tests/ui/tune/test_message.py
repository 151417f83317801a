"""What the browser is given: its size, what belongs to it, what is refused."""

import json

import numpy as np
import pytest

from lthviz.config import Refill, Regroup
from lthviz.errors import MaskError
from lthviz.ui.tune import view
from tests.tuned import found, plant


def test_a_message_stays_under_a_megabyte():
    """512 × 4608 in 8 parts, with its magnitudes; and with Refill's fractional channels."""
    before, weights, owner, layer = plant((512, 512, 3, 3), groups=8)
    mine = found(before, owner)
    assert len(mine) == 8 and len(view.payload(before, Regroup(), layer=layer, parts=mine, magnitude=weights)) < 1_000_000
    for fractional in (False, True):
        assert len(view.payload(before, Refill(fractional=fractional), layer=layer, scores=weights[:, 0], magnitude=weights)) < 1_000_000
    few = found(before, np.where(before.any(1), np.arange(512) % 60, -1).astype(np.int32))          # parts too small for a block
    assert len(view.payload(before, Regroup(), layer=layer, parts=few, magnitude=weights)) < 1_000_000


def test_what_does_not_fit_is_refused():
    before, weights, owner, layer = plant((12, 20))
    for bad in (dict(scores=None), dict(scores=weights[0]), dict(scores=weights[:, 0], magnitude=weights.T), dict(scores=weights[:, 0], mode="sideways")):
        with pytest.raises((ValueError, MaskError)):
            view.payload(before, Refill(), layer=layer, **bad)
    with pytest.raises(ValueError, match="needs its parts"):
        view.payload(before, Regroup(), layer=layer)
    with pytest.raises(ValueError, match="variant 'code'"):
        view.payload(before, Regroup(variant="paper"), layer=layer, parts=found(before, owner))


def digest(sent):
    """What tells the browser whether it has this layer already."""
    return json.loads(sent[4:4 + int.from_bytes(sent[:4], "little")])["digest"]


def test_a_threshold_leaves_the_layer_as_it_is_and_every_other_setting_makes_another():
    before, weights, owner, layer = plant((12, 20))
    mine = found(before, owner)
    cut = lambda **more: digest(view.payload(before, Regroup(min_rows=3, **more), layer=layer, parts=mine, magnitude=weights))  # noqa: E731
    fill = lambda **more: digest(view.payload(before, Refill(**more), layer=layer, scores=weights[:, 0], magnitude=weights))  # noqa: E731
    assert cut() == cut(t1=3.0) and fill(rho=0.2) == fill(rho=0.7) and fill(rho=0.2, fractional=True) == fill(rho=0.7, fractional=True)
    assert len({cut(), cut(leftovers="keep"), cut(tile_rows=2)}) == 3
    assert fill() != fill(fractional=True)
