"""The runs that come with the project: finished, readable, and in agreement with themselves."""

from pathlib import Path

import pytest

from lthviz.core import stats
from lthviz.records import Address
from lthviz.store import Store

EXAMPLES = Path(__file__).resolve().parents[2] / "data" / "examples"
NAMES = sorted(p.name for p in EXAMPLES.iterdir() if p.is_dir())


@pytest.fixture
def shown(tmp_path):
    """The store as a newcomer has it: no run of one's own."""
    return Store(tmp_path / "runs", examples=EXAMPLES)


def test_there_is_one_and_every_folder_is_one(shown):
    assert NAMES and sorted(shown.runs()) == NAMES and shown.broken() == {}
    assert all(shown.is_example(r) and shown.status(r).state == "finished" for r in NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_it_ran_to_its_end(shown, name):
    run = shown.run(name)
    assert (run.id, run.config.run_id) == (name, name), "its settings give its name"
    assert "damaged" not in run.info and run.layers and run.seconds > 0
    assert run.rounds == tuple(range(run.config.rounds + 1)) and run.config.rounds > 0
    assert [(r["round"], r["structure"]) for r in run.rows] == [(k, s) for k in run.rounds for s in run.config.tickets(k)]
    assert [e["state"] for e in shown.events(name)[0] if e["event"] == "state"][-1] == "finished"
    assert all(shown.round(name, k).complete for k in run.rounds)


@pytest.mark.parametrize("name", NAMES)
def test_its_masks_and_its_numbers_agree(shown, name):
    run = shown.run(name)
    weights = sum(layer.size for layer in run.layers)
    dense = run.rows[0]["test_acc"]
    for row in run.rows:
        ticket = shown.ticket(Address(name, row["round"], row["structure"]))
        masks = {layer.name: shown.mask(Address(name, row["round"], row["structure"], layer.name)) for layer in run.layers}
        assert {n: m.shape for n, m in masks.items()} == {layer.name: layer.shape for layer in run.layers}
        assert sum(int(m.sum()) for m in masks.values()) / weights == pytest.approx(row["density"], rel=1e-12)
        for layer, found in ticket.blocks.items():
            matrix = masks[layer].reshape(found.shape)
            assert all(matrix[r][:, c].all() for r, c in zip(found.rows, found.cols)), "a block is dense"
        inside = sum(found.area for found in ticket.blocks.values())
        assert inside / sum(int(m.sum()) for m in masks.values()) == pytest.approx(row["coverage"], rel=1e-12)
        again = stats.row(ticket, run.layers, dense)
        assert again == dict(row), "its row is what this lthviz would write"
        for layer in masks.keys() & (ticket.weights or {}):
            assert not ticket.weights[layer][~masks[layer]].any(), "a pruned weight is zero"
