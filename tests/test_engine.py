"""The experiment against what the method says, and interrupted against uninterrupted."""

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED, Refill, Regroup
from lthviz.core import magnitude
from lthviz.engine import Experiment, events
from lthviz.errors import ConfigError, DamagedError, Diverged
from lthviz.nn import data
from lthviz.nn.train import Trainer, get_state
from lthviz.records import Begin, Checkpoint, Epoch, Round, Stage, Step
from tests.small import SMALL


def run(config, checkpoint=None):
    """(rounds by index, every event) of a whole run."""
    seen = list(events(config, checkpoint))
    return {e.round.index: e.round for e in seen if isinstance(e, Stage) and e.round.complete}, seen


@pytest.fixture(scope="module")
def whole():
    return run(SMALL)


def same(a: Round, b: Round) -> None:
    """Equal masks, accuracies, curves and weights, bit for bit."""
    assert list(a.tickets) == list(b.tickets)
    for label, x in a.tickets.items():
        y = b.tickets[label]
        assert x.masks == y.masks and x.test_acc == y.test_acc and x.val_acc == y.val_acc, label
        np.testing.assert_array_equal(x.curve.train_loss, y.curve.train_loss)
        for name in x.weights:
            np.testing.assert_array_equal(x.weights[name], y.weights[name], err_msg=f"{label} {name}")


def test_the_stages_come_in_order_and_the_steps_add_up(whole):
    _, seen = whole
    assert isinstance(seen[0], Begin)
    assert [(e.round.index, e.kind, e.structure) for e in seen if isinstance(e, Stage)] == [
        (i, *s) for i in range(SMALL.rounds + 1) for s in SMALL.stages(i)]
    steps = [e for e in seen if isinstance(e, Step)]
    assert [e.done for e in steps] == list(range(1, len(steps) + 1)) and steps[-1].done == steps[-1].total
    assert sum(isinstance(e, Epoch) for e in seen) == SMALL.epochs * 9


def test_each_round_prunes_the_smallest_weights_of_the_last_ones_training(whole):
    rounds, _ = whole
    for i in (1, 2):
        before, after = rounds[i - 1].ticket(UNSTRUCTURED), rounds[i].ticket(UNSTRUCTURED)
        kept = np.concatenate([np.abs(before.weights[n][after.masks[n]]) for n in after.masks])
        gone = np.concatenate([np.abs(before.weights[n][before.masks[n] & ~after.masks[n]]) for n in after.masks])
        assert gone.max() <= kept.min() and gone.size == round(SMALL.rate * before.masks.nnz())
    assert rounds[2].ticket(UNSTRUCTURED).masks.density() == pytest.approx(0.64, abs=1e-4)


def test_masked_weights_and_removed_channels_are_exactly_zero(whole):
    rounds, seen = whole
    bn = {layer.name: layer.bn for layer in seen[0].layers}
    for index, r in rounds.items():
        for ticket in r.tickets.values():
            for name in ticket.masks:
                assert not ticket.weights[name][~ticket.masks[name]].any()
                removed = ~ticket.masks.matrix(name).any(1)
                if ticket.structure == "refill":
                    assert removed.any() or index == 0
                if ticket.structural:
                    assert not ticket.weights[f"{bn[name]}.weight"][removed].any()
                    assert not ticket.weights[f"{bn[name]}.bias"][removed].any()


def test_rewinding_restores_every_tensor_to_step_k():
    """θk against a dense training that is stopped at step k by hand."""
    experiment = Experiment(SMALL.replace(rounds=1))
    rewound = None
    for e in experiment:
        if isinstance(e, Stage) and e.kind == "rewind":
            rewound = get_state(experiment.model)
            break
    other = Experiment(SMALL)
    training = Trainer(SMALL, data.load(SMALL, "cpu"), other.layers).train(other.model)
    k = round(SMALL.rewind * SMALL.epochs * 3)
    assert 0 < k == training.trainer.rewind_step
    for _ in training:
        if training.step == k:
            break
    by_hand = get_state(other.model)
    assert rewound.keys() == by_hand.keys() and any("running_var" in n for n in rewound)
    for name in by_hand:
        np.testing.assert_array_equal(rewound[name], by_hand[name], err_msg=name)


def test_branches_leave_the_trunk_alone(whole):
    alone, _ = run(SMALL.replace(structures=()))
    for i, r in alone.items():
        same(r, Round(i, {UNSTRUCTURED: whole[0][i].tickets[UNSTRUCTURED]}, 0, True))


