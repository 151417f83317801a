"""Addresses: which stages are there, and what a link gets."""

from hypothesis import given
from hypothesis import strategies as st

from lthviz.config import StageId
from lthviz.presets import PRESETS
from lthviz.records import Layer
from lthviz.ui import where

CONFIG = PRESETS["digits"].config.replace(rounds=3)
LAYERS = (Layer("a.weight", (8, 3, 3, 3), (8, 8)), Layer("b.weight", (16, 8, 3, 3), (8, 8)), Layer("c.weight", (16, 8, 3, 3), (4, 4)))


def test_positions_are_the_stages_that_have_happened_in_order():
    there = where.positions(CONFIG, (0, 1, 2), 2)
    assert [p.round for p in there] == [0] + [1] * 9 + [2] * 2
    assert there[-1] == (2, StageId("refill", "refill"))
    assert where.positions(CONFIG, (0,), 0) == ()
    assert len(where.positions(CONFIG, (0, 1, 2, 3), None)) == 28


@given(st.integers(0, 27), st.integers(0, 9))
def test_every_position_is_found_by_its_own_address(at, done):
    there = where.positions(CONFIG, (0, 1, 2, 3), None)
    address = where.at(there[at])
    assert where.find(CONFIG, there, str(address["round"]), address["stage"]) == (there[at], [])


def test_no_round_means_the_newest():
    there = where.positions(CONFIG, (0, 1), 4)
    assert where.find(CONFIG, there, "", "") == (there[-1], [])


def test_a_round_to_come_and_a_stage_to_come_are_told_apart_from_mistakes():
    there = where.positions(CONFIG, (0, 1), 4)
    assert where.find(CONFIG, there, "3", "")[1] == ["The link names round 3; this run has rounds 0 to 1 so far, of 3 to come; showing the last."]
    assert where.find(CONFIG, there, "7", "")[1] == ["The link names round 7; this run has rounds 0 to 1; showing the last."]
    assert where.find(CONFIG, there, "1", "train:random") == (there[-1], ["Round 1 has not got to train:random yet; showing random:random."])
    assert "did you mean prune:unstructured" in where.find(CONFIG, there, "1", "prun:unstructured")[1][0]
    assert where.find(CONFIG, there, "0", "")[0] == there[0]


def test_a_layer_is_found_by_both_names_and_the_largest_without_one():
    assert where.find_layer(LAYERS, "a") == where.find_layer(LAYERS, "a.weight") == (LAYERS[0], [])
    assert where.find_layer(LAYERS, "") == (LAYERS[1], [])
    layer, said = where.find_layer(LAYERS, "c.wight")
    assert layer is LAYERS[1] and "did you mean c.weight" in said[0]


def test_the_dense_round_answers_for_every_ticket_of_the_run():
    assert where.find_ticket(CONFIG, ["unstructured"], 0, "refill") == ("unstructured", [])
    assert where.find_ticket(CONFIG, ["unstructured"], 2, "refill")[1] == ["Round 2 has not got to Refill yet; showing Unstructured."]
