"""`lthviz branch` as a user types it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lthviz import launch
from lthviz.cli import main
from lthviz.config import Refill
from lthviz.store import Store
from tests.small import SMALL

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def parent(tmp_path_factory):
    store = Store(tmp_path_factory.mktemp("cli") / "runs")
    run_id = store.begin(SMALL.replace(rounds=1, structures=(Refill(),)))
    launch.drive(store, run_id)
    return store, run_id


def test_a_branch_from_the_terminal_and_what_show_says(parent, capsys):
    store, run_id = parent
    words = ["branch", run_id, "--round", "1", "--set", "structures=refill,random", "--title", "with a control", "--runs", str(store.root), "--json"]
    done = subprocess.run([sys.executable, "-m", "lthviz", *words], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert f"branches {run_id} at round 1: the dense network is taken over, of round 1 Unstructured, Refill; 1 training to do" in done.stderr
    result = json.loads(done.stdout)
    assert (result["state"], result["parent"], result["from_round"]) == ("finished", run_id, 1)
    assert [(r["round"], r["structure"]) for r in result["rounds"]] == [(0, "unstructured"), (1, "unstructured"), (1, "refill"), (1, "random")]
    theirs = store.results(run_id)
    assert [r["test_acc"] for r in result["rounds"][:3]] == [r["test_acc"] for r in theirs]
    made = result["run_id"]
    assert store.run(made).title == "with a control"

    assert main(["show", made, "--runs", str(store.root)]) == 0
    assert f"branch of {run_id} from round 1" in " ".join(capsys.readouterr().out.split())
    assert main(["show", run_id, "--runs", str(store.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["branches"] == [made]
    assert main(words) == 0 and json.loads(capsys.readouterr().out)["run_id"] == made, "the same again is the same run"


@pytest.mark.parametrize(("words", "says"), [
    (["--round", "5"], "cannot be branched at round 5; it has finished rounds 0 to 1; round 1 to 2 will do"),
    (["--round", "1", "--set", "lr=0.3"], "lr = 0.3 differs from the parent's 0.05"),
    (["--round", "2"], "rounds = 1 ends before round 2"),
    (["--round", "1", "--set", "parent=x"], "is not needed: RUN and --round say what is branched"),
    (["--round", "one"], "invalid int value"),
    ([], "--round"),
])
def test_what_is_refused_is_one_line(parent, capsys, words, says):
    store, run_id = parent
    before = store.runs()
    try:
        code = main(["branch", run_id, *words, "--runs", str(store.root)])
    except SystemExit as e:
        code = e.code
    out, err = capsys.readouterr()
    assert code == 2 and out == "" and err.count("\n") == 1 and says in err, err
    assert store.runs() == before


def test_settings_that_branching_sets_are_not_offered(capsys):
    with pytest.raises(SystemExit):
        main(["run", "--help"])
    said = capsys.readouterr().out
    assert "keep_weights =" in said and "from_round" not in said and "earlier =" not in said
