"""Quantities as people read them."""

import pytest

from lthviz.words import capital, rounds_done


@pytest.mark.parametrize("done, of, said", [(0, 5, "no round yet"), (1, 5, "the dense network"), (2, 5, "the dense network and 1 of 5 pruning rounds"),
                                            (6, 5, "the dense network and 5 pruning rounds"), (2, 1, "the dense network and 1 pruning round")])
def test_the_dense_network_is_no_pruning_round(done, of, said):
    assert rounds_done(done, of) == said


@pytest.mark.parametrize("text, said", [("the mask of conv1.weight, by L1", "The mask of conv1.weight, by L1"), ("", ""), ("éa", "Éa"), ("VGG-16", "VGG-16"), ("2 runs", "2 runs")])
def test_only_the_first_letter_becomes_a_capital(text, said):
    assert capital(text) == said
