"""Which runs can be compared, one setting or finding at a time, and what is said of those that can be with a limit."""

import pytest

from lthviz.config import RunConfig
from lthviz.core.comparable import caveats, unlike
from lthviz.records import Layer, Run

CONFIG = RunConfig(model="resnet18", data="cifar10")
INFO = {"parameters": 100, "image_shape": [3, 32, 32], "classes": ["a", "b"], "test_images": 50, "train_images": 40}
LAYERS = (Layer("a.weight", (8, 3, 3, 3), (32, 32)), Layer("b.weight", (8, 8, 3, 3), (32, 32)))


def run(info=INFO, layers=LAYERS, **changes):
    config = CONFIG.replace(**changes)
    return Run(config.run_id, config, layers, info, (), (), 0.0)


def found(**changes):
    return run(INFO | changes)


@pytest.mark.parametrize(("other", "words"), [
    (run(model="resnet20"), "resnet18 on cifar10, run resnet20-cifar10"),
    (run(data="cifar100"), "only runs of one network and data set"),
    (run(form="imagenet", info=INFO | {"parameters": 101}), "networks (form auto, imagenet)"),
    (run(form="imagenet", layers=(Layer("a.weight", (8, 3, 3, 3), (16, 16)),)), "networks (form auto, imagenet)"),
    (run(form="imagenet", info={}, layers=()), "networks (form auto, imagenet)"),          # not begun: nothing shows that it is the same
    (found(image_shape=[3, 64, 64]), "sizes of images (3×32×32, 3×64×64)"),
    (found(classes=["a", "b", "c"]), "classes (2, 3)"),
    (found(classes=["a", "c"]), "classes (b …, c …)"),
    (found(test_images=51), "numbers of test images (50, 51)"),
    (found(test_images=51, classes=["a"]), "classes (2, 1) and numbers of test images (50, 51)"),
])
def test_another_network_and_other_images_say_nothing(other, words):
    assert words in unlike([run()], other) and unlike([other], run())
    assert "\n" not in unlike([run()], other)


@pytest.mark.parametrize("other", [
    run(seed=5), run(epochs=3), run(lr=0.2), run(structures=()), run(rounds=2), run(device="cpu", threads=3), run(data_dir="/elsewhere"), run(info={}, layers=()),
    run(linear="all", layers=(*LAYERS, Layer("fc.weight", (2, 8), (1, 1)))), run(validation=0.0), run(form="cifar"), run(form="tiny")])
def test_what_a_comparison_is_about_may_differ(other):
    assert unlike([run()], other) == unlike([other], run()) == ""


def test_a_folder_is_its_images():
    a, b = (run(data="folder", data_dir=x) for x in ("a", "b"))
    assert "folders of images (a, b)" in unlike([a], b) and unlike([a], run(data="folder", data_dir="a", seed=1)) == ""


def test_a_run_that_has_not_begun_hides_nothing():
    new = run(info={}, layers=(), seed=9)
    assert unlike([new], found(classes=["x"])) == "" != unlike([new, run()], found(classes=["x"]))
    assert unlike([], run()) == ""


def test_limits_are_said():
    assert caveats([]) == caveats([run(), run(seed=1), run(info={}, layers=(), seed=2)]) == []
    (said,) = caveats([run(), run(linear="all"), run(linear="hidden")])
    assert "(linear none, all, hidden)" in said and "shares of different weights" in said
    (said,) = caveats([run(), run(validation=0.0)])
    assert "(validation 0.1, 0.0)" in said
    (said,) = caveats([run(), run(train_images=10)])
    assert "(train_images 0, 10)" in said
    (said,) = caveats([run(), found(train_images=39)])
    assert "training images (40, 39)" in said
