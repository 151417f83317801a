from __future__ import annotations

import copy

import torch

from lthviz.config import RunConfig
from lthviz.nn import device, state
from lthviz.nn.world import World


def test_batches_come_in_order_and_unchanged():
    batches = [(torch.full((2, 1, 2, 2), i), torch.tensor([i, i])) for i in range(4)]
    got = list(device.ahead(iter(batches), torch.device("cpu")))
    assert len(got) == 4 and all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(got, batches, strict=True))


def test_processes_of_a_machine_share_its_cores(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(6)), raising=False)
    before = torch.get_num_threads()
    try:
        assert [device.use_threads(RunConfig(), World(0, 8, 0, n)) for n in (1, 2, 4, 8)] == [6, 3, 1, 1]
        assert device.use_threads(RunConfig(threads=2), World(0, 8, 0, 8)) == 2 == torch.get_num_threads()
    finally:
        torch.set_num_threads(before)


def test_the_fingerprint_sees_a_single_bit():
    network = torch.nn.Linear(3, 2)
    other = copy.deepcopy(network)
    assert state.fingerprint(network) == state.fingerprint(other)
    with torch.no_grad():
        other.weight[1, 2] = torch.nextafter(other.weight[1, 2], torch.tensor(9.0))
    assert state.fingerprint(network) != state.fingerprint(other)
