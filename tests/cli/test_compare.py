"""compare from the terminal, on three real seeds of a small study, against the statistics module."""

import json
import shutil
import statistics

import pytest

from lthviz.cli import main
from lthviz.core.study import study_id
from lthviz.presets import preset
from lthviz.store import Store, files
from tests.replicates import SEEDS
from tests.speeds import CONDITIONS, timing, timings


@pytest.fixture
def runs(three_seeds, tmp_path, monkeypatch):
    """(store that may be changed, run ids, study id)."""
    folder = tmp_path / "runs"
    shutil.copytree(three_seeds[0], folder)
    monkeypatch.setenv("LTHVIZ_RUNS", str(folder))
    store = Store()
    return store, three_seeds[1], study_id(store.run(three_seeds[1][0]).config)


@pytest.fixture
def compare(capsys):
    """`compare(*words)`: its JSON, and with `said=True` its text."""
    def call(*words, said=False):
        assert main(["compare", *map(str, words), *([] if said else ["--json"])]) == 0
        out = capsys.readouterr().out
        return out if said else json.loads(out)
    return call


def refused(capsys, *words) -> str:
    assert main(["compare", *map(str, words)]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and "Traceback" not in err, err
    return err


def rows(store, ids, k, label):
    return [r for i in ids for r in store.run(i).rows if (r["round"], r["structure"]) == (k, label)]


def test_a_run_brings_all_its_replicates_and_every_number_is_that_of_the_statistics_module(runs, compare):
    store, ids, study = runs
    result = compare(ids[1])
    assert result == compare(study) == compare(*ids, study)
    (found,) = result["studies"]
    assert (found["study_id"], found["seeds"], found["runs"], found["title"]) == (study, list(SEEDS), ids, "Handwritten digits")
    assert len(found["tickets"]) == 1 + 2 * 4
    for t in found["tickets"]:
        mine = rows(store, ids, t["round"], t["structure"])
        for name, field in (("accuracy", "test_acc"), ("density", "density"), ("effective_density", "effective_density"), ("coverage", "coverage"),
                            ("flops_ratio", "flops_ratio"), ("seconds", "seconds")):
            values = [r[field] for r in mine]
            assert t[name] == {"mean": pytest.approx(statistics.mean(values)), "sd": pytest.approx(statistics.stdev(values), abs=1e-9), "n": 3}
        assert t["seeds"] == list(SEEDS)
    dense = [r["test_acc"] for r in rows(store, ids, 0, "unstructured")]
    assert found["level"] == {"accuracy": pytest.approx(statistics.mean(dense)), "tolerance": pytest.approx(statistics.stdev(dense)), "n": 3, "stated": False,
                              "least": pytest.approx(statistics.mean(dense) - statistics.stdev(dense))}
    assert {t["wins"] for t in found["tickets"] if t["round"] == 0} == {None}
    assert all(t["wins"] == (t["accuracy"]["mean"] >= found["level"]["least"]) for t in found["tickets"] if t["round"])


def test_the_tolerance_decides_who_wins(runs, compare):
    study = runs[2]
    for points in (0, 100):
        (found,) = compare(study, "--tolerance", points)["studies"]
        assert found["level"]["stated"] and found["level"]["tolerance"] == points
    assert all(t["wins"] for t in found["tickets"] if t["round"])
    for label, best in found["extreme"].items():
        sparse = min((t for t in found["tickets"] if t["structure"] == label and t["round"]), key=lambda t: t["density"]["mean"])
        assert (best["round"], best["density"]) == (sparse["round"], sparse["density"]["mean"])
        assert best["sparsity"] == pytest.approx(1 - best["density"])


def test_methods_are_held_against_the_unstructured_ticket_at_equal_density(runs, compare):
    store, ids, study = runs
    result = compare(study)
    assert (result["against"], result["reference"]) == ("density", "unstructured")
    assert {x["structure"] for x in result["equal"]} == {r["structure"] for r in store.run(ids[0]).rows} - {"unstructured"}
    for x in result["equal"]:
        if x["structure"] == "random":          # its density is that of its round's unstructured ticket, seed by seed
            apart = [a["test_acc"] - b["test_acc"] for a, b in zip(rows(store, ids, x["round"], "random"), rows(store, ids, x["round"], "unstructured"))]
            assert x["paired"] == {"mean": pytest.approx(statistics.mean(apart)), "sd": pytest.approx(statistics.stdev(apart)), "n": 3}
            assert x["difference_is"] == "paired by seed, n = 3, mean ± s.d. of the differences"
        if x["bracket"]:
            low, high = x["bracket"]
            assert low["at"] <= x["at"] <= high["at"]
    other = compare(study, "--reference", "random")
    assert other["reference"] == "random" and "unstructured" in {x["structure"] for x in other["equal"]}


def test_at_equal_speed_measurements_of_one_setting_count(runs, compare, capsys):
    store, ids, study = runs
    assert "is measured" in refused(capsys, study, "--against", "speed") and "is measured with batch 7" in refused(
        capsys, study, "--against", "speed", "--batch", "7")
    for i in ids[:2]:
        for t in [*timings(store.run(i)), *timings(store.run(i), batch=1, rounds=[1])]:
            store.put_timing(i, t)
    result = compare(study, "--against", "speed")
    assert result["setting"]["batch"] == 64
    for t in result["studies"][0]["tickets"]:
        found = [x.time_ratio for i in ids[:2] for x in store.timings(i) if (x.round, x.structure, x.batch) == (t["round"], t["structure"], 64)]
        if t["round"]:
            assert t["time_ratio"] == {"mean": pytest.approx(statistics.mean(found)), "sd": pytest.approx(statistics.stdev(found), abs=1e-12), "n": 2}
    assert all(x["paired"]["n"] <= 2 for x in result["equal"]) and compare(study, "--against", "speed", "--batch", 1)["setting"]["batch"] == 1
    assert "time" in (said := compare(study, "--against", "speed", said=True)) and "busy" not in said
    row = next(r for r in store.run(ids[0]).rows if (r["round"], r["structure"]) == (1, "refill"))
    store.put_timing(ids[0], timing(store.run(ids[0]), dict(row), conditions={**CONDITIONS, "others_cores": 1.5}, time=1.9e9))
    marked = {(t["round"], t["structure"]): t["disturbed"] for t in compare(study, "--against", "speed")["studies"][0]["tickets"] if t["disturbed"]}
    assert marked == {(1, "refill"): 1}
    assert "?: 1 of the 16 measurements, of 1 ticket, was made on a busy machine and is doubtful." in compare(study, "--against", "speed", said=True)


def test_the_words_have_means_spreads_numbers_verdicts_and_extremes(runs, compare):
    store, ids, study = runs
    said = compare(study, said=True)
    accs = [r["test_acc"] for r in rows(store, ids, 1, "refill")]
    for words in (f"Study {study}: Handwritten digits, 3 seeds (0, 1, 2)", f"{statistics.mean(accs):.2f} ± {statistics.stdev(accs):.2f}",
                  "one standard deviation of 3 dense trainings", "Extreme sparsity", "At equal density, against Unstructured", "(n = 3)",
                  "Difference, in points: paired by seed, n = 3, mean ± s.d. of the differences."):
        assert words in said, words
    assert "no ticket wins" in compare(study, "--tolerance", "0", said=True) and "all less sparse" in compare(study, "--unbroken", said=True)


def test_unfinished_runs_count_as_far_as_they_are_and_are_told(runs, compare):
    store, ids, study = runs
    (store.path(ids[2]) / "rounds" / "002.h5").unlink()
    (store.path(ids[2]) / "checkpoint.h5").unlink()
    store.set_state(ids[2], "cancelled")     # of a finished run a round would be missing
    new = store.begin(store.run(ids[0]).config.replace(seed=9), preset="digits")
    result = compare(ids[0])
    assert result["left_out"] == [f"run {new} (seed 9) has trained nothing yet and is left out",
                                  f"run {ids[2]} (seed 2) has finished rounds 0 to 1 of 2; what it has not trained is left out"]
    counts = {(t["round"], t["structure"]): t["n"] for t in result["studies"][0]["tickets"]}
    assert counts[1, "refill"] == 3 and counts[2, "refill"] == 2
    assert f"Note: run {new} (seed 9) has trained nothing yet" in compare(study, said=True)


def test_a_single_seed_has_a_quarter_point_and_no_spread(runs, compare):
    store, ids, study = runs
    for i in ids[1:]:
        store.delete(i)
    (found,) = compare(study)["studies"]
    assert (found["seeds"], found["level"]["tolerance"], found["level"]["n"]) == ([0], 0.25, 1)
    assert all(t[k]["sd"] is None for t in found["tickets"] for k in ("accuracy", "density"))
    assert "1 seed (0)" in compare(study, said=True)


def test_studies_that_differ_in_a_setting_stand_side_by_side(runs, compare):
    store, ids, study = runs
    longer = store.begin(store.run(ids[0]).config.replace(epochs=2), preset="digits")
    result = compare(study, longer)
    assert [len(s["runs"]) for s in result["studies"]] == [3, 1] and result["studies"][1]["level"] is None
    said = compare(study, longer, said=True)
    assert "; epochs 1" in said and "; epochs 2" in said and "its dense network is not trained yet" in said


def test_other_images_or_another_network_under_the_same_names_are_refused_and_what_limits_is_said(runs, compare, capsys):
    store, ids, study = runs
    config = store.run(ids[0]).config
    other = store.begin(config.replace(validation=0.3, linear="all"), preset="digits")
    notes = compare(study, other)["caveats"]
    assert len(notes) == 2 and "(linear none, all)" in notes[0] and "(validation 0.1, 0.3)" in notes[1]
    assert all(f"Note: {x}." in compare(study, other, said=True) for x in notes) and compare(study)["caveats"] == []
    file = store.path(ids[1]) / "layers.json"
    value = json.loads(file.read_text())
    value["info"]["image_shape"] = [1, 16, 16]
    files.write_json(file, value)
    err = refused(capsys, study)
    assert ids[1] in err and "different sizes of images (1×8×8, 1×16×16)" in err and "say nothing about each other" in err


def test_wrong_words_get_one_line(runs, capsys):
    store, ids, study = runs
    other = store.begin(preset("resnet20-cifar10").config)
    assert "there is no run or study 'nothing'" in refused(capsys, "nothing")
    assert f"did you mean {study}" in refused(capsys, study[:-1])
    assert "convnet on digits" in (err := refused(capsys, ids[0], other)) and "resnet20 on cifar10" in err
    assert "0 or more" in refused(capsys, study, "--tolerance", "-1") and "nan" in refused(capsys, study, "--tolerance", "nan")
    assert "did you mean speed" in refused(capsys, study, "--against", "sped")
    assert "'refil'" in (err := refused(capsys, study, "--reference", "refil")) and "did you mean refill" in err


def test_a_run_that_cannot_be_read_is_told_and_named_it_is_refused(runs, compare, capsys):
    store, ids, study = runs
    (store.path(ids[1]) / "config.json").write_text("{")
    result = compare(study)
    assert result["studies"][0]["seeds"] == [0, 2] and any(ids[1] in x and "cannot be read" in x for x in result["left_out"])
    assert main(["compare", ids[1]]) == 1 and ids[1] in capsys.readouterr().err
