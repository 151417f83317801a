"""Tune on every kind of run and address: numbers are the engine's own, every change is an address, and what cannot be is said."""

import html
import json
import shutil
import time
from urllib.parse import unquote

import pytest
from streamlit.testing.v1 import AppTest

from benchmarks import made_run
from lthviz.config import Refill, Regroup, structure
from lthviz.core import stats
from lthviz.core.partition import partition_all
from lthviz.core.regroup import regroup
from lthviz.records import Layer
from lthviz.seeds import derive
from lthviz.store import presets
from lthviz.tuning import desk, partitions, source

OWN = "regroup-groups=4-min_rows=8"


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What children have answered in this module: every test has its own store, and dividing anew takes seconds."""
    return tmp_path_factory.mktemp("answers")


@pytest.fixture(autouse=True)
def no_children_left(request, answers):
    """Each test begins with what those before it have had divided, and leaves no process behind."""
    known = request.getfixturevalue("store").root / ".tuning" / "known" if "store" in request.fixturenames else answers
    if known != answers:
        shutil.copytree(answers, known, dirs_exist_ok=True)
    yield
    if known != answers:
        shutil.copytree(known, answers, dirs_exist_ok=True)
    for child in desk._children.values():
        if child.stdin and not child.stdin.closed:
            child.stdin.close()
        child.wait()
    desk._children.clear()


@pytest.fixture
def words(words):
    """What stands in HTML too is compared as it is read."""
    return lambda at: html.unescape(words(at))


@pytest.fixture
def tune(store, run_id, page):
    """`tune(round=…, structure=…)`: the page once all that it waits for is there."""
    def open_tune(**address) -> AppTest:
        return settled(page("tune", **{"run": run_id, "round": 2} | address))
    return open_tune


def settled(at: AppTest) -> AppTest:
    for _ in range(300):
        if not at.get("progress"):
            return at
        time.sleep(0.1)
        at.run()
        assert not at.exception, at.exception
    raise AssertionError("it waits for ever")


def control(at, kind, label):
    return next(w for w in at.get(kind) if w.label.startswith(label))


def made(store, run_id, round, settings):
    """The ticket by the core alone, divided in this process."""
    run, masks = store.run(run_id), store.round(run_id, round).ticket("unstructured").masks
    seed = derive(run.config.seed, "regroup", round)
    return run, regroup(masks, settings, partitions=partition_all(masks, settings, seed))


def test_the_runs_own_structure_is_shown_with_the_numbers_of_its_ticket(tune, store, run_id, words):
    said, row = words(tune(structure=OWN)), next(r for r in store.run(run_id).rows if (r["round"], r["structure"]) == (2, OWN))
    masks = store.round(run_id, 2).ticket(OWN).masks
    assert f"Regroup (groups 4, min_rows 8) of round 2 would keep {masks.nnz():,} of {masks.size():,} weights ({100 * row['density']:.1f} %)" in said
    assert f"with {100 * row['flops_ratio']:.1f} % of the dense network's multiply-adds" in said
    assert f"The run has trained this very ticket: test accuracy {row['test_acc']:.1f} %." in said
    assert "No time is estimated, as this machine is not calibrated yet" in said


def test_without_an_address_the_newest_round_and_the_runs_structure(tune, store, run_id, words):
    at = tune(round="")
    assert "Regroup (groups 4, min_rows 8) of round 2" in words(at) and control(at, "button_group", "Structure").value == "regroup"


def test_list_and_cards_are_those_of_the_core(tune, store, run_id, words):
    settings = Regroup(groups=2, t1=0.4, min_rows=4, layers="features.3@t1=3")
    at = tune(structure=settings.label, layer="features.0.weight")
    run, ticket = made(store, run_id, 2, settings)
    table = at.dataframe[0].value
    kept = stats.effective(ticket.masks, run.layers, structural=True)
    assert list(table["layer"]) == [x.short for x in run.layers]
    assert list(table["density"]) == pytest.approx([100 * ticket.masks.density(x.name) for x in run.layers])
    assert list(table["multiply-adds"]) == [kept[x.name] * x.out_hw[0] * x.out_hw[1] for x in run.layers]
    assert list(table["own settings"]) == ["t1 3.0" if x.short == "features.3" else "" for x in run.layers]
    base = store.round(run_id, 2).ticket(OWN).masks
    said = words(at)
    assert f"<dt>Density</dt><dd>{100 * ticket.masks.density():.1f} %</dd><dd class='change'>" in said
    assert f"{float(f'{100 * ticket.masks.density():.1f}') - float(f'{100 * base.density():.1f}'):+.1f} points".replace("-", "−") in said


def test_a_widget_writes_the_address_and_undo_and_redo_step_through_it(tune, words):
    at = tune(structure=OWN)
    settled(control(at, "number_input", "Minimum rows").set_value(4).run())
    assert at.query_params["structure"] == "regroup-groups=4-min_rows=4"
    settled(control(at, "selectbox", "Leftovers").select("keep").run())
    assert at.query_params["structure"] == "regroup-groups=4-min_rows=4-leftovers=keep"
    assert control(at, "button", "Redo").disabled
    control(at, "button", "Undo").click().run()
    assert at.query_params["structure"] == "regroup-groups=4-min_rows=4" and control(at, "number_input", "Minimum rows").value == 4
    control(at, "button", "Undo").click().run()
    assert at.query_params["structure"] == OWN and control(at, "button", "Undo").disabled
    control(at, "button", "Redo").click().run()
    assert at.query_params["structure"] == "regroup-groups=4-min_rows=4"
    control(at, "button", "Next layer").click().run()
    assert control(at, "button", "Redo").disabled, "a change of one's own ends what was undone"
    control(at, "button", "Undo").click().run()
    assert "layer" not in at.query_params


def test_a_layer_gets_settings_of_its_own_and_loses_them(tune, store, run_id, words):
    at = tune(structure=OWN, layer="features.3.weight")
    control(at, "button_group", "Changes are for").set_value("layer").run()
    settled(control(at, "number_input", "Groups").set_value(2).run())
    assert at.query_params["structure"] == f"{OWN}-layers=features.3@groups=2"
    assert list(at.dataframe[0].value["own settings"]) == ["", "groups 2", ""]
    _, ticket = made(store, run_id, 2, structure(at.query_params["structure"]))
    assert f"would keep {ticket.masks.nnz():,} of" in words(at) and "Own settings: features.3 (groups 2)." in words(at)
    control(at, "button", "Next layer").click().run()
    assert control(at, "number_input", "Groups").value == 4, "the next layer has the settings of all"
    control(at, "button", "Clear all").click().run()
    assert at.query_params["structure"] == OWN


def test_what_a_drag_settles_on_is_taken(tune, store, run_id, words):
    """The component itself is driven in a browser (tests/browser/test_tune.py)."""
    from lthviz.ui.tune.address import Asked

    run = store.run(run_id)
    asked = Asked(run, 2, Regroup(groups=4, layers="features.3@t1=3"), run.by_name["features.3.weight"], "all", OWN)
    assert asked.settled("t1", 2.0).label == "regroup-groups=4-layers=features.3@t1=2.0"
    other = Asked(run, 2, asked.structure, run.by_name["features.0.weight"], "all", OWN)
    assert other.settled("t1", 2.0).label == "regroup-groups=4-t1=2.0-layers=features.3@t1=3.0"
    assert Asked(run, 2, Refill(), run.by_name["features.0.weight"], "layer", "refill").settled("rho", 0.25).label == "refill-layers=features.0@rho=0.25"


def test_what_is_refused_is_said_in_a_line_and_changes_nothing(tune, words):
    at = tune(structure=OWN)
    control(at, "number_input", "Groups").set_value(0).run()
    assert "groups = 0 is out of range; it must be between 1 and 1024" in words(at) and at.query_params["structure"] == OWN
    assert control(at, "number_input", "Groups").value == 4
    control(at, "number_input", "Groups").set_value(500).run()
    assert "Groups = 500 is more than the 128 rows of the widest layer; use fewer groups." in words(at) and not at.dataframe


@pytest.mark.parametrize("refused", ["regroup-groups=500-min_rows=8", "regroup-groups=500-min_rows=8-variant=paper"])
def test_what_cannot_be_cannot_be_trained_and_can_be_undone(tune, words, refused):
    at = tune(structure=OWN)
    at.query_params["structure"] = refused
    at.run()
    assert "It cannot be trained: groups = 500 is more than the 128 rows of the widest layer; use fewer groups." in words(at)
    assert control(at, "button", "Train this ticket").disabled and control(at, "selectbox", "Layer").value
    settled(control(at, "button", "Undo").click().run())
    assert "Regroup (groups 4, min_rows 8) of round 2 would keep" in words(at)


def test_the_papers_variant_answers_once_a_setting_is_entered(tune, store, run_id, words):
    at = tune(structure="regroup-groups=2-variant=paper-min_rows=4-min_cols=4", layer="features.3.weight")
    settled(control(at, "number_input", "Minimum non-zeros").set_value(2).run())
    run, masks = store.run(run_id), store.round(run_id, 2).ticket("unstructured").masks
    ticket = regroup(masks, structure(at.query_params["structure"]), seed=derive(run.config.seed, "regroup", 2))
    said = words(at)
    assert "min_nnz=2" in at.query_params["structure"] and any(len(b) for b in ticket.blocks.values())
    assert f"would keep {ticket.masks.nnz():,} of {masks.size():,} weights" in said and "has no threshold to drag" in said
    assert list(at.dataframe[0].value["blocks"]) == [len(ticket.blocks.get(x.name, ())) for x in run.layers]
    assert not control(at, "button", "Train this ticket").disabled


def test_no_block_is_warned_of_before_anything_is_trained(tune, words):
    said = words(tune(structure="regroup-groups=4-min_rows=100"))
    assert "No block forms in any layer: this would be the unstructured ticket." in said and ", none of them in a dense block, with " in said


def test_refill_and_back_again_as_it_was_left(tune, words):
    at = tune(structure="regroup-groups=4-t1=2.0-min_rows=8")
    settled(control(at, "button_group", "Structure").set_value("refill").run())
    assert at.query_params["structure"] == "refill" and "Refill of round 2 would keep" in words(at)
    settled(control(at, "selectbox", "Score").select("remain").run())
    assert "Refill (score remain) of round 2 would keep" in words(at)
    settled(control(at, "button_group", "Structure").set_value("regroup").run())
    assert at.query_params["structure"] == "regroup-groups=4-t1=2.0-min_rows=8"


def test_the_map_fills_and_marks_where_one_is(tune, words):
    at = tune(structure=OWN)
    assert not at.get("plotly_chart")
    control(at, "button", "Work it out").click().run()
    assert at.query_params["map"] == "magnitude", "where leftovers are dropped, the share in blocks is 100 % everywhere"
    for _ in range(300):
        shown = json.loads(at.get("plotly_chart")[0].proto.spec)
        if not shown["layout"].get("annotations"):
            break
        time.sleep(1)
        at.run()
    assert shown["layout"]["xaxis"]["ticktext"] == ["2", "4", "8", "16", "32"] and len(shown["layout"]["shapes"]) == 1
    for name, to in (("Larger t1", "regroup-groups=4-t1=2.0-min_rows=8"), ("More groups", "regroup-t1=2.0-min_rows=8"), ("Smaller t1", "regroup-min_rows=8"),
                     ("Fewer groups", OWN)):
        settled(control(at, "button", name).click().run())
        assert at.query_params["structure"] == to, "from cell to cell by keyboard"
    control(at, "button_group", "Coloured by").set_value("time").run()
    assert "not calibrated" in json.loads(at.get("plotly_chart")[0].proto.spec)["layout"]["annotations"][0]["text"]
    control(at, "button", "Close").click().run()
    assert "map" not in at.query_params and not at.get("plotly_chart")


@pytest.mark.parametrize(("address", "sentence"), [
    ({"round": 0}, "Round 0 is the dense network: there is nothing to refill or regroup in it. Showing round 1."),
    ({"round": 9}, "The link names round 9; this run has rounds 1 to 2 to tune; showing the last."),
    ({"structure": "regroop"}, "The link's structure 'regroop' cannot be read: structure 'regroop' is not known; did you mean regroup"),
    ({"structure": "refill-rho=2"}, "cannot be read: rho = 2.0 is out of range"),
    ({"structure": "regroup-layers=conv1@t1=2"}, "The link sets something for conv1, which is no layer that Regroup changes in this network; the rest is shown."),
    ({"structure": "random"}, "Random has no threshold to tune; Refill and Regroup have."),
    ({"layer": "conv"}, "The link names layer 'conv'"),
    ({"scope": "some"}, "The link changes 'some'; it can be all, layer."),
    ({"structure": "refill", "base": "refill-rho=0.7"}, "The link compares with 'refill-rho=0.7'; it can be refill."),
    ({"structure": OWN, "map": "heat"}, "The link colours the map by 'heat'"),
])
def test_what_a_link_cannot_have_is_said_and_kept(tune, words, address, sentence):
    at = tune(**address)
    assert sentence in words(at)
    assert {k: unquote(at.query_params[k]) for k in address} == {k: str(v) for k, v in address.items()}


def test_a_folder_without_runs_says_so(nothing, page, words):
    assert "There is no run yet, so there is no mask to tune." in words(page("tune"))


def test_a_run_that_has_not_pruned_says_so(store, page, words, unfinished):
    said = words(page("tune", run=unfinished(store, "cancelled")))
    assert "Nothing to tune yet" in said and "is cancelled" in said and "as soon as its first round is pruned" in said
    assert "Nothing is at this address" in words(page("tune", run="convnet-digits-00000000"))


def test_a_run_without_weights_can_be_tuned_by_its_masks(store, run_id, page, words):
    """As an imported or slim run is: no |w|, so magnitude is not offered, and what is left is."""
    import h5py

    for k in (0, 1, 2):
        with h5py.File(store.path(run_id) / "rounds" / f"{k:03d}.h5", "r+") as f:
            for ticket in f["round/tickets"].values():
                if "weights" in ticket:
                    del ticket["weights"]
    said = words(page("tune", run=run_id, round=1, structure="refill"))
    assert "Score 'magnitude' needs the trained weights; this run keeps no weights of round 0" in said and "Choose score 'remain'" in said
    at = settled(page("tune", run=run_id, round=1, structure="refill-score=remain"))
    assert "Refill (score remain) of round 1 would keep" in words(at) and "Kept magnitude is not known: this run keeps no weights of round 0" in words(at)


def test_training_is_a_branch_with_this_structure_alone(tune, store, run_id, words):
    at = tune(structure="regroup-groups=2-min_rows=4")
    assert "--round 2 --set structures=regroup-groups=2-min_rows=4" in words(at) and "1 training to do" in words(at)
    seed = source(store, run_id, 2).seed("regroup")
    assert f"python -m lthviz regroup masks.npz --groups 2 --min-rows 4 --seed {seed} -o out.npz" in words(at)
    control(at, "button", "Train this ticket").click().run()
    made, = store.children(run_id)
    config = store.run(made).config
    assert [s.label for s in config.structures] == ["regroup-groups=2-min_rows=4"] and (config.from_round, config.rounds) == (2, 2)
    for _ in range(1800):
        if store.status(made).state not in ("queued", "running"):
            break
        time.sleep(0.1)
    assert store.status(made).state == "finished", store.status(made).message
    at.run()
    row, = (r for r in store.run(made).rows if (r["round"], r["structure"]) == (2, "regroup-groups=2-min_rows=4"))
    assert f"test accuracy {row['test_acc']:.1f} %" in words(at) and control(at, "button", "Train this ticket").disabled
    assert "could not be read" not in words(at)
    taken = [r for r in store.run(made).rows if 0 < r["round"] < 2]
    assert taken, "the branch has its parent's rounds in its log"
    drawn = [tuple(k) for t in json.loads(at.get("plotly_chart")[0].proto.spec)["data"] for k in t.get("customdata") or () if k]
    assert (made, 2, "regroup-groups=2-min_rows=4") in drawn and (run_id, 2, OWN) in drawn
    assert len({k[1:3] for k in drawn}) == len(drawn), "a ticket that the branch took over is its parent's, and drawn once"
    ticket = store.round(made, 2).ticket("regroup-groups=2-min_rows=4")
    assert f"would keep {ticket.masks.nnz():,} of" in words(at), "the preview was what the branch made"


def test_a_preset_is_saved_refused_listed_and_deleted(tune, store, run_id, page, words):
    at = tune(structure="regroup-groups=2-min_rows=4")
    at.session_state["tune-preset"] = True
    at.run()
    for name, said in (("My own", "can be no preset's name"), ("digits", "there is a preset 'digits' already"), ("mine", "Saved as mine."),
                       ("mine", "there is a preset 'mine' already; choose another name, or delete that one first")):
        control(at, "text_input", "Name").input(name).run()
        control(at, "button", "Save").click().run()
        assert said in words(at)
    assert [s.label for s in presets.find(store.root, "mine").config.structures] == ["regroup-groups=2-min_rows=4"]
    assert presets.find(store.root, "mine").config.epochs == store.run(run_id).config.epochs
    begun = page("lab", new="mine")
    assert "Source: your own." in words(begun) and "python -m lthviz run --preset mine" in words(begun)
    assert any(o.startswith("Regroup (groups 2, min_rows 4) · ") and o.endswith(" · mine, yours") for o in control(begun, "selectbox", "Preset").options)
    next(b for b in at.button if b.key == "tune-preset-delete-mine").click().run()
    assert not presets.own(store.root)


def test_a_division_that_fails_is_said_and_tried_again(store, run_id, page, words, monkeypatch):
    of = source(store, run_id, 2)
    key, = partitions.divisions(of, Regroup(groups=3))
    desk.fail(store.root, key, run_id, "the process that computes it died twice")
    at = page("tune", run=run_id, round=2, structure="regroup-groups=3")
    assert "the process that computes it died twice" in words(at)
    settled(control(at, "button", "Try again").click().run())
    assert "Regroup (groups 3) of round 2 would keep" in words(at)


@pytest.mark.parametrize(("name", "address"), [("lab", {"stage": f"regroup:{OWN}"}), ("masks", {"ticket": OWN})])
def test_other_pages_lead_here_from_such_tickets_alone(store, run_id, page, name, address):
    def links(at):
        return [x.proto.query_string for x in at.get("page_link") if x.proto.label == "Tune this"]

    found, = links(page(name, run=run_id, round=2, layer="features.3.weight", **address))
    assert f"run={run_id}" in found and "round=2" in found and "structure=regroup-groups%3D4-min_rows%3D8" in found and "layer=features.3.weight" in found
    assert not links(page(name, run=run_id, round=2, stage="train:random", ticket="random"))


def test_the_menu_leads_to_what_was_looked_at(store, run_id, page, words):
    at = page("masks", run=run_id, round=1, ticket="refill", layer="features.0.weight")
    at.query_params.clear()
    settled(at.switch_page("pages/tune.py").run())
    assert "Refill of round 1 would keep" in words(at) and control(at, "selectbox", "Layer").value == "features.0.weight"


ODD = (Layer("one.weight", (1, 6, 1, 1), (8, 8)), Layer("none.weight", (24, 1, 3, 3), (8, 8), sources=("one.weight",)),
       Layer("wide.weight", (40, 24, 1, 1), (4, 4), sources=("none.weight",)), Layer("fc.weight", (10, 40), (1, 1), sources=("wide.weight",), classifier=True))


@pytest.mark.parametrize("label", ["refill", "refill-rho=0.3-fractional=true", "regroup-groups=2-min_rows=4"])
def test_one_channel_one_place_nothing_kept_and_classes(nothing, page, words, label):
    made_up = made_run.write(nothing, ODD, empty="none.weight")
    for layer in ODD:
        at = settled(page("tune", run=made_up, round=1, structure=label, layer=layer.name))
        said = words(at)
        assert "of round 1 would keep" in said and "could not be read" not in said, layer
        assert f"none has no weight left in this round: {'Refill would fill channels there all the same' if label.startswith('refill') else 'nothing can be made of that'}." in said
        assert ("wide would read removed channels alone" in said) == label.startswith("regroup")
        if layer.classifier and label.startswith("refill"):
            assert "The rows of fc are the classes: Refill leaves its mask as it is." in said
