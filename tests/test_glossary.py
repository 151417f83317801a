"""The glossary: short definitions that hang together, one document made of them, and no other word for a term."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from lthviz.errors import UsageError
from lthviz.glossary import TERMS, definition, markdown, spoken, term

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "docs" / "glossary.md"
TEXTS = [p.read_text(encoding="utf-8") for p in (ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"), *ROOT.glob("lthviz/**/*.py"), *ROOT.glob("lthviz/**/*.js"))
         if p not in (DOC, ROOT / "lthviz" / "glossary.py")]


def stands(form: str, text: str) -> bool:
    """Whether a term stands in a text as a word of its own, in the singular or the plural."""
    return re.search(rf"(?<!\w){re.escape(form)}(?:s|es)?(?![\w+])", text, re.IGNORECASE if len(form) > 3 else 0) is not None


@pytest.mark.parametrize("name", TERMS)
def test_a_definition_is_one_or_two_whole_sentences(name):
    said = definition(name)
    assert said[0] == said[0].upper() and said.endswith(".") and "  " not in said and "\n" not in said
    assert 1 <= len(re.findall(r"[.?!](?=\s+[A-Z]|$)", said)) <= 2
    assert len(said) <= 330 and not re.search(r"[`*_<>#\[\]]", said.replace("i > t1", "")), "a tooltip shows it as Markdown, a title as plain text"


@pytest.mark.parametrize("name", TERMS)
def test_related_terms_are_there_and_lead_on(name):
    t = TERMS[name]
    assert t.see and name not in t.see and len(set(t.see)) == len(t.see)
    assert all(other in TERMS for other in t.see)


@pytest.mark.parametrize("name", TERMS)
def test_a_term_stands_in_the_app_or_in_a_document_under_its_name(name):
    assert any(stands(form, text) for form in spoken(name) for text in TEXTS), f"nothing but the glossary speaks of {name!r}"


@pytest.mark.parametrize("wrong, right", [("sparsity ratio", "sparsity"), ("effective sparsity", "effective density"), ("reinitiali[sz]ation", "re-initialisation"), ("re-initialization", "re-initialisation"),
                                          ("hyper-graph", "hypergraph"), ("hyper-edge", "hyperedge"), ("channelwise", "channel-wise"), ("groupwise", "group-wise"), ("layerwise", "layer-wise"),
                                          ("one shot pruning", "one-shot pruning"), ("speed-up", "speedup"), ("structural coverage", "structured coverage"), ("filter-wise", "channel-wise"),
                                          ("mult-adds|multiply-accumulates?", "multiply-adds"), ("rewind step", "rewinding step"), ("lottery subnetwork", "lottery ticket")])
def test_nobody_reads_another_word_for_a_term(wrong, right):
    """In the documents, and in what the app says: texts of Python and JavaScript that hold a space, as names in code do not."""
    assert any(right in name for name in TERMS) or right == "speedup"
    documents = [p.read_text(encoding="utf-8") for p in (ROOT / "README.md", *(ROOT / "docs").glob("**/*.md"))]
    words = [text for p in ROOT.glob("lthviz/**/*.[pj][ys]") for text in re.findall(r'"([^"\n]* [^"\n]*)"', p.read_text(encoding="utf-8"))]
    found = [text[max(0, m.start() - 40):m.end() + 20] for text in (*documents, *words) for m in re.finditer(rf"(?<![\w./]){wrong}(?![\w./])", text, re.IGNORECASE)]
    assert not found


def test_the_document_is_what_the_command_prints():
    printed = subprocess.run([sys.executable, "-m", "lthviz.glossary"], cwd=ROOT, check=True, capture_output=True, timeout=60).stdout.decode()
    assert DOC.read_text(encoding="utf-8") == printed == markdown(), "write it again: python -m lthviz.glossary > docs/glossary.md"


def test_every_term_has_its_place_in_the_document():
    headings = re.findall(r"^### (.+)$", DOC.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(headings) == sorted(TERMS) and headings == sorted(headings, key=str.casefold)


@pytest.mark.parametrize("form, name", [("density", "density"), ("IMP", "iterative magnitude pruning (IMP)"), ("FLOPs", "multiply-adds (FLOPs)"), ("multiply-adds", "multiply-adds (FLOPs)"),
                                        ("km1", "connectivity (km1)"), ("L(i)", "L(i)")])
def test_a_term_is_found_by_each_of_its_forms(form, name):
    assert term(form) is TERMS[name] and definition(form) == TERMS[name].definition


def test_a_term_that_is_not_there_is_named_with_the_near_ones():
    with pytest.raises(UsageError, match=r"no term 'densety'; did you mean density"):
        definition("densety")
