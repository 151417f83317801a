"""Studies on the Curves page: three real seeds as means with bands, found, chosen, linked and compared."""

import json
import shutil
import statistics

import pytest

from lthviz.core.study import study_id
from lthviz.figures.replicated import studies
from lthviz.figures.replicated_words import replicate_curves_table
from lthviz.presets import preset
from lthviz.store import Store, queue
from tests.pages.test_curves import control, values
from tests.speeds import timings


@pytest.fixture
def seeds(three_seeds, tmp_path, monkeypatch) -> tuple[Store, list[str], str]:
    """(store that may be changed, run ids, study id); the pages look at it."""
    shutil.copytree(three_seeds[0], tmp_path / "runs")
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "runs"))
    monkeypatch.setattr("lthviz.launch.wake", lambda store: None)
    store = Store()
    return store, three_seeds[1], study_id(store.run(three_seeds[1][0]).config)


def spec(at):
    return json.loads(at.get("plotly_chart")[0].proto.spec)


def lines(at):
    return {t["name"]: t for t in spec(at)["data"] if t.get("mode") == "lines+markers" and t["name"] != "single seed"}


def accs(store, ids, k, label):
    return [r["test_acc"] for i in ids for r in store.run(i).rows if (r["round"], r["structure"]) == (k, label)]


def test_a_study_is_drawn_as_its_means_with_n_in_the_sentence(seeds, page, words):
    store, ids, study = seeds
    at = page("curves", study=study, x="kept")
    found = lines(at)
    assert list(found) == ["Unstructured", "Refill", "Regroup", "Random"]
    assert values(found["Refill"]["y"]) == pytest.approx([statistics.mean(accs(store, ids, k, "refill")) for k in (1, 2)])
    assert sum(t["name"] == "band" for t in spec(at)["data"]) == 4
    said = words(at)
    dense = accs(store, ids, 0, "unstructured")
    assert "n = 3 seeds (0, 1, 2)" in said and f"{statistics.mean(dense):.2f} ± {statistics.stdev(dense):.2f} % (n = 3)" in said
    assert "one standard deviation of 3 dense trainings" in said and f"lthviz compare {study}" in said
    assert at.query_params["run"] == ids[0]              # where the other pages go on


def test_the_picker_lists_studies_with_their_seeds_and_runs(seeds, page, words):
    _, ids, study = seeds
    at = page("curves", run=ids[1], x="kept")
    options = at.multiselect[0].options
    assert options[0] == f"Handwritten digits · 3 seeds · study {study[-8:]}" and len(options) == 4
    at.multiselect[0].set_value([ids[1], study]).run()
    assert at.query_params["study"] == study and at.query_params["with"] == ids[1] and "n = 3 seeds (0, 1, 2)" in words(at)
    at.multiselect[0].set_value([ids[2]]).run()
    assert "study" not in at.query_params and at.query_params["run"] == ids[2] and f"run {ids[2]}" in words(at)


def test_a_run_with_replicates_leads_to_its_study(seeds, page, words):
    store, ids, study = seeds
    at = page("curves", run=ids[1], x="kept")
    at.button(key="as-study").click().run()
    assert not at.exception and at.query_params["study"] == study and "band" in {t["name"] for t in spec(at)["data"]}
    alone = store.begin(preset("digits").config, preset="digits")
    assert not [b for b in page("curves", run=alone).button if b.key == "as-study"]


def test_the_tolerance_is_set_and_in_the_address(seeds, page, words):
    store, ids, study = seeds
    at = page("curves", study=study, x="kept")
    box = control(at, "number_input", "Tolerance")
    assert box.value is None and float(box.placeholder) == pytest.approx(statistics.stdev(accs(store, ids, 0, "unstructured")), rel=0.05)
    box.set_value(0.5).run()
    assert float(at.query_params["tolerance"]) == 0.5 and "a tolerance of 0.5 points (stated)" in words(at) and "--tolerance 0.5" in words(at)
    (area,) = [s for s in spec(at)["layout"]["shapes"] if s["type"] == "rect"]
    assert area["y0"] == pytest.approx(statistics.mean(accs(store, ids, 0, "unstructured")) - 0.5)
    control(at, "number_input", "Tolerance").set_value(None).run()
    assert "tolerance" not in at.query_params and "one standard deviation" in words(at)


def test_zero_is_a_tolerance(seeds, page, words):
    assert "a tolerance of 0 points (stated)" in words(page("curves", study=seeds[2], x="kept", tolerance=0))


def test_single_seeds_and_the_stricter_rule_are_switched_on_demand(seeds, page, words):
    study = seeds[2]
    at = page("curves", study=study, x="kept")
    assert "single seed" not in {t["name"] for t in spec(at)["data"]} and "--unbroken" not in words(at)
    control(at, "toggle", "Single seeds").set_value(True).run()
    assert at.query_params["seeds"] == "1" and sum(t["name"] == "single seed" for t in spec(at)["data"]) == 4
    control(at, "toggle", "Less sparse ones must win too").set_value(True).run()
    assert at.query_params["unbroken"] == "1" and "all less sparse ones winning too" in words(at) and "--unbroken" in words(at)


