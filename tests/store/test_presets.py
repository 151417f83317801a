"""Presets of one's own: kept, read back, refused, deleted, and run by name."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz import expected
from lthviz.cli import main
from lthviz.config import Refill, Regroup, RunConfig, read_toml
from lthviz.errors import ConfigError, DamagedError
from lthviz.presets import PRESETS
from lthviz.store import presets

ROOT = Path(__file__).resolve().parents[2]


@given(st.text(max_size=60), st.text(max_size=20), st.floats(1e-6, 90), st.booleans())
def test_what_is_kept_is_read_back(tmp_path_factory, title, folder, t1, both):
    root = tmp_path_factory.mktemp("runs")
    config = RunConfig(model="convnet", data="folder", data_dir=folder, lr=0.031, milestones=(3, 5), in_loop="refill" if both else "",
                       structures=(Refill(), Regroup(t1=t1, layers="features.3@groups=4")) if both else ())
    presets.save(root, "mine-1", config, title=title, note="a \"note\"\\", source="here")
    found = presets.find(root, "mine-1")
    assert found.config == config and found.title == (title or "mine-1") and found.note == "a \"note\"\\"
    assert list(presets.everything(root)) == ["mine-1", *PRESETS] and presets.broken(root) == {}
    assert read_toml(root / ".presets" / "mine-1.toml")["config"]["model"] == "convnet"


@pytest.mark.parametrize("name", ["", "Mine", "a b", "../up", ".hidden", "x" * 61, "nul", "com1.x", "a/b", "ä"])
def test_what_is_no_name_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="can be no preset's name; use small letters"):
        presets.save(tmp_path, name, RunConfig(), title="")
    assert not (tmp_path / ".presets").exists()


def test_a_taken_name_is_refused_and_a_deleted_one_is_free(tmp_path):
    presets.save(tmp_path, "mine", RunConfig(), title="first")
    for name, way in (("mine", "or delete that one first"), ("digits", "choose another name")):
        with pytest.raises(ConfigError, match=f"there is a preset '{name}' already; .*{way}"):
            presets.save(tmp_path, name, RunConfig(epochs=3), title="second")
    assert presets.find(tmp_path, "mine").title == "first"
    presets.delete(tmp_path, "mine")
    presets.save(tmp_path, "mine", RunConfig(epochs=3), title="second")
    assert presets.find(tmp_path, "mine").config.epochs == 3
    for name, way in (("digits", "comes with lthviz"), ("mien", "did you mean mine"), ("../mine", "is not there")):
        with pytest.raises(ConfigError, match=way):
            presets.delete(tmp_path, name)


def test_what_is_not_known_or_broken_is_told(tmp_path):
    presets.save(tmp_path, "mine", RunConfig(), title="")
    with pytest.raises(ConfigError, match="'mien' is not known; did you mean mine"):
        presets.find(tmp_path, "mien")
    for name, text in (("odd", "= 3"), ("none", "title = 'x'"), ("old", "[config]\nmodle = 'x'"), ("list", "title = 3\n[config]")):
        (tmp_path / ".presets" / f"{name}.toml").write_text(text)
        with pytest.raises(DamagedError, match=f"{name}.toml is no preset: "):
            presets.find(tmp_path, name)
    assert list(presets.own(tmp_path)) == ["mine"] and sorted(presets.broken(tmp_path)) == ["list", "none", "odd", "old"]


def test_what_could_not_be_run_by_its_name_is_told_and_not_listed(tmp_path, capsys, monkeypatch):
    presets.save(tmp_path, "mine", RunConfig(), title="")
    folder = tmp_path / ".presets"
    for name in ("My Run", "digits", ".mine.kept"):
        (folder / f"{name}.toml").write_text((folder / "mine.toml").read_text())
    assert list(presets.own(tmp_path)) == ["mine"] and presets.everything(tmp_path)["digits"] == PRESETS["digits"]
    assert list(presets.broken(tmp_path)) == ["My Run", "digits"]
    with pytest.raises(ConfigError, match=r"My Run\.toml can be no preset: 'My Run' can be no preset's name; use small letters.*; rename the file"):
        presets.find(tmp_path, "My Run")
    assert presets.find(tmp_path, "digits") == PRESETS["digits"]
    monkeypatch.setattr(expected, "expected", lambda config, say: None)     # how long each would take is measured for minutes
    assert main(["run", "--preset", "--runs", str(tmp_path), "--json"]) == 0
    out, err = capsys.readouterr()
    assert list(json.loads(out)) == ["mine", *PRESETS]
    assert "digits.toml is hidden by the preset 'digits' that comes with lthviz; rename the file" in err and "My Run.toml can be no preset" in err


def test_a_run_is_started_by_its_name(tmp_path):
    small = RunConfig(model="convnet", data="digits", rounds=0, epochs=1, train_images=60, batch_size=20, threads=1, structures=(Regroup(layers="features.3@t1=2"),))
    presets.save(tmp_path / "runs", "mine", small, title="")
    done = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "mine", "--set", "seed=4", "--runs", str(tmp_path / "runs"), "--json"],
                          cwd=ROOT, check=True, capture_output=True, text=True, timeout=120)
    assert json.loads(done.stdout)["run_id"] == small.replace(seed=4).run_id
    wrong = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "mien", "--runs", str(tmp_path / "runs")], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert wrong.returncode == 2 and "did you mean mine" in wrong.stderr and "Traceback" not in wrong.stderr
