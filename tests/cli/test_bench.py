"""`lthviz bench` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from lthviz.cli import main
from lthviz.records import Timing
from lthviz.speed import machine, network
from lthviz.store import Store
from tests import shipped

ROOT = Path(__file__).resolve().parents[2]
QUICK = ["--batch", "2", "--threads", "1", "--baselines", "torch", "--seconds", "0.01", "--pairs", "1"]
CONTRACT = {"dense_ms", "ticket_ms", "time_ratio", "flops_ratio", "max_abs_err", "baseline", "device", "threads", "batch", "n", "layers",
            "spread", "executor", "others", "conditions"}
SHAPES = {"features.0.weight": (128, 32, 3, 3), "features.3.weight": (128, 128, 3, 3), "features.6.weight": (128, 128, 3, 3)}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as m:
        m.setenv("LTHVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def masks(tmp_path):
    """A channel-wise mask of the small network: half of the channels of each layer."""
    rng = np.random.default_rng(0)
    made = {}
    for name, shape in SHAPES.items():
        made[name] = np.zeros(shape, bool)
        made[name][rng.permutation(shape[0])[:shape[0] // 2]] = True
    np.savez(tmp_path / "m.npz", **made)
    return made


@pytest.fixture
def runs(tmp_path):
    shipped.copy(tmp_path / "examples")
    return tmp_path / "runs"


def said(capsys, *words):
    assert main([*map(str, words), "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words, code=2):
    """The one line of a wrong call."""
    try:
        found = main(["bench", *map(str, words)])
    except SystemExit as e:
        found = e.code
    out, err = capsys.readouterr()
    assert found == code, err
    assert out == "" and err.count("\n") == 1, err
    return err


def of_file(tmp_path, *more):
    return ["bench", "--model", "convnet", "--image", "1x8x8", "--masks", tmp_path / "m.npz", *QUICK, *more]


def test_masks_from_a_file(capsys, tmp_path, masks):
    found = said(capsys, *of_file(tmp_path))
    assert found.keys() >= CONTRACT
    assert (found["batch"], found["threads"], found["device"], found["n"], found["baseline"]) == (2, 1, "cpu", 1, "torch")
    assert found["flops_ratio"] == pytest.approx((0.5 * 32 * 16 + 0.25 * 128 * 4 * 2) / (32 * 16 + 128 * 4 * 2)), "dead inputs are counted out"
    assert found["max_abs_err"] <= 1e-4 and found["speedup"] == pytest.approx(1 / found["time_ratio"])
    for line, name in zip(found["layers"], SHAPES, strict=True):
        assert line.keys() == {"name", "kept", "flops_ratio", "dense_ms", "ticket_ms", "executor"} and line["name"] == name
    assert found["conditions"]["removed_channels"] == 192

    kept = said(capsys, *of_file(tmp_path, "--unstructured"))
    assert kept["flops_ratio"] == 0.5 and kept["conditions"]["removed_channels"] == 0 and kept["structure"] == "unstructured"


def test_in_words(capsys, tmp_path, masks):
    np.savez(tmp_path / "m.npz", **{k: v for k, v in masks.items() if "6" not in k})
    assert main([str(x) for x in of_file(tmp_path)]) == 0
    out = capsys.readouterr().out
    for word in (*(x.removesuffix(".weight") for x in SHAPES), "Whole network, 2 images at a time, cpu, 1 thread", "times as fast", "quartiles",
                 "without a mask, so dense: features.6.weight", "128 channels without weights count as removed", "of the output's scale", machine.cpu()):
        assert word in out, word


def test_the_same_in_a_process_of_its_own(tmp_path, masks):
    """As typed; standard output is nothing but the JSON."""
    found = subprocess.run([sys.executable, "-m", "lthviz", *map(str, of_file(tmp_path)), "--json"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0 and found.stderr == "", found.stderr
    assert json.loads(found.stdout).keys() >= CONTRACT


@pytest.mark.parametrize("suffix", ["safetensors", "pt", "h5"])
def test_other_formats(capsys, tmp_path, masks, suffix):
    from lthviz.exchange import maskfile
    from lthviz.records import Masks

    maskfile.write(tmp_path / f"m.{suffix}", Masks.of(masks))
    words = [x if x != tmp_path / "m.npz" else tmp_path / f"m.{suffix}" for x in of_file(tmp_path)]
    assert said(capsys, *words)["conditions"]["removed_channels"] == 192


def test_weights_are_taken(capsys, tmp_path, masks):
    save_file({"features.0.weight": np.full(SHAPES["features.0.weight"], np.nan, np.float32)}, tmp_path / "w.safetensors")
    assert "not finite" in refused(capsys, *of_file(tmp_path, "--weights", tmp_path / "w.safetensors")[1:])
    save_file({"features.0.weight": np.zeros((2, 2, 3, 3), np.float32)}, tmp_path / "w.safetensors")
    assert "(2, 2, 3, 3)" in refused(capsys, *of_file(tmp_path, "--weights", tmp_path / "w.safetensors")[1:])
    save_file({"features.0.weight": np.ones(SHAPES["features.0.weight"], np.float32)}, tmp_path / "w.safetensors")
    assert said(capsys, *of_file(tmp_path, "--weights", tmp_path / "w.safetensors"))["max_abs_err"] <= 1e-4


def test_a_ticket_of_a_run_keeps_its_timing(capsys, runs):
    store = Store(runs)
    (run_id,) = store.runs()
    found = said(capsys, "bench", "--run", run_id, "--round", 5, "--structure", "refill", *QUICK, "--runs", runs)
    (kept,) = store.timings(run_id)
    assert kept == Timing.of({k: v for k, v in found.items() if k not in ("speedup", "key", "disturbed")})
    assert (kept.round, kept.structure, kept.key) == (5, "refill", found["key"])
    row = next(r for r in store.run(run_id).rows if (r["round"], r["structure"]) == (5, "refill"))
    assert kept.flops_ratio == pytest.approx(row["flops_ratio"])


def test_an_example_that_lthviz_came_with_is_measured_from_anywhere(capsys, tmp_path, monkeypatch):
    monkeypatch.delenv("LTHVIZ_EXAMPLES")
    run_id = shipped.FIRST
    before = {p: p.read_bytes() for p in (ROOT / "data" / "examples").rglob("*") if p.is_file()}
    found = said(capsys, "bench", "--run", run_id, "--round", 5, "--structure", "refill", *QUICK, "--runs", tmp_path / "mine")
    assert [t.key for t in Store(tmp_path / "mine").timings(run_id) if t.time == found["time"]] == [found["key"]]
    assert {p: p.read_bytes() for p in (ROOT / "data" / "examples").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(("words", "expected"), [
    ([], ["--run", "--masks"]),
    (["--model", "convnet"], ["--masks"]),
    (["--run", "x"], ["--round", "--structure"]),
    (["--run", "x", "--round", "1", "--structure", "refill", "--masks", "m.npz"], ["--masks", "--run"]),
    (["--model", "convnet", "--masks", "m.npz", "--round", "3"], ["--round", "--run"]),
    (["--run", "nowhere", "--round", "1", "--structure", "refill"], ["nowhere"]),
    (["--model", "convnet", "--masks", "nowhere.npz"], ["nowhere.npz"]),
    (["--model", "convnet", "--masks", "m.npz", "--image", "32"], ["--image", "3x32x32"]),
    (["--model", "convnet", "--masks", "m.npz", "--pairs", "0"], ["--pairs"]),
    (["--model", "convnet", "--masks", "m.npz", "--seconds", "nan"], ["--seconds"]),
    (["--model", "convnet", "--masks", "m.npz", "--classes", "0"], ["--classes"]),
    (["--model", "convnet", "--masks", "m.npz", "--batch", "many"], ["--batch", "many"]),
])
def test_wrong_words_get_one_line(capsys, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    err = refused(capsys, *words, "--runs", tmp_path / "runs")
    assert all(x in err for x in expected), err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("words", "expected"), [
    (["--model", "convnett"], ["convnett", "convnet"]),
    (["--image", "3x8x8x8"], ["--image"]),
    (["--image", "1x2x2"], ["1x2x2", "4 pixels"]),
    (["--batch", "0"], ["batch = 0"]),
    (["--threads", "4096"], ["4096", "cores"]),
    (["--device", "cuda:99"], ["cuda:99"]),
    (["--device", "gpu"], ["gpu", "cuda"]),
    (["--baselines", "onnx"], ["onnx", "onnxruntime"]),
    (["--baselines", "quick,torch"], ["'quick,torch'", "quick stands for several forms", "give all, or quick, or names with commas between", "torch.jit"]),
    (["--baselines", "torch,all"], ["all stands for several forms"]),
    (["--baselines", ","], ["names none"]),
    (["--image", "1x99999x99999"], ["1x99999x99999", "GiB", "even for one image; use smaller ones"]),
    (["--batch", "1000000000"], ["batch = 1000000000", "GiB", "use at most"]),
    (["--classes", "1000000001"], ["--classes", "1,000,000"]),
    (["--precision", "tf32"], ["tf32", "GPU"]),
])
def test_what_cannot_be_measured_gets_one_line(capsys, tmp_path, masks, words, expected):
    err = refused(capsys, *of_file(tmp_path, *words)[1:])
    assert all(x in err for x in expected), err


@pytest.mark.parametrize(("content", "expected"), [
    ({"features.1.weight": np.ones((3, 3), bool)}, ["features.1.weight", "did you mean"]),
    ({"features.0.weight": np.ones((64, 32, 3, 3), bool)}, ["features.0.weight", "(64, 32, 3, 3)", "(128, 32, 3, 3)"]),
    ({"features.0.weight": np.full((128, 32, 3, 3), 0.5)}, ["features.0.weight", "0.5"]),
])
def test_masks_that_do_not_fit_the_network(capsys, tmp_path, content, expected):
    np.savez(tmp_path / "m.npz", **content)
    err = refused(capsys, *of_file(tmp_path)[1:])
    assert all(x in err for x in expected), err


def test_a_ticket_that_is_not_there(capsys, runs):
    (run_id,) = Store(runs).runs()
    assert "round 99" in refused(capsys, "--run", run_id, "--round", 99, "--structure", "refill", "--runs", runs)
    assert "refill" in refused(capsys, "--run", run_id, "--round", 2, "--structure", "refil", "--runs", runs)
    assert not runs.exists()


@pytest.mark.parametrize(("content", "expected"), [
    (b"mask = 1\n", ["it is text that begins with 'mask = 1'", "numpy.savez"]), (b"", ["it is empty", "numpy.savez"]),
    (b"\x89HDF\r\n\x1a\n" + bytes(100), ["HDF5", "ends in .h5"]), (b"\x80\x04\x95" + bytes(100), ["pickle, which is not opened"]),
    (b"\x10\x00\x00\x00\x00\x00\x00\x00{}", ["safetensors"]), (bytes(range(200, 255)), ["c8 c9 ca cb", "50 4b 03 04"]),
    (b"PK\x03\x04" + bytes(100), ["cannot be read as .npz"]),
])
def test_an_npz_that_is_none_is_told_what_it_is(capsys, tmp_path, content, expected):
    (tmp_path / "m.npz").write_bytes(content)
    err = refused(capsys, *of_file(tmp_path)[1:])
    assert "m.npz" in err and all(x in err for x in expected), err


def test_nothing_runs_before_the_memory_is_known_to_do(capsys, tmp_path, masks, monkeypatch):
    """An image that is too large for the memory never reaches a layer."""
    import torch

    monkeypatch.setattr(machine, "free_bytes", lambda: 2**28)
    real = torch.nn.functional.conv2d
    monkeypatch.setattr(torch.nn.functional, "conv2d", lambda x, *a, **k: real(x, *a, **k) if x.is_meta else pytest.fail("a layer ran"))
    monkeypatch.setattr(torch.nn.Conv2d, "_conv_forward", lambda self, x, w, b: torch.nn.functional.conv2d(x, w, b, self.stride, self.padding))
    for words in (["--image", "1x4000x4000"], ["--batch", "1000000"]):
        assert "GiB of memory" in refused(capsys, *of_file(tmp_path, *words)[1:])


def test_a_disturbed_measurement_says_so(capsys, tmp_path, masks, monkeypatch):
    for busy in (0.0, 1.3):
        monkeypatch.setattr(machine.Others, "cores", lambda self, busy=busy: busy)
        found = said(capsys, *of_file(tmp_path, "--pairs", "1"))
        assert any("1.3 cores" in x for x in found["disturbed"]) == (busy == 1.3)
        assert main([str(x) for x in of_file(tmp_path)]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert ("disturbed: other processes kept 1.3 cores busy" in out) == (busy == 1.3)
        if busy:
            assert "times as fast, disturbed" in out and "measure again on one at rest" in out


def test_a_fault_of_ours_is_one_line_and_code_1(capsys, tmp_path, masks, monkeypatch):
    from lthviz.speed import program

    right = program.Program.__call__
    monkeypatch.setattr(program.Program, "__call__", lambda self, x: right(self, x) + 1)
    assert "fault of ours" in refused(capsys, *of_file(tmp_path)[1:], code=1)


def test_the_default_image_is_cifars():
    assert network.build("vgg16", (3, 32, 32), 10).classifier.out_features == 10
    from lthviz.cli import bench

    assert bench._shape(bench.IMAGE) == (3, 32, 32) and bench.CLASSES == 10
