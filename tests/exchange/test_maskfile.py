"""Masks and weights of other programs, in four formats, and everything that can be wrong with them."""

import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.errors import MaskError, StoreError
from lthviz.exchange import maskfile
from lthviz.records import Masks

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = (".npz", ".safetensors", ".pt", ".h5")


def save(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    """As another program would write it, with each format's own library."""
    match path.suffix:
        case ".npz":
            np.savez(path, **arrays)
        case ".safetensors":
            safetensors.numpy.save_file({k: np.array(v, order="C") for k, v in arrays.items()}, path)
        case ".pt":
            torch.save({k: torch.from_numpy(np.array(v)) for k, v in arrays.items()}, path)
        case ".h5":
            with h5py.File(path, "w") as f:
                for k, v in arrays.items():
                    f[k] = v
    return path


def load(path: Path) -> dict[str, np.ndarray]:
    match path.suffix:
        case ".npz":
            with np.load(path) as f:
                return dict(f)
        case ".safetensors":
            return safetensors.numpy.load_file(path)
        case ".pt":
            return {k: v.numpy() for k, v in torch.load(path, weights_only=True).items()}
        case ".h5":
            with h5py.File(path) as f:
                return {k: v[()] for k, v in f.items()}


@pytest.fixture(params=SUFFIXES)
def suffix(request):
    return request.param


def mask(seed=0, shape=(6, 4, 3, 3)):
    return np.random.default_rng(seed).random(shape) < 0.4


ARRAYS = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=4, max_side=6))
NAMES = st.text(st.sampled_from("abz019._"), min_size=1, max_size=12).filter(lambda s: s.strip(".") and s != "file")


@settings(deadline=None, max_examples=30)
@given(st.dictionaries(NAMES, ARRAYS, min_size=1, max_size=3), st.sampled_from(SUFFIXES))
def test_what_is_written_is_read_by_us_and_by_the_formats_own_library(tmp_path_factory, arrays, suffix):
    path = tmp_path_factory.getbasetemp() / f"masks{suffix}"
    maskfile.write(path, Masks.of(arrays))
    assert maskfile.read(path) == Masks.of(arrays)
    for name, array in load(path).items():
        np.testing.assert_array_equal(array != 0, arrays[name], strict=True)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "int32", "int64", "float16", "float32", "float64"])
def test_zeros_and_ones_of_any_type_are_read(tmp_path, suffix, dtype):
    path = save(tmp_path / f"m{suffix}", {"b.weight": mask(1).astype(dtype), "a.weight": mask(2, (5, 7)).astype(dtype)})
    assert maskfile.read(path) == Masks.of({"a.weight": mask(2, (5, 7)), "b.weight": mask(1)})
    assert maskfile.read(str(path)) == maskfile.read(path)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision(tmp_path, dtype):
    m, w = torch.from_numpy(mask()), torch.randn(6, 4, 3, 3, generator=torch.manual_seed(0)).to(dtype)
    safetensors.torch.save_file({"a": m.to(dtype)}, tmp_path / "m.safetensors")
    torch.save({"a": m.to(dtype)}, tmp_path / "m.pt")
    safetensors.torch.save_file({"a": w}, tmp_path / "w.safetensors")
    torch.save({"a": w}, tmp_path / "w.pt")
    for suffix in ("safetensors", "pt"):
        assert maskfile.read(tmp_path / f"m.{suffix}") == Masks.of({"a": mask()})
        np.testing.assert_array_equal(maskfile.read_weights(tmp_path / f"w.{suffix}")["a"], w.float().numpy(), strict=True)


