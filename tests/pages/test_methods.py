"""A run with a ticket of every method, on every page; and the form that makes one."""

import json
import subprocess
import sys

import pytest

from lthviz.config import STRUCTURES, structure
from lthviz.records import Address
from lthviz.store import Store
from tests.pages.conftest import ROOT

LABELS = ("refill", "regroup-groups=4-min_rows=8", "random-of=refill", "random-shuffle=channels-of=regroup~groups=4~min_rows=8", "reinit-of=refill",
          "omp", "snip", "grasp", "synflow-iterations=3", "slimming", "filters", "nm")


@pytest.fixture(scope="module")
def every(tmp_path_factory):
    """(folder, id) of a finished run with a ticket of every method, trained by the command line."""
    runs = tmp_path_factory.mktemp("every") / "runs"
    settings = {"rounds": 1, "epochs": 2, "train_images": 100, "threads": 1, "structures": ",".join(LABELS)}
    done = subprocess.run([sys.executable, "-m", "lthviz", "run", "--preset", "digits", "--runs", str(runs), "--json",
                           *(w for k, v in settings.items() for w in ("--set", f"{k}={v}"))],
                          cwd=ROOT, check=True, capture_output=True, text=True, timeout=240)
    return runs, json.loads(done.stdout)


@pytest.fixture
def looked_at(every, monkeypatch):
    monkeypatch.setenv("LTHVIZ_RUNS", str(every[0]))
    return Store(), every[1]["run_id"]


def test_the_terminal_tells_every_ticket(every):
    assert {structure(label).kind for label in LABELS} == STRUCTURES.keys()
    rows = {r["structure"]: r for r in every[1]["rounds"] if r["round"] == 1}
    assert rows.keys() == {"unstructured", *LABELS} and all(r["test_acc"] is not None for r in rows.values())
    assert rows["omp"]["density"] == rows["unstructured"]["density"] and rows["nm"]["density"] == 0.5


def test_the_lab_tells_what_each_made(looked_at, page, words):
    store, run_id = looked_at
    round_ = store.round(run_id, 1)
    at = page("lab", run=run_id, round=1, stage="omp:omp", layer="features.3")
    expected = {
        "omp": "OMP ranked the weights of all layers by their magnitude in the trained dense network",
        "snip": "SNIP ranked the weights of all layers by their effect on the loss before training",
        "grasp": "by the gradient flow they carry", "synflow-iterations=3": "by the synaptic flow they carry",
        "slimming": f"Slimming kept {round_.ticket('slimming').notes['features.3.weight']['kept']} of 128 channels",
        "filters": f"L1 filters kept {round_.ticket('filters').notes['features.3.weight']['kept']} of 128 channels",
        "nm": "N:M kept the 2 largest weights of every 4 neighbouring input channels",
        "reinit-of=refill": "Re-initialised keeps the mask of Refill; its weights are fresh random ones, trained from the start",
        "random-of=refill": "put as many weights as Refill at random places", LABELS[3]: "put the channels of Regroup (groups 4, min_rows 8) at random places"}
    for label, sentence in expected.items():
        kind = structure(label).kind
        at.query_params["stage"] = f"{kind}:{label}"
        at.run()
        assert not at.exception
        said = words(at)
        assert sentence in said, label
        if kind != "reinit":
            note = round_.ticket(label).notes["features.3.weight"]
            assert f"{note['back']:,} weights came back, {note['gone']:,} went" in said, label
        assert f"keeps {round_.ticket(label).masks.nnz():,} of" in said


@pytest.mark.parametrize("name", ["home", "masks", "curves", "speed"])
def test_every_other_page_shows_them(looked_at, page, name):
    store, run_id = looked_at
    for label in ("snip", LABELS[3]) if name in ("masks", "speed") else ("",):
        at = page(name, **({} if name == "home" else {"run": run_id, "round": 1}), **({"ticket": label} if label else {}))
        assert not at.exception
    assert store.ticket(Address(run_id, 1, LABELS[3])).structural


def test_settings_that_only_go_together_can_be_typed_one_by_one(nothing, page, words):
    at = page("lab", new="digits", set=["structures=nm"])
    uid = at.session_state["form-structures"][0][0]
    at.number_input(key=f"form-{uid}-n").set_value(4).run()
    assert "n = 4 of m = 4 removes nothing" in words(at) and at.button(key="start").disabled
    at.number_input(key=f"form-{uid}-m").set_value(8).run()
    assert not at.button(key="start").disabled and "structures=nm-n=4-m=8" in at.code[0].value
    at = page("lab", new="digits", set=["structures=reinit"])
    uid = at.session_state["form-structures"][0][0]
    at.text_input(key=f"form-{uid}-of").set_value("refil").run()
    assert "'refil' is not known" in words(at) and at.button(key="start").disabled
    at.text_input(key=f"form-{uid}-of").set_value("refill-rho=0.2").run()
    assert not at.button(key="start").disabled and "reinit-of=refill~rho=0.2" in at.code[0].value
