"""lthviz compare --side: settings and outcomes of stored runs, against their results."""

import json

import pytest

from lthviz.cli import main
from lthviz.core.study import study_id
from lthviz.store import Store


@pytest.fixture
def side(three_seeds, monkeypatch, capsys):
    folder, ids = three_seeds
    monkeypatch.setenv("LTHVIZ_RUNS", str(folder))
    store = Store()
    study = study_id(store.run(ids[0]).config)

    def run(*words, code=0):
        assert main(["compare", "--side", *words]) == code
        told = capsys.readouterr()
        return told.out if code == 0 else told.err
    return store, ids, study, run


def test_a_study_beside_one_of_its_runs(side):
    store, ids, study, run = side
    found = json.loads(run(study, ids[1], "--baseline", study, "--density", "64", "--json"))
    assert found["named"] == {"A": study, "B": ids[1]} and found["comparable"] == []
    assert found["settings"] == [{"setting": "seed", "A": "0, 1, 2", "B": "1", "what it is": "everything random is derived from it"}]
    dense = [store.results(i)[0]["test_acc"] for i in ids]
    b = next(r for r in found["outcomes"] if (r["name"], r["method"]) == ("B", "Refill"))
    assert b["dense, less baseline (points)"] == pytest.approx(dense[1] - sum(dense) / 3) and b["dense n"] == 1
    mine = next(r for r in store.results(ids[1]) if (r["round"], r["structure"]) == (b["nearest: round"], "refill"))
    assert b["nearest: accuracy (%)"] == mine["test_acc"] and b["nearest (% of weights)"] == pytest.approx(100 * mine["density"])


def test_words_name_the_letters_and_all_settings(side):
    _, ids, _, run = side
    said = run(ids[0], ids[1], "--all")
    assert f"A: {ids[0]}" in said and f"B: {ids[1]}" in said and "Regroup: groups" in said and "Dense network" in said
    assert "Settings that differ" in run(ids[0], ids[1])


@pytest.mark.parametrize(("words", "why"), [(("nowhere",), "there is no run or study 'nowhere'"), (("{0}", "--density", "0"), "--density 0 should be"),
                                            (("{0}", "--baseline", "{1}"), "is not among the runs that are named")])
def test_what_cannot_be_is_one_line(side, words, why):
    _, ids, _, run = side
    said = run(*(w.format(*ids) for w in words), code=2)
    assert why in said and said.count("\n") == 1
