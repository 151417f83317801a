"""What people say of a run: a title and a note, in a file of their own beside what the run is made of.

They may change at any time, while the run is at work as well, and say nothing about it: no id, no study and no comparison of packed
runs depends on them.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lthviz.errors import DamagedError, UsageError, VersionError
from lthviz.store import files
from lthviz.store.locks import FolderLock

FILE = "about.json"
TITLE, NOTE = 120, 10_000
"""Characters that a title and a note may have."""


class About(NamedTuple):
    """title: in one line; '': the one it was begun with. note: plain text, lines and all. source: name of the packed file that the run
    came in; '': it was begun here. asked: who put it into the queue last, where people sign in; it stays here when the run is packed."""

    title: str = ""
    note: str = ""
    source: str = ""
    asked: str = ""


def read(run: Path) -> About:
    """What is said of the run in that folder, whoever wrote it: without control characters, and cut where it is too long. DamagedError."""
    file = run / FILE
    try:
        value = files.read_json(file)
    except FileNotFoundError:
        return About()
    found = {k: value.get(k, "") for k in About._fields}
    if wrong := [k for k, v in found.items() if not isinstance(v, str)]:
        raise DamagedError(f"{file} is damaged: {wrong[0]!r} is not text; delete that file or say anew what the run is")
    return About(one_line(found["title"]), _text(found["note"])[:NOTE], one_line(found["source"]), one_line(found["asked"]))


def title(run: Path, begun: str) -> str:
    """The run's title; `begun`: the one it was begun with. A damaged file, or one of a newer lthviz, is told of by whoever reads the run."""
    try:
        return read(run).title or begun
    except (DamagedError, VersionError):
        return begun


def change(run: Path, *, title: str | None = None, note: str | None = None, source: str | None = None, asked: str | None = None) -> About:
    """Writes what is not None, in one step; what is said now. UsageError for what is too long, AddressError where the run is gone. A damaged
    file is replaced."""
    with files.failing(run / FILE), FolderLock(run / f"{FILE}.lock", timeout=10, beside="config.json"):
        try:
            now = read(run)
        except DamagedError:
            now = About()
        made = About(now.title if title is None else checked_title(title), now.note if note is None else _note(note), now.source if source is None else source,
                     now.asked if asked is None else one_line(asked))
        if made != now:
            files.write_json(run / FILE, made._asdict())
    return made


def one_line(words: str) -> str:
    """A title as it may be shown: on one line, without control characters, cut where it is too long."""
    return _line(words)[:TITLE]


def checked_title(words: str) -> str:
    """A title that is given, on one line; UsageError for what is too long."""
    line = _line(words)
    if len(line) > TITLE:
        raise UsageError(f"a title of {len(line):,} characters is too long ({line[:40]}…); give at most {TITLE}, and say the rest in the note")
    return line


def _line(words: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in words).split())


def _text(words: str) -> str:
    return "".join(c for c in words.replace("\r\n", "\n") if c.isprintable() or c in "\n\t").strip()


def _note(words: str) -> str:
    text = _text(words)
    if len(text) > NOTE:
        raise UsageError(f"a note of {len(text):,} characters is too long; give at most {NOTE:,}")
    return text
