"""What a sweep's file makes, against the combinations written out by hand, and what it says of a wrong one."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.config import Earlier, Random, Refill, Regroup, RunConfig
from lthviz.errors import ConfigError
from lthviz.presets import preset
from lthviz.sweep import grid

ALL = """
title = "All of it"
preset = "digits"
rounds = 3
[grid]
structures = ["refill", ["refill-rho=0.2", "regroup-groups=4"], "refill,random"]
rate = [0.2, 0.5]
seed = [0, 1, 2]
milestones = [[2], [1, 3]]
[[grid.variant]]
lr = 0.1
[[grid.variant]]
lr = 0.02
weight_decay = 0.0
schedule = "step"
"""


def test_every_combination_in_the_order_of_the_file():
    base = preset("digits").config.replace(rounds=3)
    structures = [(Refill(),), (Refill(rho=0.2), Regroup(groups=4)), (Refill(), Random())]
    variants = [{"lr": 0.1}, {"lr": 0.02, "weight_decay": 0.0, "schedule": "step"}]
    by_hand = [base.replace(structures=s, rate=r, seed=seed, milestones=m, **v)
               for v, s, r, seed, m in itertools.product(variants, structures, (0.2, 0.5), (0, 1, 2), ((2,), (1, 3)))]
    made = grid.parse(ALL, "all")
    assert [p.config for p in made.points] == by_hand and made.combinations == len(by_hand) == 72
    assert made.ids == tuple(c.run_id for c in by_hand) and {p.preset for p in made.points} == {"digits"}
    assert (made.name, made.title, made.text) == ("all", "All of it", ALL)
    assert made.points[0].words == "lr 0.1, structures refill, rate 0.2, seed 0, milestones 2"


@given(st.dictionaries(st.sampled_from(["seed", "rounds", "epochs", "batch_size"]), st.lists(st.integers(2, 9), min_size=1, max_size=4), min_size=1, max_size=3))
def test_as_many_runs_as_distinct_combinations(axes):
    text = "[grid]\n" + "\n".join(f"{k} = {v}" for k, v in axes.items())
    made = grid.parse(text, "some")
    combinations = list(itertools.product(*axes.values()))
    assert made.combinations == len(combinations)
    assert made.ids == tuple(dict.fromkeys(RunConfig(**dict(zip(axes, c))).run_id for c in combinations))


def test_points_with_the_same_id_are_one_run():
    """Where a run runs is no part of what it is, and 0.2 is Refill+'s way to say what 0.20 says."""
    made = grid.parse('[grid]\nthreads = [1, 2]\nstructures = ["refill-rho=0.2", "refill-rho=0.20"]\n', "same")
    assert len(made.points) == 1 and made.combinations == 4 and made.points[0].config.threads == 1


def test_presets_models_and_data_vary_like_anything_else():
    made = grid.parse('rounds = 2\n[grid]\npreset = ["digits", "resnet20-cifar10"]\nseed = [0, 1]\n', "p")
    assert [(p.preset, p.config.seed) for p in made.points] == [(p, s) for p in ("digits", "resnet20-cifar10") for s in (0, 1)]
    assert made.points[2].config == preset("resnet20-cifar10").config.replace(rounds=2)


def test_without_a_grid_it_is_one_run():
    assert grid.parse('preset = "digits"', "one").ids == (preset("digits").config.run_id,)


def test_branches_come_behind_the_run_that_they_branch_from():
    made = grid.parse('preset = "digits"\nrounds = 3\n[grid]\nseed = [0, 1]\n[[branches]]\nstructures = ["refill-rho=0.2"]\n'
                      '[[branches]]\nround = 2\nrounds = 2\nstructures = ["random"]\n', "family")
    base = preset("digits").config.replace(rounds=3)
    by_hand = []
    for seed in (0, 1):
        parent = base.replace(seed=seed)
        was = Earlier(2, parent.structures, "", parent.rate, parent.calibration_images)
        by_hand += [parent, parent.replace(structures=(Refill(rho=0.2),), parent=parent.run_id, from_round=1),
                    parent.replace(structures=(Random(),), rounds=2, parent=parent.run_id, from_round=2, earlier=(was,))]
    assert [p.config for p in made.points] == by_hand and made.combinations == 6
    assert made.points[2].words == "seed 0, round 2, rounds 2, structures random"


