"""Two and three real processes over gloo against one process that has the whole batch."""

from __future__ import annotations

import dataclasses
import itertools
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from lthviz.errors import ConfigError, WorldError
from lthviz.nn import device, world
from lthviz.nn.train import Trainer
from lthviz.nn.world import World
from tests.nn import world_cases as cases

ROOT = Path(__file__).resolve().parents[2]


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module", params=[2, 3])
def found(request, tmp_path_factory) -> list[dict]:
    """What each process of a world found, by rank."""
    folder, size = tmp_path_factory.mktemp("world"), request.param
    second = str(free_port())
    env = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": str(size), "LOCAL_WORLD_SIZE": str(size),
                        "LTHVIZ_TIMEOUT": "3", "OMP_WAIT_POLICY": "PASSIVE", "CUDA_VISIBLE_DEVICES": ""}
    ranks = [subprocess.Popen([sys.executable, "-m", "tests.nn.world_cases", str(folder), second], cwd=ROOT, stderr=subprocess.PIPE, text=True,
                              env=env | {"RANK": str(r), "LOCAL_RANK": str(r)}) for r in range(size)]
    try:
        for rank in ranks:
            _, errors = rank.communicate(timeout=240)
            assert rank.returncode == 0, errors
            assert "Warning" not in errors
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()
    return [torch.load(folder / f"{r}.pt", weights_only=False) for r in range(size)]


@pytest.fixture(scope="module")
def alone() -> dict:
    torch.set_num_threads(1)
    whole = {kind: cases.trained(cases.CONFIG, kind) for kind in cases.KINDS}
    return whole | {"last of two": cases.trained(cases.LAST_OF_TWO, "masked")}


def test_parts_cover_every_batch_once_and_evenly(found):
    for i, n in enumerate((0, 1, 2, 7, 128)):
        parts = [f["talk"]["part"][i] for f in found]
        assert [a for a, _ in parts] == [0, *(b for _, b in parts[:-1])] and parts[-1][1] == n
        sizes = [b - a for a, b in parts]
        assert max(sizes) - min(sizes) <= 1


def test_what_is_said_and_summed_is_the_same_everywhere(found):
    size = len(found)
    for f in (f["talk"] for f in found):
        assert f["sum"] == [size * (size + 1) / 2, 10 * size] and f["word"] == 5 and f["value"] == [0, 1, 2]
        assert f["gather"] == [3 * r for r in range(size)]
        assert f["by_first"] == [0, slice(0, 7), 1.0], "the first works as if it were alone"
        assert f["seconds"] > 3.9, "the others wait for it, longer than they would for one that is silent"
        assert "of rank 1 are not those of rank 0" in f["apart"]
        assert f"rank 0 of {size} has no GPU of its own" in f["gpu"] and f["auto"] == "cpu"


def test_loading_goes_by_turns_however_long_it_takes_and_one_of_a_machine_looks_through_the_files(found):
    """Each turn is longer than the world's patience; nobody goes on before all are through."""
    turns = [f["talk"]["turns"] for f in found]
    assert [lead for lead, _, _ in turns] == [True, True, False][:len(found)]
    for (_, _, ended), (_, began, _) in itertools.pairwise(turns):
        assert began >= ended
    assert min(f["talk"]["waited"] for f in found) >= turns[-1][2]


def test_dropout_is_drawn_by_step_and_rank(found):
    """A training that goes on has the bits of one that was never interrupted, and all have the same weights."""
    for f in (f for f in found if f["dropout"]):
        whole, again = f["dropout"]
        for part in ("state", "momentum"):
            for name, value in whole[part].items():
                np.testing.assert_array_equal(again[part][name], value, err_msg=name)
        assert again["epochs"] == whole["epochs"]
        for name, value in found[0]["dropout"][0]["state"].items():
            if "num_batches" not in name:
                np.testing.assert_array_equal(whole["state"][name], value, err_msg=name)


def test_a_network_that_does_not_use_all_of_itself_trains_as_in_one_process(found):
    expected = cases.idle()
    for f in found:
        np.testing.assert_allclose(f["idle"]["losses"], expected["losses"], rtol=2e-3)
        for name, value in expected["state"].items():
            np.testing.assert_allclose(f["idle"]["state"][name], value, rtol=2e-2, atol=2e-3, err_msg=name)
        assert (f["idle"]["state"]["spare.weight"] == 0.5).all() and (f["idle"]["state"]["spare.bias"] == 0.25).all(), "nor does it decay"


