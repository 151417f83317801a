"""Asking, answering, dying and failing, between processes."""

import os
import shutil
import signal
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from lthviz.config import Refill, Regroup
from lthviz.errors import AddressError, MaskError, StoreError
from lthviz.nn import scores as nn_scores
from lthviz.tuning import child, desk, partitions, scores, source

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def of(trained):
    return source(trained, trained.runs()[0], 1)


def test_a_killed_child_is_replaced(trained, of, until):
    structure = Regroup(groups=5)
    partitions.ask(trained.root, of, structure)
    first = desk._children[trained.root]
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    partitions.ask(trained.root, of, structure)
    assert desk._children[trained.root] is not first
    until(lambda: partitions.progress(trained.root, of, structure).ready)


def test_a_child_that_died_at_a_layer_is_told_of_and_twice_is_a_failure(trained, of, monkeypatch, until):
    monkeypatch.setattr(desk, "wake", lambda root: None)
    root, structure = trained.root, Regroup(groups=6)
    (key, what), = partitions.divisions(of, structure).items()
    partitions.ask(root, of, structure)
    desk.doing(root, key, "features.3.weight")
    assert partitions.progress(root, of, structure).doing == "features.3.weight"
    desk.after_a_death(root)
    assert partitions.progress(root, of, structure).again
    desk.doing(root, key, "features.3.weight")
    desk.after_a_death(root)
    said = partitions.progress(root, of, structure)
    assert "died twice at layer features.3.weight" in said.error and desk.next_wanted(root) is None
    partitions.ask(root, of, structure)
    assert desk.next_wanted(root) is None, "what failed is not tried for ever"
    partitions.retry(root, of, structure)
    assert desk.next_wanted(root)[0] == key and not partitions.progress(root, of, structure).error
    desk.done(root, key, what["layers"])


def test_a_fault_is_told_in_its_own_words(trained, of, until):
    structure = Regroup(groups=7)
    (key, what), = partitions.divisions(of, structure).items()
    desk.ask(trained.root, key, {**what, "digest": "0" * 16})
    until(lambda: bool(desk.progress(trained.root, key, what["layers"], of.run.id).error))
    assert "have changed since they were looked at" in desk.progress(trained.root, key, what["layers"], of.run.id).error
    desk.retry(trained.root, key)


def test_what_is_urgent_goes_first_and_of_that_the_newest(trained, of, monkeypatch):
    monkeypatch.setattr(desk, "wake", lambda root: None)
    keys = {}
    for g, urgent in ((9, False), (10, True), (11, True), (12, False)):
        partitions.ask(trained.root, of, Regroup(groups=g), urgent=urgent)
        keys[g], = partitions.divisions(of, Regroup(groups=g))
    for g in (11, 10, 12, 9):
        key, what = desk.next_wanted(trained.root)
        assert key == keys[g] and what["groups"] == g
        desk.done(trained.root, key, what["layers"])


def test_damaged_answers_are_made_again(trained, of, until):
    structure = Regroup(groups=13)
    partitions.ask(trained.root, of, structure)
    until(lambda: partitions.progress(trained.root, of, structure).ready)
    before = partitions.known(trained.root, of, structure).partitions
    key, = partitions.divisions(of, structure)
    file = desk.path(trained.root, "known", key)
    lines = file.read_text().splitlines()
    file.write_text("\n".join([lines[0], "{broken", *lines[2:]]) + "\n")
    assert not partitions.progress(trained.root, of, structure).ready
    partitions.ask(trained.root, of, structure)
    until(lambda: partitions.progress(trained.root, of, structure).ready)
    after = partitions.known(trained.root, of, structure).partitions
    assert all((before[n].assignment == after[n].assignment).all() for n in of.masks)


