"""Images read while it trains, against torchvision's ImageFolder and transforms, and against an uninterrupted reading."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import _utils
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

import lthviz
from lthviz import seeds
from lthviz.config import RunConfig
from lthviz.errors import DataError, TrainingError
from lthviz.nn import data, models, source, stream
from lthviz.nn.batches import Batches, order
from lthviz.nn.train import BatchDone, Trainer, get_state
from tests import standins

NORMALISE = T.Compose([T.ToTensor(), T.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))])
PARTS = [lambda n, r=r: slice(n * r // 3, n * (r + 1) // 3) for r in range(3)]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return standins.imagenet(tmp_path_factory.mktemp("data"))


def config(place: Path, **settings) -> RunConfig:
    return RunConfig(**{"data": "streamed-folder", "data_dir": str(place), "batch_size": 4, "validation": 0.2, "augment": "resized-crop", "loader_workers": 0,
                        "threads": 1} | settings)


def load(place: Path, **settings) -> stream.Stream:
    return data.load(config(place, **settings), "cpu")


def epoch(place: Path, number: int = 0, first: int = 0, part=source.whole, **settings) -> list[source.Batch]:
    return list(Batches(config(place, **settings), load(place, **settings), part).epoch(number, first))


def same(one: list[source.Batch], other: list[source.Batch]) -> bool:
    return len(one) == len(other) and all(torch.equal(a, x) and torch.equal(b, y) for (a, b), (x, y) in zip(one, other, strict=True))


def test_evaluation_is_torchvisions_reference(place):
    images, theirs = load(place), ImageFolder(str(place / "val"), T.Compose([T.Resize(256), T.CenterCrop(224), NORMALISE]))
    assert images.shape == (3, 224, 224) and images.classes == tuple(theirs.classes) and "val/" in images.note
    got = list(images.test_batches(4))
    assert [len(y) for _, y in got] == [4, 2]
    for x, y, (image, target) in zip(torch.cat([a for a, _ in got]), torch.cat([b for _, b in got]), theirs, strict=True):
        torch.testing.assert_close(x, image, atol=1e-5, rtol=0)
        assert y == target


@pytest.mark.parametrize(("augment", "theirs"), [
    ("resized-crop", [T.RandomResizedCrop(224), T.RandomHorizontalFlip()]),
    ("none", [T.Resize(256), T.CenterCrop(224)]),
    ("crop-flip", [T.Resize(256), T.CenterCrop(224), T.RandomCrop(224, padding=28), T.RandomHorizontalFlip()]),
])
def test_training_images_are_torchvisions_under_a_seed_of_epoch_and_number(place, augment, theirs):
    folder, seen = ImageFolder(str(place / "train")), 0
    got = epoch(place, 3, augment=augment, validation=0, seed=5)
    for (x, y), index in zip(got, order(5, 3, 15).split(4), strict=True):
        for image, label, i in zip(x, y, index, strict=True):
            torch.manual_seed(seeds.derive(seeds.derive(5, "augment", 3), int(i)))
            torch.testing.assert_close(image, NORMALISE(T.Compose(theirs)(folder[i][0])), atol=1e-5, rtol=0)
            assert label == folder.targets[i]
            seen += 1
    assert seen == 15


def test_validation_images_are_training_images_as_they_are(place):
    images, all_of_them = load(place), load(place, validation=0)
    assert (len(images.y_train), len(images.y_val), len(images.y_test)) == (12, 3, 6) and sorted(images.y_val.tolist()) == [0, 1, 2]
    whole = {x.numpy().tobytes() for x in all_of_them.training_images(torch.arange(15))[0]}
    held = {x.numpy().tobytes() for x, _ in images.validation_batches(1)}
    kept = {x.numpy().tobytes() for x in images.training_images(torch.arange(12))[0]}
    assert held | kept == whole and not held & kept
    assert list(all_of_them.validation_batches(4)) == []


def test_any_step_any_number_of_workers_and_any_part_see_the_same_bits(place):
    whole = epoch(place, 1, memory_format="channels_last")
    assert [len(y) for _, y in whole] == [4, 4, 4] and whole[0][0].is_contiguous(memory_format=torch.channels_last)
    assert same(epoch(place, 1, first=2), whole[2:]) and epoch(place, 1, first=3) == []
    assert same(epoch(place, 1, loader_workers=2), whole)
    for part in PARTS:
        assert same(epoch(place, 1, part=part), [(x[part(4)], y[part(4)]) for x, y in whole])
    assert not same(epoch(place, 2), whole) and not same(epoch(place, 1, seed=1), whole)


def test_a_part_of_a_short_batch_may_be_nothing(place):
    whole = epoch(place, validation=0, batch_size=13)
    parts = [epoch(place, validation=0, batch_size=13, part=part) for part in PARTS]
    assert [len(y) for _, y in whole] == [13, 2] and [len(mine[1][1]) for mine in parts] == [0, 1, 1]
    assert torch.equal(torch.cat([mine[1][0] for mine in parts]), whole[1][0])


def test_an_evaluation_in_parts_is_the_whole(place):
    images = load(place)
    whole, each = list(images.test_batches(4)), [list(images.test_batches(4, part)) for part in PARTS]
    assert all(same(mine, [(x[part(len(x))], y[part(len(y))]) for x, y in whole]) for mine, part in zip(each, PARTS, strict=True))


def test_reading_leaves_torchs_own_generator_alone(place):
    images, before = load(place), torch.get_rng_state()
    list(Batches(config(place), images).epoch(0)), list(images.test_batches(4)), images.calibration(3, 0)
    assert torch.equal(torch.get_rng_state(), before)


def test_calibration_images_are_training_images_drawn_by_seed(place):
    images = load(place, validation=0)
    x, y = images.calibration(5, 7)
    drawn = np.sort(np.random.default_rng(7).permutation(15)[:5])
    expected = images.training_images(torch.arange(15))
    assert torch.equal(x, expected[0][drawn]) and torch.equal(y, expected[1][drawn])
    assert len(images.calibration(99, 7)[1]) == 15


def test_a_training_resumed_in_the_middle_of_an_epoch_is_bit_equal(place, monkeypatch):
    monkeypatch.setattr(stream, "SIZE", 32)   # small, so that it takes no time; nothing else differs
    monkeypatch.setattr(stream, "RESIZE", 36)
    settings = config(place, model="resnet20", epochs=2, rewind=0.5, augment="resized-crop", calibration_images=4)
    images = data.load(settings, "cpu")
    trainer = Trainer(settings, images)

    def fresh() -> torch.nn.Module:
        return models.build(settings, images.shape, 3)

    model, (middle, momentum) = fresh(), (None, None)
    whole = trainer.train(model)
    for event in whole:
        if isinstance(event, BatchDone) and event.step == 4:
            middle, momentum = get_state(model), whole.optimizer_state()
    other = fresh()
    other.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in middle.items()}, strict=False)
    *_, last = Trainer(settings, data.load(settings, "cpu")).train(other, start_step=4, optimizer_state=momentum)
    assert all(np.array_equal(v, get_state(other)[k]) for k, v in get_state(model).items())
    assert last.val_acc == whole.epochs[-1].val_acc and trainer.calibration()[0].shape == (4, 3, 32, 32)
    assert trainer.test_accuracy(model) in [100 * i / 6 for i in range(7)]


# What is wrong with a tree


@pytest.fixture
def mine(tmp_path) -> Path:
    return standins.imagenet(tmp_path, train=2, test=1)


@pytest.mark.parametrize("path", ["train/n01443537/train_1.JPEG", "val/n02124075/val_0.JPEG"])
@pytest.mark.parametrize(("change", "words"), [
    (lambda path: path.write_bytes(path.read_bytes()[:-200]), "is broken"), (lambda path: path.write_bytes(b"text"), "cannot be read"),
    (lambda path: path.write_bytes(b""), "cannot be read"),
])
def test_a_broken_image_is_named_before_anything_trains(mine, path, change, words):
    change(mine / path)
    with pytest.raises(DataError, match=f"{Path(path).name}' {words}"):
        load(mine)


def test_a_file_that_only_ends_in_another_way_is_not_broken(mine):
    with open(mine / "train" / "n01443537" / "train_1.JPEG", "ab") as f:
        f.write(bytes(200))
    Image.new("RGB", (230, 230)).save(mine / "train" / "n01443537" / "other.bmp")
    assert len(load(mine, validation=0).y_train) == 7


@pytest.mark.parametrize("count", [0, 1])
def test_an_image_that_breaks_later_is_named_as_well(mine, count):
    images = load(mine, validation=0, loader_workers=count)
    (mine / "val" / "n01443537" / "val_0.JPEG").unlink()
    with pytest.raises(DataError, match=r"val_0.JPEG' cannot be read .*No such file") as e:
        list(images.test_batches(2))
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(("change", "words"), [
    (lambda p: (p / "val").rename(p / "test"), "val' is not there; ImageNet needs train/ and val/"),
    (lambda p: [f.rename(p / "val" / f.name) for f in p.glob("val/*/*")] and [d.rmdir() for d in p.glob("val/*/")],
     r"val' has no class folders \(1 files lie in it\)"),
    (lambda p: (p / "val" / "n99999999").mkdir(), "class folder '.*n99999999' holds no image"),
    (lambda p: (p / "val" / "n01443537").rename(p / "gone"), "class 'n01443537' is missing from '.*val'"),
    (lambda p: (p / "train" / "n01443537").rename(p / "gone"), "class 'n01443537' is missing from '.*train'"),
    (lambda p: p.rename(p.parent / "elsewhere"), r"ImageNet is not in '.*' or '.*imagenet/imagenet'; set data_dir .*image-net.org"),
])
def test_a_tree_that_is_not_as_it_should_be_is_named(mine, change, words):
    change(mine)
    with pytest.raises(DataError, match=words) as e:
        load(mine, data="imagenet")
    assert "\n" not in str(e.value)


def test_only_the_published_images_are_imagenet(mine, monkeypatch, tmp_path):
    """Any other tree under that name would have the id and the study of the published one."""
    with pytest.raises(DataError, match=r"mine' is not ImageNet as it was published: train/ and val/ have 3 classes, 6 and 3 images where it has "
                                        r"1,000 classes, 1,281,167 and 50,000 images; any other tree is data = 'streamed-folder'") as e:
        load(mine.rename(tmp_path / "mine"), data="imagenet")
    assert "\n" not in str(e.value)
    theirs = standins.imagenet(tmp_path / "other", monkeypatch)
    for name, files in ((n, load(theirs, data=n)) for n in ("imagenet", "streamed-folder")):
        assert (len(files.y_train), len(files.y_test), len(files.classes)) == (12, 6, 3) and "val/" in files.note, name
    (theirs / "val").rename(theirs / "test")
    assert load(theirs).note == "", "a test/ is the test set"
    with pytest.raises(DataError, match="data = 'streamed-folder' needs data_dir"):
        data.load(RunConfig(data="streamed-folder"), "cpu")


def test_files_are_looked_through_by_one_process_of_a_machine(mine):
    """The others would read each file's ends once more, while all wait."""
    (mine / "val" / "n02124075" / "val_0.JPEG").write_bytes(b"text")
    images = data.load(config(mine), "cpu", check=False)
    with pytest.raises(DataError, match=r"val_0.JPEG' cannot be read"):
        list(images.test_batches(3))


