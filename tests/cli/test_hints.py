"""Every command, option and page that a help text, an error or a page of the app speaks of is there."""

import argparse
import ast
import re
from pathlib import Path

import pytest

from lthviz.cli import _parser
from lthviz.ui.frame import PAGES

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = next(a for a in _parser()._actions if isinstance(a, argparse._SubParsersAction)).choices
OPTIONS = {o for p in COMMANDS.values() for a in p._actions for o in a.option_strings}
OTHERS = {"--force-reinstall", "--index-url", "--head", "--nproc-per-node", "--no-cache-dir", "--gpu"}
"""Options of pip, ray and torchrun, which some hints are about."""
COLOURS = {"--added", "--removed", "--kept", "--muted", "--rule", "--paper", "--accent", "--learn-accent", "--hue-"}
"""Variables of style sheets, of which the figures' docstrings speak."""
NAMES = [name for _, name, _ in PAGES]


def texts(path: Path) -> list[str]:
    """The texts of a module; what stands between the parts of one that is put together is `…`."""
    tree, found, inner = ast.parse(path.read_text(encoding="utf-8")), [], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            inner |= {id(x) for x in node.values}
            found.append("".join(x.value if isinstance(x, ast.Constant) else "…" for x in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner:
            found.append(node.value)
    return found


def commands(text: str) -> list[tuple[str, list[str]]]:
    """(command, its options) of every `lthviz …` in a text."""
    said = [m[1] for m in re.finditer(r"(?:`|python -m |^  )lthviz ((?!\.)[^`\n]+)", text, re.MULTILINE)]
    return [(words.split()[0].rstrip(".,;:"), re.findall(r"(?<!\S)--[a-z][a-z-]*", words)) for words in said]


FOUND = {p.relative_to(ROOT): texts(p) for p in sorted([*ROOT.glob("lthviz/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"])}


@pytest.mark.parametrize("path", FOUND, ids=str)
def test_what_hints_speak_of_is_there(path):
    for text in FOUND[path]:
        for command, options in commands(text):
            assert command in COMMANDS or command == "…", f"{path}: there is no command {command!r}: {text!r}"
            known = {o for a in COMMANDS[command]._actions for o in a.option_strings} if command in COMMANDS else OPTIONS
            assert set(options) <= known, f"{path}: {command} has no {sorted(set(options) - known)}: {text!r}"
        for option in re.findall(r"(?<![\w-])(?<!var\()--(?!lthviz-|st-)[a-z][a-z-]+", text):
            assert option in OPTIONS | OTHERS | COLOURS, f"{path}: no command has {option}: {text!r}"
        for page in re.findall(r"\b(?:the|The) ([A-Z][a-z]+) page\b", text):
            assert page in NAMES, f"{path}: there is no page {page}: {text!r}"


def test_the_help_of_every_command_names_pages_and_commands_that_are_there():
    for name, parser in COMMANDS.items():
        for command, options in commands(parser.format_help()):
            assert command in COMMANDS and set(options) <= OPTIONS, f"lthviz {name} --help speaks of lthviz {command} {options}"


def test_they_are_found():
    assert commands("see `lthviz bench --run RUN`; or\n  lthviz ls --json\nas python -m lthviz gone …") == [("bench", ["--run"]), ("ls", ["--json"]), ("gone", [])]
    assert sum(len(commands(t)) for found in FOUND.values() for t in found) > 20
