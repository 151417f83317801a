"""Branch from here: the form, what is asked of launch, and what the Lab says of a family; presenter mode and playing."""

import html
import re
import shlex

import pytest

from lthviz import branching, cli, launch
from lthviz.config import assignments
from lthviz.presets import preset
from lthviz.ui import play
from tests.pages.test_lab import control, press


@pytest.fixture
def woken(monkeypatch):
    found = []
    monkeypatch.setattr("lthviz.launch.wake", lambda store: found.append(store.root))
    return found


def commands(said):
    return [html.unescape(x) for x in re.findall("<code>(python -m lthviz .*?)</code>", said)]


def test_branch_from_here_opens_the_form_and_starts_a_branch(store, run_id, page, words, woken):
    at = press(page("lab", run=run_id, round=2, stage="prune:unstructured"), "Branch")
    assert at.query_params["branch"] == "2" and at.title[0].value == "Branch from round 2"
    said = words(at)
    assert "keeps rounds 0 and 1 of this one as they are" in said
    assert "of round 2 Unstructured, Refill, Regroup (groups 4, min_rows 8), Random; nothing is left to train" in said
    at.button(key="form-add-regroup").click().run()
    assert not at.exception
    assert "1 training to do" in words(at)
    [shown] = commands(words(at))
    args = cli._parser().parse_args(shlex.split(shown)[3:])
    parent = store.run(run_id)
    plan = branching.plan(store, args.run, args.round, branching.settings(parent).replace(**assignments(args.set)))
    at.text_input(key="branch-title").set_value("all eight").run()
    assert "--title 'all eight'" in commands(words(at))[0]
    at.button(key="branch-start").click().run()
    assert not at.exception
    made = store.children(run_id)
    assert made == [plan.config.run_id] and at.query_params["run"] == made[0] and set(woken) == {store.root}
    assert store.run(made[0]).title == "all eight" and store.status(made[0]).state == "queued"
    assert store.run(made[0]).config == plan.config


def test_what_cannot_differ_is_shown_and_not_asked(store, run_id, page, words):
    at = page("lab", run=run_id, branch=1)
    keys = {w.key for kind in ("number_input", "selectbox", "text_input") for w in at.get(kind)}
    assert {"form-rounds", "form-rate", "form-in_loop", "form-threads", "form-calibration_images"} <= keys
    assert not {"form-lr", "form-model", "form-seed", "form-epochs"} & keys
    said = words(at)
    config = store.run(run_id).config
    assert f"<dt>Learning rate</dt><dd>{config.lr}</dd>" in said and f"<dt>Model</dt><dd>{config.model}</dd>" in said


@pytest.mark.parametrize(("address", "sentence"), [
    ({"branch": 9}, "The link branches at round 9; rounds 1 to 3 will do. Showing round 2."),
    ({"branch": "x"}, "The link branches at round x; rounds 1 to 3 will do."),
    ({"branch": 1, "set": ["lr=0.7"]}, "The link sets lr, which a branch has from its parent"),
    ({"branch": 1, "set": ["rounds=0"]}, "rounds = 0 ends before round 1"),
])
def test_what_a_link_cannot_have_is_said(store, run_id, page, words, address, sentence):
    assert sentence in words(page("lab", run=run_id, **address))


def test_the_address_keeps_what_is_set(store, run_id, page, words):
    at = page("lab", run=run_id, branch=1, set=["rounds=1", "structures=refill-rho=0.2"])
    assert at.number_input(key="form-rounds").value == 1
    assert "1 training to do" in words(at)
    at.number_input(key="form-rate").set_value(0.5).run()
    assert at.query_params["set"] == ["structures=refill-rho=0.2", "rounds=1", "rate=0.5"]
    assert "2 trainings to do" in words(at), "at another rate nothing of the round is the parent's"


def test_the_lab_of_a_family(store, run_id, page, words):
    made = branching.begin(store, run_id, 2, branching.settings(store.run(run_id)).replace(structures="refill"))
    launch.drive(store, made)
    at = page("lab", run=made)
    said = words(at)
    assert "Branch from round 2 of" in said and f"branch {run_id} --round 2 --set structures=refill" in " ".join(commands(said))
    to = press(at, next(b.label for b in at.button if run_id.rsplit("-", 1)[-1] in b.label))
    assert (to.query_params["run"], to.query_params["round"]) == (run_id, "1")
    there = words(page("lab", run=made, round=1, stage="train:random"))
    assert "Trained Random" in there, "a ticket that only the parent's settings have"
    at = page("lab", run=run_id)
    assert "Branches:" in words(at) and any("round 2" in b.label for b in at.button)
    assert made in at.get("plotly_chart")[-1].proto.spec or any(made in c.proto.spec for c in at.get("plotly_chart"))
    store.delete(run_id)
    at = page("lab", run=made)
    assert f"Branch from round 2 of {run_id}, which is no longer here." in words(at)
    assert not any("--round 2 --set structures" in c for c in commands(words(at)))


def test_every_action_has_its_command(store, run_id, page, words, unfinished):
    run = unfinished(store, "failed", "why")
    assert f"python -m lthviz resume {run}" in commands(words(page("lab", run=run)))
    store.set_state(run, "running")
    with store.lock(run):
        said = commands(words(page("lab", run=run)))
        for action in ("pause", "step", "cancel"):
            command = f"python -m lthviz {action} {run}"
            assert command in said
            assert cli.main([*shlex.split(command)[3:], "--runs", str(store.root)]) == 0 and store.requested(run) == action
    assert f"python -m lthviz branch {run_id} --round K --set KEY=VALUE" in commands(words(page("lab", run=run_id)))


def test_a_run_without_a_finished_round_offers_no_branch(store, page, words, unfinished):
    run = unfinished(store, "failed", "why")
    assert "branch" not in " ".join(commands(words(page("lab", run=run))))
    assert "nothing to branch from" in words(page("lab", run=run, branch=1))


def test_playing_goes_through_the_stages_and_stops_at_the_last(store, run_id, page, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(play.time, "monotonic", lambda: now[0])
    at = press(page("lab", run=run_id), "Play stages")
    assert at.query_params["stage"] == "train:unstructured" and at.query_params["round"] == "0", "from the beginning, when it stood at the end"
    at.run()
    assert at.query_params["round"] == "0", "drawn anew for another reason"
    seen = []
    stages = 1 + 2 * len(preset("digits").config.stages(1))
    for _ in range(stages - 1):
        now[0] += 2
        at.run()
        assert not at.exception
        seen.append((at.query_params["round"], at.query_params["stage"]))
    assert len(set(seen)) == stages - 1 and seen[-1] == ("2", "train:random")
    now[0] += 2
    at.run()
    assert control(at, "button", "Play stages"), "it has stopped"
    at = press(press(at, "Play stages"), "Stop playing")
    now[0] += 9
    at.run()
    assert at.query_params["round"] == "0"


@pytest.mark.parametrize("name", ["lab", "masks", "curves", "runs", "speed"])
def test_presenter_mode_has_no_menu_and_a_way_out(store, run_id, page, name):
    at = press(page(name, run=run_id), "Present")
    assert at.query_params["present"] == "1"
    assert not {"Home", "Lab", "Masks"} & {x.proto.label for x in at.get("page_link")}
    at = press(at, "Leave presenter mode")
    assert "present" not in at.query_params and control(at, "button", "Present")
