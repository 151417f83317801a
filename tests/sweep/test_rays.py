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
from lthviz.sweep import capacity, cluster, grid
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


def test_what_has_left_the_cluster_is_waited_for_and_told_and_what_comes_back_is_used(tmp_path):
    """Two nodes; the one with the GPU that the first run wants leaves before the sweep begins, and comes back in a second one."""
    env = {k: v for k, v in os.environ.items() if k not in ENV} | cluster.QUIET | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    done = subprocess.run([sys.executable, "-m", "tests.sweep.leaving", str(tmp_path)], cwd=tiny.ROOT, env=env, capture_output=True, text=True,
                          timeout=tiny.PATIENCE_S)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    for found in result.values():
        (line,) = found["logged"]
        assert line.startswith("a run wants 1 CPU and 1 GPU of one node, the cluster has 1 node of 1 CPU; waiting"), "once, in one line"
    gpu, cpu = result["away"]["ids"]
    assert result["away"]["told"] == [[cpu, "finished"]], "the others go on"
    assert result["away"]["raised"].startswith("1 run left undone: a run wants 1 CPU and 1 GPU of one node, the cluster has 1 node of 1 CPU; ")
    assert result["back"]["told"] == [[cpu, "finished"], [gpu, "finished"]] and result["back"]["raised"] == ""


class Nodes:
    """What `ray.nodes()` says, to be changed."""

    def __init__(self, *nodes: dict[str, float]):
        self.there = list(nodes)

    def nodes(self):
        return [{"Alive": bool(n), "Resources": n} for n in self.there]


def test_a_wish_is_given_up_only_after_its_time_and_a_node_has_to_have_all_of_it(monkeypatch, caplog):
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    there = Nodes({"CPU": 4.0}, {"CPU": 4.0}, {"CPU": 1.0, "GPU": 1.0}, {})
    found = capacity.Capacity(there)
    small, gpu, both = ({"num_cpus": c, "num_gpus": g} for c, g in ((4, 0), (1, 0.5), (4, 1)))
    assert found.fits(small) and found.fits(gpu) and not found.fits(both), "four CPUs and a GPU are there, but on no node together"
    assert found.words(both) == "a run wants 4 CPUs and 1 GPU of one node, the cluster has 2 nodes of 4 CPUs, 1 node of 1 CPU and 1 GPU"
    there.there = [{"CPU": 4.0}]
    found.look()
    assert not found.lacks(gpu), "asked a moment ago"
    now[0] = capacity.EVERY_S
    found.look()
    assert not found.lacks(gpu) and not found.lacks(small) and len(caplog.messages) == 1
    now[0] += capacity.GRACE_S - 0.1
    assert not found.lacks(gpu)
    now[0] += 0.2
    assert found.lacks(gpu) and len(caplog.messages) == 1
    there.there = []
    found.look(fresh=True)
    assert found.words(gpu) == "a run wants 1 CPU and 0.5 GPU of one node, the cluster has no node with a CPU"
    there.there = [{"CPU": 1.0, "GPU": 1.0}]
    found.look(fresh=True)
    assert not found.lacks(gpu)
    there.there = []
    found.look(fresh=True)
    assert not found.lacks(gpu), "its time begins anew"


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
    outcome = rays._task(str(store.root), "t", made.token, config.to_dict(), "", 2)
    assert (outcome.state, outcome.run_id) == ("finished", config.run_id)
    assert store.run(config.run_id).info["threads"] == 2 and os.environ["OMP_NUM_THREADS"] == "2"
