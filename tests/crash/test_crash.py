"""The short form of `python -m benchmarks.crash`: real runs and commands killed and refused room, everything compared with undisturbed ones; and the harness itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import h5py
import pytest

from benchmarks.crash import __main__ as command
from benchmarks.crash import compare, faults
from benchmarks.crash.check import Kept, aside, half, one_line
from benchmarks.crash.commands import environment
from benchmarks.crash.faults import Fault
from benchmarks.crash.harness import Chain, Harness, kill_after, seconds
from benchmarks.crash.scenes.exchange import DEEDS, Once, _given
from benchmarks.crash.scenes.words import COMMANDS, Short
from benchmarks.crash.study import TINY
from benchmarks.crash.tally import Tally

SHORT = TINY.replace(rounds=1)
RUN = SHORT.run_id


@pytest.fixture(scope="module")
def harness(tmp_path_factory) -> Harness:
    return Harness(tmp_path_factory.mktemp("crash"), Tally(0))


def none_wrong(harness: Harness, kills: int) -> None:
    """The kills since the last look: at least so many, and nothing wrong with any."""
    tally = harness.tally
    found = [(x["key"], x["what"], x["wrong"], x["equal"]) for x in tally.kills if x["wrong"] or not x["equal"]] + [(x["name"], x["wrong"]) for x in tally.chains if x["wrong"]]
    assert not found and not tally.flushes, tally.line()
    assert len(tally.kills) >= kills
    tally.kills.clear()


RUNNING = (Fault("replace run/checkpoint.h5", 1, "after"), Fault("write run/checkpoint.h5", 3, "half"), Fault("open run/rounds/*.h5", 1, "always-ENOSPC"))


def test_a_run_that_is_killed_and_refused_room(harness):
    """Behind a checkpoint's renaming before its round is published, in the writing of another, at a random moment, and on a full disk."""
    chain = Chain(harness, "short", SHORT)
    for fault in RUNNING:
        assert chain.hit("write", str(fault), fault), f"{fault} never came"
    with chain.start() as process:
        if kill_after(process, 0.3 * seconds(chain.reference)):
            chain.judge("moment", "moment", "SIGKILL", process.wait())
    chain.over()
    none_wrong(harness, 3)


ABOUT = (Fault("open run/about.json.lock"), *(Fault(f"{op} run/about.json", how=how) for op, how in (
    ("open", "kill"), ("write", "kill"), ("write", "half"), ("fsync", "kill"), ("replace", "kill"), ("replace", "after"))), Fault("rename .trash/run", how="after"), Fault("rename run", how="after"))


def test_short_commands_in_their_file_operations(harness):
    """A title, a deletion and its taking back."""
    about, delete, undelete = (Short(harness, SHORT, next(x for x in COMMANDS if x[0] == name)) for name in ("about", "delete", "undelete"))
    for fault in ABOUT[:-2]:
        assert about.hit(fault, f"about {fault}", again=fault == ABOUT[-3]), f"{fault} never came"
    for short, fault in ((delete, ABOUT[-2]), (undelete, ABOUT[-1])):
        assert short.hit(fault, f"{short.command[0]} {fault}"), f"{fault} never came"
    none_wrong(harness, 9)


@pytest.mark.parametrize(("name", "faults"), [
    ("pack", (Fault("write out/p.h5", how="half"), Fault("replace out/p.h5"), Fault("replace out/p.h5", how="ENOSPC"))),
    ("csv", (Fault("write out/.csv.new/*", 3, "half"), Fault("fsync out/.csv.new/*", 2, "ENOSPC"), Fault("rename out/.csv.old", how="after"))),
    ("unpack", (Fault("write new/rounds/*.h5", 2, "half"), Fault("write new/events.jsonl", how="EDQUOT"), Fault("rename run")))])
def test_what_goes_out_and_comes_in_is_there_whole_or_not_at_all(harness, name, faults):
    deed = next(x for x in DEEDS if x.name == name)
    once = Once(harness, deed, _given(harness, SHORT), SHORT)
    for fault in faults:
        once.hit("exchange", f"{name} {fault}", fault, there=deed.replaces, again=fault == faults[-1])
    none_wrong(harness, len(faults))


# The harness itself: what it is to find, it finds --------------------------------------------------------------------------


def test_a_round_that_is_gone_changed_or_half_is_found(harness, tmp_path):
    reference = harness.reference(SHORT)
    runs = tmp_path / "runs"
    shutil.copytree(reference, runs)
    kept = Kept(runs, {RUN: reference / RUN})
    assert kept.wrong() == [] and kept.finished() == []
    file = runs / RUN / "rounds" / "001.h5"
    with h5py.File(file, "r+") as f:
        masks = f["round/tickets/refill/masks"]
        bits = next(iter(masks.values()))
        bits[0] ^= 1
    found = kept.wrong()
    assert any("is not the same any more" in x for x in found) and any("001.h5: /round/tickets/refill/masks" in x for x in found) and (kept.lost, kept.damaged) == (1, 1)
    assert any("own comparison" in x for x in found), "by the store's own comparison as well"
    file.write_bytes(file.read_bytes()[:5000])
    assert half(file) and any("001.h5" in x for x in kept.wrong())
    file.unlink()
    assert any("is gone" in x for x in kept.wrong()) and any("rounds ['000.h5']" in x for x in kept.finished())
    (runs / RUN / ".x.1-2.3.tmp").touch()
    assert [x.name for x in aside(runs)] == [".x.1-2.3.tmp"]


