"""Briefs against the whole run: the same numbers, without opening a round, and always of now."""

import json

import pytest
import store_writer as writer

from lthviz.cli import main
from lthviz.store import Store, reading
from lthviz.store.brief import Briefs
from lthviz.store.folders import Folders
from tests import shipped

RUN = writer.CONFIG.run_id


@pytest.fixture
def never_opened(monkeypatch):
    def opened(*_):
        raise AssertionError("a round was opened")
    monkeypatch.setattr(reading, "read_outline", opened)


@pytest.fixture
def store(tmp_path):
    """Runs of its own alone, no examples."""
    return Store(tmp_path / "runs", tmp_path / "none")


def numbers(store, run_id):
    """(rounds, dense, best, last) from the whole run."""
    run = store.run(run_id)
    pruned = [r for r in run.rows if r["round"]]   # in the order in which they were trained
    last = [r for r in pruned if r["round"] == pruned[-1]["round"]]
    published = len(list((store.path(run_id) / "rounds").glob("*.h5")))
    return published, next((r["test_acc"] for r in run.rows if not r["round"]), None), by_validation(pruned), by_validation(last)


def by_validation(rows):
    """Test accuracy of the row that a loop over validation accuracies ends with, the later of equals."""
    found = None
    for r in rows:
        found = r if found is None or r["val_acc"] >= found["val_acc"] else found
    return found and found["test_acc"]


def told(brief):
    return brief.rounds, brief.dense_acc, brief.best_acc, brief.last_acc


@pytest.mark.parametrize("stages", [0, 1, 4, 9, 10**9])
def test_it_says_what_the_whole_run_says(store, stages, request):
    if stages:
        writer.write(store, stop_after=stages)
    else:
        store.begin(writer.CONFIG, preset="digits", title="a test")
    expected = numbers(store, RUN)
    request.getfixturevalue("never_opened")
    (brief,), broken = Briefs(store).all()
    assert told(brief) == expected and broken == {}
    assert (brief.id, brief.config, brief.preset, brief.title, brief.example) == (RUN, writer.CONFIG, "digits", "a test", False)
    assert brief.status.state == ("queued" if not stages else "finished" if stages > 100 else "interrupted")
    assert brief.seconds == 0.5 * sum(e["event"] == "stage" for e in store.events(RUN)[0])


@pytest.mark.parametrize("dropped", [("val_acc",), ("test_acc", "val_acc")])
def test_an_older_log_without_accuracies_is_helped_by_the_rounds(tmp_path, dropped):
    shipped.copy(tmp_path / "examples")
    store = Store(tmp_path / "runs")
    (example,), _ = Briefs(store).all()
    assert example.example and told(example) == numbers(store, example.id) and example.rounds == 13
    log = store.path(example.id) / "events.jsonl"
    lines = [json.loads(x) for x in log.read_bytes().splitlines()]
    log.write_text("".join(json.dumps({k: v for k, v in x.items() if k not in dropped}, separators=(",", ":")) + "\n" for x in lines))
    assert told(Briefs(store).all()[0][0]) == told(example)


def log_of(store, accuracies):
    """A run whose log has these (round, structure, test, val), and no rounds to look into."""
    run_id = store.begin(writer.CONFIG)
    lines = [{"event": "stage", "round": k, "kind": "train", "structure": s, "seconds": 1.0, "test_acc": test, **({} if val == "old" else {"val_acc": val})}
             for k, s, test, val in accuracies]
    (store.path(run_id) / "events.jsonl").write_text("".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines))
    return Briefs(store).of([run_id])[run_id]


@pytest.mark.parametrize(("val", "best", "last"), [
    ((80.0, 70.0, 90.0, 60.0, 75.0, 74.0), 71.0, 72.0),     # the highest validation accuracy has one of the lowest test accuracies
    ((80.0, 80.0, 80.0, 80.0, 80.0, 80.0), 74.0, 74.0),     # the later of equals
    ((None,) * 6, 74.0, 74.0),                              # no validation: the last ticket, never the best of them
    ((80.0, 70.0, 90.0, 60.0, 75.0, None), 74.0, 74.0),     # one without: not comparable
    (("old",) * 6, 74.0, 74.0),
])
def test_test_accuracy_chooses_no_ticket(store, val, best, last):
    keys = [(k, s) for k in (1, 2) for s in ("unstructured", "refill", "regroup-groups=4")]
    test = (99.0, 70.0, 71.0, 98.0, 72.0, 74.0)
    brief = log_of(store, [(0, "unstructured", 95.0, 95.0), *((*key, t, v) for key, t, v in zip(keys, test, val))])
    assert (brief.dense_acc, brief.best_acc, brief.last_acc) == (95.0, best, last)


