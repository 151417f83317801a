"""Compare, and what Curves shows of it: real runs side by side, a baseline pinned, settings that differ, layers, bad links."""

import json
import math
import shutil
import statistics

import pytest

from lthviz.core.study import study_id
from lthviz.presets import preset
from lthviz.records import Address
from lthviz.store import Store
from tests.pages.test_curves import control, values


@pytest.fixture(autouse=True)
def woken(monkeypatch):
    monkeypatch.setattr("lthviz.launch.wake", lambda store: None)


@pytest.fixture
def both(three_seeds, trained, tmp_path, monkeypatch) -> tuple[Store, list[str], str, str]:
    """(store, ids of three seeds of one study, that study, a run of another study on the same network and data)."""
    shutil.copytree(three_seeds[0], tmp_path / "runs")
    shutil.copytree(trained[0] / trained[1], tmp_path / "runs" / trained[1])
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "runs"))
    store = Store()
    return store, three_seeds[1], study_id(store.run(three_seeds[1][0]).config), trained[1]


def spec(at, which=0):
    return json.loads(at.get("plotly_chart")[which].proto.spec)


def frames(at):
    """Tables by a column that only they have."""
    own = {"setting": "settings-frame", "outcome": "outcomes-frame", "extreme sparsity (%)": "extremes-frame"}
    return {name: d.value for d in (*at.dataframe, *at.table) for column, name in own.items() if column in d.value.columns}


def test_only_the_settings_that_differ_are_rows(both, page, words):
    store, ids, study, other = both
    at = page("compare", of=f"{study},{other}")
    found = frames(at)["settings-frame"].set_index("setting")
    a, b = store.run(ids[0]).config, store.run(other).config
    assert (found.loc["seed", "A"], found.loc["seed", "B"]) == ("0, 1, 2", "0")
    assert {k: (found.loc[k, "A"], found.loc[k, "B"]) for k in ("epochs", "train_images")} == \
        {k: (str(getattr(a, k)), str(getattr(b, k))) for k in ("epochs", "train_images")}
    assert "rate" not in found.index and not [k for k in found.index if k.startswith("Refill")]
    control(at, "toggle", "All settings").set_value(True).run()
    every = frames(at)["settings-frame"].set_index("setting")
    assert at.query_params["all"] == "1" and every.loc["rate", "differs"] == "=" and every.loc["epochs", "differs"] == "≠"
    assert every.loc["Regroup: groups", "A"] == "4" and every.loc["Regroup: min_rows", "B"] == "8"


def test_outcomes_are_of_the_stored_results(both, page, words):
    store, ids, study, other = both
    at = page("compare", of=f"{study},{other}", density=64)
    found = frames(at)["outcomes-frame"].set_index("outcome")
    dense = [store.results(i)[0]["test_acc"] for i in ids]
    assert found.loc["Dense network", "A"] == f"{statistics.mean(dense):.2f} ± {statistics.stdev(dense):.2f} % · n = 3"
    assert found.loc["Dense network", "B"] == f"{store.results(other)[0]['test_acc']:.2f} % · n = 1"
    mine = [r for r in store.results(other) if r["structure"] == "refill" and r["round"]]
    near = min(mine, key=lambda r: abs(math.log(r["density"] / 0.64)))
    said = found.loc["Refill near 64 %", "B"]
    assert said.startswith(f"{near['test_acc']:.2f} % at {100 * near['density']:.1f} %, round {near['round']}") and said.endswith("n = 1")
    assert found.loc["Refill, fastest that wins", "B"] == "not measured"
    wins = [r for r in mine if r["test_acc"] >= store.results(other)[0]["test_acc"] - 0.25]
    extreme = found.loc["Refill, extreme sparsity", "B"]
    assert extreme == "no ticket wins" if not wins else extreme.startswith(f"{100 - 100 * min(r['density'] for r in wins):.1f} % sparse")


def test_a_pinned_baseline_lies_grey_behind_and_values_are_differences(both, page, words):
    store, ids, study, other = both
    at = page("compare", of=f"{study},{other}")
    control(at, "button_group", "Baseline").set_value(study).run()
    assert at.query_params["baseline"] == study and "Grey and dotted, behind: the baseline, A." in words(at)
    lines = [t for t in spec(at)["data"] if t.get("mode") == "lines+markers"]
    grey = [t for t in lines if "(baseline)" in t["name"]]
    assert [t["name"] for t in lines[:len(grey)]] == [t["name"] for t in grey] and len(grey) == 4, "behind: drawn first"
    assert {t["line"]["color"] for t in grey} == {"#63666B"} and {t["line"]["dash"] for t in grey} == {"1px,4px"}
    assert all("open" in t["marker"]["symbol"] for t in grey) and not {t["line"]["color"] for t in lines[len(grey):]} & {"#63666B"}
    dense = statistics.mean(store.results(i)[0]["test_acc"] for i in ids)
    less = store.results(other)[0]["test_acc"] - dense
    assert f"({less:+.2f})".replace("-", "−") in frames(at)["outcomes-frame"].set_index("outcome").loc["Dense network", "B"]
    assert "lthviz compare --side" in words(at) and f"--baseline {study}" in words(at)


