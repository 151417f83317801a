"""`lthviz export` as a user types it."""

import json
import zipfile

import numpy as np
import pytest
import torch

from lthviz.cli import main
from lthviz.engine import events
from lthviz.exchange import maskfile, parcel
from lthviz.exchange.formats import FORMATS
from lthviz.records import Address, Stage
from lthviz.store import Store
from lthviz.store.parts import MARK
from tests.small import SMALL


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """(folder, finished run with one structure, finished run with two, run that is at work in round 1)."""
    from lthviz import launch
    from lthviz.config import Random, Refill

    folder = tmp_path_factory.mktemp("export") / "runs"
    store = Store(folder, examples="none")
    few = SMALL.replace(rounds=1, epochs=1, structures=(Refill(),))
    one, two = store.begin(few), store.begin(few.replace(structures=(Refill(), Random()), keep_weights="none"))
    for run_id in (one, two):
        launch.drive(store, run_id)
    begun = few.replace(rounds=2, seed=7)
    store.begin(begun)
    for event in events(begun):
        store.append(begun.run_id, event)
        if isinstance(event, Stage) and event.round.index == 1 and "refill" in event.round.tickets:
            break
    return folder, one, two, begun.run_id


@pytest.fixture
def call(runs, capsys):
    def call(*words):
        code = main(["export", *map(str, words), "--runs", str(runs[0])])
        said = capsys.readouterr()
        return code, said.out, said.err
    return call


def test_the_last_round_and_its_one_structure_are_meant_where_nothing_is_said(call, runs, tmp_path):
    folder, run_id, *_ = runs
    code, out, _ = call(run_id, "--format", "masks-npz", "-o", tmp_path / "m.npz", "--json")
    said, ticket = json.loads(out), Store(folder).ticket(Address(run_id, 1, "refill"))
    assert code == 0 and (said["run_id"], said["round"], said["structure"], said["format"]) == (run_id, 1, "refill", "masks-npz")
    assert said["bytes"] == (tmp_path / "m.npz").stat().st_size and said["path"] == str(tmp_path / "m.npz")
    assert said["kept"] == ticket.masks.nnz() and said["prunable"] == ticket.masks.size() and said["test_acc"] == ticket.test_acc
    assert maskfile.read(tmp_path / "m.npz") == ticket.masks
    code, out, _ = call(run_id, "--round", 0, "--format", "state-dict", "-o", tmp_path / "w.pt")
    dense = Store(folder).ticket(Address(run_id, 0, "unstructured"))
    assert code == 0 and "round 0, unstructured" in out
    assert all(np.array_equal(v.numpy(), dense.weights[k]) for k, v in torch.load(tmp_path / "w.pt", weights_only=True).items())


def test_a_folder_or_an_archive(call, runs, tmp_path):
    for out in ("small", "small.zip"):
        assert call(runs[1], "--format", "module", "-o", tmp_path / out)[0] == 0
    with zipfile.ZipFile(tmp_path / "small.zip") as z:
        assert sorted(z.namelist()) == sorted(p.name for p in (tmp_path / "small").iterdir() if p.name != MARK)
    code, _, err = call(runs[1], "--format", "module", "-o", tmp_path / "small")
    assert code == 2 and "is there already" in err
    (tmp_path / "small" / "network.py").write_text("")
    assert call(runs[1], "--format", "module", "-o", tmp_path / "small", "--force")[0] == 0
    assert (tmp_path / "small" / "network.py").read_text()
    (mine := tmp_path / "mine").mkdir()
    (mine / "thesis.tex").write_text("years")
    code, _, err = call(runs[1], "--format", "module", "-o", mine, "--force")
    assert code == 2 and "did not write" in err and (mine / "thesis.tex").read_text() == "years"


