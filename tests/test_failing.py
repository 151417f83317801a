"""How runs fail, each for real: what state they end in, what is said, what is lost (nothing), and how they go on."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from lthviz import dead, ending, ways_out
from lthviz.cli import main
from lthviz.config import Refill
from lthviz.driving import drive
from lthviz.errors import DeviceMissing, Diverged, StoreError
from lthviz.records import Curve, Epoch, Masks, Round, Stage, Ticket
from lthviz.store import Store, diary, pulse, reserve
from tests.small import SMALL

ROOT = Path(__file__).resolve().parents[1]
FEW = SMALL.replace(rounds=1, structures=(Refill(),))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nothing happened to."""
    store = Store(tmp_path_factory.mktemp("whole"))
    drive(store, store.begin(FEW))
    return store


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs")


def content(store: Store, run_id: str) -> dict[str, bytes]:
    """All that a run's rounds hold, but the seconds that it took."""
    found = {}
    for path in sorted(store.path(run_id).glob("rounds/*.h5")):
        def keep(name, item, of=path.stem):
            if isinstance(item, h5py.Dataset) and not name.endswith(("/rows", "/curve")):
                found[f"{of}/{name}"] = item[()].tobytes()
        with h5py.File(path) as f:
            f.visititems(keep)
    assert any("masks" in k for k in found) and any("weights" in k for k in found)
    return found


def equal(store: Store, run_id: str, whole: Store) -> bool:
    accuracies = [[(r["round"], r["structure"], r["test_acc"]) for r in s.run(run_id).rows] for s in (store, whole)]
    return content(store, run_id) == content(whole, run_id) and accuracies[0] == accuracies[1]


def test_a_training_that_diverges_says_so_and_that_to_resume_is_in_vain(store):
    run = store.begin(FEW.replace(lr=99.0, weight_decay=0.9, epochs=4))
    for _ in range(2):
        with pytest.raises(Diverged):
            drive(store, run)
        status = store.status(run)
        assert (status.state, status.cause) == ("failed", "diverged") and "not finite" in status.message and "lower lr" in status.message
    assert "same point" in ways_out.words(status.cause, store.path(run)) and ways_out.first(status.cause) == "change"


def test_a_device_that_is_not_there_and_the_run_goes_on_on_the_cpu(store, whole):
    run = store.begin(FEW.replace(device="cuda"))
    with pytest.raises(DeviceMissing):
        drive(store, run)
    status = store.status(run)
    assert (status.state, status.cause) == ("failed", "device") and "torch sees no GPU" in status.message
    assert store.begin(FEW) == run, "the same run, moved"
    drive(store, run)
    assert store.status(run).state == "finished" and equal(store, run, whole)


LIMITED = """
import resource, sys
from lthviz.config import RunConfig, Refill
from lthviz.driving import drive
from lthviz.store import Store
store = Store(sys.argv[1])
run = store.begin(RunConfig(model="resnet18", data="digits", structures=(Refill(),), rounds=1, epochs=1, batch_size=500, threads=1, device="cpu"))
def limit(event):   # before the first batch
    used = next(int(x.split()[1]) * 1024 for x in open("/proc/self/status") if x.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_DATA, (used + 50_000_000, -1))
try:
    drive(store, run, limit)
except Exception as e:
    print(type(e).__name__)
"""


