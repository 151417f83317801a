"""The shipped examples for tests of chapters, whole or in part, and what a drawing must hold to."""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lthviz.records import Run
from lthviz.store import Store
from lthviz.ui.learn.figure.svg import checked

EXAMPLES = Path(__file__).resolve().parents[3] / "data" / "examples"
TIMED = "convnet-digits-e8ff670e"


@functools.cache
def seeds() -> tuple[str, ...]:
    """The runs of the study with controls."""
    return tuple(sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir() and p.name != TIMED and '"kind":"reinit"' in (p / "config.json").read_text()))


def examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, names: Sequence[str] | None = None) -> Store:
    """A store without own runs, with these examples (all where none are named)."""
    folder = EXAMPLES
    if names is not None:
        folder = tmp_path / "chosen"
        folder.mkdir()
        for name in names:
            (folder / name).symlink_to(EXAMPLES / name, target_is_directory=True)
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(folder))
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "runs"))
    return Store()


@functools.cache
def run(name: str) -> Run:
    """A shipped run, read once."""
    return Store(EXAMPLES.parent / "none", EXAMPLES).run(name)


def accuracies(round: int, label: str) -> dict[int, float]:
    """Test accuracy by seed of the study with controls, straight from the rows."""
    found = {}
    for one in map(run, seeds()):
        for row in one.rows:
            if row["round"] == round and (row["structure"] == label or round == 0):
                found[one.config.seed] = row["test_acc"]
    return found


def numbers(words: str) -> list[float]:
    """Every number of a sentence; a minus sign belongs to it."""
    return [float(x.replace("−", "-").replace(",", "")) for x in re.findall(r"[−-]?\d[\d,]*(?:\.\d+)?", words)]


def texts(svg: str) -> list[str]:
    return [x.text or "" for x in ElementTree.fromstring(svg).iter() if x.tag.endswith("text")]


def titles(svg: str) -> list[str]:
    return [x.text or "" for x in ElementTree.fromstring(svg).iter() if x.tag.endswith("title")]


def sound(svg: str) -> None:
    """A drawing that the figure takes, in its viewBox, without a text on another."""
    root = ElementTree.fromstring(checked(svg))
    _, _, wide, high = map(float, root.get("viewBox").split())
    boxes = []
    for x in root.iter():
        kind = x.tag.rpartition("}")[2]
        if kind == "text":
            left, top, right, bottom = room(x)
            assert left >= -1 and right <= wide + 1 and top >= -1 and bottom <= high + 1, (x.text, left, top, right, bottom, wide, high)
            boxes.append((left, top, right, bottom, x.text))
        elif kind in ("polyline", "polygon"):
            for point in x.get("points").split():
                a, b = map(float, point.split(","))
                assert -1 <= a <= wide + 1 and -1 <= b <= high + 1, (kind, point)
        elif kind == "rect":
            assert float(x.get("width")) >= 0 and float(x.get("x")) >= -1 and float(x.get("x")) + float(x.get("width")) <= wide + 1
    for a, b in itertools.combinations(boxes, 2):
        assert not (a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]), f"{a[4]!r} stands on {b[4]!r}"


def room(text: ElementTree.Element) -> tuple[float, float, float, float]:
    """About where a text of Source Sans stands: half an em a letter, a quarter where it is narrow."""
    size = float(text.get("font-size"))
    wide = size * sum(0.25 if c in " .,:;|!'ijlIftr\u00a0()" else 0.82 if c in "mwMW%@" else 0.6 if c.isupper() else 0.5 for c in text.text)
    left = float(text.get("x")) - {"start": 0, "middle": wide / 2, "end": wide}[text.get("text-anchor", "start")]
    y = float(text.get("y"))
    return left, y - 0.68 * size, left + wide, y + 0.18 * size
