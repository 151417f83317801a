"""What was taken in goes on like any other run: a branch of an imported network is the run that it came from, to the bit."""

import numpy as np
import pytest
import torch

from lthviz import branching, launch
from lthviz.config import structure
from lthviz.exchange import intake
from lthviz.exchange.intake import Asked
from lthviz.presets import PRESETS
from lthviz.store import Store
from tests.exchange.intake.networks import network, pruned, saved

SMALL = {"rounds": 1, "epochs": 2, "train_images": 150, "threads": 1, "keep_weights": "all"}
TRAINED = {k: v for k, v in PRESETS["digits"].config.to_dict().items() if k not in ("model", "data", "structures")}


def finished(store, run_id):
    launch.drive(store, run_id)
    return store.run(run_id)


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A small digits run, and the weights it rewound to."""
    store = Store(tmp_path_factory.mktemp("original") / "runs", examples="none")
    run = finished(store, store.begin(PRESETS["digits"].config.replace(**SMALL)))
    theta_k = {n.removeprefix("theta_k/"): v for n, v in store.checkpoint(run.id).arrays.items() if n.startswith("theta_k/")}
    return store, run, theta_k


def test_the_dense_network_and_what_it_rewinds_to_become_the_whole_run_again(original, tmp_path):
    theirs, run, theta_k = original
    state = {n: torch.from_numpy(np.array(v)) for n, v in theirs.round(run.id, 0).ticket("unstructured").weights.items()}
    rewind = saved(tmp_path / "rewind.pt", {n: torch.from_numpy(v) for n, v in theta_k.items()})
    store = Store(tmp_path / "runs", examples=tmp_path / "none")
    settings = {**TRAINED, **{k: v for k, v in SMALL.items() if k != "rounds"}}
    settings.pop("rounds", None)
    came = intake.take_in(store, intake.look(saved(tmp_path / "dense.pt", state), Asked(model=run.config.model, data="digits", rewind=rewind, settings=settings)))
    assert came.accuracies[0] == run.rows[0]["test_acc"]
    config = branching.settings(store.run(came.run_id)).replace(structures=run.config.structures, rounds=1)
    again = finished(store, branching.begin(store, came.run_id, 1, config))
    for label, ticket in theirs.round(run.id, 1).tickets.items():
        mine = store.round(again.id, 1).ticket(label)
        assert mine.masks == ticket.masks and mine.test_acc == ticket.test_acc, label
        assert all(np.array_equal(mine.weights[n], ticket.weights[n]) for n in ticket.weights), label


def test_an_imported_ticket_is_refilled_regrouped_and_trained_under_settings_of_ones_own(tmp_path):
    store = Store(tmp_path / "runs", examples=tmp_path / "none")
    net = pruned(network())
    came = intake.take_in(store, intake.look(saved(tmp_path / "a.pt", net.state_dict()), Asked(data="digits")))
    parent = store.run(came.run_id)
    groups = structure("regroup-groups=4-min_rows=8")
    config = branching.settings(parent).replace(structures=(structure("refill"), groups), epochs=1, batch_size=64, train_images=150, threads=1, keep_weights="all")
    branch = finished(store, branching.begin(store, parent.id, 1, config))
    masks = parent_masks = store.round(parent.id, 1).ticket("unstructured").masks
    there = store.round(branch.id, 1)
    assert there.ticket("unstructured").masks == parent_masks and there.ticket("unstructured").test_acc == came.accuracies[1], "taken over, not trained again"
    scores = {n: net.get_parameter(f"{n}_orig").abs().detach().numpy().reshape(len(masks[n]), -1) * masks.matrix(n) for n in masks}
    for name in masks:   # Refill, by hand: as many whole rows as the mask has weights, those of the largest sums
        rows = int(np.ceil(masks.nnz(name) / masks.matrix(name).shape[1]))
        best = np.sort(np.argsort(-scores[name].astype(np.float64).sum(1), kind="stable")[:rows])
        assert np.array_equal(np.flatnonzero(there.ticket("refill").masks.matrix(name).any(1)), best)
    assert there.ticket(groups.label).blocks and all(r["test_acc"] is not None for r in branch.rows if r["round"])
