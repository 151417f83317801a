"""The command line shown in the page makes the run that the page shows."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lthviz import cli
from lthviz.cli import runs
from lthviz.commands import apply, differences, run_command
from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.presets import PRESETS

CONFIGS = st.builds(
    RunConfig, seed=st.integers(0, 9), rounds=st.integers(0, 100), rate=st.floats(0.001, 0.999), lr=st.floats(1e-9, 99.5),
    weight_decay=st.floats(0, 1), milestones=st.lists(st.integers(1, 300), max_size=3).map(tuple), schedule=st.sampled_from(["step", "cosine"]),
    data_dir=st.sampled_from(["", "/tmp/some where", "7", "true", "it's"]),
    structures=st.sampled_from([(), (Refill(rho=0.2, fractional=True),), (Regroup(groups=4, leftovers="keep"), Random(shuffle="channels")),
                                (Refill(), Refill(score="l1"))]))


def parsed(command: str) -> tuple[RunConfig, str]:
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "lthviz"]
    return runs.configured(cli._parser().parse_args(words[3:]))


@given(CONFIGS, st.sampled_from(["", *PRESETS]))
def test_the_command_line_reads_back_as_the_same_settings(config, preset):
    assert parsed(run_command(config, preset)) == (config, preset)


@given(CONFIGS)
def test_differences_are_undone_by_apply(config):
    base = PRESETS["digits"].config
    assert apply(base, differences(config, base)) == config
    assert differences(base, base) == []


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_one_word(preset):
    assert run_command(PRESETS[preset].config, preset) == f"python -m lthviz run --preset {preset}"


def test_the_defaults_are_a_command_that_runs():
    assert parsed(run_command(RunConfig())) == (RunConfig(), "")
    assert "--set" in run_command(RunConfig())
