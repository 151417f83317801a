"""Who may do what, on the pages as they are: nobody before signing in, a viewer looks, an operator starts; and nothing a page could call is forgotten."""

from __future__ import annotations

import ast
import inspect
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lthviz import launch
from lthviz.errors import LthvizError
from lthviz.presets import preset
from lthviz.store import Store
from lthviz.ui import access
from lthviz.ui.guarded import READS, Guarded

ROOT = Path(__file__).resolve().parents[2]
SECRETS = {"auth": {"client_id": "x", "client_secret": "y", "cookie_secret": "z" * 32, "redirect_uri": "http://127.0.0.1/oauth2callback", "server_metadata_url": "http://127.0.0.1/"},
           "lthviz": {"roles": {"operators": ["ada@example.org"], "viewers": ["vera@example.org"]}}}
PAGES = ("home", "learn", "lab", "masks", "tune", "speed", "curves", "compare", "exchange", "runs")


def person(name: str, **more: object) -> dict[str, object]:
    return {"is_logged_in": True, "iss": "https://id.example.org", "sub": name, "name": name.title(), "email": f"{name}@example.org", "email_verified": True, **more}


@pytest.fixture(autouse=True)
def nobody_trains(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No process is started; what would have been is written down."""
    begun: list[str] = []
    monkeypatch.setattr("lthviz.processes.spawn", lambda *words, **more: begun.append(str(words)) or pytest.fail(f"started {words}"))
    return begun


@pytest.fixture
def page_as(page):
    """`page_as(user, "runs", run=…)`: that page as that person sees it; user None: nobody has signed in."""
    from streamlit.testing.v1 import AppTest

    def open_page(user, name: str, **address: str) -> AppTest:
        at = AppTest.from_file(str(ROOT / "app.py"), default_timeout=30)
        at.secrets.update(SECRETS)
        at.user = user if user is not None else {"is_logged_in": False}
        at.run()
        if name != "home":
            at.switch_page(f"pages/{name}.py")
        for key, value in address.items():
            at.query_params[key] = value
        at.run()
        assert not at.exception, at.exception
        return at
    return open_page


@pytest.mark.parametrize("name", PAGES)
def test_nobody_sees_anything_before_signing_in(store, run_id, page_as, words, name):
    at = page_as(None, name, run=run_id)
    said = words(at)
    assert [b.label for b in at.button] == ["Sign in"] and run_id not in said and str(store.root) not in said and "Convnet" not in said


@pytest.mark.parametrize("user", [person("nobody"), person("ada", email_verified=False), {**person("ada"), "email": ["ada@example.org"]}])
def test_who_is_on_no_list_is_told_so_and_sees_nothing(store, run_id, page_as, words, user):
    at = page_as(user, "lab", run=run_id)
    assert [b.label for b in at.button] == ["Sign out"] and "on no list" in words(at) and run_id not in words(at)


CHANGING = ("do-", "start", "branch-start", "tune-train", "tune-preset-save", "tune-preset-delete", "runs-", "restore-", "trash-", "sweep-", "learn-run", "learn-time-it", "in-", "measure", "cancel-", "forget-")


@pytest.fixture
def bare(monkeypatch):
    """Buttons that show nothing of who may press them: what keeps a viewer from it then is the server alone, as with a forged message."""
    monkeypatch.setattr(access, "locked", lambda disabled=False, help=None: {"disabled": disabled, "help": help})


def photographed(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file of the store but what Tune and Learn keep for themselves, and locks."""
    return {str(p.relative_to(root)): (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(root.rglob("*"))
            if p.is_file() and p.suffix != ".lock" and p.name != "lock" and not {".tuning", ".learn"} & set(p.relative_to(root).parts)}


WALK = [("home", {}), ("lab", {}), ("lab", {"new": "digits"}), ("lab", {"branch": "1"}), ("tune", {"round": "1", "structure": "regroup-groups=2-t1=3-min_rows=8"}), ("curves", {}), ("speed", {}),
        ("runs", {}), ("learn", {"chapter": "yours"}), ("learn", {"chapter": "time"})]


@pytest.fixture
def furnished(store, run_id, unfinished, monkeypatch):
    """A store with a finished run, one that failed and a deleted one; a preview may be asked for."""
    monkeypatch.setattr("lthviz.tuning.desk.wake", lambda root: None)
    store.discard(unfinished(store, "cancelled"))
    store.begin(preset("digits").config.replace(seed=8))
    return store


def pressable(at) -> list:
    return [b for b in at.button if b.key and b.key.startswith(CHANGING)]


@pytest.mark.parametrize(("name", "more"), WALK)
def test_what_changes_anything_is_off_for_a_viewer_and_says_why(furnished, run_id, page_as, name, more):
    at = page_as(person("vera"), name, **({"run": run_id} if name not in ("home", "runs") else {}), **more)
    there = pressable(at)
    assert there or (name, more) in (("lab", {}), ("curves", {}), ("speed", {}), ("learn", {"chapter": "time"}))
    for button in there:
        assert button.proto.disabled and button.help.startswith("You are a viewer here"), button.key


@pytest.mark.parametrize(("name", "more"), WALK)
def test_a_viewer_who_presses_it_nevertheless_changes_nothing(furnished, run_id, page_as, name, more, bare, nobody_trains):
    before = photographed(furnished.root)
    at = page_as(person("vera"), name, **({"run": run_id} if name not in ("home", "runs") else {}), **more)
    keys = [b.key for b in pressable(at) if not b.proto.disabled]
    for key in keys:
        if key in [b.key for b in at.button]:
            at.button(key=key).click().run()
            assert not at.exception, (key, at.exception)
    assert photographed(furnished.root) == before and not nobody_trains
    assert keys or (name, more) in (("lab", {}), ("curves", {}), ("speed", {}), ("learn", {"chapter": "time"}))


def test_a_viewers_click_is_refused_in_a_sentence(nothing, page_as, words, bare):
    run = nothing.begin(preset("digits").config)
    nothing.set_state(run, "failed", "once")
    at = page_as(person("vera"), "lab", run=run)
    at.button(key="do-resume").click().run()
    assert nothing.status(run).state == "failed" and "You are a viewer here" in words(at)
    at = page_as(person("vera"), "exchange", do="in")
    assert not at.get("file_uploader") and "You are a viewer here" in words(at)


def test_an_operator_starts_a_run_and_it_says_who_asked(nothing, page_as, words, monkeypatch):
    monkeypatch.setattr("lthviz.launch.wake", lambda store: None)
    page_as(person("ada"), "home").button(key="start-digits").click().run()
    [run] = nothing.runs()
    assert nothing.status(run).state == "queued" and nothing.about(run).asked == "ada@example.org"
    packed = nothing.pack(run, nothing.root / "out.h5")
    other = Store(nothing.root / "other")
    assert b"ada@example.org" not in packed.read_bytes() and other.about(other.unpack(packed)).asked == ""
    assert "Ada" in words(page_as(person("ada"), "runs"))


def test_a_person_may_have_so_many_runs_waiting(nothing, page_as, words, monkeypatch):
    monkeypatch.setattr("lthviz.launch.wake", lambda store: None)
    monkeypatch.setitem(SECRETS["lthviz"], "limits", {"queued_runs": 1})
    monkeypatch.setitem(SECRETS["lthviz"]["roles"], "operators", ["ada@example.org", "bob@example.org"])
    page_as(person("ada"), "home").button(key="start-digits").click().run()
    at = page_as(person("ada"), "lab", new="digits", set="seed=5")
    at.button(key="start").click().run()
    assert len(nothing.runs()) == 1 and "1 of your runs wait already, and 1 a person may" in words(at)
    at = page_as(person("bob"), "lab", new="digits", set="seed=6")
    at.button(key="start").click().run()
    assert len(nothing.runs()) == 2


def test_without_sign_in_who_comes_from_elsewhere_is_a_viewer(store, run_id, page, words, monkeypatch):
    import streamlit as st

    assert not page("lab", new="digits").button(key="start").proto.disabled and "Sign out" not in [b.label for b in page("home").button]
    real = st.get_option
    monkeypatch.setattr(st, "get_option", lambda name: "0.0.0.0" if name == "server.address" else real(name))
    at = page("lab", new="digits")
    assert at.button(key="start").proto.disabled and access.OPEN in words(at) and access.OPEN in words(page("home"))


@pytest.mark.parametrize(("headers", "there"), [({}, True), ({"Host": "localhost:8501"}, True), ({"Host": "127.0.0.1:8501"}, True), ({"Host": "[::1]:8501"}, True), ({"Host": "127.8.9.1"}, True),
                                                ({"Host": "evil.example:8501"}, False), ({"Host": "10.0.0.3"}, False), ({"Host": "localhost.evil.example"}, False), ({"Host": "[::2]:8501"}, False),
                                                ({"Host": "127.0.0.1:8501", "X-Forwarded-For": "10.0.0.3"}, False), ({"Host": "localhost", "Forwarded": "for=10.0.0.3"}, False), ({"Host": "::1]"}, False)])
def test_a_page_is_at_home_by_a_name_that_nobody_else_can_use(headers, there, monkeypatch):
    import types

    import streamlit as st

    monkeypatch.setattr(st, "context", types.SimpleNamespace(headers=headers))
    assert access.at_home() is there


def test_a_secrets_file_that_cannot_be_read_lets_nobody_in(store, run_id, page, words, monkeypatch, tmp_path):
    from streamlit import config
    from streamlit.runtime.secrets import Secrets

    file = tmp_path / "secrets.toml"
    file.write_text("[auth\nclient_id = ")
    monkeypatch.setattr("streamlit.secrets", Secrets())
    before = config.get_option("secrets.files")
    config.set_option("secrets.files", [str(file)])
    try:
        at = page("lab", run=run_id)
        assert "cannot be read" in words(at) and run_id not in words(at) and not at.button
    finally:
        config.set_option("secrets.files", before)


# What could be forgotten --------------------------------------------------------------------------------------------------

METHODS = {n for n, _ in inspect.getmembers(Store, inspect.isfunction) if not n.startswith("_")}


def test_every_method_of_the_store_but_reading_is_refused_to_a_viewer(store, run_id, monkeypatch):
    """Also one that comes tomorrow: what nobody has called reading is refused."""
    assert METHODS >= READS
    monkeypatch.setattr(access, "person", lambda: access.Person("vera", "Vera", "viewer", "no"))
    for name in sorted(METHODS - READS):
        with pytest.raises(access.AccessError):
            getattr(Guarded(), name)()


@pytest.fixture
def written() -> Iterator[list[str]]:
    """What this process opens for writing, makes, renames and removes, while it looks."""
    seen, looking = [], [True]

    def hook(event: str, args: tuple) -> None:
        if looking[0] and (event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate") or (event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR))):
            seen.append(f"{event} {args[0]}")

    sys.addaudithook(hook)
    yield seen
    looking[0] = False


def test_what_is_called_reading_writes_nothing(store, run_id, written, monkeypatch):
    monkeypatch.setattr(access, "person", lambda: access.Person("vera", "Vera", "viewer", "no"))
    given = {"run_id": run_id, "index": 1, "round": 1, "structure": "unstructured", "name": "x", "path": store.path(run_id)}
    there = Guarded()
    written.clear()
    for name in sorted(READS - {"sweep_lock"}):
        method = getattr(there, name)
        words = [given.get(p.name) for p in inspect.signature(method).parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
        try:
            method(*words)
        except (LthvizError, AttributeError, TypeError):
            continue
    assert not [w for w in written if str(store.root) in w and not w.endswith(("lock",))], written


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


WRITING = {"presets.save", "presets.delete", "serial.enqueue", "packed.take", "timed.start", *(f"launch.{n}" for n in launch.__all__ if n in ("start", "branch", "resume", "resume_all", "request", "measure", "cancel_measuring"))}
ASKED = {"access.require", "access.operator", "require"}


@pytest.mark.parametrize("file", sorted([ROOT / "app.py", *(ROOT / "pages").glob("*.py"), *(ROOT / "lthviz" / "ui").rglob("*.py")]), ids=lambda p: p.stem)
def test_no_page_has_a_store_of_its_own_or_a_process_that_nobody_asked_about(file):
    """Whoever writes past the guarded store asks access first, in the same function or around it."""
    source = file.read_text(encoding="utf-8")
    tree = ast.parse(source)
    if file.name not in ("guarded.py", "limits.py"):
        assert not [c for c, _ in calls(tree) if c in ("Store", "store.Store")], "pages have their store from cache.store()"
    assert file.name == "timed.py" or not [c for c, _ in calls(tree) if c in ("open", "os.remove", "os.unlink", "os.rename", "os.replace", "shutil.rmtree", "shutil.move", "subprocess.Popen", "subprocess.run", "eval", "exec")]
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        inside = [c for c, _ in calls(function) if c in WRITING]
        guarded_here = any(ast.unparse(d) == "access.action" for d in function.decorator_list) or any(c in ASKED for c, _ in calls(function))
        passed_on = all(f"notices.changing, args=({f}" in source or "_button(" in ast.unparse(function) for f in [function.name])
        assert not inside or guarded_here or passed_on, f"{function.name} calls {inside} and asks nobody"


@pytest.mark.parametrize("file", sorted([ROOT / "app.py", *(ROOT / "pages").glob("*.py")]), ids=lambda p: p.stem)
def test_every_page_begins_with_the_frame_which_lets_in(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    first = next(n for n in tree.body if not isinstance(n, (ast.Import, ast.ImportFrom)) and not (isinstance(n, ast.Expr) and isinstance(n.value, ast.Constant)))
    assert ast.unparse(first).startswith("frame.frame(")


def test_the_store_of_the_pages_lets_nobody_in_either(store, monkeypatch):
    from lthviz.ui import cache

    monkeypatch.setattr(access, "person", lambda: access.Person("", "", "refused", "Sign in first."))
    with pytest.raises(access.AccessError, match="Sign in first"):
        cache.store()
