"""Whole tiny runs of every method: densities, where each training starts, resuming in the middle, what is refused."""

import itertools

import numpy as np
import pytest

from lthviz import methods
from lthviz.config import UNSTRUCTURED, StageId
from lthviz.core import stats
from lthviz.engine import Experiment, events
from lthviz.errors import ConfigError
from lthviz.methods import STRUCTURES, structure
from lthviz.nn import models
from lthviz.nn.state import get_state
from lthviz.records import Epoch, Stage, Step
from tests.small import SMALL
from tests.test_engine import run, same

LABELS = ("refill", "random-of=refill", "random-shuffle=channels-of=regroup~groups=4~min_rows=8", "regroup-groups=4-min_rows=8", "random",
          "reinit", "reinit-of=refill", "omp", "snip", "grasp-per_class=3", "synflow-iterations=5", "slimming", "filters", "filters-scope=global",
          "nm", "nm-n=1-m=3")
CONFIG = SMALL.replace(structures=LABELS, bn_l1=1e-4)


@pytest.fixture(scope="module")
def whole():
    return run(CONFIG)


def test_every_method_is_among_them():
    assert {structure(label).kind for label in LABELS} == STRUCTURES.keys()


def test_every_ticket_is_trained_and_the_batches_add_up(whole):
    rounds, seen = whole
    steps = [e for e in seen if isinstance(e, Step)]
    assert [e.done for e in steps] == list(range(1, len(steps) + 1)) and steps[-1].done == steps[-1].total
    full = CONFIG.epochs * 3
    begun_anew = sum(structure(label).begins != "rewound" for label in LABELS)
    assert begun_anew == 5 and len(steps) == full + 2 * ((1 + len(LABELS)) * (full - 1) + begun_anew)
    for i in (1, 2):
        assert rounds[i].tickets.keys() == {UNSTRUCTURED, *LABELS} and all(t.test_acc is not None for t in rounds[i].tickets.values())


def test_densities(whole):
    for i in (1, 2):
        tickets, layers = whole[0][i].tickets, whole[1][0].layers
        trunk = tickets[UNSTRUCTURED].masks
        for label in ("random", "reinit", "omp", "snip", "grasp-per_class=3", "synflow-iterations=5"):
            assert tickets[label].masks.nnz() == trunk.nnz(), label
        for label in ("slimming", "filters", "filters-scope=global"):
            over = tickets[label].masks.nnz() - trunk.nnz()
            assert 0 <= over <= (1152 if label != "filters" else 3 * 1152), label
        assert tickets["nm"].masks.density() == 0.5
        assert tickets["reinit-of=refill"].masks == tickets["refill"].masks and tickets["reinit"].masks == trunk
        for name in trunk:
            assert tickets["random-of=refill"].masks.nnz(name) == tickets["refill"].masks.nnz(name)
        shuffled, grouped = (tickets[label] for label in LABELS[2:4])
        assert shuffled.masks != grouped.masks and stats.coverage(shuffled.masks, shuffled.blocks) == stats.coverage(grouped.masks, grouped.blocks)
        assert all(t.structural is stats.row(t, layers, None)["smaller"] or t.structural for t in tickets.values())


def test_only_the_density_decides_what_is_pruned_before_training(whole):
    one, two = (whole[0][i].tickets for i in (1, 2))
    for label in ("snip", "grasp-per_class=3", "omp"):    # one ranking for all rounds: a sparser mask lies inside a denser one
        assert stats.overlap(one[label].masks, two[label].masks).added == 0
    trained = whole[0][0].tickets[UNSTRUCTURED].weights
    kept, gone = ([np.abs(trained[n][m]) for n, m in pairs] for pairs in (
        [(n, two["omp"].masks[n]) for n in two["omp"].masks], [(n, ~two["omp"].masks[n]) for n in two["omp"].masks]))
    assert np.concatenate(kept).min() >= np.concatenate(gone).max()