def test_a_network_that_uses_a_layer_now_and_then_is_refused_in_a_line(found):
    for f in found:
        assert "does not use now_and_then.weight, now_and_then.bias in every step" in f["fickle"] and "\n" not in f["fickle"]


def test_each_process_evaluates_as_many_images_at_once_as_one_alone_would(images, config):
    for size in ((3, 224, 224), (1, 8, 8)):
        class Of(type(images)):
            @property
            def shape(self, size=size):
                return size
        of = Of(*(getattr(images, f.name) for f in dataclasses.fields(images)))
        alone = Trainer(config, of)._at_once
        assert [Trainer(config, of, (), World(r, 64))._at_once // 64 for r in (0, 63)] == [alone, alone]
        assert World(63, 64).part(64 * alone).stop - World(63, 64).part(64 * alone).start == alone


@pytest.mark.parametrize("kind", cases.LAYERS)
def test_batchnorm_over_parts_is_batchnorm_of_the_whole(found, kind):
    """Forward, every gradient and the running statistics, for even, uneven, single and empty parts."""
    for memory_format in cases.FORMATS if kind != "1d" else ("contiguous",):
        expected = cases.normalised(kind, memory_format)
        for i, _ in enumerate(cases.SPLITS):
            parts = [f["bn"][i, kind, memory_format] for f in found]
            for name, value in expected.items():
                got = [p[name] for p in parts]
                got = torch.cat(got) if name in ("out", "dx") else sum(got) if name.startswith("grad") else got[-1]
                torch.testing.assert_close(got, value, rtol=2e-5, atol=2e-5, msg=lambda m, i=i, name=name: f"{cases.SPLITS[i]} {name}: {m}")
            assert all(torch.equal(p[n], parts[0][n]) for p in parts for n in p if n.startswith("state"))
            if memory_format == "channels_last":
                assert all(p["out"].is_contiguous(memory_format=torch.channels_last) for p in parts)


def test_batchnorm_in_bfloat16(found):
    x, _ = cases.batch("2d", "channels_last")
    got = torch.cat([f["bfloat16"] for f in found])
    assert got.dtype == torch.bfloat16
    torch.testing.assert_close(got.float(), F.batch_norm(x.bfloat16().float(), None, None, training=True), rtol=0.01, atol=0.01)
    expected, parts = cases.autocast(), [f["autocast"] for f in found]
    assert parts[0]["out"].dtype == expected["out"].dtype
    torch.testing.assert_close(torch.cat([p["out"] for p in parts]), expected["out"], rtol=0.02, atol=0.02)
    torch.testing.assert_close(sum(p["scale"] for p in parts), expected["scale"], rtol=0.02, atol=0.05)
    torch.testing.assert_close(sum(p["weight"] for p in parts), expected["weight"], rtol=0.05, atol=0.5)
    torch.testing.assert_close(parts[0]["var"], expected["var"], rtol=1e-4, atol=1e-4)


def test_a_training_in_parts_is_that_of_one_process_within_float_noise(found, alone):
    for got, expected in ((f["trained"][kind], alone[kind]) for f in found for kind in found[0]["trained"]):
        np.testing.assert_allclose(got["losses"], expected["losses"], rtol=2e-3, atol=1e-4)
        for name, value in expected["state"].items():
            np.testing.assert_allclose(got["state"][name], value, rtol=2e-2, atol=2e-3, err_msg=name)
        for a, b in zip(got["epochs"], expected["epochs"], strict=True):
            assert (a.epoch, a.step, a.lr) == (b.epoch, b.step, b.lr) and a.train_loss == pytest.approx(b.train_loss, rel=2e-3)
            assert abs(a.train_acc - b.train_acc) < 3 and abs(a.val_acc - b.val_acc) < 10   # an image or two
        assert abs(got["test"] - expected["test"]) < 1.5


def test_the_first_update_is_equal_to_the_last_digits(found, alone):
    assert {*cases.KINDS[2:], "last of two"} <= found[0]["trained"].keys()
    for kind in found[0]["trained"]:
        assert len({f["trained"][kind]["losses"][0] for f in found}) == 1
        assert found[0]["trained"][kind]["losses"][:2] == pytest.approx(alone[kind]["losses"][:2], rel=1e-5)


def test_all_processes_end_with_the_same_bits(found):
    for first, other in ((found[0]["trained"][kind], f["trained"][kind]) for f in found[1:] for kind in found[0]["trained"]):
        for name, value in first["state"].items():
            np.testing.assert_array_equal(other["state"][name], value, err_msg=name)
        assert other["epochs"] == first["epochs"] and other["test"] == first["test"]


def test_what_is_masked_is_zero_in_every_process(found):
    for f in found:
        for kind in ("last of two", "smaller"):
            state = f["trained"][kind]["state"]
            weights = [n for n in state if n.startswith("features") and state[n].ndim == 4]
            assert len(weights) == 3 and all(state[n].any() and not state[n][:len(state[n]) // 3].any() for n in weights)


def test_going_on_from_a_snapshot_gives_the_same_bits_in_the_same_world(found):
    for f in found:
        whole, again = f["trained"]["smaller"], f["again"]
        for part in ("state", "momentum"):
            for name, value in whole[part].items():
                np.testing.assert_array_equal(again[part][name], value, err_msg=name)
        assert again["epochs"] == whole["epochs"]


def test_where_a_peer_is_gone_nothing_is_closed_that_needs_it():
    """Closing a group of NCCL's waits for all of its members; a process whose peer has died leaves that to its own end."""
    env = os.environ | {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2", "LTHVIZ_TIMEOUT": "20"}
    ranks = [subprocess.Popen([sys.executable, "-m", "tests.nn.world_cases", "lost"], cwd=ROOT, env=env | {"RANK": str(r)}, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE) for r in range(2)]
    try:
        said, errors = ranks[0].communicate(timeout=120)
    finally:
        for rank in ranks:
            rank.kill()
            rank.communicate()
    assert (said.split("\n")[:2], ranks[0].returncode) == (["PeerLost", "left open"], 0), errors
    assert "Traceback" not in errors


# Alone -----------------------------------------------------------------------------------------------------------------


def test_a_single_process_is_a_world_of_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    with world.joined() as one:
        assert one.first and one.part(5) == slice(0, 5) and one.broadcast("x") == "x" and one.tell(3) == 3 and one.by_first(lambda: 4) == 4
        assert one.gather(6) == [6] and one.sum(torch.ones(2)).tolist() == [1, 1]
        network = torch.nn.Linear(1, 1)
        assert one.parallel(network) is network


@pytest.mark.parametrize("env, says", [
    ({"RANK": "0"}, "WORLD_SIZE is None"), ({"WORLD_SIZE": "2"}, "RANK is None"), ({"RANK": "one", "WORLD_SIZE": "2"}, "RANK is 'one'"),
    ({"RANK": "2", "WORLD_SIZE": "2"}, "RANK=2, WORLD_SIZE=2"), ({"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "x"}, "LOCAL_RANK is 'x'"),
    ({"RANK": "0", "WORLD_SIZE": "2"}, "MASTER_ADDR:MASTER_PORT"),
    ({"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0", "LTHVIZ_TIMEOUT": "soon"}, "LTHVIZ_TIMEOUT is 'soon'"),
])
def test_wrong_variables_are_named(monkeypatch, env, says):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(WorldError) as caught, world.joined():
        pass
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_peer_that_never_comes_is_waited_for_no_longer_than_asked():
    env = os.environ | {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "LTHVIZ_TIMEOUT": "1"}
    code = "from lthviz.cli import main; import sys; sys.exit(main(['run', '--set', 'data=digits']))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    line = [x for x in done.stderr.splitlines() if x.startswith("lthviz:")]
    assert len(line) == 1 and "rank 1 of 2 found not all of the others" in line[0] and "LTHVIZ_TIMEOUT" in line[0]
    assert "Traceback" not in done.stderr


# Compiling -------------------------------------------------------------------------------------------------------------


def test_a_compiled_network_trains_as_the_network():
    config = cases.CONFIG.replace(compile="compile", train_images=32, epochs=1)
    got, expected = cases.trained(config, "masked"), cases.trained(config.replace(compile="none"), "masked")
    np.testing.assert_allclose(got["losses"], expected["losses"], rtol=1e-3)
    for name, value in expected["state"].items():
        np.testing.assert_allclose(got["state"][name], value, rtol=2e-2, atol=2e-3, err_msg=name)


def test_where_nothing_can_be_compiled_it_is_said(monkeypatch):
    config, network = cases.CONFIG.replace(compile="compile"), torch.nn.Linear(1, 1)
    with pytest.raises(ConfigError, match="several processes"):
        device.compiled(config, network, torch.device("cpu"), World(0, 2))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(ConfigError, match=r"C\+\+ compiler"):
        device.compiled(config, network, torch.device("cpu"))
    assert device.compiled(config.replace(compile="none"), network, torch.device("cpu")) is network
