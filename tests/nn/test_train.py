from __future__ import annotations

import hashlib
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import lthviz
from lthviz.config import RunConfig
from lthviz.errors import Diverged, TrainingError
from lthviz.nn import data, models, topology
from lthviz.nn.draws import Draws
from lthviz.nn.masking import Masked
from lthviz.nn.schedule import learning_rate
from lthviz.nn.train import BatchDone, EpochDone, Trainer, get_state, set_state
from lthviz.records import Masks


@pytest.fixture
def trainer(config, images) -> Trainer:
    return Trainer(config, images)


def fresh(config, images, masked=True):
    """A network and, if wanted, structural masks on it."""
    model = models.build(config, images.shape, 10)
    if not masked:
        return model, None
    layers = topology.layers(model, images.shape)
    rng = np.random.default_rng(0)
    arrays = {x.name: rng.random(x.shape) < 0.5 for x in layers}
    for a in arrays.values():
        a[:9] = False
    return model, Masked(model, layers, Masks.of(arrays), structural=True)


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(a[k].dtype == b[k].dtype and np.array_equal(a[k], b[k]) for k in a)


def untimed(epochs):
    return [e._replace(seconds=0) for e in epochs]


def test_the_lengths_are_those_of_the_settings(trainer):
    assert (trainer.steps_per_epoch, trainer.total_steps, trainer.rewind_step, trainer.resume_step) == (6, 12, 3, 3)
    assert Trainer(trainer.config.replace(after_rewind="restart"), trainer.images).resume_step == 0


