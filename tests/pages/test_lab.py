"""The Lab on every kind of run and address: what it says is checked against the store."""

import pytest

from lthviz.commands import run_command
from lthviz.config import RunConfig
from lthviz.presets import preset
from lthviz.store import pulse

REGROUP = preset("digits").config.structures[1].label
STAGES = ["prune:unstructured", "refill:refill", f"regroup:{REGROUP}", "random:random", "rewind:unstructured",
          "train:unstructured", "train:refill", f"train:{REGROUP}", "train:random"]
ROUNDS = preset("digits").config.rounds


def control(at, kind, label):
    return next(w for w in at.get(kind) if w.label.startswith(label))


def press(at, label):
    control(at, "button", label).click().run()
    assert not at.exception
    return at


def test_no_run_in_the_address_starts_one(nothing, page, words):
    at = page("lab")
    assert at.title[0].value == "Start a run"
    assert "python -m lthviz run --preset digits" in at.code[0].value


def test_the_newest_stage_is_shown_without_a_round(store, run_id, page, words):
    at = page("lab", run=run_id)
    ticket = store.round(run_id, 2).ticket("random")
    dense = store.round(run_id, 0).ticket("unstructured").test_acc
    said = words(at)
    assert f"Trained Random for {len(ticket.curve.epoch)} epoch" in said
    assert f"test accuracy {ticket.test_acc:.1f} % with" in said and f"the dense network has {dense:.1f} %." in said
    assert "round" not in at.query_params


def test_refill_is_told_with_its_numbers(store, run_id, page, words):
    said = words(page("lab", run=run_id, round=1, stage="refill:refill", layer="features.3"))
    ticket = store.round(run_id, 1).ticket("refill")
    before, after = (store.round(run_id, 1).ticket(x).masks.matrix("features.3.weight") for x in ("unstructured", "refill"))
    kept = int(after.all(axis=1).sum())
    assert f"Refill kept {kept} of 128 channels in <code>features.3</code>" in said
    assert f"{int((after & ~before).sum()):,} weights came back, {int((before & ~after).sum()):,} went" in said
    assert f"keeps {ticket.masks.nnz():,} of {ticket.masks.size():,} weights" in said


def test_prune_and_rewind_are_told_with_their_numbers(store, run_id, page, words):
    said = words(page("lab", run=run_id, round=2, stage="prune:unstructured"))
    masks = store.round(run_id, 2).ticket("unstructured").masks
    assert f"Pruned 20 % of what was left: {masks.nnz():,} of {masks.size():,} weights remain" in said
    info = store.run(run_id).info
    said = words(page("lab", run=run_id, round=2, stage="rewind:unstructured"))
    assert f"Rewound to step {info['rewind_step']} of {info['steps']}" in said


def test_regroup_is_told_with_its_blocks(store, run_id, page, words):
    said = words(page("lab", run=run_id, round=1, stage=STAGES[2], layer="features.6.weight"))
    ticket = store.round(run_id, 1).ticket(REGROUP)
    assert f"Regroup formed {len(ticket.blocks['features.6.weight'])} block" in said


def test_stepping_goes_through_every_stage_and_back_and_changes_no_file(store, run_id, page):
    files = {p: p.read_bytes() for p in store.path(run_id).rglob("*") if p.is_file()}
    at = press(page("lab", run=run_id), "First")
    assert (at.query_params["round"], at.query_params["stage"]) == ("0", "train:unstructured")
    seen = [at.query_params["stage"]]
    for _ in range(18):
        seen.append(press(at, "Next").query_params["stage"])
    assert seen == ["train:unstructured", *STAGES, *STAGES]
    assert control(at, "button", "Next").disabled and control(at, "button", "Last").disabled
    assert press(at, "Back").query_params["stage"] == f"train:{REGROUP}"
    assert press(at, "Last").query_params["stage"] == "train:random"
    assert files == {p: p.read_bytes() for p in store.path(run_id).rglob("*") if p.is_file()}


def test_round_stage_and_layer_are_picked_and_written_to_the_address(store, run_id, page, words):
    at = page("lab", run=run_id)
    control(at, "button_group", "Round").set_value(1).run()
    assert at.query_params["round"] == "1"
    control(at, "button_group", "Stages of round 1").set_value("prune:unstructured").run()
    control(at, "selectbox", "Layer").select("features.0.weight").run()
    assert (at.query_params["stage"], at.query_params["layer"]) == ("prune:unstructured", "features.0.weight")
    density = store.round(run_id, 1).ticket("unstructured").masks.density("features.0.weight")
    assert f"{100 * density:.1f} % of <code>features.0</code>" in words(at)
    press(at, "Next layer")
    assert at.query_params["layer"] == "features.3.weight"
    assert control(at, "selectbox", "Layer").value == "features.3.weight"


