import numpy as np
import pytest

from lthviz.config import Random, Refill, Regroup, Structure
from lthviz.core.blocks import to_mask
from lthviz.core.controls import shuffle
from lthviz.core.ranking import keep
from lthviz.core.refill import magnitude_scores, refill, remain_scores
from lthviz.core.regroup import regroup
from lthviz.core.structures import apply
from lthviz.errors import ConfigError, MaskError
from lthviz.methods import NM, Filters, Grasp, Omp, Reinit, Slimming, Snip, SynFlow
from lthviz.records import Masks

RNG = np.random.default_rng(0)
MASKS = Masks.of({"a.weight": RNG.random((48, 4, 3, 3)) < 0.3, "b.weight": RNG.random((16, 40)) < 0.3})
WEIGHTS = {name: RNG.standard_normal(MASKS.shape(name)) for name in MASKS}


def same(one, other):
    assert one.masks == other.masks and one.notes == other.notes and list(one.blocks) == list(other.blocks)
    for name in one.blocks:
        assert (to_mask(one.blocks[name]) == to_mask(other.blocks[name])).all()


def test_each_type_goes_to_its_own_rule():
    same(apply(Refill(), MASKS, weights=WEIGHTS), refill(MASKS, magnitude_scores(MASKS, WEIGHTS)))
    same(apply(Refill(score="remain", rho=0.3), MASKS), refill(MASKS, remain_scores(MASKS), rho=0.3))
    given = {name: RNG.random(MASKS.shape(name)[0]) for name in MASKS}
    same(apply(Refill(score="l1", fractional=True), MASKS, scores=given, weights=WEIGHTS),
         refill(MASKS, given, fractional=True, weights=WEIGHTS))
    groups = Regroup(groups=2, min_rows=4)
    same(apply(groups, MASKS, seed=4), regroup(MASKS, groups, seed=4))
    same(apply(Random(), MASKS, seed=4), shuffle(MASKS, Random(), seed=4))


def test_blocks_cover_no_pruned_weight():
    for structure in (Refill(), Refill(fractional=True), Regroup(groups=2), Regroup(groups=2, variant="paper"), Random("channels")):
        made = apply(structure, MASKS, weights=WEIGHTS)
        for name, blocks in made.blocks.items():
            assert not (to_mask(blocks) & ~made.masks.matrix(name)).any()


@pytest.mark.parametrize("structure", [Filters(), Filters("global"), NM(), Omp(), Snip(), Grasp(), SynFlow(), Slimming(), Reinit("refill"), Random(of="refill")],
                         ids=lambda s: s.label)
def test_what_a_method_needs_is_asked_for(structure):
    with pytest.raises(MaskError, match="needs"):
        apply(structure, MASKS)


def test_scores_of_single_weights_are_ranked_over_the_network():
    given = {name: RNG.random(MASKS.shape(name)) for name in MASKS}
    for structure in (Omp(), Snip(), Grasp(), SynFlow()):
        same(apply(structure, MASKS, scores=given), keep(given, MASKS))


@pytest.mark.parametrize("score", ["magnitude", "l1", "l2", "saliency"])
def test_a_score_that_masks_do_not_give_is_asked_for(score):
    with pytest.raises(MaskError, match=score):
        apply(Refill(score=score), MASKS, weights=None if score == "magnitude" else WEIGHTS)


def test_an_unknown_structure_is_refused():
    with pytest.raises(ConfigError):
        apply(Structure(), MASKS)
