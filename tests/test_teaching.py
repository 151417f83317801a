"""The lecturer's exercises: every solution is what the method's own functions give."""

import re
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from lthviz.config import Regroup
from lthviz.core import partition
from lthviz.core.magnitude import prune
from lthviz.core.refill import budget, channels, refill
from lthviz.core.regroup import parts, regroup
from lthviz.records import Masks
from lthviz.ui.learn.course import CHAPTERS

TEXT = (Path(__file__).resolve().parents[1] / "docs" / "teaching.md").read_text(encoding="utf-8")


def mask(name: str) -> np.ndarray:
    """The mask of an exercise as it stands there."""
    rows = re.search(rf"<!-- mask: {name} -->\n\n((?: {{8}}[01 ]+\n)+)", TEXT)[1].splitlines()
    return np.array([[c == "1" for c in row.split()] for row in rows])


def solution(number: int) -> str:
    found = re.search(rf"^{number}\. (.*?)(?=^\d\. |^## )", TEXT[TEXT.index("## Solutions"):], re.MULTILINE | re.DOTALL)[1]
    return " ".join(found.split())


def layer(matrix: np.ndarray) -> Masks:
    return Masks.of({"layer": matrix.reshape(*matrix.shape, 1, 1)})


def test_rounds():
    left = [0.8**i for i in range(12)]
    first = next(i for i, x in enumerate(left) if x < 0.1)
    assert f"**i = {first}**" in solution(1) and f"0.8^{first - 1} is {left[first - 1]:.3f}" in solution(1) and f"0.8^{first} is {left[first]:.3f}" in solution(1)


def test_magnitude():
    block = TEXT[TEXT.index("        A "):TEXT.index("3. **Refill by hand.**")]
    n = [float(x) for x in re.findall(r"-?\d\.\d+", block)]
    weights = {"A": np.array([n[:2], n[4:6]]), "B": np.array([n[2:4], n[6:]])}
    weights = {k: w.reshape(2, 2, 1, 1) for k, w in weights.items()}
    whole = Masks.of({k: np.ones_like(w, bool) for k, w in weights.items()})
    both = prune(weights, whole, 0.5)
    alone = {k: prune({k: w}, Masks.of({k: np.ones_like(w, bool)}), 0.5) for k, w in weights.items()}

    def words(values: np.ndarray) -> list[str]:
        return [f"{x:g}".replace("-", "−") for x in values]

    assert f"**{words(weights['A'][both['A']])[0]} of A and {', '.join(words(weights['B'][both['B']]))} of B** stay" in solution(2)
    a, b = (words(weights[k][alone[k][k]]) for k in "AB")
    assert f"each keeps two: {a[0]} and {a[1]}; {b[0]} and {b[1]}." in solution(2)


def test_refill():
    m = layer(mask("refill"))
    found = refill(m, {"layer": m.matrix("layer").sum(1)})
    kept = np.flatnonzero(found.masks.matrix("layer").any(1))
    note = found.notes["layer"]
    assert [("first", "second", "third", "fourth")[i] for i in kept] == ["first", "third"] and "**2 channels, the first and the third**" in solution(3)
    assert (note["back"], note["gone"]) == (5, 2) and "Five weights come back, two go" in solution(3)
    assert f"from {100 * m.density():g} % to {100 * found.masks.density():g} %" in solution(3)
    assert budget(9, (4, 6), 0.2) == Fraction(2) and channels(9, (4, 6), 0.2) == 2 and "**still 2**" in solution(3)


@pytest.mark.parametrize("t1, cut, words", [(1.5, 4, "**i = 4**. The block has 16 weights, 3 come back, 2 go."), (1.0, 3, "**i = 3**: 12 weights, 2 come back, 5 go.")])
def test_regroup(t1, cut, words):
    m = layer(mask("regroup"))
    one = {"layer": partition.partition(m.matrix("layer"), 1)}
    found = regroup(m, Regroup(groups=1, min_rows=2, t1=t1), partitions=one)
    note = found.notes["layer"]
    assert note["parts"][0]["cols"] == cut and words in solution(4)
    assert f"{found.masks.nnz()} weights" in words and f"{note['back']} come back, {note['gone']} go" in words
    (part,) = parts(m.matrix("layer"), one["layer"])
    assert f"Columns in order {', '.join(str(c + 1) for c in part.order)} " in solution(4)
    assert f"used by {', '.join(map(str, part.counts))} rows" in solution(4) and f"L = {', '.join(map(str, part.left))}." in solution(4)


def test_connectivity():
    m = mask("connectivity")
    good, bad = (partition.km1(m, np.array(x)) for x in ([0, 0, 1, 1], [0, 1, 0, 1]))
    assert f"**km1 = {good}**" in solution(5) and f"**km1 = {bad}**" in solution(5) and good < bad


def test_the_course_it_speaks_of_is_the_one_there_is():
    names = re.search(r"The names are those in the addresses: (.*?)\.\n", TEXT, re.DOTALL)[1]
    assert re.findall(r"`(\w+)`", names) == list(CHAPTERS)
    plan = TEXT[TEXT.index("## 45 minutes"):TEXT.index("## 90 minutes")]
    told = [name for row in re.findall(r"^\|[^|]+\| ([^|]+) \|", plan, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)]
    assert told == list(CHAPTERS), "every chapter in its order"
    assert "eleven chapters" in TEXT and len(CHAPTERS) == 11
