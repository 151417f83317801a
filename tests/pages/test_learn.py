"""Learn: every chapter on the shipped examples, its question, the way through the course, and what stands there without runs."""

import pytest

from lthviz.ui.learn import course
from lthviz.ui.learn.course import CHAPTERS
from tests.shipped import EXAMPLES


@pytest.fixture
def shipped(nothing, monkeypatch):
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(EXAMPLES))
    return nothing


def button(at, key):
    return next(b for b in at.button if b.key == key)


@pytest.mark.parametrize("name", CHAPTERS)
def test_a_chapter_says_something_and_explains_every_answer(shipped, page, words, name):
    at = page("learn", chapter=name)
    assert at.title[0].value == CHAPTERS[name] and f"chapter {list(CHAPTERS).index(name) + 1} of {len(CHAPTERS)}" in words(at)
    assert "could not be read" not in words(at) and "Nothing is at this address" not in words(at)
    asked = course.chapter(name).question()
    assert asked is not None and len(asked.options) > 1 and sum(o.right for o in asked.options) == 1
    assert len({o.text for o in asked.options}) == len(asked.options) and all(o.why for o in asked.options)
    for i, option in enumerate(asked.options):
        at.radio[0].set_value(i).run()
        said = words(at)
        assert ("Right." in said, "Not so." in said) == (option.right, not option.right)
        assert " ".join(option.why.split()) in " ".join(said.split())
    assert not at.exception


def test_next_and_back_and_the_list_of_chapters(shipped, page):
    at = page("learn")
    names = list(CHAPTERS)
    assert at.query_params.get("chapter", [""])[0] in ("", names[0]) and button(at, "learn-back").disabled
    button(at, "learn-next").click().run()
    assert at.query_params["chapter"] in (names[1], [names[1]]) and at.title[0].value == CHAPTERS[names[1]]
    button(at, f"learn-to-{names[-1]}").click().run()
    assert at.title[0].value == CHAPTERS[names[-1]] and button(at, "learn-next").disabled
    button(at, "learn-back").click().run()
    assert at.title[0].value == CHAPTERS[names[-2]]


def test_a_course_of_ones_own(shipped, page, words):
    shipped.root.mkdir(parents=True, exist_ok=True)
    (shipped.root / course.FILE).write_text('title = "Week 5"\nchapters = ["refill", "mask"]\n')
    at = page("learn")
    assert at.title[0].value == CHAPTERS["refill"] and "Week 5 · chapter 1 of 2" in words(at)
    button(at, "learn-next").click().run()
    assert at.title[0].value == CHAPTERS["mask"] and button(at, "learn-next").disabled
    left_out = page("learn", chapter="curve")
    assert "this course leaves out chapter 'curve'" in words(left_out) and left_out.title[0].value == CHAPTERS["refill"]


def test_a_course_file_that_is_wrong_is_named_and_the_whole_course_shown(shipped, page, words):
    shipped.root.mkdir(parents=True, exist_ok=True)
    (shipped.root / course.FILE).write_text('chapters = ["refil"]\n')
    at = page("learn")
    assert "there is no chapter 'refil'; did you mean refill? The whole course is shown." in words(at) and at.title[0].value == CHAPTERS["mask"]


def test_a_link_to_no_chapter(shipped, page, words):
    at = page("learn", chapter="../../etc")
    assert "there is no chapter '../../etc'" in words(at) and at.title[0].value == CHAPTERS["mask"]


@pytest.mark.parametrize("name", CHAPTERS)
def test_without_any_run_a_chapter_says_how_to_get_one(nothing, page, words, name):
    at = page("learn", chapter=name)
    assert at.title[0].value == CHAPTERS[name]
    assert name == "yours" or "digits study" in words(at)


@pytest.mark.parametrize("name", ["mask", "regroup"])
def test_what_no_run_has_is_said_once_instead_of_the_chapter(store, run_id, page, words, name):
    at = page("learn", chapter=name)      # two rounds of pruning are here, and the course needs three
    assert words(at).count("three rounds of pruning") == 1 and "Nothing is at this address" not in words(at)
    assert not at.radio and button(at, "learn-next").disabled is False


def test_presenting_shows_a_paragraph_the_figure_and_the_question(shipped, page, words):
    paragraphs = course.chapter("time").words()
    said = words(page("learn", chapter="time", present=1))
    assert paragraphs[0] in said and not any(p in said for p in paragraphs[1:]) and "Predict first" in said


def test_the_live_study_cannot_be_one_of_the_examples(shipped, page, words):
    assert "is an example, which nobody trains here" in words(page("learn", chapter="yours", run="convnet-digits-e8ff670e"))