def test_layers_stand_side_by_side_with_their_true_densities(both, page, words):
    store, ids, study, other = both
    at = page("compare", of=f"{study},{other}", layers="refill")
    assert f"Both have the same {len(store.run(other).layers)} layers: each row stands beside its own." in words(at) and "Of A the first seed is shown." in words(at)
    for i, run_id in enumerate((ids[0], other)):
        heat = spec(at, 1 + i)["data"][0]
        masks = store.ticket(Address(run_id, 2, "refill")).masks
        run = store.run(run_id)
        assert [row[1] for row in heat["customdata"]] == [f"{100 * masks.density(x.name):.2f} % kept" for x in run.layers]
        assert heat["y"] == [x.short for x in run.layers] and heat["x"] == ["1", "2"]


def test_a_link_says_what_is_not_there_and_shows_the_rest(both, page, words):
    _, ids, _study, other = both
    at = page("compare", of=f"{other},convnet-nowhere,{ids[0]}", baseline="elsewhere", density="lots", x="colour", layers="nothing")
    said = words(at)
    for sentence in ("there is no run 'convnet-nowhere'", "pins 'elsewhere' as the baseline", "asks for tickets at 'lots'", "sets accuracy against 'colour'",
                     "asks for the layers of 'nothing'"):
        assert sentence in said
    assert at.get("plotly_chart") and list(frames(at)["outcomes-frame"].columns) == ["outcome", "A", "B"]
    at = page("compare", of="nowhere-1,nowhere-2")
    assert "Nothing is at this address" in words(at) and "nowhere-1" in words(at)


def test_runs_of_other_networks_and_images_say_what_can_be_compared(both, page, words):
    store, _, _, other = both
    begun = store.begin(preset("digits").config.replace(model="resnet20", data="cifar10"), preset="digits")
    at = page("compare", of=f"{other},{begun}")
    said = words(at)
    assert "tested on different images (A: digits, B: cifar10)" in said and "They are different networks (A: convnet, B: resnet20)" in said
    assert "Not in the figure, because tested on other images: B." in said
    assert frames(at)["settings-frame"].set_index("setting").loc["model"].tolist()[:2] == ["convnet", "resnet20"]


def test_opened_from_the_menu_it_compares_what_is_alike(both, page):
    _, _, study, other = both
    at = page("compare")
    assert set(at.query_params["of"].split(",") if isinstance(at.query_params["of"], str) else at.query_params["of"][0].split(",")) == {study, other}


def test_no_run_no_comparison(nothing, page, words):
    assert "There is no run yet, so there is nothing to compare." in words(page("compare"))


# On Curves -------------------------------------------------------------------------------------------------------------


def test_curves_begins_with_what_is_known_and_offers_to_measure(both, page, words):
    _, _, study, other = both
    at = page("curves", run=other)
    assert "kept weights" in spec(at)["layout"]["xaxis"]["title"]["text"] and "How fast these 8 tickets run is not measured yet" in words(at)
    assert at.button(key="measure").label == "Measure 8 tickets"
    at = page("curves", study=study)
    assert "kept weights" in spec(at)["layout"]["xaxis"]["title"]["text"] and "How fast these tickets run is not measured yet" in words(at)


def test_curves_pins_a_run_and_a_study(both, page, words):
    _store, ids, study, other = both
    at = page("curves", run=ids[0], **{"with": other, "x": "kept"})
    control(at, "selectbox", "Baseline").select_index(1).run()
    assert at.query_params["baseline"] == other and f"the baseline, run {other}" in words(at)
    lines = [t for t in spec(at)["data"] if t.get("mode") == "lines+markers+text"]
    assert ["(baseline)" in t["name"] for t in lines].count(True) == 4
    extremes = frames(at)["extremes-frame"]
    assert "less baseline (points)" in extremes.columns and set(extremes["n"]) == {1} and "another seed may tell otherwise" in words(at)
    at = page("curves", study=study, **{"with": other, "x": "kept", "baseline": study})
    assert "against" in words(at) and "the baseline, method by method" in words(at)


def test_raw_points_over_the_bands_are_in_the_address(both, page, words):
    _, _, study, _ = both
    at = page("curves", study=study, x="kept")
    control(at, "toggle", "Single seeds").set_value(True).run()
    assert at.query_params["seeds"] == "1"
    raw = [t for t in spec(at)["data"] if t["name"] == "single seed"]
    assert len(raw) == 4 and all(len([v for v in values(t["y"]) if v is not None]) == 9 for t in raw), "three seeds: dense and two rounds each"


def test_the_family_of_a_run_is_offered(both, page, monkeypatch):
    from lthviz.ui import beside
    _, ids, _, other = both
    heads = {i: type("H", (), {"config": type("C", (), {"parent": p})()})() for i, p in ((ids[2], ids[1]), (ids[1], ids[0]), (ids[0], ""), (other, ""))}
    monkeypatch.setattr("lthviz.ui.cache.heads", lambda: heads)
    assert beside.family(ids[2]) == beside.family(ids[0]) == ids and beside.family(other) == [other]


def test_curves_unfolds_the_layers_where_the_link_asks(both, page, words):
    _, _, _, other = both
    at = page("curves", run=other, x="kept", layers="random")
    assert len(at.get("plotly_chart")) == 2 and "Share of each layer's weights that Random" in words(at)
    assert len(page("curves", run=other, x="kept").get("plotly_chart")) == 1


def test_runs_that_have_trained_nothing_say_how_they_stand_and_are_compared_in_their_settings(nothing, page, words):
    queued = [nothing.begin(preset("digits").config.replace(seed=9, epochs=epochs), preset="digits") for epochs in (3, 4)]
    at = page("compare", of=",".join(queued))
    said = words(at)
    assert all(f"Run {x} is queued." in said for x in queued) and "Nothing is trained yet" in said
    assert not at.get("plotly_chart") and "epochs" in str(at.dataframe[0].value.to_dict())
