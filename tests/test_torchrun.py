"""One run on two real processes that torchrun starts: equal to one process within float noise, killed, asked, and resumed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lthviz import launch
from lthviz.config import Random, Refill, RunConfig
from lthviz.store import Store
from tests.small import SMALL
from tests.test_launch import equal_runs, stages, wait

ROOT = Path(__file__).resolve().parent.parent
FEW = SMALL.replace(rounds=1, structures=(Refill(), Random()), train_images=63)
"""Four batches an epoch, the last of three images: one process has one of them, the other two."""
LONG = FEW.replace(epochs=400)


def words(config: RunConfig) -> list[str]:
    """The settings as `--set` words."""
    values = config.to_dict() | {"structures": ",".join(s.label for s in config.structures)}
    return [x for k, v in values.items() for x in ("--set", f"{k}={str(v).lower() if isinstance(v, bool) else v}")]


class Job:
    """The command `run` in two processes, ended with the test: those that torchrun starts, or two that are told by hand who they are."""

    def __init__(self, store: Store, config: RunConfig, *options: str, torchrun: bool = True, folders: Sequence[Path] = (ROOT, ROOT),
                 env: Mapping[str, str] | None = None) -> None:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = str(s.getsockname()[1])
        command = ["-m", "lthviz", "run", *words(config), "--runs", str(store.root), "--json"]
        env = os.environ | {"PYTHONPATH": str(ROOT)} | (env or {})
        if torchrun:
            self.started = [_start(["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", port, *options, *command], ROOT, env)]
        else:
            env |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
            self.started = [_start(command, folder, env | {"RANK": str(rank)}) for rank, folder in enumerate(folders)]
        self.torchrun = torchrun

    def __enter__(self) -> Job:
        return self

    def __exit__(self, *_: object) -> None:
        for pid in [*self.ranks().values(), *(p.pid for p in self.started)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self.started:
            process.communicate()

    def ranks(self) -> dict[int, int]:
        """Process ids by rank."""
        if not self.torchrun:
            return dict(enumerate(p.pid for p in self.started))
        found, parent = {}, self.started[0].pid
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
                env = Path(f"/proc/{child}/environ").read_bytes().split(b"\0")
                found |= {int(x[5:]): int(child) for x in env if x.startswith(b"RANK=")}
        return found

    def kill(self, rank: int) -> None:
        os.kill(self.ranks()[rank], signal.SIGKILL)

    def ended(self, seconds: float = 90) -> tuple[int, str, list[str]]:
        """(first exit code that is not zero, standard output, the lines of ours on standard error), once all have."""
        said = [p.communicate(timeout=seconds) for p in self.started]
        code = next((p.returncode for p in self.started if p.returncode), 0)
        return code, "".join(out for out, _ in said), [x for _, errors in said for x in errors.splitlines() if x.startswith("lthviz:")]


def _start(command: list[str], folder: Path, env: dict[str, str]) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, *command], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Store:
    """The run of two processes that nothing happened to."""
    store = Store(tmp_path_factory.mktemp("undisturbed") / "runs")
    with Job(store, FEW) as job:
        code, out, said = job.ended()
    assert code == 0 and not said and json.loads(out)["state"] == "finished"
    return store


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "runs")


NOISE = 0.02
"""How far the sums of another order may move a channel's score, as a share of the layer's largest."""


def scores(store: Store, run_id: str, i: int) -> dict[str, np.ndarray]:
    """What Refill ranks channels by, from what the run keeps: the sum of |trained weight| where the round's mask keeps it."""
    masks, weights = store.round(run_id, i).ticket("unstructured").masks, store.round(run_id, i - 1).ticket("unstructured").weights
    return {name: np.abs(weights[name] * masks[name]).reshape(len(weights[name]), -1).sum(1) for name in masks}


