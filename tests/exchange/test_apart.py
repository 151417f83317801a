"""A command in a process of its own: its answer, its own words where it refuses, and what becomes of it at each of its limits."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lthviz.errors import EnvironmentFault, ExchangeError
from lthviz.exchange import apart
from lthviz.exchange.apart import Job, Limits
from lthviz.store import Store
from tests.exchange.intake.networks import masks_of, network, pruned, saved
from tests.shipped import EXAMPLES, FIRST

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def looked(tmp_path):
    """(network, words that take its file in)."""
    net = pruned(network())
    return net, ["import", str(saved(tmp_path / "a.pt", net.state_dict())), "--data=digits", f"--runs={tmp_path / 'runs'}"]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def until(true, seconds=60):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_it_answers_as_the_command_does_and_this_process_stays_without_torch(tmp_path, looked):
    net, words = looked
    code = f"import sys\nfrom lthviz.exchange import apart\nd = apart.run({[*words, '--dry']!r})\nassert 'torch' not in sys.modules\nprint(d['model'], d['data'], d['density'])"
    out = subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True, timeout=120).stdout.split()
    kept = np.concatenate([m.numpy().ravel() for m in masks_of(net).values()])
    assert out[:2] == ["convnet", "digits"] and float(out[2]) == pytest.approx(kept.mean(), abs=1e-12)
    assert not (tmp_path / "runs").exists(), "looked at only"


def test_two_that_take_the_same_network_in_at_once_make_one_run(tmp_path, looked):
    jobs = [Job(looked[1]) for _ in range(2)]
    answers = [j.wait().answer() for j in jobs]
    store = Store(tmp_path / "runs", tmp_path / "none")
    assert {a["run_id"] for a in answers} == set(store.runs()) and len(store.runs()) == 1 and store.broken() == {}
    assert store.status(store.runs()[0]).state == "finished"


@pytest.mark.parametrize("words, says", [(["import", "gone.pt"], "there is no file 'gone.pt'"), (["import"], "the following arguments are required: FILE"),
                                         (["import", __file__], "is no file of weights or masks")])
def test_what_the_user_gave_is_refused_in_the_commands_own_line(words, says):
    with pytest.raises(ExchangeError) as e:
        apart.run(words)
    assert says in str(e.value) and "\n" not in str(e.value) and not str(e.value).startswith("lthviz:")


def test_one_that_takes_too_long_is_ended_and_says_so(looked):
    began = time.monotonic()
    with pytest.raises(ExchangeError, match=r"ended after 0\.3 seconds, the most that it may take here; from a terminal it may take as long as it needs"):
        apart.run(looked[1], Limits(seconds=0.3))
    assert time.monotonic() - began < 30


def test_one_that_needs_more_memory_than_it_may_have_says_so(tmp_path):
    np.savez(tmp_path / "large.npz", **{"a.weight": np.ones((20_000, 10_000), np.uint8)})
    with pytest.raises(ExchangeError, match=r"needs more than the 150 MB of memory that it may take here"):
        apart.run(["refill", str(tmp_path / "large.npz"), "-o", str(tmp_path / "out.npz")], Limits(memory_mb=150))
    assert not (tmp_path / "out.npz").exists()


def test_one_that_would_write_a_large_file_says_so_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(EXAMPLES))
    (tmp_path / "out").mkdir()
    words = ["pack", FIRST, "-o", str(tmp_path / "out" / "a.h5"), f"--runs={tmp_path / 'runs'}"]
    with pytest.raises(ExchangeError, match=r"a file of more than 1 MB, the most that is made here"):
        apart.run(words, Limits(file_mb=1))
    assert not list((tmp_path / "out").iterdir())
    assert apart.run(words)["run_id"] == FIRST and (tmp_path / "out" / "a.h5").stat().st_size > 1_000_000


def test_one_that_is_stopped_ends_at_once_and_its_folder_goes(looked):
    jobs = [Job(looked[1])]
    folder = jobs[0].folder
    until(lambda: not jobs[0].waits)
    jobs[0].stop()
    with pytest.raises(ExchangeError, match="it was stopped; nothing was kept"):
        jobs[0].wait().answer()
    assert folder.is_dir()
    jobs.clear()
    gc.collect()
    until(lambda: not folder.exists(), 5)


def test_only_so_many_are_at_work_at_once(tmp_path):
    for _ in range(apart.MOST):
        assert apart._turn.acquire(timeout=10)
    try:
        jobs = [Job(["ls", f"--runs={tmp_path}"]) for _ in range(2)]
        time.sleep(0.3)
        assert all(j.waits and not j.done and j.says == "" for j in jobs)
        jobs[0].stop()
        until(lambda: jobs[0].done)
        assert jobs[1].waits
    finally:
        for _ in range(apart.MOST):
            apart._turn.release()
    assert jobs[1].wait().answer() == apart.run(["ls", f"--runs={tmp_path}"]) and not jobs[1].waits


def test_a_child_ends_with_whoever_started_it(tmp_path, looked):
    code = ("import sys, time\nfrom lthviz import processes\nfrom lthviz.exchange import apart\nspawn, children = processes.spawn, []\n"
            "def kept(*a, **k):\n    children.append(spawn(*a, **k))\n    print(children[0].pid, flush=True)\n    return children[0]\n"
            f"processes.spawn = kept\njob = apart.Job({looked[1]!r})\njob.wait()")
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True) as server:
        child = int(server.stdout.readline())
        assert alive(child)
        server.send_signal(signal.SIGKILL)
    until(lambda: not alive(child), 20)


def test_one_that_is_killed_from_outside_is_told_as_such(looked, monkeypatch):
    from lthviz import processes
    spawn, children = processes.spawn, []
    monkeypatch.setattr(processes, "spawn", lambda *a, **k: children.append(spawn(*a, **k)) or children[-1])
    job = Job(looked[1])
    until(lambda: children)
    os.kill(children[0].pid, signal.SIGKILL)
    with pytest.raises(EnvironmentFault, match=r"was killed \(signal 9\), perhaps for want of memory"):
        job.wait().answer()


def test_a_file_has_its_own_name_in_what_is_told(tmp_path):
    with pytest.raises(ExchangeError) as e:
        apart.run(["import", str(tmp_path / "file.pt")])
    assert apart.told(e.value, {str(tmp_path / "file.pt"): "mine.pt"}) == "There is no file 'mine.pt'"