@pytest.mark.parametrize(("array", "words"), [
    (np.where(mask(), 0.5, 0.0), r"has the value 0\.5 \(\d+ entries are neither 0 nor 1\)"),
    (mask() * 2, r"has the value 2 \("), (mask() * np.int8(-1), r"has the value -1 \("),
    (np.where(mask(), np.inf, 1), r"has the value inf \("),
    (np.where(mask(), np.nan, 1), f"has {mask().sum()} NaN; every entry should be 0 or 1"),
    (mask(0, (7,)), r"has shape \(7,\); a mask has its weight's shape, at least two dimensions"),
    (np.array(True), r"has shape \(\)"),
    (np.zeros((3, 0), bool), r"has shape \(3, 0\): it is empty"),
], ids=["half", "two", "minus one", "inf", "nan", "flat", "scalar", "empty"])
def test_what_is_no_mask(tmp_path, suffix, array, words):
    path = save(tmp_path / f"m{suffix}", {"good": mask(), "layer1.weight": array})
    with pytest.raises(MaskError, match=f"m{suffix}: mask 'layer1.weight' {words}") as e:
        maskfile.read(path)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(("array", "suffixes"), [
    (mask().astype(complex), (".npz", ".pt", ".h5")), (mask().astype("S1"), (".npz", ".h5")), (mask().astype("U1"), (".npz",)),
    (mask().astype(object), (".npz",)), (np.zeros((2, 2), "M8[s]"), (".npz",)),
    (np.zeros((2, 2), [("x", "f4")]), (".npz", ".h5"))],
    ids=["complex", "bytes", "text", "object", "dates", "records"])
def test_another_dtype(tmp_path, array, suffixes):
    for suffix in suffixes:
        path = save(tmp_path / f"m{suffix}", {"w": array})
        with pytest.raises(MaskError, match=f"m{suffix}: mask 'w' has dtype .*; it should be bool"):
            maskfile.read(path)


def test_other_things_than_arrays(tmp_path):
    torch.save({"w": torch.ones(2, 2), "epoch": 3}, tmp_path / "m.pt")
    with h5py.File(tmp_path / "m.h5", "w") as f:
        f["epoch"], f["w"] = "three", np.ones((2, 2))
    safetensors.torch.save_file({"epoch": torch.ones(2, 2).to(torch.float8_e4m3fn)}, tmp_path / "m.safetensors")
    for suffix in (".pt", ".h5", ".safetensors"):
        with pytest.raises(MaskError, match=f"m{suffix}:.*'epoch' has dtype"):
            maskfile.read(tmp_path / f"m{suffix}")
    for value, words in ((torch.ones(2, 2), "holds a Tensor; it should hold a dictionary"), ([1, 2], "holds a list")):
        torch.save(value, tmp_path / "m.pt")
        with pytest.raises(MaskError, match=words):
            maskfile.read(tmp_path / "m.pt")
    with open(tmp_path / "m.npz", "wb") as f:
        np.save(f, mask())
    with pytest.raises(MaskError, match="holds one array without a name"):
        maskfile.read(tmp_path / "m.npz")


@pytest.mark.parametrize("content", [
    b"", b"x", b"\xff" * 200, b"PK\3\4" + b"\0" * 50, b"\x89HDF\r\n\x1a\n" + b"\0" * 90, b"\x80\x04."],
    ids=["nothing", "a byte", "noise", "zip", "hdf5", "pickle"])
def test_a_file_of_another_kind(tmp_path, suffix, content):
    path = tmp_path / f"m{suffix}"
    path.write_bytes(content)
    with pytest.raises(MaskError, match=rf"m\{suffix} (cannot be read as \{suffix}|is no \.npz): \S") as e:
        maskfile.read(path)
    assert "\n" not in str(e.value) and len(str(e.value)) < 300


def test_a_file_cut_short(tmp_path, suffix):
    path = save(tmp_path / f"m{suffix}", {"w": mask(0, (64, 64, 3, 3)).astype(np.float32)})
    path.write_bytes(path.read_bytes()[:-5000])
    with pytest.raises(MaskError, match=rf"m\{suffix} cannot be read"):
        maskfile.read(path)