@pytest.mark.parametrize(("text", "said"), [
    ("seed = 1\n[[branches]]\nlr = 0.2", ["lr stands in [[branches]]", "its parent's"]),
    ("seed = 1\n[[branches]]\nstructure = ['random']", ["'structure' in [[branches]]", "structures"]),
    ("seed = 1\n[[branches]]\nround = 0", ["round = 0 in [[branches]]", "from 1 on"]),
    ("seed = 1\nrounds = 3\n[[branches]]\nround = 4", ["rounds = 3 ends before round 4"]),
    ("seed = 1\nbranches = 3", ["[[branches]]"]),
    ("[grid]\nseeds = [0]", ["'seeds' in [grid] is not a setting", "did you mean seed"]),
    ("ruonds = 3", ["'ruonds' is not a setting", "rounds"]),
    ("[[grid.variant]]\nmodle = 'vgg16'", ["'modle' in [[grid.variant]]", "model"]),
    ("[gird]\nseed = [0]", ["'gird' is not a setting", "grid"]),
    ("preset = 'digit'", ["preset 'digit'", "digits"]),
    ("[grid]\nmodel = ['resnet2O']", ["model = 'resnet2O'", "resnet20"]),
    ("[grid]\nrate = [0.2, 1.5]", ["rate = 1.5", "between 0 and 1"]),
    ("[grid]\nstructures = ['regrup']", ["regrup", "regroup"]),
    ("[grid]\nseed = 3", ["seed = 3 in [grid] should be a list", "above [grid]"]),
    ("[grid]\nseed = []", ["makes no run", "seed is an empty list"]),
    ("[grid]\nseed = [1]\nvariant = []", ["makes no run", "variant is an empty list"]),
    ("[grid]\nvariant = [1]", ["[[grid.variant]]"]),
    ("[grid]\nmilestones = [80, 120]", ["list of lists", "[[80, 120], [40]]"]),
    ("seed = 1\n[grid]\nseed = [1, 2]", ["seed stands above [grid] and inside it"]),
    ("[grid]\nlr = [0.1]\n[[grid.variant]]\nlr = 0.2", ["lr stands in [grid] and in [[grid.variant]]"]),
    ("[grid]\nseed = [0.5]", ["seed = 0.5", "whole number"]),
    ("title = 3", ["title = 3"]),
    ("grid = 3", ["should be a table"]),
    ("preset = 3", ["preset = 3"]),
    ("[grid\n", ["is not TOML"]),
])
def test_a_wrong_file_gets_one_line(text, said):
    with pytest.raises(ConfigError) as e:
        grid.parse(text, "wrong")
    assert "\n" not in str(e.value) and "'wrong'" in str(e.value)
    for words in said:
        assert words in str(e.value)


def test_a_grid_without_end_is_refused_before_it_is_made():
    axes = "\n".join(f"{k} = {list(range(2, 100))}" for k in ("seed", "rounds", "epochs", "batch_size", "warmup", "train_images"))
    with pytest.raises(ConfigError, match=r"makes 885,842,380,864 runs; a sweep has 100,000 at most"):
        grid.parse("[grid]\n" + axes, "endless")


def test_files_that_cannot_be_read_get_one_line(tmp_path):
    (tmp_path / "latin.toml").write_bytes("title = 'é'".encode("latin-1"))
    for name, why in (("nowhere.toml", "is not there"), ("latin.toml", "not UTF-8"), (".", "cannot be read")):
        with pytest.raises(ConfigError, match=why):
            grid.read(tmp_path / name)