def test_of_a_branch_only_what_it_trained_itself_is_its_own(store):
    """It took over rounds 0 and 1, and of round 2 the first two tickets: those are in its log as its parent's, or not at all."""
    config = writer.CONFIG.replace(rounds=3, parent=RUN, from_round=2)
    run_id = Folders.begin(store, config)
    log = store.path(run_id) / "events.jsonl"

    def brief(*trained):
        lines = [{"event": "stage", "round": k, "kind": "train", "structure": s, "seconds": 1.0, "test_acc": test, "val_acc": test} for k, s, test in trained]
        log.write_text("".join(json.dumps(x, separators=(",", ":")) + "\n" for x in lines))
        b = Briefs(store).of([run_id])[run_id]
        return b.dense_acc, b.best_acc, b.last_acc

    before = [(0, "unstructured", 95.0), *((1, s, 97.0) for s in config.tickets(1))]
    assert brief(*before) == (95.0, None, None)
    assert brief(*before, (2, config.tickets(2)[-1], 60.0)) == (95.0, 60.0, 60.0)
    assert brief(*before, (2, config.tickets(2)[-1], 60.0), (3, "unstructured", 55.0)) == (95.0, 60.0, 55.0)


def test_it_is_read_again_when_something_happened_and_only_then(store, monkeypatch):
    briefs = Briefs(store)
    writer.write(store, stop_after=3)
    read = []
    head = type(store).head
    monkeypatch.setattr(type(store), "head", lambda self, path: read.append(path) or head(self, path))
    first = briefs.all()[0][0]
    assert len(read) == 1 and briefs.all()[0][0].status.state == "interrupted" and len(read) == 1
    writer.write(store)
    read.clear()
    after = briefs.all()[0][0]
    assert after.rounds == 5 > first.rounds and after.status.state == "finished" and len(read) == 1
    store.delete(RUN)
    assert briefs.all() == ([], {}) and briefs.of([RUN]) == {}


def test_a_living_run_tells_its_heartbeat(store):
    briefs = Briefs(store)
    writer.write(store, stop_after=3)
    with store.lock(RUN):
        for done in (1, 2):
            store.beat(RUN, done=done, total=9, eta_s=5.0)
            status = briefs.of([RUN])[RUN].status
            assert (status.state, status.done, status.total, status.eta_s) == ("running", done, 9, 5.0)
    assert briefs.of([RUN])[RUN].status.state == "interrupted"


def test_the_list_in_a_terminal_opens_no_round_and_says_what_the_runs_say(store, capsys, request):
    writer.write(store)
    half = writer.write(store, writer.CONFIG.replace(rounds=3), stop_after=6)
    (store.root / "empty").mkdir()
    log = store.path(RUN) / "events.jsonl"   # as an older version wrote it
    log.write_bytes(b"".join(x for x in log.read_bytes().splitlines(True) if b'"kind":"train"' not in x))
    request.getfixturevalue("never_opened")
    assert main(["ls", "--runs", str(store.root), "--json"]) == 0
    said = {r["run_id"]: r for r in json.loads(capsys.readouterr().out) if not r.get("example")}
    assert set(said) == {RUN, half, "empty"} and said["empty"] == {"run_id": "empty", "state": "broken", "message": store.broken()["empty"]}
    for run in (RUN, half):
        status, head = store.status(run), store.head(store.path(run))
        published = len(list((store.path(run) / "rounds").glob("*.h5")))
        assert said[run] == {"run_id": run, "state": status.state, "message": status.message, "preset": head.preset, "rounds": published - 1, "planned": head.config.rounds,
                             "example": False}
    assert "resume continues from round" in said[half]["message"]


def test_what_cannot_be_read_is_named_and_the_rest_is_listed(store):
    writer.write(store)
    (store.root / "spoilt").mkdir()
    (store.root / "spoilt" / "config.json").write_text("{")
    (store.root / "empty").mkdir()
    found, broken = Briefs(store).all()
    assert [b.id for b in found] == [RUN] and broken == store.broken() and set(broken) == {"spoilt", "empty"}
