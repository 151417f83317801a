"""What the documents point at is there."""

import dataclasses
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from lthviz.config import STRUCTURES

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
    assert set(targets(table)) == pages
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
    assert {"docs/lab.png", "docs/design.md", "data/README.md", "lthviz/records.py"} <= set(found)
    assert targets("[a](b.md#c) ![p](d%20e.png) `[x](y)` [h](https://x.org/z)\n\n[r]: f.md\n\n    [in](code)\n") == ["b.md#c", "d%20e.png", "f.md"]