def test_an_empty_file_of_the_right_kind(tmp_path, suffix):
    if suffix == ".npz":
        with zipfile.ZipFile(tmp_path / "m.npz", "w"):
            pass
    path = tmp_path / "m.npz" if suffix == ".npz" else save(tmp_path / f"m{suffix}", {})
    with pytest.raises(MaskError, match="is empty: there is no array in it"):
        maskfile.read(path)


@pytest.mark.parametrize(("name", "words"), [
    ("m.txt", r"ends in '\.txt'; a mask or weight file ends in \.npz, \.safetensors, \.pt, \.h5"),
    ("m", "ends in ''"), ("gone.npz", "there is no file"), ("folder.pt", "there is no file")])
def test_paths(tmp_path, name, words):
    (tmp_path / "folder.pt").mkdir()
    (tmp_path / "m.txt").write_text("x")
    for act in (maskfile.read, maskfile.read_weights):
        with pytest.raises(MaskError, match=words):
            act(tmp_path / name)


def test_writing(tmp_path, suffix, monkeypatch):
    masks = Masks.of({"w": mask()})
    for name, words in (("m.txt", r"ends in '\.txt'"), (f"no/m{suffix}", r"the folder .*no is not there")):
        with pytest.raises(MaskError, match=words):
            maskfile.write(tmp_path / name, masks)
    path = tmp_path / f"m{suffix}"
    maskfile.write(path, masks)
    before = path.read_bytes()

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(StoreError, match="No space left on device"):
        maskfile.write(path, Masks.of({"w": ~mask()}))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_a_target_is_refused_before_there_is_anything_to_write(tmp_path, suffix):
    (tmp_path / f"folder{suffix}").mkdir()
    for name, words in (("m", "ends in ''"), ("m.txt", r"ends in '\.txt'"), (f"no/m{suffix}", "the folder .*no is not there"),
                        (f"folder{suffix}", r"folder\S+ is a folder; give the name of a file")):
        for act in (maskfile.check_target, lambda path: maskfile.write(path, Masks.of({"w": mask()}))):
            with pytest.raises(MaskError, match=words) as e:
                act(tmp_path / name)
            assert "\n" not in str(e.value)
    assert maskfile.check_target(str(tmp_path / f"m{suffix.upper()}")) == suffix
    assert [p.name for p in tmp_path.iterdir()] == [f"folder{suffix}"], "asking writes nothing"


