"""What a chapter of the course gives to its page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from lthviz.errors import AddressError


class Missing(AddressError):
    """No run here has what a chapter rests on; a sentence that says what, and how to get it."""


class Option(NamedTuple):
    """An answer to choose. why: what is said once it is chosen, with the numbers that decide it."""

    text: str
    right: bool
    why: str


class Question(NamedTuple):
    """To predict, then to see: at least two options, exactly one right. Which one is right is computed, never typed in."""

    asks: str
    options: tuple[Option, ...]


class Link(NamedTuple):
    """The same thing on a real layer: a page of the app (`pages/masks.py`) at an address."""

    label: str
    page: str
    query: Mapping[str, str]
    icon: str = ":material/arrow_outward:"


class Chapter(NamedTuple):
    """A chapter. Each function is called when the chapter is drawn, so that its numbers are of what is here now.

    words: its paragraphs, Markdown, two to four; what is taken from a run or an error goes through `frame.plain`. figure: draws its live
    figure into the present container, in a fragment of its own where it asks the server for anything. question: what to predict; None
    where there is nothing to ask. links: the same thing on a real layer. LthvizError from any of them is said where it belongs;
    Missing from words is said once, instead of the whole chapter.
    """

    words: Callable[[], Sequence[str]]
    figure: Callable[[], None]
    question: Callable[[], Question | None]
    links: Callable[[], Sequence[Link]]
