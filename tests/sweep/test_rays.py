"""A sweep on a real Ray cluster of two worker processes, one of which is killed; and what is said of clusters that are none."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from lthviz.cli import main
from lthviz.config import RunConfig
from lthviz.store import Store
from lthviz.sweep import cluster, grid
from lthviz.sweep.cluster import Cluster
from tests.sweep import tiny

ENV = {**cluster.QUIET, **cluster.LOOPBACK, "RAY_AUTH_TOKEN": "5e" * 32}


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Iterator[dict]:
    """The cluster of all these tests, and what its workers said."""
    folder = tmp_path_factory.mktemp("holder")
    with (folder / "words").open("wb") as words:
        holder = subprocess.Popen([sys.executable, "-m", "tests.sweep.holder", str(folder)], cwd=tiny.ROOT, env={**os.environ, **ENV},
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=words, text=True)
    line = holder.stdout.readline()
    assert line, (folder / "words").read_text()
    yield {**json.loads(line), "folder": folder, "words": folder / "words"}
    holder.communicate(timeout=60)
    assert holder.returncode == 0


def test_a_killed_workers_run_is_taken_up_by_another_and_the_bits_are_those_of_a_serial_sweep(held, killed, file, tmp_path):
    store, ids = Store(tmp_path / "runs"), killed.ids
    process = tiny.start(file, store.root, "--backend", "ray", "--address", held["address"], env=ENV)
    try:
        at_work = []
        tiny.until(lambda: process.poll() is not None or at_work.extend(x for x in ids[2:] if tiny.under_way(store, x)) or at_work, "a long run")
        assert process.poll() is None, process.communicate()
        dead = tiny.pids(store, at_work[0])[0]
        tiny.kill(dead)
        result = tiny.finish(process)
    finally:
        tiny.end(process) if process.poll() is None else None
    assert result["done"] == 4 and result["failures"] == {}
    assert tiny.went_on(store, at_work[0]) and tiny.pids(store, at_work[0])[0] == dead
    others = {x: tiny.pids(store, x) for x in ids if x != at_work[0]}
    assert all(len(p) == 1 for p in others.values()), "no other run was begun twice"
    assert len({dead, *(p for found in others.values() for p in found)}) > 1, "the runs were spread over processes"
    for run_id in ids:
        tiny.equal_bits(store, killed.store, run_id)
    assert [s.backend for s in store.sweeps()] == ["ray"]
    assert all(store.run(x).info["threads"] == 1 for x in ids)


def test_a_worker_that_does_not_see_the_folder_says_so(held):
    nowhere, another, not_mine = held["said"]
    assert "does not see the folder of the runs" in nowhere and str(held["folder"] / "nowhere") in nowhere and "it is not there" in nowhere
    assert "not with this sweep" in another and "mount" in another
    assert "another sweep 'mine'" in not_mine
    assert all("\n" not in x for x in held["said"])


def test_it_listens_on_the_loopback_address_and_says_nothing(held):
    assert held["address"].startswith("127.0.0.1:") and (held["cpus"], held["node_cpus"]) == (2, 2)
    assert held["words"].read_text() == ""


@pytest.fixture
def said(tmp_path, file, capsys, monkeypatch):
    """`said(*words)`: the one line in which a sweep with Ray refuses; nothing is left behind."""
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)

    def refuse(*words: str) -> str:
        assert main(["sweep", str(file), "--runs", str(tmp_path / "runs"), "--backend", "ray", *words]) == 2
        out, err = capsys.readouterr()
        assert out == "" and err.count("\n") == 1 and not (tmp_path / "runs").exists(), err
        return err
    return refuse


def test_an_address_that_does_not_answer_gets_one_line_soon(said):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    begun = time.monotonic()
    assert f"no Ray cluster answers at '127.0.0.1:{port}' (Connection refused); start one with `ray start --head`" in said("--address", f"127.0.0.1:{port}")
    assert time.monotonic() - begun < 2 * cluster.CONNECT_S
    assert "should be HOST:PORT" in said("--address", "nowhere")
    assert "no Ray cluster answers at 'nowhere.invalid:6379'" in said("--address", "nowhere.invalid:6379")


def test_something_else_that_takes_connections_is_no_cluster(said, monkeypatch):
    """Ray itself would wait for more than a minute, and then end the process."""
    monkeypatch.setattr(cluster, "ANSWER_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port, taken = server.getsockname()[1], []

        def take() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        threading.Thread(target=take, daemon=True).start()
        assert f"no Ray cluster answers at '127.0.0.1:{port}' within 2 s" in said("--address", f"127.0.0.1:{port}")
        server.shutdown(socket.SHUT_RDWR)
    for connection in taken:
        connection.close()


@pytest.mark.parametrize(("made", "config", "wanted"), [
    # cpus, gpus, node_cpus, node_gpus, workers
    ((2, 0, 2, 0, 0), {"threads": 1}, (1, 0)),
    ((2, 0, 2, 0, 0), {"threads": 0}, (2, 0)),           # all cores: one run at a time
    ((8, 0, 8, 0, 4), {"threads": 0}, (2, 0)),           # all cores, shared by four
    ((32, 0, 16, 0, 4), {"threads": 0}, (8, 0)),         # on two nodes, two on each
    ((2, 0, 2, 0, 0), {"threads": 64}, (2, 0)),          # more than a node has would wait for ever
    ((2, 0, 2, 0, 0), {"device": "cuda"}, (2, 0)),       # the run itself says that there is no GPU
    ((16, 4, 16, 4, 0), {"device": "auto"}, (4, 1)),     # a GPU and its share of the cores
    ((16, 4, 16, 4, 0), {"device": "cpu"}, (16, 0)),
    ((16, 1, 16, 1, 2), {"device": "cuda"}, (8, 0.5)),   # two on one GPU, as asked
    ((16, 1, 16, 1, 3), {"device": "cuda"}, (5, 0.333)),
])
def test_a_run_is_given_cpus_by_its_threads_and_a_gpu_by_its_device(made, config, wanted):
    given = Cluster(None, *made).wants(RunConfig(**config))
    assert (given["num_cpus"], given["num_gpus"]) == wanted


def test_what_a_killed_sweep_left_is_cleared_away(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (f"{gone.pid}-x", f"{os.getpid()}-x", "other"):
        (tmp_path / f"{cluster.FOLDER}{name}" / "session").mkdir(parents=True)
    cluster._clear()
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"{cluster.FOLDER}{os.getpid()}-x", f"{cluster.FOLDER}other"])


def test_tasks_use_as_many_threads_as_they_have_cpus(tmp_path, file, monkeypatch):
    """`threads = 0` is what a worker is given; its settings say so."""
    from lthviz.sweep import rays

    for library in ("OMP", "MKL", "OPENBLAS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "7")
    store = Store(tmp_path / "runs")
    config = grid.read(file).points[0].config.replace(threads=0, rounds=0)
    made = store.keep_sweep("t", "", "", (config.run_id,), "ray")
    outcome = rays._task(str(store.root), "t", made.times[0], config.to_dict(), "", 2)
    assert (outcome.state, outcome.run_id) == ("finished", config.run_id)
    assert store.run(config.run_id).info["threads"] == 2 and os.environ["OMP_NUM_THREADS"] == "2"