@pytest.mark.parametrize("form, suffix", [("csv", ".zip"), ("parquet", ".zip"), ("bundle", ".h5"), ("report", ".html"), ("figures", ".zip")])
def test_a_whole_run_goes_out(call, runs, tmp_path, form, suffix):
    code, out, err = call(runs[1], "--format", form, "-o", tmp_path / f"run{suffix}", "--json")
    assert code == 0, err
    assert json.loads(out) == {"run_id": runs[1], "format": form, "path": str(tmp_path / f"run{suffix}"), "bytes": (tmp_path / f"run{suffix}").stat().st_size}
    code, _, err = call(runs[1], "--format", form, "-o", tmp_path / f"again{suffix}", "--round", 1)
    assert code == 2 and "of the whole run" in err
    if form == "bundle":
        other = Store(tmp_path / "other", examples="none")
        assert other.ticket(Address(other.unpack(tmp_path / "run.h5"), 1, "refill")).masks == Store(runs[0]).ticket(Address(runs[1], 1, "refill")).masks


@pytest.mark.parametrize("words, said", [
    (["{one}", "--format", "onnxx", "-o", "x.onnx"], "format 'onnxx' is not known; did you mean onnx?"),
    (["{one}", "--format", "onnx", "-o", "x.pt"], "a name that ends in .onnx"),
    (["{one}", "--format", "onnx", "-o", "x"], "has no suffix"),
    (["{one}", "--format", "module", "-o", "x.py"], "a name without suffix for a folder, or one that ends in .zip"),
    (["{one}", "--format", "onnx", "-o", "nowhere/x.onnx"], "is not there; make it"),
    (["{one}", "--format", "onnx", "-o", "there.onnx"], "is there already; give another name, or --force"),
    (["{one}", "--format", "masks-npz", "-o", "x.npz", "--round", "5"], "round 5 of run {one} is not finished; finished: 0, 1"),
    (["{one}", "--format", "masks-npz", "-o", "x.npz", "--structure", "refil"], "did you mean refill?"),
    (["{two}", "--format", "masks-npz", "-o", "x.npz"], "has several tickets; give --structure, one of unstructured, refill, random"),
    (["{two}", "--format", "onnx", "-o", "x.onnx", "--structure", "refill"], "kept no weights of round 1, 'refill'"),
    (["{begun}", "--format", "masks-npz", "-o", "x.npz", "--round", "1"], "round 1 of run {begun} is not finished; finished: 0"),
    (["nobody", "--format", "masks-npz", "-o", "x.npz"], "nobody"),
    (["{one}", "-o", "x.npz"], "--format missing"),
    ([], "RUN and --format and -o missing"),
])
def test_what_is_wrong_is_said_in_a_line_and_nothing_is_written(call, runs, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there.onnx").write_text("old")
    names = dict(zip(("one", "two", "begun"), runs[1:], strict=True))
    code, out, err = call(*(w.format(**names) for w in words))
    assert code == 2 and not out and err.startswith("lthviz: ") and len(err.splitlines()) == 1
    assert said.format(**names) in err
    assert [p.name for p in tmp_path.iterdir()] == ["there.onnx"] and (tmp_path / "there.onnx").read_text() == "old"


def test_a_run_at_work_gives_its_last_finished_round(call, runs, tmp_path):
    code, out, _ = call(runs[3], "--format", "masks-safetensors", "-o", tmp_path / "m.safetensors", "--json")
    assert code == 0 and (json.loads(out)["round"], json.loads(out)["structure"]) == (0, "unstructured")
    assert parcel.read(maskfile.description(tmp_path / "m.safetensors"), "it").run == runs[3]


def test_every_format_is_listed(call):
    code, out, _ = call("--list", "--json")
    listed = {x["format"]: x for x in json.loads(out)}
    assert code == 0 and set(FORMATS) | {"csv", "parquet", "figures", "report", "bundle"} == set(listed)
    assert listed["onnx"] == {"format": "onnx", "suffix": ".onnx", "folder": False, "words": FORMATS["onnx"].words, "needs_weights": True, "of": "ticket"}
    assert all(name in call("--list")[1] for name in listed)
