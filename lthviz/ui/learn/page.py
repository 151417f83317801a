"""The page of a chapter: where it stands in the course, its words beside its figure, the question, and the way on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

import streamlit as st

from lthviz.errors import LthvizError, did_you_mean
from lthviz.ui import frame, where
from lthviz.ui.cache import store
from lthviz.ui.learn import course
from lthviz.ui.learn.chapter import Chapter, Missing
from lthviz.ui.learn.course import CHAPTERS, Course
from lthviz.ui.learn.question import ask
from lthviz.words import capital

_LAST = "learn-chapter"
"""Where the reader was, for when the page is opened from the menu again."""


@cache
def _css(name: str) -> str:
    return f"<style>\n{(Path(__file__).parent / name).read_text(encoding='utf-8')}</style>"


def _style(name: str) -> None:
    st.html(_css(name))


def show() -> None:
    """The chapter that the address names, else where the reader was, else the first."""
    found, said = _course()
    name = where.text("chapter")
    if name and name not in found.chapters:
        there = f"this course leaves out chapter {name!r}" if name in CHAPTERS else f"there is no chapter {name!r}; {did_you_mean(name, CHAPTERS)}"
        said.append(f"The link names a chapter that is not shown: {there.rstrip('?.')}. Showing the first.")
        name = ""
    name = name or st.session_state.get(_LAST, "")
    name = name if name in found.chapters else found.chapters[0]
    st.session_state[_LAST] = name
    frame.notes(said)
    _chapter(found, name)


def _course() -> tuple[Course, list[str]]:
    try:
        return course.read(store().root), []
    except LthvizError as e:
        line = capital(str(e))
        return course.WHOLE, [f"{line}{'' if line.endswith('?') else '.'} The whole course is shown."]


def _chapter(of: Course, name: str) -> None:
    at, chapter = of.chapters.index(name), course.chapter(name)
    said, wrong = _said(chapter)
    _style("page.css")
    if frame.dark():
        st.html("<style>:root { --learn-accent: #74b9e6; }</style>")
    _head(of, at)
    if isinstance(wrong, Missing):
        frame.empty(f"{frame.plain(capital(str(wrong)))}.")
        _foot(of, at)
        return
    if frame.presenting():       # the lecturer says the rest
        _style("present.css")
        with st.container(key="learn-words"):
            _part(lambda: _words(said[:1], wrong))
        with st.container(key="learn-figure"):
            _part(chapter.figure)
        _part(lambda: _question(chapter, name))
        return
    with st.container(key="learn-body"):
        left, right = st.columns([5, 7], gap="large")
    with left:
        with st.container(key="learn-words"):
            _part(lambda: _words(said, wrong))
        with st.container(key="learn-question"):
            _part(lambda: _question(chapter, name))
    with right:
        with st.container(key="learn-figure"):
            _part(chapter.figure)
        _part(lambda: _links(chapter))
    _foot(of, at)


def _part(draw: Callable[[], None]) -> None:
    """What goes wrong in a part is said there, and the rest of the chapter stands."""
    with frame.answering():
        draw()


def _head(of: Course, at: int) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute", key="learn-head"):
        with st.container(width="content", gap=None):
            frame.quiet(f"{of.title or 'Learn'} · chapter {at + 1} of {len(of.chapters)}")
            st.title(CHAPTERS[of.chapters[at]], anchor=False)
        with st.container(horizontal=True, width="content", gap="small", vertical_alignment="center", key="learn-steps"):
            _step("Back", "left", of, at - 1, "arrow_back")
            _contents(of, at)
            _step("Next", "right", of, at + 1, "arrow_forward")
    st.html("<div class='learn-way' aria-hidden='true'>" + "".join(f"<i class='{'here' if i == at else 'seen' if i < at else ''}'></i>" for i in range(len(of.chapters))) + "</div>")


def _step(word: str, key: str, of: Course, to: int, icon: str) -> None:
    there = 0 <= to < len(of.chapters)
    st.button(word, key=f"learn-{word.lower()}", shortcut=key, icon=f":material/{icon}:", disabled=not there,
              help=f"{'On to' if word == 'Next' else 'Back to'}: {CHAPTERS[of.chapters[to]]}" if there else None,
              on_click=_go, args=(of.chapters[to] if there else "",))


def _go(name: str) -> None:
    if name:
        where.go(chapter=name)


def _contents(of: Course, at: int) -> None:
    with st.popover("Chapters", icon=":material/toc:"):
        for i, name in enumerate(of.chapters):
            st.button(f"{i + 1}. {CHAPTERS[name]}", key=f"learn-to-{name}", type="tertiary", disabled=i == at, on_click=_go, args=(name,))


def _said(chapter: Chapter) -> tuple[Sequence[str], LthvizError | None]:
    """The chapter's paragraphs, or why there are none."""
    try:
        return chapter.words(), None
    except LthvizError as e:
        return (), e


def _words(paragraphs: Sequence[str], wrong: LthvizError | None) -> None:
    if wrong is not None:
        raise wrong
    for paragraph in paragraphs:
        st.markdown(paragraph)


def _question(chapter: Chapter, name: str) -> None:
    if question := chapter.question():
        ask(question, name)


def _links(chapter: Chapter) -> None:
    if links := chapter.links():
        with st.container(horizontal=True, gap="small", vertical_alignment="center", key="learn-links"):
            for link in links:
                st.page_link(link.page, label=frame.plain(link.label), icon=link.icon, query_params=dict(link.query))


def _foot(of: Course, at: int) -> None:
    if at + 1 < len(of.chapters):
        with st.container(key="learn-foot"):
            name = of.chapters[at + 1]
            st.button(f"Next: {CHAPTERS[name]}", key="learn-next-below", icon=":material/arrow_forward:", icon_position="right", type="primary", on_click=_go, args=(name,))