@pytest.mark.parametrize(("address", "sentence"), [
    ({"round": 12}, "The link names round 12; this run has rounds 0 to 2; showing the last."),
    ({"round": "x"}, "The link names round x; this run has rounds 0 to 2; showing the last."),
    ({"round": 1, "stage": "refil:refill"}, "did you mean refill:refill"),
    ({"layer": "features.33"}, "did you mean features.3.weight"),
    ({"x": "foo"}, "The link sets accuracy against 'foo'; it can be speed, kept. Showing kept weights"),
    ({"view": "sideways"}, "The link names view 'sideways'; it can be before, after, pair, diff."),
])
def test_what_a_link_cannot_have_is_said_and_kept(store, run_id, page, words, address, sentence):
    at = page("lab", run=run_id, **address)
    assert sentence in words(at)
    assert {k: at.query_params[k] for k in address} == {k: str(v) for k, v in address.items()}
    assert "Trained" in words(at)


def test_a_run_that_is_not_there_names_the_near_miss(store, run_id, page, words):
    said = words(page("lab", run=run_id[:-1] + "x"))
    assert "Nothing is at this address" in said and f"did you mean {run_id}" in said


def test_a_failed_run_shows_the_stores_line_and_resume(store, page, words, unfinished):
    at = page("lab", run=unfinished(store, "failed", "out of memory; a smaller batch_size or model needs less"))
    said = words(at)
    assert "The run failed: out of memory; a smaller batch_size or model needs less" in said and "No stage has ended yet" in said
    assert control(at, "button", "Resume")


def test_an_interrupted_run_offers_resume_and_a_cancelled_one_too(store, page, words, unfinished):
    run = unfinished(store, "running")
    at = page("lab", run=run)
    assert f"Interrupted: {store.status(run).message}" in words(at)
    assert control(at, "button", "Resume")
    store.set_state(run, "cancelled")
    at = page("lab", run=run)
    assert "Cancelled. What it had finished (no round yet) is kept." in words(at)
    assert control(at, "button", "Resume")


def test_a_running_run_takes_requests(store, page, words, unfinished):
    run = unfinished(store, "running")
    with store.lock(run):
        store.beat(run, done=10, total=100, eta_s=200.0)
        at = page("lab", run=run)
        assert at.get("progress")[0].proto.text == f"Round 0 of {ROUNDS}: training the dense network. 3 min 20 s left."
        assert "10 of 100 batches" in words(at)
        press(at, "Pause training")
        assert store.requested(run) == "pause"
        assert control(at, "button", "Pausing").disabled
        store.set_state(run, "paused")
        store.clear_request(run)
        at = page("lab", run=run)
        assert at.get("progress")[0].proto.text.startswith(f"Paused. Next: round 0 of {ROUNDS}")
        press(at, "Train one stage")
        assert store.requested(run) == "step"
        press(at, "Go on training")
        assert store.requested(run) == "play"
        press(at, "Cancel")
        assert store.requested(run) == "cancel"


@pytest.mark.parametrize(("cause", "says", "first"), [("diverged", "it would come to the same point", "Duplicate with changes"), ("disk", "Make room", "Resume"),
                                                      ("memory", "smaller batch", "Resume"), ("device", "go on on the CPU", "Go on on the CPU"), ("fault", "worker.log", "Resume")])
def test_a_failed_run_names_its_way_out_and_offers_that_first(store, page, unfinished, words, cause, says, first):
    at = page("lab", run=unfinished(store, "failed", "as a test says", cause))
    assert "The run failed: as a test says." in words(at) and says in words(at)
    main = [b.label for b in at.button if b.proto.type == "primary" and b.key.startswith("do-")]
    links = [x.proto.label for x in at.get("page_link")]
    assert main == ([] if cause == "diverged" else [first]) and "Duplicate with changes" in links


def test_a_run_without_its_gpu_goes_on_on_the_cpu_at_a_press(store, page, unfinished, monkeypatch):
    monkeypatch.setattr("lthviz.launch.wake", lambda store: None)
    run = unfinished(store, "failed", "torch sees no GPU here", "device", device="cuda")
    before = store.runs()
    page("lab", run=run).button(key="do-cpu").click().run()
    assert (store.run(run).config.device, store.status(run).state) == ("cpu", "queued") and store.runs() == before


def test_what_went_wrong_beside_a_run_is_said_the_newest_first(store, page, run_id, words):
    with store.lock(run_id):
        for line in ("the first", "the second", "the third"):
            store.warn(run_id, line)
    at = page("lab", run=run_id)
    assert [w.value for w in at.warning] == ["The third\\."] and at.expander[0].label == "2 earlier warnings"
    said = words(at)
    assert said.index("The second.") < said.index("The first.")


