import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz.config import STRUCTURES, Random, Refill, Regroup, RunConfig, assignments, read_toml, structure
from lthviz.errors import ConfigError
from lthviz.presets import PRESETS, preset

refills = st.builds(Refill, score=st.sampled_from(["magnitude", "remain", "l2"]), rho=st.floats(0, 1), fractional=st.booleans())
regroups = st.builds(Regroup, groups=st.integers(1, 64), t1=st.floats(1e-5, 10), leftovers=st.sampled_from(["drop", "keep"]))


@given(st.lists(st.one_of(refills, regroups, st.builds(Random)), unique_by=lambda s: s.label, max_size=4), st.integers(0, 30))
def test_settings_survive_json_labels_and_toml(tmp_path_factory, structures, rounds):
    config = RunConfig(structures=tuple(structures), rounds=rounds, milestones=(3, 5))
    assert RunConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert tuple(structure(s.label) for s in structures) == config.structures
    assert RunConfig.from_dict(assignments([f"structures={','.join(s.label for s in structures)}", f"rounds={rounds}",
                                            "milestones=3,5"])) == config


def test_the_id_names_what_is_not_default_and_nothing_else():
    base = RunConfig()
    assert base.run_id == RunConfig(epochs=160).run_id
    assert base.run_id != RunConfig(epochs=161).run_id
    assert base.run_id == RunConfig(threads=2, device="cpu", data_dir="/somewhere").run_id, "where it runs is not what it is"
    for data in ("folder", "streamed-folder"):   # nothing else says which images they are
        a, b = (RunConfig(data=data, data_dir=place) for place in "ab")
        assert a.run_id != b.run_id and "data_dir" not in a.place
    assert RunConfig(data="imagenet", data_dir="a").run_id == RunConfig(data="imagenet", data_dir="b").run_id, "it is the published one, wherever it lies"
    assert RunConfig(data="imagenet").run_id == "resnet20-imagenet-8f6076ec", "as ever"
    assert len({Refill(rho=0.2).label, Refill().label, Refill(score="l1").label}) == 3


def test_every_field_says_what_it_is():
    for cls in (RunConfig, *STRUCTURES.values()):
        for f in dataclasses.fields(cls):
            assert f.metadata["help"], f.name


@pytest.mark.parametrize(("values", "words"), [
    ({"rate": 1.0}, ["rate", "1.0", "between 0 and 1"]),
    ({"rate": 0}, ["rate", "0"]),
    ({"rate": float("nan")}, ["rate", "nan"]),
    ({"rate": "fast"}, ["rate", "'fast'", "a number"]),
    ({"rounds": 2.5}, ["rounds", "2.5", "whole number"]),
    ({"rounds": True}, ["rounds", "True"]),
    ({"modle": "vgg16"}, ["modle", "model"]),
    ({"model": "resnet19"}, ["resnet19", "resnet18"]),
    ({"data": "cifar-10"}, ["cifar-10", "cifar10"]),
    ({"structures": ["refil"]}, ["refil", "refill"]),
    ({"structures": ["refill-roh=0.1"]}, ["roh", "rho"]),
    ({"structures": ["regroup-groups=0"]}, ["groups", "0", "between 1 and"]),
    ({"structures": ["refill", "refill"]}, ["twice"]),
    ({"structures": [7]}, ["7", "label"]),
    ({"structures": [{"kind": ["refill"]}]}, ["['refill']", "known"]),
    ({"structures": ["refill-rho=0.1-rho=0.2"]}, ["twice"]),
    ({"structures": ["regroup-min_nnz=3"]}, ["min_nnz", "variant"]),
    ({"structures": ["regroup-t1=2.0-variant=paper"]}, ["t1", "variant"]),
    ({"batch_size": 1}, ["batch_size", "between 2 and"]),
    ({"in_loop": "regroup", "structures": ["refill"]}, ["in_loop", "regroup"]),
    ({"in_loop": "regroup-groups=0", "structures": ["regroup"]}, ["in_loop = 'regroup-groups=0'", "did you mean regroup"]),
    ({"structures": "regroup-layers=conv1:groups=4,t1=3.0"}, ["'t1=3.0'", "inside a list of structures write @ for ,"]),
    ({"structures": "refill,regroup-layers=conv1,conv2@groups=4"}, ["conv1", "inside a list of structures write @ for ,"]),
    ({"milestones": [0]}, ["milestones", "0"]),
])
def test_bad_settings_name_the_value_and_the_way_out(values, words):
    with pytest.raises(ConfigError) as e:
        RunConfig.from_dict(values)
    assert "\n" not in str(e.value)
    for word in words:
        assert word in str(e.value)


@pytest.mark.parametrize("typed", ["regroup-t1=3-groups=4", "regroup-groups=4-t1=3.00", "regroup-layers=b@a@t1=2-groups=4-t1=3"])
def test_in_loop_is_read_as_the_structures_are(typed):
    config = RunConfig(structures=("refill", typed), in_loop=typed)
    label = structure(typed).label
    assert config.in_loop == label != typed and config.trunk == label
    assert config == RunConfig(structures=("refill", label), in_loop=label) and config.run_id == RunConfig(structures=("refill", label), in_loop=label).run_id


def test_bad_files_words_and_presets(tmp_path):
    bad = tmp_path / "x.toml"
    bad.write_text("rounds = = 3")
    for act, word in ((lambda: read_toml(bad), "not TOML"), (lambda: read_toml(tmp_path / "y.toml"), "y.toml"),
                      (lambda: assignments(["rounds"]), "KEY=VALUE"), (lambda: preset("digit"), "digits")):
        with pytest.raises(ConfigError, match=word):
            act()


def test_a_toml_file_sets_structures_as_tables(tmp_path):
    file = tmp_path / "f.toml"
    file.write_text('rounds = 3\n[[structures]]\nkind = "refill"\nrho = 0.2\n[[structures]]\nkind = "regroup"\n')
    config = RunConfig.from_dict(read_toml(file))
    assert config.structures == (Refill(rho=0.2), Regroup()) and config.rounds == 3


def test_names_stay_names_and_single_values_become_lists():
    assert RunConfig.from_dict(assignments(["data_dir=2024", "milestones=3"])) == RunConfig(data_dir="2024", milestones=(3,))
    assert RunConfig(structures="refill") == RunConfig(structures=("refill",)) == RunConfig(structures=(Refill(),))


def test_stages_of_a_round():
    config = RunConfig(structures=(Refill(), Regroup()))
    assert [s.key for s in config.stages(0)] == ["train:unstructured"]
    assert [s.key for s in config.stages(3)] == ["prune:unstructured", "refill:refill", "regroup:regroup", "rewind:unstructured",
                                                 "train:unstructured", "train:refill", "train:regroup"]
    looped = config.replace(in_loop="regroup")
    assert [s.key for s in looped.stages(1)][-2:] == ["train:regroup", "train:refill"], "the unstructured mask is only a step"


@pytest.mark.parametrize("name", PRESETS)
def test_presets_say_where_they_come_from(name):
    p = preset(name)
    assert p.title and p.note and p.source
    assert RunConfig.from_dict(p.config.to_dict()) == p.config