def test_memory_that_is_refused(store):
    done = subprocess.run([sys.executable, "-c", LIMITED, str(store.root)], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() in ("RuntimeError", "MemoryError"), done.stderr
    [run] = store.runs()
    status = store.status(run)
    assert (status.state, status.cause) == ("failed", "memory") and status.message.startswith("out of memory") and "smaller batch_size" in status.message
    assert "Traceback" not in done.stderr, "what was foreseen needs none"


@pytest.mark.parametrize("said", ["CUDA out of memory. Tried to allocate 2 GiB", "DefaultCPUAllocator: can't allocate memory: you tried", "std::bad_alloc",
                                  "Unable to allocate 3.2 GiB for an array", "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory"])
def test_the_many_words_for_no_memory(said):
    assert ending.cause(RuntimeError(said)) == "memory"


def test_every_cause_has_words_and_a_first_way():
    for cause in ending.CAUSES:
        assert ways_out.words(cause, ROOT).endswith(".") and ways_out.first(cause) in ("resume", "change", "cpu")
    assert ways_out.words("", ROOT) == "" and ways_out.first("") == "resume"


def fill(monkeypatch, folder: Path, room: int) -> None:
    """A disk on which `folder` may take `room` bytes more: os.write is refused what lies beyond, as the system refuses it."""
    write, limit = os.write, taken(folder) + room

    def limited(fd, data):
        if str(folder) in os.readlink(f"/proc/self/fd/{fd}") and taken(folder) + len(data) > limit:
            raise OSError(28, "No space left on device")
        return write(fd, data)
    monkeypatch.setattr(os, "write", limited)


def taken(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.lstat().st_size
        except FileNotFoundError:
            continue
    return total


def test_a_disk_that_fills_up_while_a_run_is_at_work(store, whole, monkeypatch):
    run = store.begin(FEW)
    with monkeypatch.context() as full:
        fill(full, store.root, reserve.SIZE + 8_000_000)     # room for the first checkpoint, not for another beside it
        with pytest.raises(StoreError, match=r"No space left on device; [0-9,]+ MiB are free"):
            drive(store, run)
        status = store.status(run)
        assert (status.state, status.cause) == ("failed", "disk") and "cannot write" in status.message
        assert "Make room" in ways_out.words("disk", store.root)
        assert not list(store.path(run).rglob(".*.tmp")) and not (store.path(run) / reserve.FILE).exists()
    drive(store, run)
    assert store.status(run).state == "finished" and equal(store, run, whole)


def test_not_even_room_for_the_reserve(store, monkeypatch):
    run = store.begin(FEW)
    fill(monkeypatch, store.root, 20_000)
    with pytest.raises(StoreError, match="No space left"):
        drive(store, run)
    assert (store.status(run).state, store.status(run).cause) == ("failed", "disk")


@pytest.mark.parametrize(("name", "number", "said"), [("lock", errno.EIO, "Input/output error: "), ("worker.lock", errno.EROFS, "Read-only file system: ")])
def test_a_file_that_the_system_will_not_open_is_one_line_and_no_fault_of_ours(store, monkeypatch, capsys, name, number, said):
    run = store.begin(FEW)
    opened = os.open

    def refusing(path, *args, **named):
        if Path(os.fsdecode(path)).name == name:
            raise OSError(number, os.strerror(number), str(path))
        return opened(path, *args, **named)
    monkeypatch.setattr(os, "open", refusing)
    assert main([*(("resume", run) if name == "lock" else ("work",)), "--runs", str(store.root)]) == 1
    printed = capsys.readouterr().err
    assert f"lthviz: {said}" in printed and name in printed and "Traceback" not in printed and "fault" not in printed


def test_layers_that_die_are_told_of_and_the_run_goes_on(store):
    run = store.begin(SMALL.replace(rounds=9, rate=0.7, epochs=1, structures=()))
    drive(store, run)
    assert store.status(run).state == "finished"
    said = store.warnings(run)
    masks = {r: store.round(run, r).tickets["unstructured"].masks for r in store.run(run).rounds}
    gone = {r for r, m in masks.items() if any(not m[name].any() for name in m)}
    told = {int(w.split(",")[0].removeprefix("round ")) for w in said if "unstructured: " in w and "no weight left" in w}
    assert told == gone and gone, "each round in which a layer is empty, and no other"
    assert any("learned nothing" in w and "guessing gives 10.0 %" in w for w in said)


@pytest.mark.parametrize(("reached", "classes", "told"), [(10.0, 10, True), (12.0, 10, True), (12.1, 10, False), (55.0, 2, True), (61.0, 2, False), (95.0, 10, False)])
def test_what_counts_as_having_learned_nothing(reached, classes, told):
    curve = Curve.of([Epoch(1, "x", 1, 1, 2.3, reached, 10.0, 0.1, 1.0, None)])
    ticket = Ticket("unstructured", 1, Masks.of({"a": np.ones((1, 1, 1, 1), bool)}), curve=curve, test_acc=10.0)
    line = dead.told(Stage(Round(1, {"unstructured": ticket}, 1, False), "train", "unstructured", 1.0, lambda: None), classes)
    assert bool(line) == told


@pytest.mark.parametrize("jump", [-3 * 86400.0, 400 * 86400.0], ids=["back", "ahead"])
def test_a_clock_that_jumps_changes_nothing_but_the_times_that_are_shown(store, whole, monkeypatch, jump):
    run, now, at = store.begin(FEW), time.time, []

    def jumped(event):
        at.append(event)
        if len(at) == 4:
            monkeypatch.setattr(time, "time", lambda: now() + jump)
        if len(at) == 6:
            pulse.beat(store.path(run), done=1, total=2, eta_s=1.0)
            status = store.status(run)
            assert status.state == "running" and status.beat_s < 5 and "quiet" not in status.message
    drive(store, run, jumped)
    assert len(at) > 6 and store.status(run).state == "finished" and equal(store, run, whole)
    assert [e["state"] for e in store.events(run)[0] if e["event"] == "state"] == ["queued", "running", "finished"]


@pytest.mark.parametrize("jump", [-3 * 86400.0, 3 * 86400.0], ids=["back", "ahead"])
def test_a_worker_that_hangs_is_seen_to_under_a_clock_that_jumped(store, monkeypatch, jump):
    run = store.begin(FEW)
    with store.lock(run):
        store.set_state(run, "running")
        store.beat(run, done=1, total=2, eta_s=1.0)
        now, since = time.time, pulse.since_boot
        monkeypatch.setattr(time, "time", lambda: now() + jump)
        assert store.status(run).beat_s < 5
        monkeypatch.setattr(pulse, "since_boot", lambda: since() + 40)
        assert 39 < store.status(run).beat_s < 45 and "quiet for 40 s" in store.status(run).message


def test_a_worker_that_vanishes_where_memory_was_scarce(store, monkeypatch):
    run = store.begin(FEW)
    store.set_state(run, "running")
    store.beat(run, done=1, total=2, eta_s=1.0)
    beat = pulse.last(store.path(run))
    assert 0 < beat["free_mb"] < beat["memory_mb"], "this machine's own"
    assert store.status(run).message.startswith("the worker is gone; ")
    monkeypatch.setattr(pulse, "memory", lambda: (120e6, 16e9))
    store.beat(run, done=1, total=2, eta_s=1.0)
    status = store.status(run)
    assert status.state == "interrupted"
    assert status.message.startswith("the worker is gone (perhaps for want of memory: 120 of 16,000 MB were left when it was last heard of); ")


def test_the_folder_of_a_run_has_a_log_for_people_a_line_an_event(whole):
    [run] = whole.runs()
    said = (whole.path(run) / diary.FILE).read_text().splitlines()
    events = whole.events(run)[0]
    assert len(said) == len(events) and said == [diary.line(e) for e in events]
    for event, line in zip(events, said, strict=True):
        assert line.startswith(time.strftime("%Y-%m-%d %H:%M:%S  ", time.gmtime(event["time"])))
    text = "\n".join(said)
    rows = whole.run(run).rows
    for row in rows:
        assert f"round {row['round']}, {row['structure']}: trained in" in text and f"test images {row['test_acc']:.2f} %" in text
    assert "begins: " in said[2] and said[-1].endswith("  finished")


@pytest.mark.parametrize("event", [{"event": "state", "time": 1.0, "state": "failed", "message": "a\nb\x1b[31m\u202ec"}, {"event": "epoch"}, {"event": "later", "x": [1, "\r"]},
                                   {"event": "begin", "time": "yesterday", "info": 3}, {"event": "damaged", "text": "{\x00"}, {"event": "stage", "time": float("inf")}])
def test_any_event_is_one_printable_line(event):
    line = diary.line(event)
    assert line.isprintable() and len(line) > 3
