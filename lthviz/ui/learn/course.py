"""Which chapters the course has, and in what order. A lecturer's own `course.toml` beside the runs hides or reorders them."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path
from typing import NamedTuple

from lthviz.errors import ConfigError, did_you_mean
from lthviz.knobs import toml
from lthviz.ui.learn.chapter import Chapter

CHAPTERS = {
    "mask": "What a mask is",
    "magnitude": "Pruning by magnitude",
    "time": "Why scattered zeros save little time",
    "ticket": "Rewinding, and the ticket",
    "refill": "Refill: whole channels",
    "neighbours": "What a removed channel does to its neighbours",
    "regroup": "Regroup: sorting a crossword",
    "price": "The price and the gain",
    "curve": "Reading accuracy against speed",
    "fooled": "How to fool yourself",
    "yours": "A study in a minute, here",
}
"""All chapters by the name that stands in their address, in their own order, with their titles."""
FILE = "course.toml"
_FIELDS = ("title", "chapters")


class Course(NamedTuple):
    """title: '' for the course as it is. chapters: names of CHAPTERS, in order."""

    title: str
    chapters: tuple[str, ...]


WHOLE = Course("", tuple(CHAPTERS))


def read(folder: Path) -> Course:
    """The course as `course.toml` in the folder of runs has it, else the whole one.

        title = "Sparse networks, week 5"
        chapters = ["mask", "magnitude", "refill", "regroup"]

    ConfigError names the file and what is wrong in it.
    """
    file = folder / FILE
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return WHOLE
    except (OSError, UnicodeDecodeError) as e:
        raise ConfigError(f"{file} cannot be read ({getattr(e, 'strerror', None) or 'it is not UTF-8 text'})") from None
    try:
        given = toml(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"{file} is no TOML: {e}") from None
    if unknown := [name for name in given if name not in _FIELDS]:
        raise ConfigError(f"{file} has {unknown[0]!r}; {did_you_mean(unknown[0], _FIELDS)}")
    title, names = given.get("title", ""), given.get("chapters", list(CHAPTERS))
    if not isinstance(title, str):
        raise ConfigError(f"{file}: title = {title!r} should be text")
    if not isinstance(names, list) or not names or not all(isinstance(x, str) for x in names):
        raise ConfigError(f"{file}: chapters = {names!r} should be a list of names, one at least: {', '.join(CHAPTERS)}")
    for name in names:
        if name not in CHAPTERS:
            raise ConfigError(f"{file}: there is no chapter {name!r}; {did_you_mean(name, CHAPTERS)}")
    if twice := [x for x in names if names.count(x) > 1]:
        raise ConfigError(f"{file}: chapter {twice[0]!r} stands there twice; name it once")
    return Course(title, tuple(names))


def chapter(name: str) -> Chapter:
    """A chapter by its name. Only the one that is shown is loaded."""
    return importlib.import_module(f"lthviz.ui.learn.chapters.{name}").CHAPTER
