"""Titles and notes of runs, and runs that are deleted and come back."""

import json
import threading
import time

import pytest

from lthviz.errors import AddressError, StoreError, UsageError
from lthviz.presets import preset
from lthviz.store import Store, about, disk
from lthviz.store.brief import Briefs


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", examples=tmp_path / "none")


def begin(store, seed=0, state="cancelled"):
    made = store.begin(preset("digits").config.replace(seed=seed), preset="digits", title="As begun")
    store.set_state(made, state)
    return made


def test_a_title_and_a_note_are_kept_and_taken_away(store):
    run = begin(store)
    assert store.about(run) == about.About() and store.run(run).title == "As begun"
    store.set_about(run, title="  First\n try ", note="**bold** <b>&\r\nsecond line\x00")
    assert store.about(run) == about.About("First try", "**bold** <b>&\nsecond line")
    assert store.run(run).title == store.head(store.path(run)).title == Briefs(store).all()[0][0].title == "First try"
    assert Briefs(store).all()[0][0].note.startswith("**bold**")
    store.set_about(run, note="")
    assert store.about(run) == about.About("First try")
    store.set_about(run, title="")
    assert store.run(run).title == "As begun"


def test_the_id_and_the_study_do_not_depend_on_what_is_said(store):
    run = begin(store)
    store.set_about(run, title="x", note="y")
    assert store.head(store.path(run)).config.run_id == run


@pytest.mark.parametrize(("said", "words"), [({"title": "x" * 10_000}, "10,000 characters is too long"), ({"note": "y" * 10_001}, "at most 10,000")])
def test_what_is_too_long_is_refused_and_loses_nothing(store, said, words):
    run = begin(store)
    store.set_about(run, title="short", note="kept")
    with pytest.raises(UsageError, match=words):
        store.set_about(run, **said)
    assert store.about(run) == about.About("short", "kept")


def test_two_who_write_at_once_lose_neither_field(store):
    run = begin(store)
    threads = [threading.Thread(target=store.set_about, args=(run,), kwargs={name: "said"}) for name in ("title", "note")]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert store.about(run) == about.About("said", "said")


def test_a_damaged_file_is_told_and_the_run_is_read(store):
    run = begin(store)
    (store.path(run) / about.FILE).write_text('{"title": 3}')
    assert "'title' is not text" in store.run(run).info["damaged"]["title and note"] and store.run(run).title == "As begun"
    assert Briefs(store).all()[0][0].title == "As begun"
    store.set_about(run, title="Anew")
    assert store.about(run).title == "Anew" and "damaged" not in store.run(run).info


def test_a_brief_hears_of_a_new_note(store):
    run, briefs = begin(store), Briefs(store)
    assert briefs.all()[0][0].note == ""
    store.set_about(run, note="later")
    assert briefs.all()[0][0].note == "later"


def test_what_came_in_a_file_says_so_and_brings_its_note(store, tmp_path):
    run = begin(store, state="finished")
    store.set_about(run, title="Mine", note="of it")
    store.pack(run, tmp_path / "shared.h5")
    other = Store(tmp_path / "other", examples=tmp_path / "none")
    other.unpack(tmp_path / "shared.h5")
    assert other.about(run) == about.About("Mine", "of it", "shared.h5")
    other.set_about(run, note="of another")
    assert other.unpack(tmp_path / "shared.h5") == run, "a note makes it no other run"
    assert other.about(run).note == "of another"


def test_a_deleted_run_comes_back_as_it_was(store):
    run = begin(store)
    store.set_about(run, note="dear")

    def files():
        return sorted((p.relative_to(store.path(run)), p.read_bytes()) for p in store.path(run).rglob("*") if p.is_file() and p.name != "lock")

    before = files()
    gone = store.discard(run)
    assert not store.exists(run) and not Briefs(store).all()[0] and not store.broken()
    assert [(t.key, t.id) for t in store.trashed()] == [(gone.key, run)] and abs(gone.time - time.time()) < 60
    assert store.restore(gone.key) == run and not store.trashed()
    assert files() == before


def test_a_run_at_work_is_not_deleted(store):
    run = begin(store)
    with store.lock(run), pytest.raises(StoreError, match="is at work; cancel it"):
        store.discard(run)
    assert store.exists(run) and not store.trashed()


def test_one_that_was_begun_again_keeps_both_apart(store):
    run = begin(store)
    store.set_about(run, title="older")
    store.discard(run)
    begin(store)
    with pytest.raises(StoreError, match="was begun again and is here"):
        store.restore(run)
    newer = store.discard(run)
    assert [t.title for t in store.trashed()] == ["", "older"]
    assert store.restore(run) == run and store.run(run).title == "As begun", "the one that was deleted last"
    assert newer.key not in [t.key for t in store.trashed()]


def test_the_trash_is_emptied_by_key_by_age_and_whole(store, monkeypatch):
    first, second, third = (store.discard(begin(store, s)) for s in range(3))
    size = disk.size(first.path)
    assert size > 0 and store.empty_trash([first.key]) == size
    assert {t.key for t in store.trashed()} == {second.key, third.key}
    assert store.empty_trash(older_than=3600) == 0
    monkeypatch.setattr("lthviz.store.trash.time.time", lambda: third.time + 15 * 86_400)
    fourth = begin(store, 4)
    store.discard(fourth)
    assert [t.id for t in store.trashed()] == [fourth], "what is older than two weeks went by itself"
    store.empty_trash()
    assert not store.trashed()


