"""Names, addresses and words of strangers on every page: no path of them is opened, no markup comes of them, no control character is printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from lthviz.store import about

ROOT = Path(__file__).resolve().parents[2]
EVIL = ("../../etc/passwd", "/etc/passwd", "..\\..\\etc\\passwd", "....//....//etc/passwd", "%2e%2e%2fetc%2fpasswd", "file:///etc/passwd", "x\x00/etc/passwd", "~root", "../runs/../../etc", ".", "..", "CON", "",
        "<script>window.hit=1</script>", "<img src=x onerror=window.hit=1>", "![x](http://outside.example/x.png)", "[x](javascript:window.hit=1)", ":red[red]", ":material/delete:", ":smile:", "$\\href{http://outside.example}{x}$",
        "\x1b]0;owned\x07\x1b[2J\x1b[31mred", "\u202egnp.exe", "\u2066\u2069\u200b", "a" * 20_000, "`code`**bold**\n# head", "'\"--><b>", "{{7*7}}", "${jndi:ldap://outside.example}", "x,../../etc/passwd,<b>")
FIELDS = {"lab": ("run", "round", "stage", "layer", "x", "new", "set", "branch"), "masks": ("run", "round", "ticket", "layer", "against"), "tune": ("run", "round", "structure", "layer", "scope", "base", "map"),
          "speed": ("run", "round", "ticket", "batch", "threads", "device"), "curves": ("run", "study", "x", "near", "tolerance", "baseline", "of", "with"), "compare": ("of", "baseline", "layers", "pair", "density"),
          "exchange": ("run", "round", "ticket", "format", "do"), "runs": ("state", "model", "sweep", "find"), "learn": ("chapter", "run"), "home": ("run", "present")}
RISKY = ("html", "markdown", "caption", "info", "warning", "error", "title", "subheader")


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """Paths that this process opens, lists, renames or starts, while it looks."""
    seen, looking = [], [True]

    def hook(event: str, args: tuple) -> None:
        if looking[0] and event in ("open", "os.listdir", "os.scandir", "os.rename", "os.remove", "os.mkdir", "subprocess.Popen") and isinstance(args[0], (str, bytes, os.PathLike)):
            seen.append(os.path.abspath(os.fsdecode(args[0])))

    sys.addaudithook(hook)
    yield seen
    looking[0] = False


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_no_address_leads_out_of_the_store_or_becomes_markup(store, run_id, page, opened, name, tmp_path):
    places = [str(x) for x in (tmp_path, ROOT, sys.prefix, sys.base_prefix, Path(sys.executable).resolve().parent.parent, Path.home() / ".streamlit", "/proc/", "/sys/", "/dev/", "/usr/share/zoneinfo", "/etc/machine-id", "/etc/mime.types", "/etc/localtime")]
    at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=60).run()
    if name != "home":
        at.switch_page(f"pages/{name}.py")
    for field in FIELDS[name]:
        for evil in EVIL[FIELDS[name].index(field) % 3:: 1 if field in ("run", "of", "study") else 6]:
            at.query_params.clear()
            if field != "run" and name not in ("runs", "learn", "home", "compare"):
                at.query_params["run"] = run_id
            at.query_params[field] = evil
            opened.clear()
            at.run()
            assert not at.exception, (field, evil[:80], at.exception)
            outside = [x for x in opened if not x.startswith(tuple(places)) or "passwd" in x]
            assert not outside, (field, evil[:80], outside)
            harmless(at, evil)


def harmless(at, evil: str) -> None:
    """What the page says where markup is read has nothing of it as markup."""
    for kind in RISKY:
        for element in at.get(kind):
            said = str(getattr(element, "value", None) or getattr(element, "body", ""))
            for wrong in ("<script>window", "<img src=x", "<b>", "\x1b", "\x07", "\x00", "\u202e"):
                assert wrong not in said or (wrong == "<b>" and "'\"--><b>" not in said and evil[-3:] != "<b>"), (kind, said[:200])
            if kind != "html":
                for wrong in (r"(?<!\\)!\[x", r"(?<!\\)\[x\]\(", r"(?<!\\):red(?<!\\)\[red", r"(?<!\\):smile(?<!\\):", r"(?<!\\)\$\{jndi", r"(?<!\\)\$\\\\href"):
                    assert not re.search(wrong, said), (kind, wrong, said[:200])


@pytest.mark.parametrize("evil", EVIL[13:27:2])
def test_no_title_or_note_prints_a_control_character_or_becomes_markup(store, run_id, page, evil):
    store.set_about(run_id, title=evil, note=evil)
    about.change(store.path(run_id), source=evil)
    for name, fields in (("home", {}), ("lab", {"run": run_id}), ("runs", {"find": evil})):
        harmless(page(name, **fields), evil)


def test_a_terminal_gets_no_control_character(store, run_id):
    """Of a run whose files say so, past whatever refuses it when it is typed."""
    folder = store.path(run_id)
    about.change(folder, title="x", note="\u001b[2J\u001b]0;owned\u0007note", source="s\u202e\u001b[31m")
    for words in (["ls"], ["show", run_id], ["about", run_id], ["show", "\x1b[31mno such run\x07"], ["show", "../../etc/passwd\x1b[2J"]):
        done = subprocess.run([sys.executable, "-m", "lthviz", *words, "--runs", str(store.root)], cwd=ROOT, capture_output=True, timeout=60)
        said = (done.stdout + done.stderr).decode()
        assert not [c for c in said if not c.isprintable() and c not in "\n"], (words, said[:300])
