"""The shipped runs are what their studies' files make: the same settings give the same tickets again."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lthviz.core.families import family_id
from lthviz.store import Store
from lthviz.sweep import grid

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "data" / "examples"
STUDY = ROOT / "benchmarks" / "studies" / "digits.toml"
SHORT = ("refill", "regroup-groups=4-min_rows=8")


def shipped():
    return Store(ROOT / "data" / "nobodys", examples=EXAMPLES)


def test_two_runs_of_one_seed_have_the_same_tickets():
    """They were trained on different days, one of them with other structures beside."""
    store = shipped()
    runs = [store.run(x) for x in store.runs()]
    pairs = [(a, b) for a in runs for b in runs if a.id < b.id and family_id(a.config) == family_id(b.config) and a.config.seed == b.config.seed
             and not (a.config.parent or b.config.parent)]
    assert pairs
    for a, b in pairs:
        rows = [{(r["round"], r["structure"]): r for r in run.rows} for run in (a, b)]
        shared = rows[0].keys() & rows[1].keys()
        assert len(shared) > a.config.rounds
        for k in sorted({k for k, _ in shared}):
            tickets = [store.round(run.id, k).tickets for run in (a, b)]
            for label in (x for i, x in shared if i == k):
                assert tickets[0][label].masks == tickets[1][label].masks, (k, label)
                assert rows[0][k, label]["test_acc"] == rows[1][k, label]["test_acc"]


@pytest.fixture(scope="module")
def again(tmp_path_factory):
    """The first seed's dense network and first round, from the study's file, in a process of its own."""
    folder = tmp_path_factory.mktemp("again")
    point = next(p for p in grid.read(STUDY).points if (EXAMPLES / p.id).exists())
    text = STUDY.read_text(encoding="utf-8")
    head, _, _ = text.partition("structures = [")
    (folder / "short.toml").write_text(head.replace("rounds = 12", "rounds = 1") + f"structures = {json.dumps(SHORT)}\n[grid]\nseed = [{point.config.seed}]\n")
    subprocess.run([sys.executable, "-m", "lthviz", "sweep", str(folder / "short.toml"), "--runs", str(folder / "runs")], cwd=ROOT, check=True, capture_output=True,
                   timeout=300)
    store = Store(folder / "runs", examples=folder / "none")
    return store, store.runs()[0], point.id


def test_the_studys_file_makes_the_shipped_tickets(again):
    store, made, there = again
    mine, theirs = store.run(made), shipped().run(there)
    rows = {(r["round"], r["structure"]): r for r in theirs.rows}
    alike = all(mine.info.get(x) == theirs.info.get(x) for x in ("machine", "versions", "device"))
    assert len(mine.rows) == 2 + len(SHORT)
    for row in mine.rows:
        other = rows[row["round"], row["structure"]]
        if alike:       # bit for bit, on the machine and with the packages that they were made with
            assert {k: v for k, v in row.items() if "seconds" not in k} == {k: v for k, v in other.items() if "seconds" not in k}
            assert store.round(made, row["round"]).ticket(row["structure"]).masks == shipped().round(there, row["round"]).ticket(row["structure"]).masks
        assert row["density"] == pytest.approx(other["density"], abs=0.02) and row["test_acc"] == pytest.approx(other["test_acc"], abs=3)
