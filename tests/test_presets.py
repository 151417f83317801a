"""Every preset: the paper's table, what a shortened one says, two steps of each as it stands, and a run to its tickets of every network."""

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from lthviz import engine, expected
from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.engine import Experiment
from lthviz.errors import ConfigError
from lthviz.nn.state import get_state
from lthviz.presets import PRESETS, preset
from lthviz.records import Begin, Stage, Step
from tests import standins

PAPER = {  # ICML 2022: weight decay, batch, epochs, milestones
    "wrn32-cifar10": (1e-4, 128, 160, (80, 120)), "wrn32-cifar100": (2e-4, 128, 160, (80, 120)),
    "resnet18-cifar10": (1e-4, 128, 160, (80, 120)), "resnet18-cifar100": (2e-4, 128, 160, (80, 120)),
    "mobilenet-cifar10": (1e-4, 128, 160, (80, 120)), "mobilenet-cifar100": (2e-4, 64, 160, (80, 120)),
    "vgg16-cifar10": (2e-4, 128, 160, (80, 120)), "vgg16-cifar100": (5e-4, 128, 160, (80, 120)),
    "resnet50-tiny": (5e-4, 32, 95, (30, 60)), "resnet50-imagenet": (1e-4, 256, 95, (30, 60)),
}
SHAPES = {"digits": (1, 8, 8), "cifar10": (3, 32, 32), "cifar100": (3, 32, 32), "tiny-imagenet": (3, 64, 64), "imagenet": (3, 224, 224)}
BOUNDED = {     # images a step, where the preset's own batch is too much for a test
    "resnet50-tiny": 2,                 # 32: 0.5 T multiply-adds a step (5.3 G an image without pooling, three passes)
    "resnet50-imagenet": 2,             # 256: 3 T, and more memory than a test may ask for
    "resnet50-imagenet-released": 2,    # 1,024: four times that
    # 128: two to six seconds a step on one thread. The same network's CIFAR-10 preset takes its own.
    **dict.fromkeys(("wrn32-cifar100", "resnet18-cifar100", "vgg16-cifar100", *(name for name in PRESETS if name.endswith("-short"))), 4),
}
PRUNED = ("digits", "resnet20-cifar10-short", "wrn32-cifar10-short", "resnet18-cifar10-short", "mobilenet-cifar10-short", "vgg16-cifar10-short",
          "resnet50-tiny")
"""One a network, trained to its last ticket: what follows the dense network is the same code for all data."""
REGROUPED = {"convnet", "resnet20"}
"""Regroup of a larger network takes the partitioner ten seconds, and has tests of its own."""


@pytest.mark.parametrize("name", PAPER)
def test_the_papers_settings(name):
    c = PRESETS[name].config
    assert (c.weight_decay, c.batch_size, c.epochs, c.milestones) == PAPER[name]
    assert (c.lr, c.momentum, c.gamma, c.rate, c.rewind, c.schedule, c.after_rewind) == (0.1, 0.9, 0.1, 0.2, 0.05, "step", "continue")
    assert [s.label for s in c.structures] == ["refill", "regroup"] and "ICML 2022" in PRESETS[name].source


def test_every_preset_says_where_it_is_from_and_a_short_one_by_how_much():
    short = [name for name in PRESETS if name.endswith("-short")]
    assert len(short) >= 5 and len({p.title for p in PRESETS.values()}) == len(PRESETS)
    for name, p in PRESETS.items():
        assert p.source and p.note and ("shortened" in p.note) == (name in short)
    for name in short:
        small, whole = PRESETS[name].config, PRESETS[name.removesuffix("-short")].config
        assert f"{small.epochs} of {whole.epochs} epochs" in PRESETS[name].note and f"{small.rounds} of {whole.rounds} rounds" in PRESETS[name].note
        assert [m / small.epochs for m in small.milestones] == [m / whole.epochs for m in whole.milestones]
        assert small.replace(epochs=whole.epochs, rounds=whole.rounds, milestones=whole.milestones) == whole


def test_a_name_that_is_none_gets_its_near_misses():
    with pytest.raises(ConfigError, match="resnet18-cifar10"):
        preset("resnet18_cifar10")


def put_there(config, root, monkeypatch):
    """Stand-ins of the preset's images, of the true shapes and in the published layout, enough for two steps and a validation image; the
    settings that say where they are. The digits are the true ones."""
    match config.data:
        case "digits":
            return {}
        case "cifar10":
            standins.cifar(root, CIFAR10, monkeypatch, each=29)
        case "cifar100":
            standins.cifar(root, CIFAR100, monkeypatch, each=145, classes=100)
        case "tiny-imagenet":
            standins.tiny_imagenet(root, train=13)
        case "imagenet":
            standins.imagenet(root, train=10, monkeypatch=monkeypatch)
            return {"data_dir": str(root), "loader_workers": 0}
    return {"data_dir": str(root)}