class Evil:
    """Leaves a file behind when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_nothing_is_unpickled(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"w": Evil(trace)}, tmp_path / "m.pt")
    array = np.empty((2, 2), object)
    array[0, 0] = Evil(trace)
    np.savez(tmp_path / "m.npz", w=array)
    torch.save(Evil(trace), (plain := io.BytesIO()), _use_new_zipfile_serialization=False)
    (tmp_path / "old.pt").write_bytes(plain.getvalue())
    for name in ("m.pt", "m.npz", "old.pt"):
        for act in (maskfile.read, maskfile.read_weights):
            with pytest.raises(MaskError, match=name):
                act(tmp_path / name)
    assert not trace.exists()


FIRST = "layer1.0.conv1.weight"


def weights(seed=0):
    rng = np.random.default_rng(seed)
    return {"layer1.0.conv1.weight": rng.standard_normal((8, 4, 3, 3), np.float32), "fc.weight": rng.standard_normal((10, 8)),
            "layer1.0.conv2.weight": rng.standard_normal((8, 8, 1, 1)), "bn.bias": rng.random(8), "bn.num_batches": np.array(7)}


def test_weights_that_the_masks_name_else_the_four_dimensional_ones(tmp_path, suffix):
    w = weights()
    path = save(tmp_path / f"w{suffix}", w)
    named = Masks.of({n: np.ones(w[n].shape, bool) for n in ("fc.weight", "layer1.0.conv1.weight")})
    for names, found in ((list(named), maskfile.read_weights(path, named)),
                         (["layer1.0.conv1.weight", "layer1.0.conv2.weight"], maskfile.read_weights(path))):
        assert sorted(found) == names
        for n in names:
            np.testing.assert_array_equal(found[n], w[n].astype(np.float32), strict=True)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_training_checkpoint_is_opened(tmp_path, key):
    state = {k: torch.from_numpy(np.array(v)) for k, v in weights().items()}
    torch.save({key: state, "epoch": 3, "optimizer": {"lr": 0.1}}, tmp_path / "w.pt")
    assert sorted(maskfile.read_weights(tmp_path / "w.pt")) == ["layer1.0.conv1.weight", "layer1.0.conv2.weight"]


@pytest.mark.parametrize(("masks", "change", "words"), [
    ({"layer1.0.conv3.weight": (8, 4, 3, 3)}, {}, r"there is no weight 'layer1\.0\.conv3\.weight'; did you mean layer1\.0\.conv"),
    ({FIRST: (8, 4, 5, 5)}, {}, r"weight 'layer1\.0\.conv1\.weight' has shape \(8, 4, 3, 3\); its mask has \(8, 4, 5, 5\)"),
    ({FIRST: (8, 4, 3, 3)}, {FIRST: np.full((8, 4, 3, 3), np.nan)}, "has 288 values that are not finite"),
    ({FIRST: (8, 4, 3, 3)}, {FIRST: np.ones((8, 4, 3, 3), int)}, "has dtype int64; it should be floating"),
    (None, {"layer1.0.conv2.weight": np.full((8, 8, 1, 1), np.inf)}, "has 64 values that are not finite"),
    (None, {FIRST: np.ones(3), "layer1.0.conv2.weight": np.ones(3)}, "no array in it has four dimensions"),
], ids=["name", "shape", "nan", "dtype", "inf", "no convolution"])
def test_weights_that_do_not_fit(tmp_path, suffix, masks, change, words):
    path = save(tmp_path / f"w{suffix}", {**weights(), **change})
    made = masks and Masks.of({n: np.ones(s, bool) for n, s in masks.items()})
    with pytest.raises(MaskError, match=rf"w\{suffix}: .*{words}"):
        maskfile.read_weights(path, made)


def test_only_pt_needs_torch(tmp_path):
    for suffix in SUFFIXES:
        save(tmp_path / f"m{suffix}", {"w": mask()})
    code = ("import sys\nfrom lthviz.exchange import maskfile\nfor s in ('.npz', '.safetensors', '.h5'):\n"
            "    maskfile.write('n' + s, maskfile.read('m' + s))\nassert 'torch' not in sys.modules")
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=env, timeout=60)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_mask_file_says_what_it_is_of(tmp_path, suffix):
    masks, words, path = Masks.of({"conv.weight": np.eye(4, dtype=bool)}), '{"say": "größer"}' * 9000, tmp_path / f"m{suffix}"
    maskfile.write(path, masks, words)
    assert maskfile.description(path) == words and maskfile.read(path) == masks   # the text is no mask
    maskfile.write(path, masks)
    assert maskfile.description(path) is None and maskfile.read(path) == masks


def test_what_a_mask_file_says_is_where_each_format_keeps_it(tmp_path):
    masks = Masks.of({"conv.weight": np.eye(4, dtype=bool)})
    for suffix in SUFFIXES:
        maskfile.write(tmp_path / f"m{suffix}", masks, "words")
    with safetensors.safe_open(tmp_path / "m.safetensors", "np") as f:
        assert f.metadata() == {"lthviz": "words"} and list(f.keys()) == ["conv.weight"]
    state = torch.load(tmp_path / "m.pt", weights_only=True)
    assert state._metadata == {"lthviz": "words"} and torch.equal(state["conv.weight"], torch.eye(4, dtype=torch.bool))
    assert np.load(tmp_path / "m.npz")["__lthviz__"].tobytes() == b"words"
    with h5py.File(tmp_path / "m.h5") as f:
        assert f["__lthviz__"][:].tobytes() == b"words"
    with pytest.raises(MaskError, match="there is no file"):
        maskfile.description(tmp_path / "none.npz")
