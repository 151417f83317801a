"""The table of runs without a page: what a row says, which rows are shown, and what can be done with them."""

from datetime import UTC, datetime

import pytest

from lthviz.config import Refill, RunConfig
from lthviz.records import Status
from lthviz.store.brief import Brief
from lthviz.store.sweeps import Sweep
from lthviz.ui.runs import table


def brief(seed: int, state: str, *, model: str = "resnet20", example: bool = False, message: str = "", **more) -> Brief:
    config = RunConfig(model=model, seed=seed, structures=(Refill(),), rounds=3)
    return Brief(f"run-{seed}", config, 0.0, "", "", example, Status(state, message), ended=86_400.0, **more)


BRIEFS = [brief(0, "finished", rounds=4, dense_acc=91.0, best_acc=90.5, last_acc=88.0, seconds=90.0), brief(1, "running", model="vgg16"),
          brief(2, "failed", message="Out of memory"), brief(3, "queued"), brief(4, "finished", example=True), brief(5, "interrupted"),
          brief(6, "paused"), brief(7, "cancelled")]
SWEEPS = [Sweep("s", "Three seeds", "", ("run-0", "run-1", "run-4"), (1.0,), "ray"), Sweep("t", "", "", ("run-1", "gone"), (2.0,), "serial")]
ROWS = table.rows(BRIEFS, SWEEPS)


def ids(rows):
    return [r.brief.id for r in rows]


def test_a_row_says_what_the_brief_says():
    cells = table.cells(ROWS[0], 2_500_000)
    assert cells == {"state": "finished", "title": None, "run": "run-0", "model": "resnet20", "data": "cifar10", "seed": 0, "structures": "Refill", "rounds": 3, "planned": 3,
                     "dense": 91.0, "best": 90.5, "last": 88.0, "minutes": 1.5, "disk": 2.5, "note": None, "branch of": None, "came in": None, "sweep": "Three seeds", "changed": datetime(1970, 1, 2, tzinfo=UTC),
                     "message": ""}
    assert table.cells(ROWS[1])["sweep"] == "Three seeds, t" and table.cells(ROWS[1])["minutes"] is None
    assert list(cells)[:3] == ["state", "best", "run"], "what a phone has room for"
    assert table.cells(ROWS[1])["rounds"] is None, "not even the dense network"
    many = [table.cells(r)["rounds"] for r in table.rows([brief(i, "finished", rounds=n) for i, n in enumerate((11, 1, 3, 10))], [])]
    assert sorted(many) == [0, 2, 9, 10], "sorted as numbers, not as words"
    assert table.cells(ROWS[4])["state"] == "example" and table.cells(ROWS[4])["sweep"] is None, "an example was not swept here"


@pytest.mark.parametrize(("wanted", "search", "found"), [
    ({}, "", [0, 1, 2, 3, 4, 5, 6, 7]), ({"state": ["failed", "queued"]}, "", [2, 3]), ({"model": ["vgg16"]}, "", [1]),
    ({"sweep": ["s"]}, "", [0, 1]), ({"sweep": ["s"], "state": ["running"]}, "", [1]), ({"sweep": ["s", "t"]}, "", [0, 1]),
    ({"state": ["example"]}, "", [4]), ({}, "MEMORY", [2]), ({}, "three vgg16", [1]), ({}, "run-3", [3]), ({"model": ["nothing"]}, "", [])])
def test_filters_narrow_together_and_their_values_widen(wanted, search, found):
    assert ids(table.narrowed(ROWS, wanted, search)) == [f"run-{i}" for i in found]


def test_a_filter_offers_what_is_there_the_most_frequent_first():
    assert table.choices(ROWS, "model") == ["resnet20", "vgg16"] and table.choices(ROWS, "sweep") == ["s", "t"]


def test_what_can_be_done_with_which():
    assert ids(ROWS) == [f"run-{i}" for i in range(8)]
    assert table.resumable(ROWS) == ["run-2", "run-5", "run-7"]
    assert table.cancellable(ROWS) == ["run-1", "run-3", "run-6"]
    assert table.deletable(ROWS) == ["run-0", "run-2", "run-3", "run-5", "run-7"]


def test_the_sentence_counts():
    assert table.sentence(ROWS) == "8 runs: 1 at work, 1 paused, 1 waiting, 1 failed, 1 interrupted, 1 cancelled, 1 finished, 1 example."
    assert table.sentence(ROWS[:1]) == "1 run: 1 finished."