def test_in_loop_feeds_the_structure_back():
    rounds, _ = run(SMALL.replace(in_loop="refill", structures=(Refill(),)))
    first, second = rounds[1], rounds[2]
    assert first.ticket(UNSTRUCTURED).test_acc is None, "the unstructured mask is only a step on the way"
    expected = magnitude.prune({n: first.ticket("refill").weights[n] for n in first.ticket("refill").masks}, first.ticket("refill").masks, SMALL.rate)
    assert second.ticket(UNSTRUCTURED).masks == expected


@pytest.mark.parametrize("stop", [1, 4, 9, 17, 26])
def test_going_on_from_any_checkpoint_gives_the_same_bits(whole, stop):
    rounds, _ = whole
    checkpoint, n = None, 0
    for e in events(SMALL):
        if isinstance(e, Epoch | Stage):
            n += 1
            if n == stop:
                checkpoint = e.snapshot()
                break
    again, _ = run(SMALL, checkpoint)
    assert again.keys() == {i for i in rounds if i > checkpoint.round.index or (i == checkpoint.round.index and not checkpoint.round.complete)}
    for i, r in again.items():
        same(r, rounds[i])


def test_the_test_images_choose_nothing(whole, monkeypatch):
    """With other test images every mask, curve and weight stays; only the test accuracy moves."""
    real = data.load

    def scrambled(config, device, **how):
        images = real(config, device, **how)
        images.y_test.copy_((images.y_test + 1) % 10)
        return images

    monkeypatch.setattr(data, "load", scrambled)
    rounds, _ = run(SMALL.replace(rounds=1))
    for i, r in rounds.items():
        for label, ticket in r.tickets.items():
            other = whole[0][i].tickets[label]
            assert ticket.masks == other.masks and ticket.val_acc == other.val_acc
            np.testing.assert_array_equal(ticket.curve.train_loss, other.curve.train_loss)
    assert rounds[0].tickets[UNSTRUCTURED].test_acc != whole[0][0].tickets[UNSTRUCTURED].test_acc


def test_feature_map_scores_choose_their_own_channels():
    config = SMALL.replace(rounds=1, structures=tuple(Refill(score=s) for s in ("magnitude", "l1", "l2", "saliency", "remain")))
    rounds, _ = run(config)
    masks = {label: t.masks for label, t in rounds[1].tickets.items() if label != UNSTRUCTURED}
    assert len(set(masks.values())) >= 3 and len({m.nnz() for m in masks.values()}) == 1


def test_thresholds_share_a_partition():
    rounds, _ = run(SMALL.replace(rounds=1, structures=(Regroup(groups=4, min_rows=8), Regroup(groups=4, min_rows=8, t1=1.0))))
    a, b = (t for label, t in rounds[1].tickets.items() if label != UNSTRUCTURED)
    assert a.notes["features.3.weight"]["km1"] == b.notes["features.3.weight"]["km1"]
    assert b.masks.nnz() < a.masks.nnz()


def test_schedule_after_rewinding():
    rounds, seen = run(SMALL.replace(rounds=1, structures=(), after_rewind="restart"))
    assert len(rounds[1].ticket(UNSTRUCTURED).curve.epoch) == 2
    assert [e for e in seen if isinstance(e, Step)][-1].total == 12
    continued, seen = run(SMALL.replace(rounds=1, structures=()))
    assert [e for e in seen if isinstance(e, Step)][-1].total == 12 - 1
    dense = rounds[0].ticket(UNSTRUCTURED).curve
    assert continued[1].ticket(UNSTRUCTURED).curve.lr.tolist() == dense.lr.tolist()
    late, _ = run(SMALL.replace(rounds=1, structures=(), rewind=0.5))
    assert late[1].ticket(UNSTRUCTURED).curve.lr.tolist() == dense.lr[1:].tolist(), "half of the schedule is behind it"
    assert late[1].ticket(UNSTRUCTURED).curve.epoch.tolist() == [2]


def test_diverging_says_so():
    with pytest.raises(Diverged, match="lower lr"):
        list(events(SMALL.replace(lr=99.0, momentum=0.999, weight_decay=1.0, epochs=40, rounds=0)))


def test_what_cannot_work_is_said_before_anything_is_trained():
    with pytest.raises(ConfigError, match="groups = 200 is more than the 128 rows"):
        next(events(SMALL.replace(structures=(Regroup(groups=200),))))


def test_a_checkpoint_without_weights_is_named():
    with pytest.raises(DamagedError, match="no weights"):
        Experiment(SMALL, Checkpoint({"done": 3}, {}, Round(1, {}, 1, False)))
