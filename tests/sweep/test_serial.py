"""A serial sweep in real processes: killed, begun again, shared, with a run that fails."""

import json

import pytest

from lthviz import launch
from lthviz.cli import main
from lthviz.errors import UsageError
from lthviz.store import Store
from lthviz.sweep import grid, serial
from lthviz.sweep.run import Backend, missing, run
from tests.sweep import tiny


def test_begun_again_after_a_kill_it_does_exactly_what_is_missing(killed):
    store, ids, between = killed.store, killed.ids, killed.between
    assert set(between) == set(ids[:3]), "the fourth had not begun"
    for run_id in ids[:2]:
        assert (store.root / run_id / "events.jsonl").read_bytes() == between[run_id], "what was finished is not touched"
    assert tiny.pids(store, ids[2])[0] == killed.dead and tiny.went_on(store, ids[2])
    assert len(tiny.pids(store, ids[3])) == 1 and killed.dead not in tiny.pids(store, ids[3])
    assert killed.result["done"] == killed.result["total"] == 4 and killed.result["failures"] == {}
    assert [r["run_id"] for r in killed.result["runs"]] == list(ids)


def test_what_it_trains_is_what_a_run_of_its_own_is(killed, tmp_path):
    alone = Store(tmp_path)
    run_id = alone.begin(killed.store.run(killed.ids[2]).config, preset="digits")
    launch.drive(alone, run_id)
    tiny.equal_bits(killed.store, alone, run_id)


def test_it_is_remembered_with_its_text_and_every_beginning(killed, file):
    (made,) = killed.store.sweeps()
    assert (made.name, made.title, made.text, made.runs, made.backend) == ("tiny", "Tiny", file.read_text(), killed.ids, "serial")
    assert len(made.times) == 2 and made.times[0] < made.times[1]
    assert not killed.store.sweep_held("tiny")


