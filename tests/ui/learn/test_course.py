"""The order of the chapters, and a lecturer's own."""

import pytest

from lthviz.errors import ConfigError
from lthviz.ui.learn import course
from lthviz.ui.learn.chapter import Chapter
from lthviz.ui.learn.course import CHAPTERS, WHOLE, Course


def test_without_a_file_it_is_whole(tmp_path):
    assert course.read(tmp_path) == WHOLE and WHOLE.chapters == tuple(CHAPTERS)
    assert course.read(tmp_path / "not there yet") == WHOLE


def test_chapters_are_hidden_and_reordered(tmp_path):
    (tmp_path / course.FILE).write_text('title = "Sparse networks, week 5"\nchapters = ["regroup", "mask"]\n')
    assert course.read(tmp_path) == Course("Sparse networks, week 5", ("regroup", "mask"))


@pytest.mark.parametrize("text, said", [
    ("chapters = [", "is no TOML"), ('chapters = ["maks"]', "there is no chapter 'maks'; did you mean mask?"), ("chapters = []", "one at least"),
    ("chapters = 3", "should be a list of names"), ('chapters = ["mask", "mask"]', "'mask' stands there twice"), ("title = 5", "title = 5 should be text"),
    ('chapter = ["mask"]', "has 'chapter'; did you mean chapters?")])
def test_a_file_that_is_wrong_is_named_with_what_is_wrong(tmp_path, text, said):
    (tmp_path / course.FILE).write_text(text)
    with pytest.raises(ConfigError, match=r"course\.toml") as e:
        course.read(tmp_path)
    assert said in str(e.value)


def test_a_file_that_is_no_text(tmp_path):
    (tmp_path / course.FILE).write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not UTF-8"):
        course.read(tmp_path)


@pytest.mark.parametrize("name", CHAPTERS)
def test_every_chapter_is_there(name):
    assert isinstance(course.chapter(name), Chapter)
