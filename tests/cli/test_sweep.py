"""`lthviz sweep` as a user types it: what it lists, asks and refuses. What it trains is in tests/sweep."""

import json
import sys

import pytest

from lthviz.cli import main
from lthviz.presets import preset
from lthviz.store import Store
from lthviz.sweep import grid

TWO = 'title = "Two"\npreset = "digits"\n[grid]\nseed = [0, 1]\nthreads = [1, 2]\n'


@pytest.fixture
def sweep(tmp_path, capsys):
    """`sweep(text, *words)` → (exit code, what was printed, what was said); the runs are in tmp_path/runs."""
    def call(text: str, *words: str) -> tuple[int, str, str]:
        (tmp_path / "f.toml").write_text(text)
        try:
            code = main(["sweep", str(tmp_path / "f.toml"), "--runs", str(tmp_path / "runs"), *words])
        except SystemExit as e:
            code = e.code
        return code, *capsys.readouterr()
    return call


def test_a_dry_run_lists_ids_and_what_is_done_and_leaves_nothing_behind(sweep, tmp_path):
    code, out, _ = sweep(TWO, "--dry-run", "--json")
    ids = [preset("digits").config.replace(seed=s).run_id for s in (0, 1)]
    said = json.loads(out)
    assert code == 0 and [r["run_id"] for r in said["runs"]] == ids and {r["state"] for r in said["runs"]} == {"not begun"}
    assert (said["total"], said["combinations"], said["done"], said["left"]) == (2, 4, 0, 2)
    assert not (tmp_path / "runs").exists()
    store = Store(tmp_path / "runs")
    store.set_state(store.begin(preset("digits").config), "finished")
    code, out, _ = sweep(TWO, "--dry-run")
    assert code == 0 and "1 of 2 runs done, 1 left; 2 more combinations are the same runs" in out
    assert all(x in out for x in ids) and "not begun" in out
    assert store.sweeps() == []


def test_ten_thousand_runs_are_not_begun_without_a_word(sweep, tmp_path, monkeypatch):
    text = f'preset = "digits"\n[grid]\nseed = {list(range(10_000))}\n'
    code, out, err = sweep(text)
    assert code == 2 and out == "" and err == "lthviz: f makes 10,000 runs; if that is what you want, say --yes (--dry-run lists them)\n"

    text = f'preset = "digits"\n[grid]\nseed = {list(range(1_001))}\n'
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", None)   # what Python makes of a closed one
        code, out, err = sweep(text)
        assert code == 2 and out == "" and err == "lthviz: f makes 1,001 runs; if that is what you want, say --yes (--dry-run lists them)\n"

    text = f'preset = "digits"\n[grid]\nseed = {list(range(grid.ASK_FROM))}\n'

    class Terminal:
        def __init__(self, answer):
            self.answer = answer

        def isatty(self):
            return True

        def readline(self):
            return self.answer

    monkeypatch.setattr(sys, "stdin", Terminal("n\n"))
    code, _, err = sweep(text)
    assert code == 2 and f"f makes {grid.ASK_FROM} runs. Begin? [y/N]" in err and "nothing was begun" in err
    assert not (tmp_path / "runs").exists()
    begun = []
    monkeypatch.setattr("lthviz.cli.sweep.run", lambda store, made, *_: begun.append(len(made.points)) or (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(sys, "stdin", Terminal("y\n"))
    assert sweep(text)[0] == 1 and sweep(text, "--yes")[0] == 1 and begun == [grid.ASK_FROM] * 2


@pytest.mark.parametrize(("text", "words", "said"), [
    (TWO, ["--workers", "2"], "--workers goes with --backend ray"),
    (TWO, ["--address", "auto"], "--address goes with --backend ray"),
    (TWO, ["--backend", "ray", "--workers", "-1"], "--workers -1 should be between"),
    (TWO, ["--backend", "dask"], "invalid choice: 'dask'"),
    ("[grid]\nseed = []\n", [], "the grid makes no run"),
    ("[grid]\nvariant = []\n", ["--yes"], "the grid makes no run"),
    ("", ["--yes"], "the grid makes no run: the file has no setting"),
    ('title = "Nothing"\n', ["--dry-run"], "the grid makes no run"),
    ("[grid]\nsede = [1]\n", ["--dry-run"], "did you mean seed"),
])
def test_wrong_words_get_one_line(sweep, tmp_path, text, words, said):
    code, out, err = sweep(text, *words)
    assert code == 2 and out == "" and said in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_a_file_that_is_not_there(capsys):
    assert main(["sweep", "nowhere.toml"]) == 2
    assert capsys.readouterr().err == "lthviz: sweep file 'nowhere.toml' is not there\n"


def test_without_ray_it_says_what_to_install_or_use(sweep, tmp_path, monkeypatch):
    for name in ("RAY_AUTH_TOKEN", "RAY_AUTH_MODE"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setitem(sys.modules, "ray", None)   # what an import finds where it is not installed
    code, out, err = sweep(TWO, "--backend", "ray")
    assert code == 1 and out == "" and "pip install -r requirements-ray.txt, or use --backend serial" in err and err.count("\n") == 1
    assert not (tmp_path / "runs").exists()


def test_the_question_is_asked_from_where_the_help_says(capsys):
    with pytest.raises(SystemExit):
        main(["sweep", "--help"])
    assert str(grid.ASK_FROM) in capsys.readouterr().out