def test_what_is_finished_costs_nothing_the_next_time(killed, file, capsys):
    before = {p: p.stat().st_mtime_ns for p in killed.store.root.glob("*/events.jsonl")}
    assert main(["sweep", str(file), "--runs", str(killed.store.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["done"] == 4
    assert {p: p.stat().st_mtime_ns for p in killed.store.root.glob("*/events.jsonl")} == before


def test_a_failed_run_stops_no_other_and_is_named(tmp_path, capsys):
    """The first has more groups than the widest layer has rows, which only training finds out."""
    path = tmp_path / "mixed.toml"
    path.write_text('preset = "digits"\nrounds = 0\nepochs = 1\ntrain_images = 64\nthreads = 1\n[grid]\n'
                    'structures = ["regroup-groups=500", "refill"]\n')
    bad, good = grid.read(path).ids
    assert main(["sweep", str(path), "--runs", str(tmp_path / "runs"), "--json"]) == 1
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["done"], result["failed"], result["left"]) == (1, 1, 0)
    assert list(result["failures"]) == [bad] and "groups = 500" in result["failures"][bad]
    assert "groups = 500" in err and "Traceback" not in err
    store = Store(tmp_path / "runs")
    assert (store.status(bad).state, store.status(good).state) == ("failed", "finished")


FAMILY = tiny.TEXT.replace("rounds = 1", "rounds = 2").replace("seed = [0, 1]", "seed = [0]").partition("[[grid.variant]]")[0] + """
[[branches]]
structures = ["refill-rho=0.2"]
[[branches]]
round = 2
structures = ["random"]
"""


def test_branches_rest_on_their_parents_trunk_also_where_two_share_the_work(tmp_path):
    """Two sweeps side by side: neither begins a branch before its parent is done, and what comes out are the bits of runs that stand alone."""
    (tmp_path / "family.toml").write_text(FAMILY)
    store, points = Store(tmp_path / "runs"), grid.read(tmp_path / "family.toml").points
    results = [tiny.finish(p) for p in [tiny.start(tmp_path / "family.toml", store.root) for _ in range(2)]]
    assert [r["done"] for r in results] == [3, 3] and all(r["failures"] == {} for r in results)
    alone = Store(tmp_path / "alone")
    for point in points[1:]:
        config = point.config.replace(parent="", from_round=0, earlier=())
        launch.drive(alone, alone.begin(config))
        first, label = point.config.from_round, config.structures[0].label
        trained = {(e["round"], e["structure"]) for e in tiny.events(store, point.id, "epoch") if e["round"] >= first}
        assert trained == {(k, label) for k in range(first, 3)}, "the trunk is taken over"
        for k in range(first, 3):
            tiny.equal_tickets(store.round(point.id, k), alone.round(config.run_id, k))


def test_a_branch_whose_parent_has_failed_says_so_and_stops_no_other(tmp_path):
    text = FAMILY.replace('structures = ["refill"]', 'structures = ["regroup-groups=500"]').replace("seed = [0]", "seed = [0, 1]")
    made = grid.parse(text.replace("[grid]", "[[grid.variant]]\nstructures = ['regroup-groups=500']\n[[grid.variant]]\nstructures = ['refill']\n[grid]").replace(
        'structures = ["regroup-groups=500"]\n', "", 1), "failing")
    result = run(Store(tmp_path), made, Backend())
    bad = [p for p in made.points if "groups=500" in str(p.varies) or any(q.id == p.config.parent and "groups=500" in str(q.varies) for q in made.points)]
    assert set(result.failures) == {p.id for p in bad} and result.tally.done == len(made.points) - len(bad) == 6
    assert all("has failed" in result.failures[p.id] and p.config.parent in result.failures[p.id] for p in bad if p.config.parent)


def test_a_page_cannot_queue_branches_and_says_what_can(tmp_path):
    with pytest.raises(UsageError, match=r"lthviz sweep family\.toml"):
        serial.enqueue(Store(tmp_path), grid.parse(FAMILY, "family"))
    assert not Store(tmp_path).sweeps()


def test_a_run_that_another_process_trains_is_waited_for(tmp_path):
    """Two sweeps of the same file side by side: each run is trained once, and both say that all is done."""
    (tmp_path / "both.toml").write_text(tiny.TEXT.replace("epochs = 12", "epochs = 2"))
    store, ids = Store(tmp_path / "runs"), grid.read(tmp_path / "both.toml").ids
    results = [tiny.finish(p) for p in [tiny.start(tmp_path / "both.toml", store.root) for _ in range(2)]]
    assert [r["done"] for r in results] == [4, 4] and all(r["failures"] == {} for r in results)
    for run_id in ids:
        stages = [(e["round"], e["kind"], e["structure"]) for e in tiny.events(store, run_id, "stage")]
        assert len(tiny.pids(store, run_id)) == 1 and len(set(stages)) == len(stages)


def test_asked_to_stop_it_begins_no_more_runs(tmp_path):
    store = Store(tmp_path / "runs")
    made = grid.parse(tiny.TEXT.replace("epochs = 12", "epochs = 2").replace("rounds = 1", "rounds = 0"), "stopped")
    result = run(store, made, Backend(), told=lambda outcome: store.stop_sweep("stopped"))
    assert [o.run_id for o in result.outcomes] == [made.ids[0]] and result.tally.left == 3
    assert [p.id for p in missing(store, made)] == list(made.ids[1:])
    assert run(store, made, Backend()).tally.done == 4


def test_the_worker_takes_what_a_page_puts_in_its_queue(tmp_path):
    store = Store(tmp_path / "runs")
    made = grid.parse(tiny.TEXT.replace("epochs = 12", "epochs = 2").replace("rounds = 1", "rounds = 0"), "queued")
    kept = serial.enqueue(store, made)
    assert kept.backend == "worker" and kept.runs == made.ids
    tiny.until(lambda: not missing(store, made), "the worker to train all four")
    tiny.until(lambda: not any(store.held(x) for x in made.ids), "the worker to let go")
