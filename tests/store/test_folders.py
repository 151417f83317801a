"""Which runs there are: ids, starts, examples, folders that are no runs."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest
import store_writer as writer
from filelock import FileLock, Timeout

from lthviz.config import RunConfig
from lthviz.errors import AddressError, DamagedError, StoreError, VersionError
from lthviz.store import Store, files

RUN = writer.CONFIG.run_id


def test_the_root_comes_from_the_argument_the_environment_or_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LTHVIZ_RUNS", raising=False)
    assert Store().root == tmp_path / "data" / "runs"
    monkeypatch.setenv("LTHVIZ_RUNS", str(tmp_path / "elsewhere"))
    assert Store().root == tmp_path / "elsewhere"
    assert Store("here").root == tmp_path / "here"
    assert Store().runs() == [] and Store().broken() == {}
    assert not (tmp_path / "elsewhere").exists(), "looking makes nothing"


def test_a_second_start_attaches(store):
    assert store.begin(writer.CONFIG, preset="digits", title="first") == RUN
    before = {p: p.read_bytes() for p in store.path(RUN).rglob("*") if p.is_file()}
    assert store.begin(writer.CONFIG, preset="other", title="second") == RUN
    assert {p: p.read_bytes() for p in store.path(RUN).rglob("*") if p.is_file()} == before
    assert (store.run(RUN).title, store.status(RUN).state) == ("first", "queued")


def test_a_start_elsewhere_moves_a_run_that_has_stopped(store, tmp_path):
    here, there = writer.CONFIG.replace(device="cuda"), writer.CONFIG.replace(device="cpu", threads=1, data_dir="elsewhere")
    store.begin(here, preset="digits", title="first")
    store.set_state(RUN, "failed", "device = 'cuda' is not there; use device = 'cpu'")
    before = store.run(RUN)
    assert (store.begin(there, preset="other", title="second"), store.run(RUN).config) == (RUN, there)
    after = store.run(RUN)
    assert (after.created, after.preset, after.title) == (before.created, "digits", "first")
    assert store.status(RUN).state == "failed", "what becomes of it is not for begin to say"


@pytest.mark.parametrize("state", ["running", "finished"])
def test_a_run_at_work_or_finished_stays_where_it_is(store, state):
    store.begin(writer.CONFIG)
    store.set_state(RUN, state)
    before = (store.path(RUN) / "config.json").read_bytes()
    lock = store.lock(RUN)
    if state == "running":
        lock.acquire()
    assert store.begin(writer.CONFIG.replace(device="cpu")) == RUN
    lock.release()
    assert (store.path(RUN) / "config.json").read_bytes() == before


def test_a_move_that_fails_leaves_the_old_settings(store, monkeypatch):
    store.begin(writer.CONFIG)

    def fail(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as m:
        m.setattr(os, "replace", fail)
        with pytest.raises(StoreError, match="No space left"):
            store.begin(writer.CONFIG.replace(device="cpu"))
    assert store.run(RUN).config == writer.CONFIG and not store.held(RUN)


def test_settings_that_do_not_belong_to_an_id_are_not_written_over(store):
    store.begin(writer.CONFIG)
    file = store.path(RUN) / "config.json"
    head = json.loads(file.read_text())
    files.write_json(file, {**head, "config": {**head["config"], "epochs": 77}})
    store.begin(writer.CONFIG)
    assert store.run(RUN).config.epochs == 77


def test_many_starts_at_once_make_one_run(store):
    barrier, ids, errors = threading.Barrier(8), [], []

    def start(n):
        barrier.wait()
        try:
            ids.append(store.begin(writer.CONFIG, title=str(n)))
        except Exception as e:
            errors.append(e)

    threads = [threading.Thread(target=start, args=(n,)) for n in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (errors, set(ids), store.runs()) == ([], {RUN}, [RUN])
    assert sorted(p.name for p in store.root.iterdir()) == [RUN]
    assert len(store.events(RUN)[0]) == 1


def test_runs_are_listed_newest_first_and_examples_behind(tmp_path):
    store, gallery = Store(tmp_path / "runs"), Store(tmp_path / "examples")
    mine = [store.begin(writer.CONFIG.replace(seed=n)) for n in range(3)]
    shown = [gallery.begin(writer.CONFIG.replace(seed=n)) for n in (2, 3)]
    both = Store(tmp_path / "runs")
    assert both.examples == tmp_path / "examples"
    assert both.runs() == [*mine[::-1], shown[1]]
    assert [both.is_example(r) for r in both.runs()] == [False, False, False, True]
    assert both.path(shown[0]).parent == tmp_path / "runs", "one's own run hides the example of its id"
    assert both.begin(writer.CONFIG.replace(seed=3)) == shown[1]
    assert not both.is_example(shown[1]), "starting an example's settings makes a run of one's own"


def test_examples_are_found_wherever_the_runs_are(tmp_path, monkeypatch):
    shipped = Path(__file__).resolve().parents[2] / "data" / "examples"
    assert Store(tmp_path / "runs").examples is None, "tests want none but their own"
    monkeypatch.delenv("LTHVIZ_EXAMPLES")
    store = Store(tmp_path / "elsewhere")
    assert store.examples == shipped == Store(shipped.parent / "runs").examples and set(store.runs()) == {p.name for p in shipped.iterdir() if p.is_dir()}
    assert store.is_example(store.runs()[0]) and not store.root.exists()
    (tmp_path / "own").mkdir()
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(tmp_path / "own"))
    assert Store(tmp_path / "elsewhere").examples == tmp_path / "own"
    (tmp_path / "examples").mkdir()
    assert Store(tmp_path / "elsewhere").examples == tmp_path / "examples", "those beside the runs come first"
    assert Store(tmp_path / "elsewhere", examples=shipped).examples == shipped


def test_an_example_is_only_looked_at(tmp_path):
    writer.write(Store(tmp_path / "examples"))
    store = Store(tmp_path / "runs")
    before = {p: p.read_bytes() for p in (tmp_path / "examples").rglob("*") if p.is_file()}
    assert (store.status(RUN).state, store.held(RUN), len(store.run(RUN).rows)) == ("finished", False, 13)
    for change in (lambda: store.delete(RUN), lambda: store.set_state(RUN, "queued"), lambda: store.request(RUN, "pause"),
                   lambda: store.clear_request(RUN), lambda: store.lock(RUN), lambda: store.recover(RUN),
                   lambda: store.beat(RUN, done=1, total=1, eta_s=None),
                   lambda: store.save_checkpoint(RUN, store.checkpoint(RUN)),
                   lambda: store.append(RUN, next(writer.events()))):
        with pytest.raises(StoreError, match="is an example and is not changed"):
            change()
    assert {p: p.read_bytes() for p in (tmp_path / "examples").rglob("*") if p.is_file()} == before
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", "/etc", "a\\b", ".hidden", "x" * 300, "a\0b", "a\n", None, 3])
def test_what_is_no_id_never_becomes_a_path(store, name):
    store.begin(writer.CONFIG)
    (store.root / ".hidden").mkdir()
    assert not store.exists(name)
    with pytest.raises(AddressError, match="there is no run"):
        store.path(name)


def test_near_misses_are_named(store):
    store.begin(writer.CONFIG)
    with pytest.raises(AddressError, match=f"there is no run '{RUN[:-1]}'; did you mean {RUN}"):
        store.run(RUN[:-1])


@pytest.mark.parametrize(("text", "error", "words"), [
    (None, StoreError, "has no config.json"),
    (b"", DamagedError, "not JSON"),
    (b'{"format": 1, "id": "', DamagedError, "not JSON"),
    (b"\xff\xfe\x00", DamagedError, "not JSON"),
    (b"[1]", DamagedError, "not a JSON object"),
    ({"created": None}, DamagedError, "'created' is missing or of the wrong type"),
    ({"format": 0}, DamagedError, "there is no format 0"),
    ({"format": 3, "lthviz": "9.9"}, VersionError, r"written by lthviz 9\.9 in format 3; this is lthviz .*update lthviz"),
    ({"id": "another"}, DamagedError, "belongs to run 'another'"),
    ({"config": {"epochz": 3}}, StoreError, "'epochz' is not a setting; did you mean epochs.*written by lthviz 9"),
], ids=str)
def test_a_folder_that_cannot_be_read_is_told_and_the_others_stay(store, text, error, words):
    bad, good = store.begin(writer.CONFIG), store.begin(writer.CONFIG.replace(seed=1))
    file = store.root / bad / "config.json"
    if text is None:
        file.unlink()
    elif isinstance(text, bytes):
        file.write_bytes(text)
    else:
        files.write_json(file, {**json.loads(file.read_text()), "lthviz": "9", **text})
    assert store.runs() == [good]
    assert list(store.broken()) == [bad]
    with pytest.raises(error, match=words) as raised:
        store.run(bad)
    assert store.broken()[bad] == str(raised.value) and "\n" not in str(raised.value)
    store.delete(bad)
    assert store.broken() == {}


def test_files_and_hidden_folders_among_the_runs_are_no_runs(store):
    run = store.begin(writer.CONFIG)
    (store.root / "worker.log").write_text("x")
    (store.root / ".new-x").mkdir()
    assert (store.runs(), store.broken()) == ([run], {})


def test_what_a_killed_start_left_is_removed_by_a_later_one(store):
    for name, age in ((".new-old", 7200), (".deleted-old", 7200), (".new-fresh", 5)):
        folder = store.root / name
        (folder / "rounds").mkdir(parents=True)
        os.utime(folder, (time.time() - age,) * 2)
    store.begin(writer.CONFIG)
    assert sorted(p.name for p in store.root.iterdir()) == [".new-fresh", RUN]


def test_delete_removes_all_of_a_run(store):
    run, other = writer.write(store, stop_after=2), store.begin(RunConfig())
    store.delete(run)
    assert (store.runs(), store.exists(run), [p.name for p in store.root.iterdir()]) == ([other], False, [other])
    with pytest.raises(AddressError):
        store.delete(run)


def test_delete_where_an_open_file_keeps_its_folder_as_on_windows(store, monkeypatch):
    run, rename, rmtree = writer.write(store, stop_after=2), os.rename, shutil.rmtree

    def strict(act):
        def acted(folder, *rest, **more):
            held = [p for p in Path(folder).rglob("lock") if _locked(p)]
            if held:
                raise PermissionError(13, "another process has a file in it", str(folder))
            return act(folder, *rest, **more)
        return acted

    monkeypatch.setattr(files, "WINDOWS", True)
    monkeypatch.setattr(os, "rename", strict(rename))
    monkeypatch.setattr(shutil, "rmtree", strict(rmtree))
    with store.lock(run), pytest.raises(StoreError, match="is at work; cancel it before deleting it"):
        Store(store.root).delete(run)
    store.delete(run)
    assert not store.exists(run) and not list(store.root.iterdir())


def test_delete_holds_the_lock_until_the_name_is_gone(store, monkeypatch):
    """So that no worker begins in a folder that is going."""
    run, rename, held = writer.write(store, stop_after=2), os.rename, []

    def look(folder, *rest):
        held.append(_locked(Path(folder) / "lock"))
        return rename(folder, *rest)

    monkeypatch.setattr(os, "rename", look)
    store.delete(run)
    assert held == [True]


def _locked(file):
    try:
        with FileLock(file, timeout=0):
            return False
    except Timeout:
        return True
