"""What benchmarks/keep.py puts beside the examples: the run as it was, but for what looking at it does not need."""

import sys

import h5py

from benchmarks import keep
from lthviz.store import Store
from tests.pages.conftest import trained  # noqa: F401  (a small run, trained once a session)

STUDY = 'title = "Two seeds"\npreset = "digits"\nrounds = 2\nepochs = 2\ntrain_images = 150\nthreads = 1\n[grid]\nseed = [0, 1]\n'


def test_a_finished_run_is_kept_and_a_missing_one_told(trained, tmp_path, monkeypatch, capsys):  # noqa: F811
    (tmp_path / "two.toml").write_text(STUDY)
    to = tmp_path / "examples"
    to.mkdir()
    monkeypatch.setattr(sys, "argv", ["keep.py", str(tmp_path / "two.toml"), "--runs", str(trained[0]), "--to", str(to)])
    assert keep.main() == 0 and "1 of 2 runs are not finished" in capsys.readouterr().out
    store, was = Store(tmp_path / "runs", examples=to), Store(trained[0])
    assert store.runs() == [trained[1]] and store.run(trained[1]).title == "Two seeds"
    run = store.run(trained[1])
    assert run.rows == was.run(trained[1]).rows and run.seconds == was.run(trained[1]).seconds
    found = set()
    for k in run.rounds:
        now, before = store.round(run.id, k), was.round(run.id, k)
        assert list(now.tickets) == list(before.tickets) and (now.complete, now.seconds) == (before.complete, before.seconds)
        for label, t in now.tickets.items():
            other = before.tickets[label]
            assert t.masks == other.masks and t.test_acc == other.test_acc and t.notes == other.notes and list(t.curve.val_acc) == list(other.curve.val_acc)
            assert {n: [list(map(list, b.rows)), list(map(list, b.cols))] for n, b in t.blocks.items()} == {n: [list(map(list, b.rows)), list(map(list, b.cols))] for n, b in other.blocks.items()}
        with h5py.File(to / run.id / "rounds" / f"{k:03d}.h5") as f:
            found |= {k} if any("weights" in t for t in f["round/tickets"].values()) else set()
    assert found == {2}, "weights are those of the last round"
    assert not any(e["event"] == "epoch" for e in store.events(run.id)[0]) and not (to / run.id / "checkpoint.h5").exists()
    capsys.readouterr()
    assert keep.main() == 0 and trained[1] not in capsys.readouterr().out, "what is there stays"