def alike_channels(one: np.ndarray, other: np.ndarray, p: np.ndarray, q: np.ndarray) -> None:
    """Refill's masks p and q from channel scores `one` and `other`: equal but for channels at the threshold, as near to it as noise reaches."""
    noise = NOISE * one.max()
    np.testing.assert_allclose(one, other, atol=noise, rtol=0)
    kept, theirs = (m.reshape(len(m), -1).any(1) for m in (p, q))
    for mask, rows, score in ((p, kept, one), (q, theirs, other)):
        assert mask.reshape(len(mask), -1)[rows].all(), "channels are whole"
        assert rows.all() or score[rows].min() >= score[~rows].max(), "the best ones"
    assert abs(kept.sum() - theirs.sum()) <= 1   # one weight more or less may be one channel more or less
    threshold = one[kept].min()
    assert (np.abs(one[kept != theirs] - threshold) <= 2 * noise).all()


def alike(a: Store, b: Store, run_id: str) -> None:
    """Equal but for float noise, which may move a weight at the threshold of a mask."""
    for i in a.run(run_id).rounds:
        x, y = a.round(run_id, i), b.round(run_id, i)
        assert list(x.tickets) == list(y.tickets) and x.complete and y.complete
        for label, p in x.tickets.items():
            q = y.ticket(label)
            for name in p.masks:
                if label == "refill":
                    alike_channels(scores(a, run_id, i)[name], scores(b, run_id, i)[name], p.masks[name], q.masks[name])
                else:
                    assert np.mean(p.masks[name] == q.masks[name]) > 0.99
            assert p.masks.density() == pytest.approx(q.masks.density(), abs=0.02)
            if i == 0:
                np.testing.assert_allclose(p.curve.train_loss, q.curve.train_loss, rtol=1e-3)
                for name, weights in p.weights.items():
                    np.testing.assert_allclose(weights, q.weights[name], rtol=0.02, atol=2e-3, err_msg=name)
            np.testing.assert_allclose(p.curve.train_loss, q.curve.train_loss, rtol=0.05)


def test_two_processes_train_what_one_does(undisturbed, store):
    run_id = store.begin(FEW)
    launch.drive(store, run_id)
    alike(undisturbed, store, run_id)
    assert undisturbed.run(run_id).info["processes"] == 2 and store.run(run_id).info["processes"] == 1
    assert undisturbed.run(run_id).info["steps"] == store.run(run_id).info["steps"]
    for round in (0, 1):
        for ticket in undisturbed.round(run_id, round).tickets.values():
            for name in ticket.masks:
                assert not ticket.weights[name][~ticket.masks[name]].any()


def test_a_channel_that_is_far_from_the_threshold_is_not_alike():
    """The comparison itself: only what noise can move may differ."""
    score, mask = np.array([1.0, 0.999, 0.5, 0.1]), np.zeros((4, 2, 3, 3), bool)
    def kept(*rows: int) -> np.ndarray:
        made = mask.copy()
        made[list(rows)] = True
        return made

    alike_channels(score, score[[1, 0, 2, 3]], kept(0), kept(1))
    for other, rows in ((score, (2,)), (score, (0, 1, 2)), (score[[2, 1, 0, 3]], (1,))):
        with pytest.raises(AssertionError):
            alike_channels(score, other, kept(0), kept(*rows))


def test_stopped_and_killed_it_goes_on_to_the_same_bits(undisturbed, store, tmp_path):
    """Stopped by torchrun, rank 1 killed, rank 0 killed under a torchrun that starts again by itself; and once with one process."""
    run_id = FEW.run_id

    def a_stage_later() -> None:
        seen = len(stages(store, run_id)) if store.exists(run_id) else 0
        wait(lambda: store.exists(run_id) and len(stages(store, run_id)) > seen, "a stage")

    with Job(store, FEW) as job:
        a_stage_later()
        os.kill(job.started[0].pid, signal.SIGTERM)
        code, _, said = job.ended(30)
    assert code != 0 and said == ["lthviz: stopped; `lthviz resume` goes on from the last checkpoint"]
    status = store.status(run_id)
    assert status.state == "interrupted" and "by hand or by torchrun" in status.message and not store.held(run_id)

    with Job(store, FEW) as job:
        a_stage_later()
        job.kill(1)
        code, _, said = job.ended(30)
    assert code != 0 and len(said) == 1 and "rank 1 of 2 has ended without a word" in said[0]
    status = store.status(run_id)
    assert status.state == "interrupted" and said[0].endswith(status.message) and not store.held(run_id)

    alone = Store(shutil.copytree(store.root, tmp_path / "alone"))
    launch.drive(alone, run_id)
    alike(undisturbed, alone, run_id)

    with Job(store, FEW, "--max-restarts", "1") as job:
        a_stage_later()
        job.kill(0)
        wait(lambda: not store.held(run_id), "the lock to be freed", 30)
        assert store.status(run_id).state == "interrupted" and "the worker is gone" in store.status(run_id).message
        code, out, said = job.ended()
    assert code == 0 and len(said) == 1 and "rank 0 of 2 has ended without a word" in said[0]
    assert json.loads(out)["state"] == "finished"
    equal_runs(undisturbed, store, run_id)


