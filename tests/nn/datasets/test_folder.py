from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from lthviz.config import RunConfig
from lthviz.errors import DataError
from lthviz.nn import data, decode

RNG = np.random.default_rng(0)


def tree(root: Path, train: int = 4, test: int = 2, size=(10, 12), mode="RGB") -> dict[Path, np.ndarray]:
    """A tree of two classes of PNG images (lossless); the pixels (h, w[, 3]) by path."""
    made = {}
    for part, count in (("train", train), ("test", test)):
        for name in ("cat", "dog"):
            for i in range(count):
                pixels = RNG.integers(0, 256, (*size, 3) if mode == "RGB" else size, dtype=np.uint8)
                path = root / part / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels).save(path)
                made[path] = pixels
    return made


def load(root: Path, **settings) -> data.Images:
    return data.load(RunConfig(data="folder", data_dir=str(root), validation=0, **settings), "cpu")


def test_pixels_and_labels_arrive_unchanged(tmp_path):
    made = tree(tmp_path)
    images = load(tmp_path)
    assert images.classes == ("cat", "dog") and images.shape == (3, 10, 12) and images.note == ""
    for part, x, y in (("train", images.x_train, images.y_train), ("test", images.x_test, images.y_test)):
        expected = [(k, v) for k, v in made.items() if k.parts[-3] == part]
        assert [images.classes[label] for label in y] == [path.parent.name for path, _ in expected]
        for got, (_, pixels) in zip(x, expected, strict=True):
            np.testing.assert_array_equal(got.numpy(), pixels.transpose(2, 0, 1))


def test_grey_images_have_one_channel_unless_a_training_image_has_colour(tmp_path):
    made = tree(tmp_path, mode="L")
    images = load(tmp_path)
    assert images.shape == (1, 10, 12)
    np.testing.assert_array_equal(images.x_train[0, 0].numpy(), made[tmp_path / "train" / "cat" / "0.png"])
    Image.new("RGB", (12, 10), (9, 90, 200)).save(tmp_path / "train" / "dog" / "3.png")
    images = load(tmp_path)
    assert images.shape == (3, 10, 12) and images.x_train[-1, :, 0, 0].tolist() == [9, 90, 200]


def test_other_sizes_are_scaled_and_cropped_to_the_commonest_and_it_says_so(tmp_path):
    tree(tmp_path)
    wide = np.zeros((20, 48, 3), np.uint8)
    wide[:, 12:36] = 255          # the middle half: all that a centre crop of a twice as wide image keeps
    Image.fromarray(wide).save(tmp_path / "train" / "cat" / "0.png")
    images = load(tmp_path)
    assert images.shape == (3, 10, 12) and images.note == "1 of 12 images were scaled and cropped to 12×10"
    assert images.x_train[0, :, :, 1:-1].min() == 255


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_missing_part_is_named(tmp_path, part):
    tree(tmp_path)
    (tmp_path / part).rename(tmp_path / "elsewhere")
    with pytest.raises(DataError, match=f"{part}' is not there"):
        load(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        load(tmp_path / "nowhere")
    with pytest.raises(DataError, match="needs data_dir"):
        data.load(RunConfig(data="folder"), "cpu")


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_empty_class_is_named(tmp_path, part):
    tree(tmp_path)
    (tmp_path / part / "emu").mkdir()
    with pytest.raises(DataError, match=f"class folder '.*{part}.emu' holds no image"):
        load(tmp_path)


@pytest.mark.parametrize(("part", "other"), [("train", "test"), ("test", "train")])
def test_a_class_of_one_part_alone_is_named(tmp_path, part, other):
    tree(tmp_path)
    (tmp_path / part / "emu").mkdir()
    Image.new("RGB", (12, 10)).save(tmp_path / part / "emu" / "0.png")
    with pytest.raises(DataError, match=f"class 'emu' is missing from '.*{other}'"):
        load(tmp_path)


@pytest.mark.parametrize("part", ["train", "test"])
def test_a_file_that_is_no_image_is_named(tmp_path, part):
    tree(tmp_path)
    (tmp_path / part / "dog" / "1.png").write_bytes(b"this is text")
    with pytest.raises(DataError, match=r"dog.1\.png' cannot be read"):
        load(tmp_path)


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_cut_off_image_is_named(tmp_path, part, suffix):
    tree(tmp_path)
    path = tmp_path / part / "dog" / f"cut{suffix}"
    Image.fromarray(RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-120])
    with pytest.raises(DataError, match=rf"cut\{suffix}' is broken"):
        load(tmp_path)


