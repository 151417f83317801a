"""events.jsonl: lines that only grow, torn ones, and the curve of a training that began more than once."""

import json
import math

import pytest
import store_writer as writer

from lthviz.store import files, log


@pytest.fixture
def path(tmp_path):
    return tmp_path / "events.jsonl"


def test_a_reader_takes_finished_lines_only_and_goes_on_where_it_was(store):
    run = store.begin(writer.CONFIG)
    seen, at = store.events(run)
    assert [e["state"] for e in seen] == ["queued"]
    with open(store.path(run) / "events.jsonl", "ab") as f:
        f.write(b'{"event":"state","time":1,"state":"fai')
        f.flush()
        assert store.events(run, at) == ([], at)
        assert store.status(run).state == "queued"
        f.write(b'led","message":"x"}\n')
    seen, end = store.events(run, at)
    assert [e["state"] for e in seen] == ["failed"]
    assert end == (store.path(run) / "events.jsonl").stat().st_size
    assert store.events(run, end) == ([], end)
    assert len(store.events(run, 10**9)[0]) == 2, "a log that was begun anew is read from its start"


@pytest.mark.parametrize("keep", range(1, 12))
def test_a_torn_line_is_cut_by_the_next_writer_wherever_it_was_torn(path, keep):
    files.append_line(path, b'{"a":1}')
    with open(path, "ab") as f:
        f.write(b'{"b":"\xc3\xa9"}\n'[:keep])
    files.append_line(path, b'{"c":3}')
    whole = keep == 11
    assert path.read_bytes() == b'{"a":1}\n' + (b'{"b":"\xc3\xa9"}\n' if whole else b"") + b'{"c":3}\n'


@pytest.mark.parametrize("before", [b"", b'{"a":1}\n', b"x" * 200_000 + b"\n"], ids=["nothing", "a line", "a long line"])
@pytest.mark.parametrize("torn", [b"", b"y", b"y" * 65_536, b"y" * 150_000], ids=len)
def test_repair_cuts_what_follows_the_last_newline_and_nothing_else(path, before, torn):
    path.write_bytes(before + torn)
    files.cut_torn_line(path)
    assert path.read_bytes() == before


def test_the_last_state_is_found_however_far_back(path):
    files.append_line(path, log.line("state", state="failed", message='a\n{"event":"state","state":"no"}'))
    for n in (0, 1, 3000, 30_000):
        with open(path, "ab") as f:
            f.writelines(b'{"event":"epoch","text":"%04d"}\n' % i for i in range(n))
        found = log.last_state(path.parent)
        assert found["state"] == "failed" and found["message"].startswith("a") and "\n" not in found["message"]
    path.unlink()
    assert log.last_state(path.parent)["state"] == "queued"


@pytest.mark.parametrize("bad", [b'{"event":"state","time":1,"sta', b'{"event":"state","time":9,"state":"archived","message":"x"}',
                                 b'{"event":"state"}', b'{"event":"state","state":["failed"]}', b'{"event":"state",\xff}'])
@pytest.mark.parametrize("many", [1, 3000])
def test_a_state_that_is_damaged_or_of_a_newer_lthviz_is_passed_over(store, bad, many):
    run, other = store.begin(writer.CONFIG), store.begin(writer.CONFIG.replace(seed=1))
    store.set_state(run, "cancelled", "by hand")
    with open(store.path(run) / "events.jsonl", "ab") as f:
        f.write((bad + b"\n") * many)
    assert (store.status(run).state, store.status(run).message) == ("cancelled", "by hand")
    (store.path(run) / "events.jsonl").write_bytes((bad + b"\n") * many)
    assert store.status(run).state == "failed" and store.status(run).message.startswith("events.jsonl is damaged")
    assert (store.runs(), store.status(other).state) == ([other, run], "queued")
    store.set_state(run, "queued")
    assert store.status(run).state == "queued", "a resume puts it right"


def test_a_state_without_a_message_or_time_is_one(store):
    run = store.begin(writer.CONFIG)
    with open(store.path(run) / "events.jsonl", "ab") as f:
        f.write(b'{"event":"state","state":"running"}\n')
    with store.lock(run):
        assert (store.status(run).state, store.status(run).message) == ("running", "")


def test_a_line_that_is_damaged_is_told_and_the_others_are_read(store):
    run = store.begin(writer.CONFIG)
    with open(store.path(run) / "events.jsonl", "ab") as f:
        f.write(b"\0\0\0 no json\n17\n")
    store.set_state(run, "running")
    assert [e["event"] for e in store.events(run)[0]] == ["state", "damaged", "damaged", "state"]


def test_the_newest_attempt_at_an_epoch_counts(store):
    run = store.begin(writer.CONFIG)

    def train(structure, numbers, loss):
        for n in numbers:
            store.append(run, writer.epoch(1, structure, n).__class__(1, structure, n, 5, loss, 50.0, math.nan, 0.1, 1.0))

    train("unstructured", (0, 1, 2, 3), 1.0)
    train("refill", (0, 1), 7.0)
    train("unstructured", (2,), 2.0)
    found = store.epochs(run, 1, "unstructured")
    assert [(e.epoch, e.train_loss) for e in found] == [(0, 1.0), (1, 1.0), (2, 2.0)]
    assert all(math.isnan(e.val_acc) and e.snapshot is None for e in found)
    train("unstructured", (0,), 3.0)
    assert [(e.epoch, e.train_loss) for e in store.epochs(run, 1, "unstructured")] == [(0, 3.0)]
    assert [e.train_loss for e in store.epochs(run, 1, "refill")] == [7.0, 7.0]
    assert store.epochs(run, 2, "refill") == ()


def test_every_line_is_strict_json(store):
    run = writer.write(store, stop_after=3)
    text = (store.path(run) / "events.jsonl").read_text()
    for line in text.splitlines():
        json.loads(line, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert '"val_acc":null' in text