def test_requests_are_obeyed_by_all(store):
    run_id = LONG.run_id
    with Job(store, LONG, torchrun=False) as job:
        wait(lambda: store.exists(run_id) and store.status(run_id).done > 0, "the first steps")
        launch.request(store, run_id, "pause")
        wait(lambda: store.status(run_id).state == "paused", "the pause")
        time.sleep(1.2)   # a heartbeat later
        done = store.status(run_id).done
        time.sleep(2.2)
        assert store.status(run_id).done == done and store.status(run_id).state == "paused"
        launch.request(store, run_id, "step")
        wait(lambda: store.status(run_id).state == "running" and store.status(run_id).done > done, "the step")
        launch.request(store, run_id, "cancel")
        code, _, said = job.ended(30)
    assert code == 1 and store.status(run_id).state == "cancelled" and said == ["lthviz: cancelled; the finished rounds are kept"]


def test_a_silent_rank_is_given_up(store):
    run_id = LONG.run_id
    with Job(store, LONG, torchrun=False, env={"LTHVIZ_TIMEOUT": "12"}) as job:
        wait(lambda: store.exists(run_id) and store.status(run_id).done > 0, "the first steps")
        os.kill(job.ranks()[1], signal.SIGSTOP)
        wait(lambda: store.status(run_id).state == "interrupted", "rank 0 to give it up", 60)
        job.kill(1)
        _, _, said = job.ended(30)
    assert len(said) == 1 and "rank 1 of 2" in said[0] and "within 12 s" in said[0] and said[0].endswith(store.status(run_id).message)


def test_what_is_wrong_in_another_process_is_the_runs_state(store, tmp_path):
    """The second process stands in a folder without the images, as on a machine that lacks them."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in "ab":
            (folder := tmp_path / "here" / "images" / part / name).mkdir(parents=True)
            for i in range(8):
                Image.fromarray(rng.integers(0, 255, (8, 8), np.uint8)).save(folder / f"{i}.png")
    (tmp_path / "there").mkdir()
    config = FEW.replace(data="folder", data_dir="images", train_images=0)
    with Job(store, config, torchrun=False, folders=(tmp_path / "here", tmp_path / "there")) as job:
        code, _, said = job.ended()
    assert code == 1 and len(said) == 1 and "rank 1: 'images/train' is not there" in said[0]
    status = store.status(config.run_id)
    assert status.state == "failed" and status.message.startswith("rank 1: ")


def test_a_finished_run_is_shown_and_nothing_is_trained(undisturbed):
    began = len(undisturbed.events(FEW.run_id)[0])
    with Job(undisturbed, FEW, torchrun=False) as job:
        code, out, said = job.ended()
    assert code == 0 and json.loads(out)["state"] == "finished" and not said
    assert len(undisturbed.events(FEW.run_id)[0]) == began


def test_what_all_processes_meet_is_said_once(store):
    said = []
    for rank in "01":
        env = os.environ | {"RANK": rank, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}
        done = subprocess.run([sys.executable, "-m", "lthviz", "run", "--set", "rounds=many"], cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 2
        said += done.stderr.splitlines()
    assert said == ["lthviz: rounds = 'many' should be a whole number; pruning rounds after the dense one"]
