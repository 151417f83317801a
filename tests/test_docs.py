"""What the documents point at is there, and what they say was measured is what the stored results say."""

import dataclasses
import json
import re
import statistics
from pathlib import Path
from urllib.parse import unquote

import pytest

from benchmarks import methods as measured
from lthviz.config import STRUCTURES, UNSTRUCTURED, structure
from lthviz.core.study import study_id
from lthviz.sweep import grid

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", ROOT / "data" / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
LINK = re.compile(r"\]\(\s*<?([^)>\s]+)")


def targets(text: str) -> list[str]:
    """Where the links and pictures of a Markdown text lead, but for other hosts; code is no link."""
    text = re.sub(r"^```.*?^```|^ {4}.*?$|`[^`\n]*`", "", text, flags=re.DOTALL | re.MULTILINE)
    found = [*LINK.findall(text), *re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, flags=re.MULTILINE)]
    return [x for x in found if not re.match(r"[a-z][a-z0-9+.-]*:|//", x)]


def heading_ids(page: Path) -> set[str]:
    """As GitHub names them."""
    lines = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE).splitlines()
    return {re.sub(r"[^\w\- ]", "", x.lstrip("# ").lower()).replace(" ", "-") for x in lines if x.startswith("#")}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_relative_link_leads_to_something(page):
    for target in targets(page.read_text(encoding="utf-8")):
        name, _, part = unquote(target).partition("#")
        place = (page.parent / name).resolve() if name else page
        assert place.exists(), f"{page.relative_to(ROOT)} points at {target}"
        assert place.is_relative_to(ROOT), f"{target} leads out of the project"
        assert not part or part in heading_ids(place), f"{place.name} has no heading {part!r}"


def test_every_method_has_a_page_that_its_table_leads_to():
    table = (ROOT / "docs" / "methods" / "README.md").read_text(encoding="utf-8")
    pages = {p.name for p in (ROOT / "docs" / "methods").glob("*.md")} - {"README.md"}
    assert {t for t in targets(table) if "/" not in t} == pages
    rows = [line for line in table.splitlines() if line.startswith("| [")]
    assert {label for line in rows for label in re.findall(r"`([a-z]+)`", line)} == {"unstructured", *STRUCTURES}
    for kind, cls in STRUCTURES.items():
        page = next(re.search(r"\(([a-z]+\.md)\)", line)[1] for line in rows if f"`{kind}`" in line)
        text = (ROOT / "docs" / "methods" / page).read_text(encoding="utf-8")
        missing = [f.name for f in dataclasses.fields(cls) if f"`{f.name}`" not in text]
        assert not missing, f"{page} does not speak of {missing}"
        for path in re.findall(r"tests/[a-z_/]+\.py", text):
            assert (ROOT / path).exists(), f"{page} names {path}"


def test_the_links_of_the_readme_are_found():
    found = targets((ROOT / "README.md").read_text(encoding="utf-8"))
    assert {"docs/lab.png", "docs/design.md", "data/README.md", "lthviz/records"} <= set(found)
    assert targets("[a](b.md#c) ![p](d%20e.png) `[x](y)` [h](https://x.org/z)\n\n[r]: f.md\n\n    [in](code)\n") == ["b.md#c", "d%20e.png", "f.md"]


RESULTS = json.loads(measured.RESULTS.read_text(encoding="utf-8"))
TICKETS = RESULTS["studies"][0]["tickets"]


def test_the_measured_sections_are_what_the_results_give():
    for page, text in measured.written(RESULTS).items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name} was changed by hand, or python benchmarks/methods.py was not run"


def test_the_results_are_those_of_the_study_and_add_up():
    points = grid.read(measured.STUDY).points
    assert {s["id"]: s["seeds"] for s in RESULTS["studies"]} == {name: [p.config.seed for p in points if study_id(p.config) == name]
                                                                 for name in {study_id(p.config) for p in points}}
    assert measured.text_of(RESULTS) == measured.RESULTS.read_text(encoding="utf-8")
    for study in RESULTS["studies"]:
        for t in study["tickets"]:
            assert t["n"] == len(t["seeds"]) == len(study["seeds"]) >= 3
            for x in (t[name] for name in measured.NUMBERS):
                assert (x["mean"], x["sd"]) == pytest.approx((statistics.mean(x["by_seed"]), statistics.stdev(x["by_seed"])), abs=2e-6)


@pytest.mark.parametrize("kind", [UNSTRUCTURED, *STRUCTURES])
def test_every_method_has_a_measured_section_with_its_own_numbers(kind):
    """Its page's first table, read back: a round a line, with the density and the accuracy that the seeds' own values have on average."""
    labels = [t["structure"] for t in TICKETS if t["round"] == 1]
    label = next(x for x in labels if (x if x == UNSTRUCTURED else structure(x).kind) == kind)
    page = {UNSTRUCTURED: "imp", "random": "controls", "reinit": "controls"}.get(kind, kind)
    section = (ROOT / "docs" / "methods" / f"{page}.md").read_text(encoding="utf-8").partition(measured.BEGIN)[2].partition(measured.END)[0]
    mine = sorted((t for t in TICKETS if t["structure"] == label and t["round"]), key=lambda t: t["round"])
    dense = next(t for t in TICKETS if t["round"] == 0)["test_acc"]["by_seed"]
    said = [f"{statistics.mean(t['test_acc']['by_seed']):.1f} ± {statistics.stdev(t['test_acc']['by_seed']):.1f}" for t in mine]
    assert f"n = {len(dense)} seeds" in section and f"dense {statistics.mean(dense):.1f} ± {statistics.stdev(dense):.1f}." in section.replace("\n", " ")
    if kind == "reinit":      # the controls' page shows random in full, and this in a line
        cells = next(line for line in section.splitlines() if line.startswith(f"| `{label}` |")).split(" | ")[1:-1]
        assert cells == [f"{acc} ({statistics.mean(t['density']['by_seed']):.2f})" for acc, t in zip(said, mine, strict=True)]
    else:
        rows = [[c.strip() for c in line.split("|")[1:-1]] for line in section.splitlines() if re.match(r"\| \d+ \|", line)]
        assert [(r[0], r[1], r[4]) for r in rows] == [
            (str(t["round"]), f"{statistics.mean(t['density']['by_seed']):.3f}", acc) for acc, t in zip(said, mine, strict=True)]


def test_a_study_that_is_not_finished_is_not_taken_for_one(tmp_path):
    with pytest.raises(SystemExit, match=r"(\d+) of \1 runs are not finished below .* does the rest"):
        measured.read(tmp_path)