def test_val_is_the_test_set_where_there_is_no_other_and_it_says_so(tmp_path):
    tree(tmp_path)
    (tmp_path / "test").rename(tmp_path / "val")
    images = load(tmp_path)
    assert len(images.y_test) == 4 and images.note.startswith("the test set is val/")


def test_a_file_where_a_part_should_be_is_named(tmp_path):
    tree(tmp_path)
    (tmp_path / "test").rename(tmp_path / "elsewhere")
    (tmp_path / "test").write_text("no folder")
    with pytest.raises(DataError, match="test' is a file where a folder should be"):
        load(tmp_path)


def test_images_without_class_folders_are_counted(tmp_path):
    tree(tmp_path)
    (tmp_path / "test").rename(tmp_path / "elsewhere")
    (tmp_path / "test").mkdir()
    for i in range(3):
        Image.new("RGB", (12, 10)).save(tmp_path / "test" / f"{i}.png")
    with pytest.raises(DataError, match=r"test' has no class folders \(3 files lie in it\)"):
        load(tmp_path)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK"])
def test_every_mode_of_eight_bits_is_what_torchvision_makes_of_it(tmp_path, mode):
    tree(tmp_path)
    path = tmp_path / "train" / "cat" / f"other.{'jpg' if mode == 'CMYK' else 'png'}"
    image = Image.fromarray(RNG.integers(0, 256, (10, 12, 3), dtype=np.uint8)).convert(mode)
    image.save(path, **({"transparency": bytes(range(200, 210))} if mode == "P" else {}))
    theirs = ImageFolder(str(tmp_path / "train"))
    expected = np.asarray(Image.open(path).convert("RGBA").convert("RGB") if mode == "P" else theirs[theirs.samples.index((str(path), 0))][0])
    np.testing.assert_array_equal(load(tmp_path).x_train[4].numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize("part", ["train", "test"])
def test_an_image_of_sixteen_bits_is_named_rather_than_clipped(tmp_path, part):
    tree(tmp_path, mode="L")
    Image.fromarray(np.full((10, 12), 40_000, np.uint16)).save(tmp_path / part / "dog" / "deep.png")
    with pytest.raises(DataError, match=r"deep\.png' has more than 8 bits a value \(mode I;16\)"):
        load(tmp_path)


@pytest.mark.parametrize("closed", ["train/cat", "train", "train/dog/1.png"])
def test_what_may_not_be_read_is_named(closed):
    """As another user where the tests run as root, who may read everything."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        tree(root)
        root.chmod(0o755)
        load(root)
        (root / closed).chmod(0)
        user = os.geteuid()
        try:
            if user == 0:
                os.seteuid(65534)
            with pytest.raises(DataError, match=f"{closed}' cannot be read .*Permission denied") as e:
                load(root)
        finally:
            os.seteuid(user)
            (root / closed).chmod(0o755)
    assert "\n" not in str(e.value)


def test_more_than_memory_holds_is_refused_before_anything_is_decoded(tmp_path, monkeypatch):
    tree(tmp_path)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 64, "SC_PHYS_PAGES": 100}.get)
    monkeypatch.setattr(decode, "pixels", None)
    with pytest.raises(DataError, match=r"this machine has .*; use data = 'streamed-folder'"):
        load(tmp_path)