def test_a_quiet_worker_is_warned_of(store, page, unfinished, words, monkeypatch):
    run = unfinished(store, "running")
    with store.lock(run):
        store.beat(run, done=10, total=100, eta_s=200.0)
        later = pulse.since_boot() + 60
        monkeypatch.setattr("lthviz.store.pulse.since_boot", lambda: later)
        assert "The worker has been quiet for 60 s" in words(page("lab", run=run))


def test_an_example_is_read_only(example, run_id, page, words):
    at = page("lab", run=run_id)
    assert "read-only" in words(at)
    assert not {"Pause training", "Cancel the run", "Resume"} & {b.label for b in at.button}


def test_the_command_makes_the_same_run(store, run_id, page, words):
    import html
    import re
    import shlex

    from lthviz import cli
    from lthviz.cli import runs
    shown = html.unescape(re.search("<code>(python -m lthviz run .*?)</code>", words(page("lab", run=run_id)))[1])
    args = cli._parser().parse_args(shlex.split(shown)[3:])
    config, name = runs.configured(args)
    assert (config.run_id, name) == (run_id, "digits")
    assert shown == run_command(store.run(run_id).config, "digits")


# The form --------------------------------------------------------------------------------------------------------------


def field(at, key):
    return at.get_by_key(key)


def test_a_refused_value_is_answered_at_its_field_and_nothing_is_lost(nothing, page, words):
    at = page("lab", new="digits")
    at.number_input(key="form-epochs").set_value(3).run()
    at.number_input(key="form-rate").set_value(1.5).run()
    assert "rate = 1.5 is out of range; it must be between 0 and 1, both excluded" in words(at)
    assert at.button(key="start").disabled
    assert (at.number_input(key="form-rate").value, at.number_input(key="form-epochs").value) == (1.5, 3)
    at.number_input(key="form-rate").set_value(0.5).run()
    assert "out of range" not in words(at) and not at.button(key="start").disabled
    assert at.query_params["set"] == ["rate=0.5", "epochs=3"]
    assert "python -m lthviz run --preset digits --set rate=0.5 --set epochs=3" in at.code[0].value


def test_the_address_fills_the_form(nothing, page):
    at = page("lab", new="digits", set=["rounds=2", "structures=refill-rho=0.2,random", "milestones=[3, 5]"])
    assert at.number_input(key="form-rounds").value == 2
    assert at.text_input(key="form-milestones").value == "3, 5"
    config = preset("digits").config.replace(rounds=2, structures="refill-rho=0.2,random", milestones=(3, 5))
    assert config.run_id in " ".join(c.value for c in at.caption)


def test_structures_are_added_removed_and_must_differ(nothing, page, words):
    at = page("lab", new="digits")
    at.button(key="form-add-regroup").click().run()
    assert "--set structures=" not in at.code[0].value or "regroup" in at.code[0].value
    at.button(key="form-add-regroup").click().run()
    assert "structures has 'regroup' twice" in words(at) and at.button(key="start").disabled
    last = [b for b in at.button if b.label == "Remove"][-1]
    last.click().run()
    assert not at.button(key="start").disabled
    assert f"structures=refill,{REGROUP},random,regroup" in at.code[0].value.replace("'", "")


def test_an_unknown_preset_in_a_link_is_said(nothing, page, words):
    assert "The link begins from 'digitz'" in words(page("lab", new="digitz"))


def test_start_hands_the_run_to_launch_and_opens_it(nothing, page, monkeypatch):
    """The worker itself is started in tests/browser; here what is asked of it."""
    woken = []
    monkeypatch.setattr("lthviz.launch.wake", lambda store: woken.append(store.root))
    at = page("lab", new="digits", set=["rounds=1", "epochs=1"])
    at.button(key="start").click().run()
    assert not at.exception
    run = preset("digits").config.replace(rounds=1, epochs=1).run_id
    assert at.query_params["run"] == run and set(woken) == {nothing.root}
    assert nothing.status(run).state == "queued" and nothing.run(run).config == RunConfig.from_dict(nothing.run(run).config.to_dict())
    assert at.get("progress")[0].proto.text.startswith("Waiting for its turn")


def test_opening_a_queued_run_wakes_a_worker(nothing, page, monkeypatch):
    """Its worker may be gone, with the machine it ran on restarted since."""
    woken = []
    monkeypatch.setattr("lthviz.launch.wake", lambda store: woken.append(store.root))
    page("lab", run=nothing.begin(preset("digits").config))
    assert woken == [nothing.root]