def test_an_unknown_deleted_run_names_the_near_ones(store):
    with pytest.raises(AddressError, match="the trash is empty"):
        store.restore("nothing")
    gone = store.discard(begin(store))
    with pytest.raises(AddressError, match=gone.id):
        store.restore(gone.id[:-1])
    with pytest.raises(AddressError):
        store.restore("../elsewhere")


def test_an_example_is_neither_renamed_nor_deleted(store, tmp_path):
    run = begin(store)
    (tmp_path / "examples").mkdir()
    store.path(run).rename(tmp_path / "examples" / run)
    there = Store(store.root, examples=tmp_path / "examples")
    for act in (lambda: there.set_about(run, title="x"), lambda: there.discard(run)):
        with pytest.raises(StoreError, match="is an example and is not changed"):
            act()


def test_sizes_are_those_of_the_files_and_follow_them(store):
    run, sizes = begin(store), disk.Sizes()
    folder = store.path(run)

    def counted():
        return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())

    assert sizes.of(folder) == counted() > 0
    store.set_about(run, note="z" * 5000)
    assert sizes.of(folder) == counted() > 5000
    store.set_state(run, "failed", "m" * 300)
    assert sizes.of(folder) == counted()
    assert disk.size(folder / "nowhere") == 0 and disk.free(folder / "nowhere") > 0


@pytest.mark.parametrize(("n", "said"), [(0, "0 bytes"), (812, "812 bytes"), (1500, "1.5 kB"), (123_456, "123 kB"), (3.42e9, "3.42 GB"), (999_600, "1 MB"), (7e12, "7 TB")])
def test_bytes_in_words(n, said):
    assert disk.words(n) == said


def test_the_same_from_a_terminal(store, capsys, tmp_path, monkeypatch):
    from lthviz.cli import main

    monkeypatch.setenv("LTHVIZ_RUNS", str(store.root))
    run = begin(store)

    def told(*words):
        assert main([*words, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    said = told("about", run, "--title", "Named", "--note", "[red]plain[/red]")
    assert (said["title"], said["note"]) == ("Named", "[red]plain[/red]") and said["bytes"] == disk.size(store.path(run))
    assert main(["about", run]) == 0 and "[red]plain[/red]" in capsys.readouterr().out
    assert told("delete", run)["deleted"] == [run] and not store.exists(run)
    assert [t["run_id"] for t in told("trash")["runs"]] == [run]
    assert told("undelete", run)["restored"] == [run] and store.run(run).title == "Named"
    told("delete", run)
    assert told("trash", "--empty")["freed"] > 0 and not store.trashed()
    assert main(["undelete", run]) == 2 and "the trash is empty" in capsys.readouterr().err
    assert main(["about", begin(store), "--title", "x" * 10_000]) == 2 and "too long" in capsys.readouterr().err


def test_a_damaged_file_keeps_nothing_else_from_being_told_and_shared(store, tmp_path, capsys, caplog):
    from lthviz.cli import main

    run = begin(store, state="finished")
    (store.path(run) / about.FILE).write_text("{")
    assert main(["about", run, "--runs", str(store.root)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "As begun" in said and "on the disk" in said and "about.json is damaged" in said
    assert main(["about", run, "--runs", str(store.root), "--json"]) == 0
    assert "about.json is damaged" in json.loads(capsys.readouterr().out)["damaged"]
    store.pack(run, tmp_path / "shared.h5")
    assert "without its title and note" in caplog.text
    other = Store(tmp_path / "other", examples=tmp_path / "none")
    assert other.unpack(tmp_path / "shared.h5") == run and other.about(run) == about.About(source="shared.h5")
    assert main(["about", run, "--title", "Anew", "--runs", str(store.root), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["damaged"] == "" and store.about(run).title == "Anew"


EVIL = {"title": "red\x1b]0;x\x07\n" + "T" * 300, "note": "one\x1b[2J\ntwo" + "n" * 20_000, "source": "/a\x1b[0m\n" + "s" * 300}


def harmless(said):
    assert said.title.startswith("red ]0;x T") and len(said.title) == about.TITLE and said.note.startswith("one[2J\ntwo") and len(said.note) == about.NOTE
    return all(c.isprintable() or c == "\n" for c in said.title + said.note + said.source)


def test_what_others_wrote_is_shown_without_control_characters_and_cut(store, tmp_path):
    import h5py

    from lthviz.store import files, hdf5, pack

    run = begin(store, state="finished")
    head = json.loads((store.path(run) / "config.json").read_text())
    files.write_json(store.path(run) / "config.json", head | {"title": "begun\x1b[2J" + "x" * 300})
    assert store.head(store.path(run)).title == ("begun [2J" + "x" * 300)[:about.TITLE]
    (store.path(run) / about.FILE).write_text(json.dumps(EVIL))
    assert harmless(store.about(run)) and harmless(about.About(store.run(run).title, store.about(run).note))

    def fill(f):    # a file that no lthviz wrote
        with h5py.File(store.pack(run, tmp_path / "fair.h5"), "r") as fair:
            for name in fair:
                fair.copy(name, f)
        del f[about.FILE]
        hdf5.put_bytes(f, about.FILE, json.dumps(EVIL).encode())

    files.write(tmp_path / "foul.h5", hdf5.image(pack.PACK, {"lthviz": "x", "run": run}, fill))
    other = Store(tmp_path / "other", examples=tmp_path / "none")
    other.unpack(tmp_path / "foul.h5")
    raw = {k: v for k, v in files.read_json(other.path(run) / about.FILE).items() if k in about.About._fields}
    assert about.About(**raw) == other.about(run) and harmless(other.about(run)) and raw["source"] == "foul.h5"