def test_the_child_ends_with_whoever_started_it(trained, of, tmp_path, until):
    """In a store of its own: the child of another test would take up what this one leaves behind."""
    root = shutil.copytree(trained.root, tmp_path / "runs", ignore=shutil.ignore_patterns(desk.FOLDER))
    asks = ("import sys; from pathlib import Path; from lthviz.store import Store; from lthviz.tuning import desk, partitions, source; from lthviz.config import Regroup\n"
            "s = Store(sys.argv[1], examples=Path('nowhere')); partitions.ask(s.root, source(s, sys.argv[2], 1), Regroup(groups=14)); print(desk._children[s.root].pid)")
    done = subprocess.run([sys.executable, "-c", asks, str(root), of.run.id], cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    child_pid = int(done.stdout)

    def gone() -> bool:
        try:
            os.kill(child_pid, 0)
        except ProcessLookupError:
            return True
        return Path(f"/proc/{child_pid}/stat").exists() and Path(f"/proc/{child_pid}/stat").read_text().split()[2] == "Z"

    until(gone)
    assert child_pid != os.getpid() and (root / ".tuning" / "wanted").is_dir() and not (root / ".tuning" / "doing.json").exists()


def test_one_child_at_a_time_and_the_other_waits_or_goes(trained, of):
    with desk.lock():
        assert not child._turn(trained.root.parent / "empty", desk.lock()), "nothing is wanted there"


def test_rounds_without_masks_or_weights_say_so(trained, of):
    with pytest.raises(AddressError, match="round 0 is the dense network: there is nothing to refill"):
        source(trained, of.run.id, 0)
    with pytest.raises(AddressError, match="no round 9"):
        source(trained, of.run.id, 9)
    with pytest.raises(AddressError, match="there is no run"):
        source(trained, "nothing", 1)
    bare = type(of)(of.run, 1, of.masks, None, "this run keeps no weights")
    with pytest.raises(MaskError, match=r"needs the trained weights; this run keeps no weights\. Choose score 'remain'"):
        scores.known(trained.root, bare, Refill())
    assert set(scores.known(trained.root, bare, Refill(score="remain"))) == set(of.masks)
    with pytest.raises(MaskError, match="fractional"):
        scores.known(trained.root, bare, Refill(score="remain", layers="features.3@fractional=true"))


def test_scores_in_files_are_exact(trained, of, until):
    found = scores.compute(trained, of.run.id, 1, "saliency")
    scores.ask(trained.root, of, Refill(score="saliency"))
    until(lambda: scores.known(trained.root, of, Refill(score="saliency")) is not None)
    kept = scores.known(trained.root, of, Refill(score="saliency"))
    assert all(np.array_equal(kept[n], found[n]) for n in of.masks)


def test_stored_scores_do_not_outlive_a_change_of_what_scores(trained, of, tmp_path, monkeypatch):
    l1 = Refill(score="l1")
    for name, values in scores.compute(trained, of.run.id, 1, "l1").items():
        desk.put(tmp_path, scores._key(of, "l1"), name, {"scores": values.tolist()})
    assert scores.known(tmp_path, of, l1) is not None
    assert scores._made_by() == f"{zlib.crc32(Path(nn_scores.__file__).read_bytes()):08x}"
    monkeypatch.setattr(scores, "_made_by", lambda: "changed")
    assert scores.known(tmp_path, of, l1) is None


def test_what_failed_of_one_run_is_asked_again_of_another(trained, of, tmp_path, monkeypatch):
    """A branch has its parent's masks, so both have one key; the parent may be gone."""
    monkeypatch.setattr(desk, "wake", lambda root: None)
    root, structure = tmp_path, Regroup(groups=15)
    (key, what), = partitions.divisions(of, structure).items()
    gone = {**what, "run": "convnet-digits-00000000"}
    desk.ask(root, key, gone)
    assert child._step(trained, root, *desk.next_wanted(root)) == 0
    assert "there is no run" in desk.progress(root, key, what["layers"], gone["run"]).error
    assert not partitions.progress(root, of, structure).error
    desk.ask(root, key, gone)
    assert desk.next_wanted(root) is None, "of the run that failed it is not tried for ever"
    partitions.ask(root, of, structure)
    assert desk.next_wanted(root)[1]["run"] == of.run.id
    assert child._step(trained, root, *desk.next_wanted(root)) == 1 and partitions.progress(root, of, structure).done == 1


def test_files_that_cannot_be_touched_are_told_of(tmp_path):
    (tmp_path / ".tuning" / "log").mkdir(parents=True)
    with pytest.raises(StoreError, match=r"cannot write .*\.tuning/log: "):
        desk.ask(tmp_path, "k", {"run": "r", "layers": ["a"]})
    for part, act in (("wanted/k.json", lambda: desk.done(tmp_path, "k", ["a"])), ("doing.json", lambda: desk.idle(tmp_path)),
                      ("failed/k.json", lambda: desk.retry(tmp_path, "k"))):
        file = tmp_path / ".tuning" / part
        file.unlink(missing_ok=True)
        file.parent.mkdir(exist_ok=True)
        file.mkdir()                     # nobody can unlink a folder
        with pytest.raises(StoreError, match=f"cannot (write|read) .*{part}"):
            act()
