"""Settings of single layers: their text, and that a structure applies them layer by layer."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lthviz.config import Refill, Regroup, RunConfig, assignments, structure
from lthviz.core import regroup as core_regroup
from lthviz.core.blocks import to_mask
from lthviz.core.partition import partition
from lthviz.core.refill import magnitude_scores, refill
from lthviz.core.structures import apply
from lthviz.errors import ConfigError
from lthviz.methods import Random, overrides
from lthviz.records import Masks
from lthviz.seeds import derive
from lthviz.store.timings import file_name

ROOT = Path(__file__).resolve().parents[2]
RNG = np.random.default_rng(3)
SHAPES = {"conv1.weight": (32, 4, 3, 3), "layer1.0.conv1.weight": (48, 32, 1, 1), "layer1.0.conv2.weight": (1, 9), "fc.weight": (10, 48)}
MASKS = Masks.of({name: RNG.random(shape) < 0.3 for name, shape in SHAPES.items()})
WEIGHTS = {name: RNG.standard_normal(shape) for name, shape in SHAPES.items()}
NAMES = [name.removesuffix(".weight") for name in SHAPES]

regroup_own = st.fixed_dictionaries({}, optional={"groups": st.integers(1, 64), "t1": st.floats(1e-6, 900), "min_rows": st.integers(0, 40),
                                                  "leftovers": st.sampled_from(["drop", "keep"])})
refill_own = st.fixed_dictionaries({}, optional={"rho": st.floats(0, 1), "fractional": st.booleans()})


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])     # a busy machine is no fault of the labels
@given(st.dictionaries(st.sampled_from(NAMES), regroup_own), st.dictionaries(st.sampled_from(NAMES), refill_own), st.floats(0.1, 9))
def test_the_label_names_files_addresses_and_shell_words_and_is_read_back(groups, rhos, t1):
    found = [Regroup(t1=t1), Refill(rho=0.25)]
    for i, own in enumerate((groups, rhos)):
        for name, values in own.items():
            found[i] = found[i].set(name, **values)
            assert all(getattr(found[i].of(f"{name}.weight"), k) == v for k, v in values.items())
    for s in found:
        assert structure(s.label) == s and structure(json.loads(json.dumps(s.to_dict()))) == s
        assert re.fullmatch(r"[A-Za-z0-9._=@-]*", s.label) and "/" not in file_name(s.label)
        assert Random(of=s.label).other == s and structure(Random(of=s.label).label) == Random(of=s.label)
    config = RunConfig(structures=tuple(found))
    assert RunConfig.from_dict(assignments([f"structures={','.join(s.label for s in found)}"])) == config
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("text", ["conv2: t1=3, groups=4; conv1: t1=3, groups=4", "conv1.weight@conv2@groups=4@t1=3",
                                  "conv1@groups=4@t1=3.0@conv2@t1=3.00@groups=4", "  conv2 conv1 t1=3 groups=4 min_rows=16"])
def test_one_meaning_has_one_text(text):
    assert Regroup(layers=text).layers == "conv1@conv2@groups=4@t1=3.0"
    assert Regroup(layers=text).label == "regroup-layers=conv1@conv2@groups=4@t1=3.0"


def test_what_a_structure_says_anyway_is_not_said_again():
    assert Regroup(groups=4, layers="conv1@groups=4") == Regroup(groups=4)
    assert Regroup(layers="conv1@groups=4").set("conv1") == Regroup() == Regroup(layers="conv1@groups=4").set("conv1.weight", groups=None)
    assert Regroup(layers="conv1@groups=4").set("conv1", t1=2).layers == "conv1@groups=4@t1=2.0"
    assert Regroup().label == "regroup" and Refill().to_dict() == {"kind": "refill"}


def test_its_name_says_which_layer_or_how_many():
    assert Refill(rho=0.2, layers="a@b@rho=0.1").name == "Refill+ (ρ 0.2, own settings for 2 layers)"
    assert Regroup(groups=4, layers="a@groups=2").name == "Regroup (groups 4, own settings for a)"


@pytest.mark.parametrize(("make", "words"), [
    (lambda: Regroup(layers="t1=3"), ["t1=3", "name the layer first"]),
    (lambda: Regroup(layers="conv1"), ["sets nothing for 'conv1'"]),
    (lambda: Regroup(layers="conv1@t2=3"), ["'t2'", "'conv1'", "t1"]),
    (lambda: Regroup(layers="conv1@variant=paper"), ["'variant'", "groups, t1"]),
    (lambda: Refill(layers="conv1@groups=3"), ["'groups'", "refill", "rho, fractional"]),
    (lambda: Refill(layers="conv1@rho=3"), ["conv1", "rho = 3", "between 0 and 1"]),
    (lambda: Refill(layers="conv1@rho=x"), ["conv1", "rho = 'x'", "a number"]),
    (lambda: Regroup(layers="conv1@min_cols=3"), ["conv1", "min_cols", "variant"]),
    (lambda: Refill(layers="conv1@rho=0.1@rho=0.2"), ["'rho' twice"]),
    (lambda: Refill(layers="conv1@rho=0.1@conv1@fractional=true"), ["'conv1' twice"]),
    (lambda: Refill(layers="../x@rho=0.1"), ["'../x'", "no layer's name"]),
    (lambda: Refill(layers=3), ["layers = 3", "text"]),
])
def test_what_cannot_be_read_is_one_clear_line(make, words):
    with pytest.raises(ConfigError) as e:
        make()
    assert "\n" not in str(e.value)
    for word in words:
        assert word in str(e.value)


@pytest.mark.parametrize("s", [Regroup(groups=2, layers="conv@groups=4"), Refill(score="remain", layers="conv@rho=0.1")])
def test_a_layer_that_is_not_there_is_named_with_its_near_misses(s):
    with pytest.raises(ConfigError, match="'conv', which is no layer of this network; did you mean conv1"):
        apply(s, MASKS)


def test_a_layer_that_refill_leaves_as_it_is_takes_no_setting():
    with pytest.raises(ConfigError, match="'fc', whose rows are the classes"):
        apply(Refill(score="remain", layers="fc@rho=0.5"), MASKS, classifier=["fc.weight"])
    with pytest.raises(ConfigError, match="groups = 64 is more than the 48 rows"):
        apply(Regroup(groups=64), MASKS)


def test_regroup_is_what_its_settings_make_layer_by_layer():
    s = Regroup(groups=2, min_rows=4, layers="conv1@groups=4@t1=0.5@min_rows=2@fc@leftovers=keep@t1=4@layer1.0.conv1@groups=3@imbalance=0.4@tile_rows=8")
    own = {"conv1.weight": Regroup(groups=4, t1=0.5, min_rows=2), "layer1.0.conv1.weight": Regroup(groups=3, min_rows=4, imbalance=0.4, tile_rows=8),
           "layer1.0.conv2.weight": Regroup(groups=2, min_rows=4), "fc.weight": Regroup(groups=2, min_rows=4, t1=4, leftovers="keep")}
    made = apply(s, MASKS, seed=5)
    assert made.masks != apply(Regroup(groups=2, min_rows=4), MASKS, seed=5).masks
    for name, mine in own.items():
        divided = partition(MASKS.matrix(name), mine.groups, imbalance=mine.imbalance, seed=derive(5, "partition", name))
        alone = core_regroup.regroup(Masks.of({name: MASKS[name]}), mine, partitions={name: divided})
        same(made, alone, name)


def test_refill_is_what_its_settings_make_layer_by_layer():
    made = apply(Refill(rho=0.1, layers="conv1@rho=0.5@layer1.0.conv1@fractional=true"), MASKS, weights=WEIGHTS, classifier=["fc.weight"])
    scores = magnitude_scores(MASKS, WEIGHTS)
    for name, mine in {"conv1.weight": {"rho": 0.5}, "layer1.0.conv1.weight": {"rho": 0.1, "fractional": True}, "layer1.0.conv2.weight": {"rho": 0.1}}.items():
        same(made, refill(Masks.of({name: MASKS[name]}), scores, weights=WEIGHTS, **mine), name)
    assert (made.masks["fc.weight"] == MASKS["fc.weight"]).all() and made.notes["fc.weight"]["spared"]
    assert list(made.masks) == list(MASKS)


def same(made, alone, name):
    assert (made.masks[name] == alone.masks[name]).all() and made.notes[name] == alone.notes[name]
    assert (name in made.blocks) == (name in alone.blocks)
    if name in made.blocks:
        assert len(made.blocks[name]) == len(alone.blocks[name]) and (to_mask(made.blocks[name]) == to_mask(alone.blocks[name])).all()


@pytest.mark.parametrize(("words", "s"), [
    (["regroup", "--groups", "2", "--min-rows", "4", "--layers", "conv1@groups=4", "--seed", "5"], Regroup(groups=2, min_rows=4, layers="conv1@groups=4")),
    (["refill", "--score", "remain", "--layers", "conv1: rho=0.5"], Refill(score="remain", layers="conv1@rho=0.5"))], ids=["regroup", "refill"])
def test_the_command_line_does_the_same(tmp_path, words, s):
    np.savez(tmp_path / "masks.npz", **{name: MASKS[name] for name in MASKS})
    done = subprocess.run([sys.executable, "-m", "lthviz", words[0], str(tmp_path / "masks.npz"), *words[1:], "-o", str(tmp_path / "out.npz"), "--json"],
                          cwd=ROOT, check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(done.stdout)["structure"] == s.label
    with np.load(tmp_path / "out.npz") as file:
        assert Masks.of({k: file[k].astype(bool) for k in file.files}) == apply(s, MASKS, seed=5).masks


def test_layers_are_checked_once_a_structure_however_often_they_are_asked_for(monkeypatch):
    names = [f"a{i}" for i in range(40)]
    structure = Regroup(layers="@".join(f"{name}@t1={2 + i}" for i, name in enumerate(names)))
    checked = []
    values = overrides._values
    monkeypatch.setattr(overrides, "_values", lambda *given: checked.append(1) or values(*given))
    turned = structure.set("a3", t1=99.0)
    for _ in range(3):
        assert [turned.of(name).t1 for name in names] == [99.0 if i == 3 else 2.0 + i for i in range(40)]
        turned.own["a3"]["t1"] = 5.0     # whoever asked has a dict of their own
        assert turned.own["a3"] == {"t1": 99.0} and turned.name == "Regroup (own settings for 40 layers)"
    assert len(checked) <= 2 * len(names), "as it is typed, and in its one form"