def test_the_table_holds_mean_spread_number_and_verdict(seeds, page):
    store, ids, study = seeds
    shown = page("curves", study=study, x="kept").dataframe[1].value
    table = replicate_curves_table(studies([store.run(i) for i in ids]))
    assert len(shown) == len(table) == 9
    for name in ("test accuracy (%)", "sd (points)", "n", "kept weights (%)"):
        assert list(shown[name]) == pytest.approx([r[name] for r in table], rel=1e-3, abs=1e-9)
    assert list(shown["verdict"]) == [r["verdict"] for r in table] and {"wins", "below"} & {r["verdict"].partition(",")[0] for r in table}


def test_methods_stand_against_the_unstructured_ticket_at_equal_density(seeds, page, words):
    at = page("curves", study=seeds[2], x="kept")
    assert "At equal density, against Unstructured" in words(at)
    equal = at.dataframe[2].value
    assert set(equal["ticket"]) == {"Refill", "Regroup", "Random"} and set(equal["pairs"]) <= {0, 3}


def test_a_rounds_missing_seeds_and_unfinished_runs_are_told(seeds, page, words):
    store, ids, study = seeds
    (store.path(ids[2]) / "rounds" / "002.h5").unlink()
    (store.path(ids[2]) / "checkpoint.h5").unlink()
    said = words(page("curves", study=study, x="kept"))
    assert f"Run {ids[2]} (seed 2) has finished rounds 0 to 1 of 2; what it has not trained is left out." in said and "Fewer seeds: round 2 (n = 2)." in said


def test_speed_is_that_of_the_measured_seeds_and_the_others_can_be_measured(seeds, page, words):
    store, ids, study = seeds
    at = page("curves", study=study, x="speed")
    assert not at.get("plotly_chart") and [b.label for b in at.button if b.key == "measure"] == ["Measure seed 0: 8 tickets"]
    at.button(key="measure").click().run()
    assert not at.exception and len([x for r in queue.requests(store.measure_folder(ids[0])) for x in r.items]) == 8
    found = {}
    for i in ids[:2]:
        for t in timings(store.run(i)):
            store.put_timing(i, t)
            found.setdefault((t.round, t.structure), []).append(t.time_ratio)
    at = page("curves", study=study)
    assert values(lines(at)["Refill"]["x"]) == pytest.approx([1 / statistics.mean(found[k, "refill"]) for k in (1, 2)])
    said = words(at)
    assert "over 2 measured seeds" in said and "Seed 2 is not measured with batch 64, 2 threads" in said and "At equal measured speed" in said
    assert "--against speed --batch 64 --threads 2" in said


def test_two_studies_stand_side_by_side_and_another_network_is_left_out_with_a_word(seeds, page, words):
    store, ids, study = seeds
    longer = store.begin(store.run(ids[0]).config.replace(epochs=2), preset="digits")
    other = store.begin(preset("resnet20-cifar10").config)
    at = page("curves", study=study, x="kept", **{"with": [longer, other, "nowhere"]})
    said = words(at)
    assert "Unstructured · epochs 1" in lines(at) and "epochs 2: its dense network is not trained yet" in said
    assert f" is convnet on digits, run {other} is resnet20 on cifar10; only runs of one network" in said and "there is no run 'nowhere'" in said


@pytest.mark.parametrize(("address", "sentence"), [
    ({"tolerance": "lots"}, "The link states a tolerance of 'lots'; it is a number of points from 0 to 100."),
    ({"tolerance": "-1"}, "a tolerance of '-1'"), ({"tolerance": "nan"}, "a tolerance of 'nan'"), ({"x": "colour"}, "accuracy against 'colour'")])
def test_what_a_link_cannot_have_is_said_and_kept(seeds, page, words, address, sentence):
    at = page("curves", study=seeds[2], **({"x": "kept"} | address))
    assert sentence in words(at) and {k: at.query_params[k] for k in address} == address


def test_a_study_that_is_not_there_says_so(seeds, page, words):
    at = page("curves", study="convnet-digits-study-00000000")
    assert "There is no study 'convnet-digits-study-00000000'; did you mean" in words(at)


def test_an_untrained_study_has_nothing_to_draw_yet(nothing, page, words):
    config = preset("digits").config
    for seed in (0, 1):
        nothing.begin(config.replace(seed=seed), preset="digits")
    at = page("curves", study=study_id(config))
    said = words(at)
    assert not at.get("plotly_chart") and "No ticket is trained yet" in said and all(f"Run {x} is queued." in said for x in nothing.runs())
