"""How far a sweep is, against counts and times worked out by hand; and what a terminal says of it."""

import pytest
from rich.console import Console

from lthviz.config import RunConfig
from lthviz.records import Status
from lthviz.store.brief import Brief
from lthviz.sweep.tally import Tally
from lthviz.sweep.terminal import picture


def brief(name: str, state: str, done: int = 0, total: int = 0, eta: float | None = None, seconds: float = 0.0) -> Brief:
    return Brief(name, RunConfig(), 0.0, "", "", False, Status(state, "loading", done, total, eta), seconds=seconds)


def tally(*briefs: Brief, more: int = 0) -> Tally:
    return Tally((*(b.id for b in briefs), *(f"none-{i}" for i in range(more))), {b.id: b for b in briefs})


MIXED = tally(brief("a", "finished", seconds=100), brief("b", "finished", seconds=140), brief("c", "failed"), brief("d", "running", 30, 120, 90.0),
              brief("e", "paused", 60, 120, 60.0), brief("f", "queued"), brief("g", "cancelled"), brief("h", "interrupted"), more=2)


def test_every_run_is_counted_once():
    assert (MIXED.total, MIXED.done, MIXED.failed, len(MIXED.at_work), MIXED.left) == (10, 2, 1, 2, 5)
    assert MIXED.sentence() == "2 of 10 runs done, 1 failed, 2 at work, 5 left"
    assert MIXED.having(["not begun"]) == ["none-0", "none-1"]
    assert MIXED.share == pytest.approx((2 + 1 + 0.25 + 0.5) / 10)


def test_the_time_left_is_that_of_what_is_at_work_and_of_what_is_left_shared_by_as_many():
    assert MIXED.eta_s == pytest.approx((90 + 60 + 5 * 120) / 2)
    assert tally(brief("a", "running", 30, 120, 90.0), more=1).eta_s == pytest.approx(90 + 120), "nothing is done yet: 90 s are three quarters"
    assert tally(brief("a", "finished", seconds=9), brief("b", "running", 1, 2, 50.0)).eta_s == 50
    assert tally(brief("a", "finished", seconds=9), more=3).eta_s is None, "nobody is at work"
    assert tally(brief("a", "running"), more=3).eta_s is None, "nothing tells"
    assert (tally().share, tally().eta_s) == (1.0, None)


def test_a_terminal_shows_a_line_for_every_run_at_work_and_the_counts():
    console = Console(width=120)
    with console.capture() as said:
        console.print(picture(MIXED, {"d": "seed 3"}))
    lines = said.get().splitlines()
    assert "seed 3" in lines[0] and "25 %" in lines[0] and "90 s left" not in lines[0] and "1 min 30 s left" in lines[0]
    assert lines[1].startswith("e") and "50 %" in lines[1] and "paused" in lines[1]
    assert lines[2].strip() == "2 of 10 runs done, 1 failed, 2 at work, 5 left, about 6 min 15 s left"
    assert len(lines) == 3
