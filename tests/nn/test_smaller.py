"""Training as the smaller network against masked training, and interrupted against uninterrupted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from lthviz import engine
from lthviz.config import Refill, RunConfig
from lthviz.core import stats
from lthviz.nn import models, topology
from lthviz.nn.masking import Masked
from lthviz.nn.smaller import Smaller
from lthviz.nn.train import BatchDone, EpochDone, Trainer, get_state, set_state
from lthviz.records import Masks, Stage
from tests.small import SMALL


def masks_of(layers, inside: float) -> Masks:
    """Half of the channels; of those, weights with probability `inside`. The second layer has a single channel."""
    rng = np.random.default_rng(0)
    keep = {x.name: rng.random(x.shape[0]) < 0.5 for x in layers}
    keep[layers[1].name][:] = np.arange(layers[1].shape[0]) == 5
    return Masks.of({x.name: (rng.random(x.shape) < inside) & keep[x.name][:, None, None, None] for x in layers})


def fresh(config, images, inside=1.0, smaller=True, double=False):
    model = models.build(config, images.shape, 10)
    layers = topology.layers(model, images.shape)
    with torch.no_grad():    # statistics and shifts that are not where they start
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean += 0.3
                module.running_var *= 1.7
                module.bias += 0.1
    if double:
        model.double()
    masks = masks_of(layers, inside)
    way = Smaller(model, layers, masks) if smaller else Masked(model, layers, masks, structural=True)
    if double:   # the loss stays single, and with it the last of the noise
        (way.network if smaller else model).register_forward_pre_hook(lambda _, args: (args[0].double(),))
    return model, way, layers, masks


def run(training):
    """(loss of every batch, what every epoch said) of a whole training."""
    events = list(training)
    return [e.loss.item() for e in events if isinstance(e, BatchDone)], [e for e in events if isinstance(e, EpochDone)]


CASES = [("convnet", "contiguous", 1.0), ("convnet", "channels_last", 0.5), ("resnet20", "contiguous", 1.0)]


@pytest.mark.parametrize(("model", "memory_format", "inside"), CASES)
def test_steps_state_and_momentum_are_those_of_masked_training(config, images, model, memory_format, inside):
    config = config.replace(model=model, memory_format=memory_format, bn_l1=0.01 if model == "resnet20" else 0.0)
    trainer = Trainer(config, images)
    big, masked, layers, masks = fresh(config, images, inside, smaller=False, double=True)
    theirs = trainer.train(big, masked)
    expected = run(theirs)
    full, smaller, *_ = fresh(config, images, inside, double=True)
    forwards = []
    full.register_forward_hook(lambda *_: forwards.append(1))
    ours = trainer.train(full, smaller)
    found = run(ours)
    assert not forwards, "the full network was trained"
    assert sum(p.numel() for p in smaller.network.parameters()) < 0.5 * sum(p.numel() for p in full.parameters())
    np.testing.assert_allclose(found[0], expected[0], rtol=1e-6)
    for a, b in zip(found[1], expected[1], strict=True):
        np.testing.assert_allclose(a._replace(seconds=0), b._replace(seconds=0), rtol=1e-6)
    ours_state, theirs_state = get_state(full), get_state(big)
    assert list(ours_state) == list(theirs_state)
    for name, value in theirs_state.items():
        np.testing.assert_allclose(ours_state[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    kept = {f"{owner}.{kind}": masks.matrix(x.name).any(1) for x in layers for owner in (x.short, x.bn) for kind in ("weight", "bias")}
    kept |= {x.name: masks[x.name] for x in layers}
    ours_v, theirs_v = ours.optimizer_state(), theirs.optimizer_state()
    assert ours_v.keys() == theirs_v.keys()
    for name, value in theirs_v.items():   # what is masked has a momentum that nothing reads
        live = kept.get(name, np.ones(value.shape, bool))
        np.testing.assert_allclose(ours_v[name][live], value[live], rtol=1e-4, atol=1e-6, err_msg=name)


def test_what_the_smaller_network_does_not_hold_changes_by_itself(config, images):
    """Bit for bit as in masked training: nothing there depends on the order of a sum."""
    trainer = Trainer(config, images)
    (big, masked, layers, masks), (full, smaller, *_) = fresh(config, images, smaller=False), fresh(config, images)
    start = get_state(full)
    theirs, ours = trainer.train(big, masked), trainer.train(full, smaller)
    run(theirs), run(ours)
    a, b, v, w = get_state(full), get_state(big), ours.optimizer_state(), theirs.optimizer_state()
    _, second, third = layers
    dead, alive = ~masks.matrix(second.name).any(1), masks.matrix(third.name).any(1)
    reads_dead = np.ix_(alive, dead)
    assert dead.sum() == 127 and alive.any()
    for ours_state, theirs_state in ((a, b), (v, w)):
        np.testing.assert_array_equal(ours_state[third.name][reads_dead], theirs_state[third.name][reads_dead])
    shrunk = a[third.name][reads_dead] / start[third.name][reads_dead]
    assert shrunk.min() > 0 and shrunk.max() < 1, "weight decay goes on"
    for kind in ("running_mean", "running_var"):
        name = f"{second.bn}.{kind}"
        np.testing.assert_array_equal(a[name][dead], b[name][dead])
        assert (np.abs(a[name][dead]) < np.abs(start[name][dead])).all() and a[name][dead].all()
    assert not a[second.name][dead].any() and not a[f"{second.bn}.bias"][dead].any() and not a[f"{second.bn}.weight"][dead].any()
    assert a[f"{second.bn}.num_batches_tracked"] == start[f"{second.bn}.num_batches_tracked"] + trainer.total_steps


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_an_interrupted_training_equals_an_uninterrupted_one(config, images, memory_format, momentum):
    config = config.replace(memory_format=memory_format, momentum=momentum, model="resnet20")
    trainer = Trainer(config, images)
    full, smaller, *_ = fresh(config, images, 0.7)
    whole = trainer.train(full, smaller)
    _, epochs = run(whole)
    expected = get_state(full), whole.optimizer_state()

    full, smaller, *_ = fresh(config, images, 0.7)
    first = trainer.train(full, smaller)
    for event in first:
        if isinstance(event, EpochDone):
            snapshot = get_state(full), first.optimizer_state(), first.epochs[:]
            break
    full, smaller, *_ = fresh(config.replace(seed=99), images, 0.7)   # nothing may be left of the weights it starts with
    set_state(full, snapshot[0])
    second = trainer.train(full, smaller, start_step=snapshot[2][-1].step, optimizer_state=snapshot[1], epochs_so_far=snapshot[2])
    run(second)
    for a, b in ((get_state(full), expected[0]), (second.optimizer_state(), expected[1])):
        assert a.keys() == b.keys()
        for name in a:
            np.testing.assert_array_equal(a[name], b[name], err_msg=name)
    assert second.epochs[-1]._replace(seconds=0) == epochs[-1]._replace(seconds=0)


def test_a_masked_training_can_be_gone_on_with_and_the_other_way(config, images):
    """A checkpoint holds the full network, whichever way it was trained."""
    trainer, ends = Trainer(config, images), []
    for first_smaller in (True, False):
        model, way, *_ = fresh(config, images, smaller=first_smaller)
        training = trainer.train(model, way)
        for event in training:
            if isinstance(event, EpochDone):
                break
        other, way, *_ = fresh(config, images, smaller=not first_smaller)
        set_state(other, get_state(model))
        rest = trainer.train(other, way, start_step=event.step, optimizer_state=training.optimizer_state(), epochs_so_far=training.epochs)
        run(rest)
        ends.append(get_state(other))
    for name in ends[0]:
        np.testing.assert_allclose(ends[0][name], ends[1][name], rtol=1e-3, atol=2e-5, err_msg=name)


def test_bfloat16_trains_as_the_smaller_network_too(config, images):
    config = config.replace(precision="bfloat16", memory_format="channels_last", model="resnet20")
    full, smaller, *_ = fresh(config, images)
    losses, _ = run(Trainer(config, images).train(full, smaller))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) and all(p.dtype == torch.float32 for p in smaller.network.parameters())


# In a run


def rounds(config: RunConfig) -> dict:
    return {e.round.index: e.round for e in engine.events(config) if isinstance(e, Stage) and e.round.complete}


def test_a_run_trains_its_channel_wise_tickets_as_smaller_networks_to_the_same_end(monkeypatch):
    config = SMALL.replace(structures=(Refill(), Refill(rho=0.3)))
    made = []

    class Seen(Smaller):
        def __init__(self, model, layers, masks) -> None:
            super().__init__(model, layers, masks)
            made.append(masks)

    monkeypatch.setattr(engine, "Smaller", Seen)
    ours = rounds(config)
    assert made == [ours[i].tickets[s.label].masks for i in (1, 2) for s in config.structures], "channel-wise tickets, and no others"
    monkeypatch.setattr(stats, "trains_smaller", lambda *_: False)
    theirs = rounds(config)
    assert len(made) == 4
    for i in (0, 1, 2):
        for label, ticket in ours[i].tickets.items():
            other = theirs[i].tickets[label]
            assert ticket.masks == other.masks and ticket.test_acc == pytest.approx(other.test_acc, abs=0.5)
            np.testing.assert_allclose(ticket.curve.train_loss, other.curve.train_loss, rtol=2e-3)
            for name, weight in other.weights.items():
                np.testing.assert_allclose(ticket.weights[name], weight, rtol=5e-3, atol=1e-4, err_msg=f"{i} {label} {name}")
