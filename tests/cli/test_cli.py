"""The command line as a user types it: exit codes, one clear line, JSON that others can rely on."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from lthviz import expected
from lthviz.cli import main
from lthviz.config import Regroup, RunConfig
from lthviz.presets import PRESETS
from lthviz.store import Store

ROOT = Path(__file__).resolve().parents[2]
FAST = ["--set", "rounds=1", "--set", "epochs=1", "--set", "train_images=60", "--set", "batch_size=20"]


def refused(capsys, *words) -> str:
    """The one line that a wrong call prints; asserts exit code 2 and that nothing else was said."""
    try:
        code = main([str(w) for w in words])
    except SystemExit as e:
        code = e.code
    out, err = capsys.readouterr()
    assert code == 2, err
    assert out == "" and err.count("\n") == 1, err
    return err


def test_a_run_from_the_terminal_and_everything_after_it(tmp_path, capsys):
    runs = ["--runs", str(tmp_path / "runs")]
    first = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "digits", *FAST, *runs, "--json"], cwd=ROOT,
                           capture_output=True, text=True, timeout=120)
    assert first.returncode == 0, first.stderr
    result = json.loads(first.stdout)
    assert result["state"] == "finished" and result["seconds"] > 0
    tickets = {(r["round"], r["structure"]) for r in result["rounds"]}
    assert {(0, "unstructured"), (1, "unstructured"), (1, "refill")} <= tickets
    for r in result["rounds"]:
        assert {"round", "structure", "density", "effective_density", "coverage", "test_acc", "dense_acc"} <= r.keys()
    assert "Traceback" not in first.stderr and "train" in first.stderr

    def said(*words):
        assert main([*map(str, words), "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    assert said("run", "--preset", "digits", *FAST, *runs)["rounds"] == result["rounds"]
    run_id = result["run_id"]
    assert [(r["run_id"], r["rounds"], r["planned"]) for r in said("ls", *runs)] == [(run_id, 1, 1)]       # pruning rounds
    assert main(["ls", *runs]) == 0 and "1 of 1" in capsys.readouterr().out
    assert said("show", run_id, *runs)["rounds"] == result["rounds"]
    assert main(["show", run_id, *runs]) == 0 and "unstructured" in capsys.readouterr().out

    packed, other = tmp_path / "run.h5", ["--runs", str(tmp_path / "other")]
    said("pack", run_id, "-o", packed, *runs)
    assert said("unpack", packed, *other)["run_id"] == run_id
    assert said("show", run_id, *other)["rounds"] == result["rounds"]
    assert "there already" in refused(capsys, "pack", run_id, "-o", packed, *runs)
    said("pack", run_id, "-o", packed, "--force", *runs)


def test_presets_are_listed_with_the_time_they_take_here(capsys, monkeypatch, tmp_path):
    """How that is measured is tested in test_presets.py; here every network trains at the same speed."""
    monkeypatch.setenv("LTHVIZ_CACHE", str(tmp_path))
    monkeypatch.setattr(expected, "_measured", lambda config: 1000.0)
    assert main(["run", "--preset", "--json"]) == 0
    out = capsys.readouterr()
    listed = json.loads(out.out)
    assert list(listed) == list(PRESETS) and "measuring a few steps of resnet18 on cifar10" in out.err
    assert listed["resnet18-cifar10"]["expected"]["seconds"] == 10 * listed["resnet18-cifar10-short"]["expected"]["seconds"] * 212_400 / 109_800
    assert main(["run", "--preset"]) == 0
    assert "59 h" in (text := capsys.readouterr().out) or "2 days" in text


@pytest.mark.parametrize(("words", "said"), [
    (["run", "--preset", "digit"], ["digit", "digits"]),
    (["run", "--preset", "digits", "--set", "rate=1.5"], ["rate", "1.5", "between 0 and 1"]),
    (["run", "--preset", "digits", "--set", "ruonds=2"], ["ruonds", "rounds"]),
    (["run", "--preset", "digits", "--set", "structures=regrup"], ["regrup", "regroup"]),
    (["run", "--config", "nowhere.toml"], ["nowhere.toml"]),
    (["run"], ["--preset", "digits"]),
    (["show", "nothing"], ["nothing"]),
    (["resume", "../../etc"], ["../../etc"]),
    (["unpack", "nowhere.h5"], ["nowhere.h5"]),
    (["frobnicate"], ["frobnicate"]),
    (["run", "--preset", "--set", "rounds=2"], ["--preset one of", "digits"]),
    (["regroup", "m.npz", "-o", "x.doc"], ["x.doc", ".npz"]),
    (["regroup", "m.npz", "-o", "x.npz", "--groups", "many"], ["many"]),
])
def test_wrong_words_get_one_line(capsys, tmp_path, words, said):
    err = refused(capsys, *words, *(["--runs", tmp_path] if words[0] in ("run", "show", "resume", "unpack") else []))
    for word in said:
        assert word in err
    assert not list(tmp_path.iterdir()), "nothing is left behind"


@pytest.mark.parametrize(("settings", "said"), [
    (["data=folder", "data_dir=/nowhere/at/all"], ["/nowhere/at/all"]),
    (["structures=regroup-groups=500"], ["groups", "500", "128"]),
    (["train_images=100000"], ["train_images", "100000"]),
])
def test_what_only_the_data_can_tell_is_one_line_too(capsys, tmp_path, settings, said):
    words = [x for s in settings for x in ("--set", s)]
    assert main(["run", "--preset", "digits", *FAST, *words, "--runs", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert "Traceback" not in err and out == ""
    complaint = [line for line in err.splitlines() if line.startswith("lthviz: ")]
    assert len(complaint) == 1 and all(word in complaint[0] for word in said), err
    assert "train " not in err, "nothing was trained"


def test_ids_are_listed_whole_however_narrow_the_terminal(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    run_id = Store(tmp_path).begin(RunConfig(structures=(Regroup(groups=4, t1=2.0, leftovers="keep"),)))
    assert main(["ls", "--runs", str(tmp_path)]) == 0
    assert run_id in capsys.readouterr().out


@pytest.fixture
def masks(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"features.0.weight": rng.random((64, 8, 3, 3)) < 0.3, "features.3.weight": rng.random((96, 64, 3, 3)) < 0.2}
    np.savez(tmp_path / "m.npz", **arrays)
    return arrays


@pytest.mark.parametrize("suffix", ["npz", "safetensors", "pt", "h5"])
def test_refill_and_regroup_of_a_mask_file(capsys, tmp_path, masks, suffix):
    weights = {k: np.random.default_rng(1).standard_normal(v.shape).astype(np.float32) for k, v in masks.items()}
    save_file(weights, tmp_path / "w.safetensors")
    out = tmp_path / f"out.{suffix}"
    assert main(["refill", str(tmp_path / "m.npz"), "--weights", str(tmp_path / "w.safetensors"), "-o", str(out), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    for name, mask in masks.items():
        k = -(-int(mask.sum()) // mask[0].size)
        assert made["layers"][name]["kept"] == k * mask[0].size
    assert made["coverage"] == 1.0

    assert main(["regroup", str(out), "--groups", "2", "--min-rows", "4", "-o", str(tmp_path / f"g.{suffix}"), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    for layer in made["layers"].values():
        assert {"blocks", "coverage", "kept", "seconds"} <= layer.keys()
    assert made["seconds"] > 0
    if suffix == "pt":
        loaded = torch.load(tmp_path / "g.pt", weights_only=True)
        assert {k: int((v != 0).sum()) for k, v in loaded.items()} == {k: x["kept"] for k, x in made["layers"].items()}


@pytest.mark.parametrize(("content", "said"), [
    ({"features.0.weight": np.full((4, 4), np.nan)}, "NaN"),
    ({"features.0.weight": np.full((4, 4), 2.0)}, "0"),
    ({"features.0.weight": np.array(["a", "b"])}, "features.0.weight"),
    ({"features.0.weight": np.ones((3, 2, 1, 1), bool)}, "groups"),
])
def test_masks_that_cannot_be_used_leave_no_file(capsys, tmp_path, content, said):
    np.savez(tmp_path / "m.npz", **content)
    assert said in refused(capsys, "regroup", tmp_path / "m.npz", "-o", tmp_path / "out.npz", "--groups", "8")
    assert not (tmp_path / "out.npz").exists()


def test_refill_says_what_it_lacks(capsys, tmp_path, masks):
    assert "--weights" in refused(capsys, "refill", tmp_path / "m.npz", "-o", tmp_path / "o.npz")
    assert "network" in refused(capsys, "refill", tmp_path / "m.npz", "--score", "l2", "-o", tmp_path / "o.npz")
    save_file({"features.0.weight": np.zeros((2, 2), np.float32)}, tmp_path / "w.safetensors")
    assert "features" in refused(capsys, "refill", tmp_path / "m.npz", "--weights", tmp_path / "w.safetensors", "-o", tmp_path / "o.npz")
    assert not (tmp_path / "o.npz").exists()
