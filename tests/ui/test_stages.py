"""What a stage is said to have done, against plain counting."""

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED, Random, Refill, Regroup, RunConfig, StageId
from lthviz.core import magnitude, structures
from lthviz.core.refill import magnitude_scores
from lthviz.records import Curve, Layer, Masks, Round, Run, Ticket
from lthviz.ui import stages
from lthviz.ui.where import Position

LAYERS = (Layer("a.weight", (32, 4, 3, 3), (8, 8)), Layer("b.weight", (64, 32, 3, 3), (4, 4), sources=("a.weight",)))
CONFIG = RunConfig(structures=(Refill(), Regroup(groups=2, min_rows=4), Random()), rounds=2)


def made(config: RunConfig) -> dict[int, Round]:
    rng = np.random.default_rng(0)
    weights = {x.name: rng.normal(size=x.shape).astype(np.float32) for x in LAYERS}
    ones = Masks.of({x.name: np.ones(x.shape, bool) for x in LAYERS})
    rounds, before = {0: Round(0, {UNSTRUCTURED: Ticket(UNSTRUCTURED, 0, ones, test_acc=97.0)}, 1, True)}, ones
    for k in (1, 2):
        masks = magnitude.prune(weights, before, config.rate)
        tickets = {UNSTRUCTURED: Ticket(UNSTRUCTURED, k, masks)}
        for s in config.structures:
            made = structures.apply(s, masks, scores=magnitude_scores(masks, weights), weights=weights, seed=k)
            tickets[s.label] = Ticket(s.label, k, made.masks, made.blocks, made.notes)
        rounds[k] = Round(k, tickets, 9, True)
        before = tickets[config.trunk].masks
    return rounds


ROUNDS = made(CONFIG)
RUN = Run("x", CONFIG, LAYERS, {"rewind_step": 14, "steps": 144}, ({"dense_acc": 97.0},), (0, 1, 2), 0.0)


def tell(round: int, kind: str, structure: str, layer: Layer = LAYERS[1], run: Run = RUN) -> str:
    place = Position(round, StageId(kind, structure))
    return stages.sentence(run, place, stages.change(run.config, place, ROUNDS.__getitem__), layer)


def test_prune_counts_against_the_trunk_of_the_round_before():
    now, was = (sum(int(m.sum()) for m in ROUNDS[k].tickets[UNSTRUCTURED].masks.values()) for k in (2, 1))
    total = sum(x.size for x in LAYERS)
    share = 100 * int(ROUNDS[2].tickets[UNSTRUCTURED].masks["b.weight"].sum()) / LAYERS[1].size
    assert f"{100 * (was - now) / was:.1f}".startswith("20.0")
    assert tell(2, "prune", UNSTRUCTURED) == (f"Pruned 20 % of what was left: {now:,} of {total:,} weights remain, {share:.1f} % of `b`.")


def test_in_loop_pruning_is_compared_with_the_structure_that_was_fed_back():
    config = CONFIG.replace(in_loop="refill")
    place = Position(2, StageId("prune", UNSTRUCTURED))
    assert stages.change(config, place, ROUNDS.__getitem__).before is ROUNDS[1].tickets["refill"].masks
    first = Position(1, StageId("prune", UNSTRUCTURED))
    assert stages.change(config, first, ROUNDS.__getitem__).before is ROUNDS[0].tickets[UNSTRUCTURED].masks


@pytest.mark.parametrize("layer", LAYERS, ids=lambda x: x.short)
@pytest.mark.parametrize("structure", CONFIG.structures, ids=lambda s: s.kind)
def test_a_structure_is_told_by_what_came_back_and_went(structure, layer):
    before, after = (ROUNDS[1].tickets[x].masks[layer.name] for x in (UNSTRUCTURED, structure.label))
    back, gone = int((after & ~before).sum()), int((before & ~after).sum())
    said = tell(1, structure.kind, structure.label, layer)
    assert f"{back:,} weights came back, {gone:,} went" in said and f"`{layer.short}`" in said
    if structure.kind == "refill":
        rows = after.reshape(after.shape[0], -1)
        assert f"kept {int(rows.all(1).sum())} of {len(rows)} channels" in said
    if structure.kind == "regroup":
        area = sum(b.area for b in ROUNDS[1].tickets[structure.label].blocks.values())
        kept = sum(int(m.sum()) for m in ROUNDS[1].tickets[structure.label].masks.values())
        assert f"Over the network {100 * area / kept:.0f} % of the kept weights are in blocks." in said


def test_a_layer_without_a_block_says_that_it_stays_as_it_was():
    config = CONFIG.replace(structures=(Regroup(groups=8),))
    rounds = made(config)
    run = Run("x", config, LAYERS, {}, (), (0, 1), 0.0)
    place = Position(1, StageId("regroup", config.structures[0].label))
    said = stages.sentence(run, place, stages.change(config, place, rounds.__getitem__), LAYERS[0])
    assert said.startswith("Regroup formed no block in `a`, which keeps its unstructured mask. Over the network 0 %")


def test_rewind_and_training_change_no_mask_and_say_what_they_did():
    place = Position(2, StageId("rewind", UNSTRUCTURED))
    what = stages.change(CONFIG, place, ROUNDS.__getitem__)
    assert what.before is None and what.ticket is ROUNDS[2].tickets[UNSTRUCTURED]
    assert tell(2, "rewind", UNSTRUCTURED) == "Rewound to step 14 of 144: every weight is again what it was there."
    assert "masks stay" in stages.detail(RUN, place, what)


def test_training_is_told_with_epochs_accuracy_and_the_dense_network():
    curve = Curve(*(np.arange(1, 17) for _ in Curve.FIELDS))
    ticket = Ticket("refill", 1, ROUNDS[1].tickets["refill"].masks, curve=curve, test_acc=96.31)
    what = stages.Change(ticket, None, "", "")
    said = stages.sentence(RUN, Position(1, StageId("train", "refill")), what, LAYERS[0])
    density = 100 * ticket.masks.nnz() / ticket.masks.size()
    assert said == f"Trained Refill for 16 epochs: test accuracy 96.3 % with {density:.1f} % of the weights; the dense network has 97.0 %."


def test_two_structures_of_a_kind_are_told_apart():
    config = CONFIG.replace(structures=(Refill(), Refill(rho=0.2)))
    assert [stages.short(config, x) for x in config.tickets(1)] == ["Unstructured", "Refill", "Refill+ (ρ 0.2)"]
    assert stages.short(CONFIG, CONFIG.structures[1].label) == "Regroup"
