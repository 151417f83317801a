"""Deleted runs go as a whole, and one that cannot go keeps no other."""

import logging
import os
import shutil

import pytest
import store_writer as writer

from lthviz.cli import main
from lthviz.errors import StoreError
from lthviz.store import Store, trash


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", examples=tmp_path / "none")


def made(store, n):
    ids = [store.begin(writer.CONFIG.replace(seed=s)) for s in range(n)]
    for run in ids:
        store.set_state(run, "cancelled")
    return ids


def test_one_that_is_emptied_halfway_is_not_offered_any_more(store, monkeypatch):
    (run,) = made(store, 1)
    store.discard(run)

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as m:
        m.setattr(os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            store.empty_trash()
    assert not store.trashed() and [p.name for p in (store.root / trash.FOLDER).iterdir()] == []
    (left,) = store.root.glob(".deleted-*")
    os.utime(left, (0, 0))
    store.begin(writer.CONFIG.replace(seed=9))
    assert not left.exists(), "the next run that begins sweeps it away"


def test_one_that_cannot_be_removed_stops_no_deletion(store, monkeypatch, caplog):
    first, second, third = made(store, 3)
    stuck, other = store.discard(first), store.discard(second)
    rename = os.rename

    def refused(old, new, *rest):
        if old == stuck.path:
            raise PermissionError(13, "not yours", str(old))
        return rename(old, new, *rest)

    monkeypatch.setattr(os, "rename", refused)
    later = stuck.time + 15 * 86_400
    monkeypatch.setattr(trash.time, "time", lambda: later)
    with caplog.at_level(logging.WARNING, "lthviz"):
        assert store.discard(third).id == third
    assert "not yours" in caplog.text and {t.id for t in store.trashed()} == {first, third}, "the other old one went"
    with pytest.raises(StoreError, match="not yours"):
        store.empty_trash()
    assert [t.id for t in store.trashed()] == [first] and not other.path.exists()


def test_a_link_in_the_trash_is_no_deleted_run(store, tmp_path):
    (run,) = made(store, 1)
    (store.root / trash.FOLDER).mkdir()
    kept = shutil.copytree(store.path(run), tmp_path / "kept")
    (store.root / trash.FOLDER / f"{run}~1").symlink_to(kept, target_is_directory=True)
    assert not store.trashed() and store.empty_trash() == 0
    store.discard(run)
    assert (kept / "config.json").exists()


def test_several_are_deleted_and_brought_back_as_far_as_it_goes(store, capsys):
    a, b, c = made(store, 3)
    with store.lock(b):
        assert main(["delete", a, "nothing", b, c, "--runs", str(store.root)]) == 2
    said = capsys.readouterr()
    assert a in said.out and c in said.out and b not in said.out
    assert said.err.count("lthviz: ") == 2 and "no run 'nothing'" in said.err and f"{b!r} is at work" in said.err
    assert store.runs() == [b] and {t.id for t in store.trashed()} == {a, c}
    assert main(["undelete", "nothing", a, c, "--runs", str(store.root)]) == 2
    said = capsys.readouterr()
    assert f"{a}, {c} are back" in said.out and "no deleted run 'nothing'" in said.err and len(store.runs()) == 3