@pytest.mark.parametrize("index", [1, 2])
def test_where_each_training_starts(index):
    """The network's weights before the first batch of each ticket, against θk, θ0 and a network of another seed."""
    config = SMALL.replace(structures=("refill", "reinit-of=refill", "snip", "omp"), rounds=index)
    experiment = Experiment(config)
    theta_0, starts, steps, label, real = get_state(experiment.model), {}, {}, None, experiment.trainer.train
    for e in experiment:
        if isinstance(e, Stage):
            stages = config.stages(e.round.index)
            label = stages[e.round.stages_done] if e.round.index == index and e.round.stages_done < len(stages) else None
            if isinstance(label, StageId) and label.kind == "train":
                steps[label.structure] = 0

                def spy(model, *args, label=label, **more):
                    starts[label.structure] = get_state(model)
                    return real(model, *args, **more)
                experiment.trainer.train = spy
        elif isinstance(e, Step) and isinstance(label, StageId):
            steps[label.structure] += 1
    assert steps == {UNSTRUCTURED: 5, "refill": 5, "omp": 5, "snip": 6, "reinit-of=refill": 6}
    for name, value in theta_0.items():
        np.testing.assert_array_equal(starts["snip"][name], value)
        np.testing.assert_array_equal(starts["omp"][name], experiment.theta_k[name])
        np.testing.assert_array_equal(starts["refill"][name], experiment.theta_k[name])
    fresh = starts["reinit-of=refill"]
    assert (fresh["fc.weight"] != theta_0["fc.weight"]).all() and (fresh["features.0.weight"] != theta_0["features.0.weight"]).all()
    assert fresh["features.0.weight"].std() == pytest.approx(theta_0["features.0.weight"].std(), rel=0.05)
    other = models.build(config.replace(seed=1), experiment.images.shape, 10)
    assert not np.array_equal(fresh["fc.weight"], get_state(other)["fc.weight"]), "the seeds of other runs are not taken"


@pytest.mark.parametrize("stop", [7, 27, 31, 49, 60])
def test_going_on_in_the_middle_gives_the_same_bits(short, stop):
    rounds, config = short
    checkpoint, n = None, 0
    for e in events(config):
        if isinstance(e, Epoch | Stage):
            n += 1
            if n == stop:
                checkpoint = e.snapshot()
                break
    again, _ = run(config, checkpoint)
    assert again
    for i, r in again.items():
        same(r, rounds[i])


@pytest.fixture(scope="module")
def short():
    config = SMALL.replace(structures=("omp", "snip", "grasp-per_class=3", "synflow-iterations=5", "slimming", "filters", "nm", "reinit-of=refill",
                                       "random-shuffle=channels-of=slimming"), bn_l1=1e-3)
    return run(config)[0], config


@pytest.mark.parametrize("label", ["filters", "slimming", "nm"])
def test_in_the_loop(label):
    """Structured pruning put directly inside magnitude pruning: channels that are gone stay gone."""
    config = SMALL.replace(structures=(label,), in_loop=label, rounds=3)
    rounds, _ = run(config)
    masks = [rounds[i].ticket(label).masks for i in (1, 2, 3)]
    if label != "nm":
        assert masks[0].nnz() > masks[1].nnz() > masks[2].nnz()
        for a, b in itertools.pairwise(masks):
            assert stats.overlap(a, b).added == 0


@pytest.mark.parametrize("label", ["omp", "snip", "grasp", "synflow", "reinit"])
def test_what_cannot_be_fed_back_is_refused(label):
    with pytest.raises(ConfigError, match=f"in_loop = '{label}' cannot be pruned further"):
        SMALL.replace(structures=(label,), in_loop=label)


def test_what_cannot_work_is_said_before_anything_is_trained():
    with pytest.raises(ConfigError, match="groups = 200 is more than the 128 rows"):
        next(events(SMALL.replace(structures=("reinit-of=regroup~groups=200",))))
    with pytest.raises(ConfigError, match="calibration_images = 1 is too few for snip"):
        next(events(SMALL.replace(structures=("snip",), calibration_images=1)))


def test_slimming_trains_as_its_smaller_network(whole):
    layers = whole[1][0].layers
    assert stats.trains_smaller(whole[0][2].tickets["slimming"], layers) and stats.trains_smaller(whole[0][2].tickets["reinit-of=refill"], layers)
    assert not stats.trains_smaller(whole[0][2].tickets["omp"], layers)
    assert not methods.structural("random-of=refill") and methods.structural("random-shuffle=channels-of=refill")