def test_events_come_in_order(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    events = list(trainer.train(model))
    assert [type(e) for e in events] == [*[BatchDone] * 6, EpochDone] * 2
    assert [e.step for e in events] == [1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, 11, 12, 12]
    for i, done in enumerate(e for e in events if isinstance(e, EpochDone)):
        losses = [e.loss.item() for e in events if isinstance(e, BatchDone)][6 * i:6 * i + 6]
        assert done.train_loss == pytest.approx(np.average(losses, weights=[16] * 5 + [10]), rel=1e-6)
        assert done.lr == trainer.lr(6 * i + 5) and done.epoch == i + 1 and done.epochs == 2 and done.seconds > 0
    assert done.val_acc == trainer.validation_accuracy(model)


@pytest.mark.parametrize(("memory_format", "bn_l1"), [("contiguous", 0.0), ("channels_last", 0.0), ("contiguous", 0.02)])
def test_an_update_is_sgd_with_momentum_and_weight_decay_on_everything(config, images, memory_format, bn_l1):
    """Against the update written out, v ← μv + (g + λw), w ← w − ηv, on every parameter; g + s·sign(γ) for BatchNorm's scales."""
    config = config.replace(memory_format=memory_format, bn_l1=bn_l1)
    trainer = Trainer(config, images)
    ours, _ = fresh(config, trainer.images, masked=False)
    plain = models.build(config, trainer.images.shape, 10).train()
    velocity = {n: torch.zeros_like(p) for n, p in plain.named_parameters()}
    step = 0
    for epoch in range(2):
        for x, y in trainer.batches.epoch(epoch):
            gradients = torch.autograd.grad(F.cross_entropy(plain(x), y), list(plain.parameters()))
            with torch.no_grad():
                for (name, p), g in zip(plain.named_parameters(), gradients, strict=True):
                    if name in ("bn1.weight", "features.1.weight", "features.4.weight", "features.7.weight"):
                        g = g + bn_l1 * torch.sign(p)
                    velocity[name] = config.momentum * velocity[name] + g + config.weight_decay * p
                    p -= trainer.lr(step) * velocity[name]
            step += 1
    list(trainer.train(ours))
    for (name, a), b in zip(ours.state_dict().items(), plain.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-4, msg=name)


def test_rewinding_restores_every_tensor(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    training, at_k = trainer.train(model, remember_at=3), None
    for event in training:
        if event.step == 3 and isinstance(event, BatchDone):
            at_k = {k: v.clone() for k, v in model.state_dict().items()}
    assert all((at_k[k] != v).any() for k, v in model.state_dict().items())   # parameters and buffers have all moved on
    set_state(model, training.remembered)
    assert all(torch.equal(at_k[k], v) for k, v in model.state_dict().items())
    assert set(training.remembered) == set(model.state_dict()) and int(model.bn1.num_batches_tracked) == 3


def test_step_zero_is_remembered_before_training(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    start, training = get_state(model), trainer.train(model, remember_at=0)
    list(training)
    assert same(training.remembered, start)


def test_states_are_copies_and_wrong_ones_are_refused(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    state = get_state(model)
    with torch.no_grad():
        model.fc.bias += 1
    assert not np.array_equal(state["fc.bias"], model.fc.bias.detach().numpy())
    with pytest.raises(TrainingError, match=r"'fc\.bias' is missing from the state"):
        set_state(model, {k: v for k, v in state.items() if k != "fc.bias"})
    with pytest.raises(TrainingError, match=r"'fc\.bias' has shape \(11,\)"):
        set_state(model, state | {"fc.bias": np.zeros(11, np.float32)})


@pytest.mark.parametrize("memory_format", ["contiguous", "channels_last"])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("stop", [3, 6])
def test_an_interrupted_training_equals_an_uninterrupted_one(config, images, memory_format, masked, stop):
    """Stopped in the middle of an epoch and at its end; bit for bit."""
    trainer = Trainer(config.replace(memory_format=memory_format), images)
    model, mask = fresh(trainer.config, images, masked)
    whole = trainer.train(model, mask)
    list(whole)
    expected = get_state(model), whole.optimizer_state()

    model, mask = fresh(trainer.config, images, masked)
    first = trainer.train(model, mask)
    for event in first:
        if event.step == stop and isinstance(event, EpochDone if stop == 6 else BatchDone):
            snapshot = get_state(model), first.optimizer_state(), first.epochs[:]
            break

    model, mask = fresh(trainer.config.replace(seed=99), images, masked)   # nothing may be left of the weights it starts with
    set_state(model, snapshot[0])
    second = trainer.train(model, mask, start_step=stop, optimizer_state=snapshot[1], epochs_so_far=snapshot[2])
    list(second)
    assert same(get_state(model), expected[0]) and same(second.optimizer_state(), expected[1])
    assert untimed(second.epochs)[-1] == untimed(whole.epochs)[-1] if stop == 6 else len(second.epochs) == 2
    assert len(second.epochs) == 2


def test_a_start_at_step_k_is_fast_forwarded(trainer):
    """The rest of the epoch, then the other epochs: batches, rates and step numbers of an uninterrupted training."""
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    seen = []
    handle = model.register_forward_pre_hook(lambda m, a: seen.append(a[0].clone()) if m.training else None)
    events = [e for e in trainer.train(model, start_step=3) if isinstance(e, BatchDone)]
    handle.remove()
    batches = [x for epoch in range(2) for x, _ in trainer.batches.epoch(epoch)]
    assert [e.step for e in events] == list(range(4, 13))
    assert len(seen) == 9 and all(torch.equal(a, b) for a, b in zip(seen, batches[3:], strict=True))


def test_momentum_starts_at_zero_after_rewinding(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    assert trainer.train(model, start_step=3).optimizer_state() == {}


def test_looking_in_between_changes_nothing(trainer):
    """An engine that takes snapshots and measures accuracy at each event trains as one that does not."""
    model, mask = fresh(trainer.config, trainer.images)
    list(trainer.train(model, mask))
    expected = get_state(model)
    model, mask = fresh(trainer.config, trainer.images)
    for _ in (training := trainer.train(model, mask)):
        get_state(model), training.optimizer_state(), trainer.test_accuracy(model)
        torch.rand(3)
        assert model.training
    assert same(get_state(model), expected)


PROGRAM = """
import hashlib
from lthviz.config import RunConfig
from lthviz.nn import data, models
from lthviz.nn.train import Trainer, get_state
config = RunConfig.from_dict({settings!r})
images = data.load(config, "cpu")
model = models.build(config, images.shape, 10)
list(Trainer(config, images).train(model))
print(hashlib.sha256(b"".join(v.tobytes() for _, v in sorted(get_state(model).items()))).hexdigest())
"""


def test_another_process_gets_the_same_bits(config, images):
    model, _ = fresh(config, images, masked=False)
    list(Trainer(config, images).train(model))
    here = hashlib.sha256(b"".join(v.tobytes() for _, v in sorted(get_state(model).items()))).hexdigest()
    env = os.environ | {"PYTHONPATH": str(Path(lthviz.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", PROGRAM.format(settings=config.to_dict())], env=env, capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == here


def test_accuracy_is_the_share_of_right_answers(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    list(trainer.train(model))
    images = trainer.images
    model.eval()
    with torch.no_grad():
        right = [int(model(images.normalise(x[None])).argmax()) == int(y) for x, y in zip(images.x_test, images.y_test, strict=True)]
    model.train()
    assert trainer.test_accuracy(model) == pytest.approx(100 * np.mean(right), abs=0.2)
    assert 30 < trainer.test_accuracy(model) < 100 and model.training
    assert math.isnan(trainer.accuracy(model, []))


def test_calibration_images_are_training_images_drawn_by_seed(trainer):
    x, y = trainer.calibration()
    assert len(x) == len(y) == 90                      # all of them: fewer than the setting's 256
    few = Trainer(trainer.config.replace(calibration_images=12), trainer.images)
    x, y = few.calibration()
    known = {t.numpy().tobytes(): int(label) for t, label in zip(trainer.images.normalise(trainer.images.x_train),
                                                                 trainer.images.y_train, strict=True)}
    assert [known[t.contiguous().numpy().tobytes()] for t in x] == y.tolist() and len(x) == 12
    assert torch.equal(few.calibration()[0], x)


def test_a_loss_that_is_not_finite_names_epoch_step_and_rate(trainer):
    model, _ = fresh(trainer.config, trainer.images, masked=False)
    with pytest.raises(Diverged, match=r"epoch 2, step 8 \(lr 0\.09"):
        for event in trainer.train(model):
            if isinstance(event, BatchDone) and event.step == 7:
                with torch.no_grad():
                    model.fc.bias[0] = float("nan")


def test_a_rate_far_too_high_ends_in_diverged(config, images):
    trainer = Trainer(config.replace(lr=99.0, weight_decay=1.0, epochs=8, warmup=0), images)
    with pytest.raises(Diverged, match="lower lr"):
        list(trainer.train(fresh(config, images, masked=False)[0]))


def test_bfloat16_trains_masks_and_keeps_float32_weights(config, images):
    trainer = Trainer(config.replace(precision="bfloat16", memory_format="channels_last"), images)
    model, mask = fresh(trainer.config, images)
    first, *_, last = trainer.train(model, mask)
    assert all(p.dtype == torch.float32 for p in model.parameters())
    assert math.isfinite(last.train_loss) and last.train_loss < first.loss.item()


def test_without_validation_images_there_is_no_validation_accuracy(config):
    config = config.replace(validation=0, epochs=1)
    images = data.load(config, "cpu")
    *_, last = Trainer(config, images).train(models.build(config, images.shape, 10))
    assert math.isnan(last.val_acc)


# The schedule, against torch's own


def torchs(config: RunConfig, make, per_epoch: int) -> list[float]:
    """The rate of every update by one of torch's schedulers, stepped after every update."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=config.lr)
    scheduler, rates = make(optimizer), []
    for _ in range(config.epochs * per_epoch):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def test_the_step_schedule_is_multi_step():
    config = RunConfig(epochs=10, milestones=(4, 7), gamma=0.3)
    rates = torchs(config, lambda o: torch.optim.lr_scheduler.MultiStepLR(o, [20, 35], gamma=0.3), 5)
    np.testing.assert_allclose([learning_rate(config, s, 5) for s in range(50)], rates, rtol=1e-12)


def test_the_cosine_schedule_is_cosine_annealing():
    config = RunConfig(epochs=10, schedule="cosine")
    rates = torchs(config, lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 50), 5)
    np.testing.assert_allclose([learning_rate(config, s, 5) for s in range(50)], rates, rtol=1e-9)


@pytest.mark.parametrize("schedule", ["step", "cosine"])
def test_warm_up_rises_in_equal_steps_to_the_full_rate(schedule):
    config = RunConfig(epochs=10, schedule=schedule, warmup=2, lr=0.5)
    rates = [learning_rate(config, s, 5) for s in range(11)]
    np.testing.assert_allclose(np.diff([0, *rates[:10]]), 0.05)
    assert rates[9] == pytest.approx(0.5) and rates[10] == pytest.approx(0.5)


# What a network draws by itself


DRAWING = {"dropout": "torchvision:mobilenet_v3_small", "stochastic depth": "torchvision:efficientnet_b0"}


@pytest.mark.parametrize("name", DRAWING.values(), ids=DRAWING.keys())
def test_what_a_network_draws_is_the_same_after_a_resume(config, images, name):
    """Also where another training went before it in the process, and it leaves torch's own generator alone."""
    config = config.replace(model=name, train_images=40)
    images = data.load(config, "cpu")
    trainer = Trainer(config, images)

    def begun(seed: int):
        torch.manual_seed(seed)
        return models.build(config, images.shape, 10)

    model = begun(1)
    whole = trainer.train(model)
    for event in whole:
        if isinstance(event, BatchDone) and event.step == 4:   # in the middle of the second epoch
            middle, momentum = get_state(model), whole.optimizer_state()
    other = begun(2)
    list(trainer.train(models.build(config.replace(seed=5), images.shape, 10), start_step=5))
    set_state(other, middle)
    before = torch.get_rng_state()
    again = trainer.train(other, start_step=4, optimizer_state=momentum)
    *_, last = again
    assert torch.equal(torch.get_rng_state(), before) and again.draws.any
    assert same(get_state(other), get_state(model)) and same(again.optimizer_state(), whole.optimizer_state())
    assert last.val_acc == whole.epochs[-1].val_acc


def test_draws_differ_by_seed_step_and_rank_and_nothing_else():
    def drawn(seed: int, step: int, rank: int) -> bytes:
        torch.rand(3)
        with Draws(seed, torch.device("cpu"), rank).of(step, 8):
            return F.dropout(torch.ones(64)).numpy().tobytes()

    places = [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1)]
    assert len({drawn(*p) for p in places}) == 5 and all(drawn(*p) == drawn(*p) for p in places)


def test_a_network_that_draws_nothing_pays_for_one_step(trainer, monkeypatch):
    seeded = []
    monkeypatch.setattr(Draws, "_seeded", lambda self, *where, real=Draws._seeded: seeded.append(where) or real(self, *where))
    training = trainer.train(fresh(trainer.config, trainer.images, masked=False)[0])
    list(training)
    assert seeded == [(0, 16)] and training.draws.any is False


def test_a_step_without_images_does_not_say_that_nothing_is_drawn():
    """A process of a world may have no image of a short batch, and with no image dropout draws nothing."""
    draws = Draws(0, torch.device("cpu"))
    with draws.of(0, 0):
        F.dropout(torch.ones(0))
    assert draws.any is None
    with draws.of(1, 4):
        F.dropout(torch.ones(4))
    assert draws.any is True
