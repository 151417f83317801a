"""Every preset: the paper's table, what a shortened one says, and a whole short run of each on images of the true size."""

import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from lthviz import engine, expected
from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.errors import ConfigError
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
PRUNED = {"digits", "resnet20-cifar10", "wrn32-cifar10", "resnet18-cifar10", "mobilenet-cifar10", "vgg16-cifar10", "resnet50-tiny"}
"""One a network: the others train their dense network alone, as what follows is the same code."""
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


@pytest.mark.parametrize("name", [name for name in PRESETS if not name.endswith("-short")])   # their networks and data are those of the whole
def test_a_few_steps_of_every_preset_from_data_to_trained_tickets(name, tmp_path, monkeypatch):
    base = PRESETS[name].config
    match base.data:
        case "cifar10":
            standins.cifar(tmp_path, CIFAR10, monkeypatch)
        case "cifar100":
            standins.cifar(tmp_path, CIFAR100, monkeypatch, each=20, classes=100)
        case "tiny-imagenet":
            standins.tiny_imagenet(tmp_path)
        case "imagenet":
            standins.imagenet(tmp_path)
    digits = base.data == "digits"
    config = base.replace(rounds=int(name in PRUNED), epochs=1, milestones=(1,), warmup=0, batch_size=6, data_dir="" if digits else str(tmp_path),
                          train_images=16 if digits else 0, validation=0.1, loader_workers=0 if base.data == "imagenet" else -1,
                          threads=1,
                          structures=base.structures if base.model in REGROUPED else base.structures[:1])
    events = list(engine.events(config))
    assert isinstance(events[0], Begin) and tuple(events[0].info["image_shape"]) == SHAPES[base.data]
    steps = sum(isinstance(e, Step) for e in events)
    assert steps == events[0].info["total_batches"] >= 2 * (1 + sum(len(config.tickets(k)) for k in range(1, config.rounds + 1)))
    done = [e for e in events if isinstance(e, Stage)][-1].round
    assert done.complete and set(done.tickets) == {UNSTRUCTURED, *(s.label for s in config.structures if config.rounds)}
    assert all(0 <= t.test_acc <= 100 for t in done.tickets.values())
    assert abs(done.tickets[UNSTRUCTURED].masks.density() - (0.8 if config.rounds else 1)) < 1e-4


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