@pytest.mark.parametrize("name", PRESETS)
def test_two_steps_of_every_preset_as_it_stands(name, tmp_path, monkeypatch):
    """Its own batch (but for BOUNDED), warm-up, validation split, schedule, rounds and structures; nothing else is set but where it runs."""
    own = PRESETS[name].config
    config = own.replace(**put_there(own, tmp_path, monkeypatch), threads=1, **({"batch_size": BOUNDED[name]} if name in BOUNDED else {}))
    run = Experiment(config)
    before, seen, rates = get_state(run.model), iter(run), []
    begin = next(seen)
    images, held, batch = {"digits": 1201, "imagenet": 30, "tiny-imagenet": 39}.get(own.data, 145), begin.info["val_images"], config.batch_size
    assert tuple(begin.info["image_shape"]) == SHAPES[own.data]
    assert held == round(own.validation * images) > 0 and begin.info["train_images"] == (own.train_images or images - held)
    per_epoch = begin.info["train_images"] // batch + (begin.info["train_images"] % batch > 1)     # a last image alone is left out
    assert begin.info["steps"] == own.epochs * per_epoch and per_epoch >= 2 and begin.info["rewind_step"] == round(own.rewind * own.epochs * per_epoch)
    for number in (1, 2):
        step = next(seen)
        assert isinstance(step, Step) and step.done == number and np.isfinite(step.loss())
        rates.append(run.training.optimizer.param_groups[0]["lr"])
    assert run.trainer.batches.size(0) == batch and run.training.step == 2
    rising = own.warmup * per_epoch
    assert rates == pytest.approx([own.lr * min(1, (k + 1) / rising) if rising else own.lr for k in (0, 1)], rel=1e-12)
    after = get_state(run.model)
    assert all(np.isfinite(v).all() for v in after.values()) and all((after[x.name] != before[x.name]).any() for x in begin.layers)


@pytest.mark.parametrize("name", PRUNED)
def test_a_preset_of_every_network_from_data_to_trained_tickets(name, tmp_path, monkeypatch):
    """Two steps a training, with what a preset sets but for its length, the images a step and, of large networks, Regroup."""
    own = PRESETS[name].config
    config = own.replace(**put_there(own, tmp_path, monkeypatch), rounds=1, epochs=1, batch_size=2, train_images=4, threads=1,
                         structures=own.structures if own.model in REGROUPED else own.structures[:1])
    events = list(engine.events(config))
    assert isinstance(events[0], Begin) and events[0].info["steps"] == 2
    steps = sum(isinstance(e, Step) for e in events)
    assert steps == events[0].info["total_batches"] == 2 * (1 + len(config.tickets(1)))
    done = [e for e in events if isinstance(e, Stage)][-1].round
    assert done.complete and set(done.tickets) == {UNSTRUCTURED, *(s.label for s in config.structures)}
    assert all(0 <= t.test_acc <= 100 and 0 <= t.val_acc <= 100 for t in done.tickets.values())
    assert abs(done.tickets[UNSTRUCTURED].masks.density() - 0.8) < 1e-4


def test_every_network_of_the_presets_is_pruned_once():
    assert sorted(PRESETS[name].config.model for name in PRUNED) == sorted({p.config.model for p in PRESETS.values()})
    assert {PRESETS[name].config.model for name in PRESETS if name not in BOUNDED} >= {p.config.model for p in PRESETS.values()} - {"resnet50"}


def test_images_of_a_run_are_what_its_engine_counts(tmp_path):
    """Against the batches that the engine announces; the last, short batch of an epoch aside."""
    config = PRESETS["digits"].config.replace(rounds=2, structures="refill,snip,reinit,regroup-groups=4", train_images=500, epochs=4, rewind=0.25)
    begin = next(iter(engine.events(config)))
    assert begin.info["total_batches"] * config.batch_size == expected.images(config)
    released = config.replace(after_rewind="restart")
    assert next(iter(engine.events(released))).info["total_batches"] * config.batch_size == expected.images(released)
    assert expected.images(RunConfig(data="folder", data_dir=str(tmp_path))) == 0


def test_the_expected_time_is_measured_once_on_a_machine_at_rest(tmp_path, monkeypatch):
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path))
    config, told = PRESETS["digits"].config, []
    monkeypatch.setattr(expected.machine.Others, "cores", lambda self: 1.5)
    first = expected.expected(config, told.append)
    assert first.busy and first.images_per_s > 0 and first.seconds == pytest.approx(first.images / first.images_per_s)
    monkeypatch.setattr(expected.machine.Others, "cores", lambda self: 0.0)
    second = expected.expected(config, told.append)
    assert not second.busy and len(told) == 2
    assert expected.expected(config.replace(epochs=10), told.append).images_per_s == second.images_per_s and len(told) == 2
    expected.expected(config.replace(memory_format="contiguous"), told.append)
    assert len(told) == 3
