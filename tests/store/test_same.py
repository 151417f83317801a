"""A run that goes on with other images than it began with: refused in a line, nothing of it changed."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lthviz import launch
from lthviz.config import Refill
from lthviz.errors import DataError
from lthviz.records import Stage
from lthviz.store import Store
from lthviz.store.same import check_images
from tests.small import SMALL

INFO = {"classes": ["a", "b"], "train_images": 1200, "val_images": 10, "test_images": 20, "image_shape": [3, 8, 8], "device": "cpu"}


@pytest.mark.parametrize(("change", "said"), [
    ({"classes": ["a", "b", "c"]}, "3 classes where there were 2;"), ({"classes": ["a", "x"]}, "class 1 is 'x' where it was 'b';"),
    ({"train_images": 999}, "999 training images where there were 1,200;"), ({"val_images": 11}, "11 validation images where there were 10;"),
    ({"test_images": 21}, "21 test images where there were 20;"),
    ({"image_shape": [1, 8, 8]}, r"1×8×8 \(channels, height, width\) where it was 3×8×8;"),
])
def test_the_first_difference_is_named(change, said):
    with pytest.raises(DataError, match=f"data_dir = '/x' are not those that run r began with: {said} resume it with the data_dir") as e:
        check_images("r", SMALL.replace(data_dir="/x"), INFO, {**INFO, **change})
    assert "\n" not in str(e.value)


def test_where_it_runs_may_change_and_what_was_not_noted_is_not_compared():
    check_images("r", SMALL, INFO, {**INFO, "device": "cuda:0", "classes": ("a", "b")})
    check_images("r", SMALL, {}, INFO)
    check_images("r", SMALL, {"steps": 3}, INFO)


def tree(root: Path) -> Path:
    rng = np.random.default_rng(0)
    for part, each in (("train", 12), ("test", 4)):
        for name in "ab":
            (folder := root / part / name).mkdir(parents=True)
            for i in range(each):
                Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(folder / f"{i}.png")
    return root


def test_a_tree_that_has_changed_under_a_run_ends_it_and_put_back_it_goes_on(tmp_path):
    images, store = tree(tmp_path / "images"), Store(tmp_path / "runs")
    run_id = store.begin(SMALL.replace(data="folder", data_dir=str(images), rounds=1, structures=(Refill(),), epochs=1, train_images=0))

    def stop(event):
        if isinstance(event, Stage) and event.kind == "refill":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.drive(store, run_id, stop)
    before, info = store.checkpoint(run_id), store.run(run_id).info
    (images / "test" / "b" / "0.png").rename(tmp_path / "aside.png")
    with pytest.raises(DataError, match="7 test images where there were 8"):
        launch.drive(store, run_id)
    assert store.status(run_id).state == "failed" and "7 test images" in store.status(run_id).message
    assert store.run(run_id).info == info and store.checkpoint(run_id).meta == before.meta
    (tmp_path / "aside.png").rename(images / "test" / "b" / "0.png")
    launch.drive(store, run_id)
    assert store.status(run_id).state == "finished"


def test_what_failed_before_anything_was_trained_may_begin_with_others(tmp_path):
    """A tree that was wrong is put right, and the run begins as if for the first time."""
    images, store = tree(tmp_path / "images"), Store(tmp_path / "runs")
    run_id = store.begin(SMALL.replace(data="folder", data_dir=str(images), rounds=0, epochs=1, train_images=0))

    def stop(event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        launch.drive(store, run_id, stop)
    assert store.run(run_id).info["test_images"] == 8
    for part in ("train", "test"):
        shutil.rmtree(images / part / "b")
        shutil.copytree(images / part / "a", images / part / "c")
    launch.drive(store, run_id)
    assert store.run(run_id).info["classes"] == ["a", "c"] and store.status(run_id).state == "finished"