def test_another_curve_is_found_and_other_seconds_are_not(harness, tmp_path):
    reference = harness.reference(SHORT) / RUN
    copy = tmp_path / RUN
    shutil.copytree(reference, copy)
    with h5py.File(copy / "rounds" / "000.h5", "r+") as f:
        curve = f["round/tickets/unstructured/curve"]
        at = [x.decode() for x in curve.attrs["fields"]]
        curve[at.index("seconds"), 0] += 1
        f["round"].attrs["seconds"] = 99.0
    assert compare.whole(copy, reference) == []
    with h5py.File(copy / "rounds" / "000.h5", "r+") as f:
        f["round/tickets/unstructured/curve"][at.index("train_loss"), 0] += 1e-6
    assert any("curve differs" in x for x in compare.whole(copy, reference))
    lines = (copy / "events.jsonl").read_bytes().replace(b'"train_acc":', b'"train_acc":1', 1)
    (copy / "events.jsonl").write_bytes(lines)
    assert "the epochs in the log differ" in compare.whole(copy, reference)


WRITES = """
import os, sys
fd = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT)
try:
    os.write(fd, b"12345678")
except OSError as e:
    print(e.errno)
os.close(fd)
os.replace(sys.argv[1], sys.argv[1] + ".done")
"""


def act(tmp_path: Path, env: dict[str, str]) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", WRITES, str(tmp_path / "file")], env=environment(env), capture_output=True, text=True)


@pytest.mark.parametrize(("fault", "code", "left"), [
    (Fault("write file", how="kill"), -9, {"file": b""}), (Fault("write file", how="half"), -9, {"file": b"1234"}), (Fault("write file", how="after"), -9, {"file": b"12345678"}),
    (Fault("replace file.done", how="kill"), -9, {"file": b"12345678"}), (Fault("replace file.done", how="after"), -9, {"file.done": b"12345678"}),
    (Fault("write file", how="EIO"), 0, {"file.done": b"1234"}), (Fault("open file", how="always-ENOSPC"), 1, {}), (Fault("write other"), 0, {"file.done": b"12345678"})])
def test_a_fault_is_where_and_what_was_asked_for(tmp_path, fault, code, left):
    (folder := tmp_path / "x").mkdir()
    fired = tmp_path / "fired"
    done = act(folder, fault.env(folder, fired))
    assert done.returncode == code and {x.name: x.read_bytes() for x in folder.iterdir()} == left
    assert fired.exists() == (fault.label != "write other")
    assert done.stdout == ("5\n" if fault.how == "EIO" else "")


def test_operations_are_counted_by_what_they_do_to_which_kind_of_file(tmp_path):
    (folder := tmp_path / "x").mkdir()
    assert act(folder, faults.counting(folder, tmp_path / "labels")).returncode == 0
    found = faults.counted(tmp_path / "labels")
    assert found == Counter({"open file": 1, "write file": 1, "replace file.done": 1})
    assert faults.kills(found)[2] == Fault("write file", how="half") and len(faults.kills(found)) == 5
    assert faults.flushed(tmp_path / "labels") == ["file.done was renamed before it was flushed"]


def test_how_a_refusal_has_to_be_told():
    assert one_line(1, ["lthviz: cannot write x"], "lthviz: cannot write x") == [] == one_line(0, [], "")
    assert one_line(1, [], "") and one_line(1, ["a", "b"], "") and one_line(7, ["a"], "") and one_line(0, [], "Traceback (most recent call last)\nX") and one_line(1, ["lthviz: a fault of ours: x"], "")


def test_a_tally_that_was_cut_goes_on(tmp_path, capsys):
    tally = Tally(3, tmp_path / "out.json")
    tally.kill("write", "a", "x", [])
    tally.kill("rank", "b", "x", ["bad"], lost=1, damaged=1)
    tally.end(["a"], "chain", [])
    assert tally.failed and json.loads((tmp_path / "out.json").read_text())["line"] == tally.line()
    assert "crash: 2 kills (write 1, rank 1): 1 lost rounds, 1 damaged stores, 1 resumed equal, 1 not as promised (seed 3," in tally.line() and "b: x: bad" in capsys.readouterr().out
    again = Tally(3, tmp_path / "out.json")
    assert again.done("a") and not again.done("b"), "what was not let to its end is done again"
    assert not Tally(4, tmp_path / "out.json").kills


@pytest.mark.parametrize(("wrong", "code"), [([], 0), (["a round is gone"], 1)])
def test_the_command_says_one_line_and_fails_where_something_was_not_as_promised(tmp_path, monkeypatch, capsys, wrong, code):
    def scene(harness: Harness, n: int | None) -> None:
        assert n == 1 and harness.scratch.is_dir()
        harness.tally.kill("write", "made/0", "killed", wrong)
        harness.tally.end(["made/0"], "made", [])

    monkeypatch.setitem(command.SCENES, "write", (1.0, scene))
    monkeypatch.setattr(sys, "argv", ["crash", "--kills", "1", "--scene", "write", "--json", str(tmp_path / "x.json"), "--scratch", str(tmp_path)])
    assert command.main() == code
    out = capsys.readouterr().out.splitlines()
    assert out[-1].startswith("crash: 1 kills (write 1): 0 lost rounds, 0 damaged stores, 1 resumed equal") and len(out) == 1 + code
    assert len(list(tmp_path.iterdir())) == 1 + code, "where something is wrong, what is left of it is kept"
