"""Which runs the course teaches from, where they lead, and the four chapters that rest on them as pages."""

import shutil

import pytest
from streamlit.testing.v1 import AppTest

from lthviz.core.study import study_id
from lthviz.store import Store
from lthviz.ui import cache
from lthviz.ui.learn import evidence, saying
from tests.ui.learn.evidences import EXAMPLES, TIMED, examples, run, seeds

ROOT = EXAMPLES.parents[1]
CHAPTERS = ("ticket", "price", "curve", "fooled")


def page(chapter):
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60)
    at.switch_page("pages/learn.py")
    at.query_params["chapter"] = chapter
    at.run()
    assert not at.exception, at.exception
    return at


def said(at):
    return " ".join(str(getattr(e, "value", None) or getattr(e, "body", "")) for kind in ("title", "html", "markdown", "text", "caption") for e in at.get(kind))


def test_controls_and_timings_of_one_family_are_one_study(tmp_path, monkeypatch):
    store = examples(tmp_path, monkeypatch)
    of = evidence.found()
    assert {r.id for r in of.runs} == {*seeds(), TIMED} and len(of.study.seeds) == 10 and of.timed.id == TIMED
    assert of.controls() == {"reinit": "reinit", "random": "random"} and of.rounds == tuple(range(1, 13))
    assert of.timings.keys() == {(t.round, t.structure) for t in store.timings(TIMED)}
    assert evidence.found("speed") is of      # the same, read once
    assert saying.runs_query(of)["study"] == study_id(run(seeds()[0]).config)


def test_the_readers_own_runs_serve_where_no_example_does(tmp_path, monkeypatch):
    store = examples(tmp_path, monkeypatch, [TIMED])
    for name in seeds()[:2]:
        shutil.copytree(EXAMPLES / name, store.root / name)
    assert {r.id for r in evidence.found().runs} == {TIMED}        # it has a control: an example, and so the same for every reader
    (tmp_path / "chosen" / TIMED).unlink()
    cache.known_briefs.clear()
    assert {r.id for r in evidence.found().runs} == set(seeds()[:2])


def test_a_new_timing_is_seen_at_once(tmp_path, monkeypatch):
    store = examples(tmp_path, monkeypatch, seeds()[:1])
    assert not evidence.found("speed").timings
    one = Store(tmp_path / "none", EXAMPLES).timings(TIMED)[0]
    store.put_timing(seeds()[0], one)
    assert evidence.found("speed").timings.keys() == {(one.round, one.structure)}


@pytest.mark.parametrize("chapter", CHAPTERS)
@pytest.mark.parametrize("names", [None, seeds()[:1], [TIMED], []], ids=["all", "one-seed", "one-control", "none"])
def test_each_chapter_opens_whatever_runs_there_are(chapter, names, tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, names)
    at = page(chapter)
    words = said(at)
    if names == []:
        assert "start the digits study on Home" in words
        return
    assert "cannot be read" not in words and "Nothing is at this address" not in words
    assert ("From " in words and (names or [TIMED])[0] in words.replace("<wbr>", "")) or names is None


def test_the_right_answer_is_told_when_it_is_chosen(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch)
    from lthviz.ui.learn.chapters import curve

    at = page("curve")
    right = [o.right for o in curve.question().options].index(True)
    at.radio[0].set_value(right).run()
    assert "**Right.**" in said(at)


def test_a_round_that_is_gone_costs_only_what_rests_on_it(tmp_path, monkeypatch):
    store = examples(tmp_path, monkeypatch, [])
    shutil.copytree(EXAMPLES / TIMED, store.root / TIMED)
    (store.root / TIMED / "rounds" / "005.h5").unlink()
    words = said(page("price"))
    assert "cannot be read" not in words and "Nothing is at this address" not in words and "From " in words
    assert "three rounds of pruning" in said(page("mask"))      # its chapters look at every round