def test_a_worker_that_is_killed_is_said_in_a_line(mine, monkeypatch):
    running = []

    class Watched(stream.DataLoader):
        def __iter__(self):
            running.append(super().__iter__())
            return running[0]

    monkeypatch.setattr(stream, "DataLoader", Watched)
    monkeypatch.setattr(_utils, "MP_STATUS_CHECK_INTERVAL", 0.1)
    images = load(mine, loader_workers=1)
    last = mine / "val" / "n04067472" / "val_0.JPEG"
    last.unlink()
    os.mkfifo(last)   # nobody writes: the worker waits there
    batches = images.test_batches(1)
    next(batches)
    os.kill(running[0]._workers[0].pid, signal.SIGKILL)
    with pytest.raises(TrainingError, match=r"a process that reads images ended unasked \(.*loader_workers"):
        list(batches)


PROGRAM = """
import multiprocessing.forkserver
import time
from lthviz.config import RunConfig
from lthviz.nn import data
images = data.load(RunConfig.from_dict({settings!r}), "cpu")
batches = images.test_batches(1)
next(batches)
print(multiprocessing.forkserver._forkserver._forkserver_pid, flush=True)
time.sleep(600)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_no_process_outlives_a_training_that_is_killed(mine):
    program = PROGRAM.format(settings=config(mine, loader_workers=2, validation=0).to_dict())
    env = os.environ | {"PYTHONPATH": str(Path(lthviz.__file__).parents[1])}
    with subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE, text=True) as process:
        server = int(process.stdout.readline())   # it ends with its last worker
        assert runs(server)
        process.kill()
    until = time.monotonic() + 60
    while runs(server) and time.monotonic() < until:
        time.sleep(0.05)
    assert not runs(server)
