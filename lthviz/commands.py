"""The command line that does the same as the page: every setting that differs from a preset, as `--set` words."""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Mapping
from typing import Any

from lthviz.config import DERIVED, RunConfig, assignments, parse
from lthviz.figures.measured import Setting
from lthviz.presets import PRESETS, Preset


def differences(config: RunConfig, base: RunConfig) -> list[str]:
    """`KEY=VALUE` words that turn `base` into `config`; `config.assignments` reads them back."""
    names = [f.name for f in dataclasses.fields(RunConfig) if f.name not in DERIVED]
    return [f"{n}={_word(getattr(config, n))}" for n in names if getattr(config, n) != getattr(base, n)]


def apply(base: RunConfig, words: list[str]) -> RunConfig:
    """The inverse of `differences`; ConfigError names a word that does not fit."""
    return base.replace(**assignments(words))


def run_command(config: RunConfig, preset: str = "", known: Mapping[str, Preset] = PRESETS) -> str:
    """`python -m lthviz run …` for this configuration, as few words as the presets that are known allow."""
    words = ["python", "-m", "lthviz", "run"]
    base = known[preset].config if preset in known else RunConfig()
    if preset in known:
        words += ["--preset", preset]
    for word in differences(config, base) or ([] if preset in known else [f"model={config.model}"]):
        words += ["--set", word]
    return shlex.join(words)


def branch_command(run_id: str, round: int, config: RunConfig, base: RunConfig, title: str = "") -> str:
    """`python -m lthviz branch …` that branches that run with these settings. base: the run's own."""
    words = ["python", "-m", "lthviz", "branch", run_id, "--round", str(round)]
    for word in differences(config, base):
        words += ["--set", word]
    return shlex.join(words + (["--title", title] if title else []))


def ask_command(action: str, run_id: str) -> str:
    """`python -m lthviz resume RUN`, or pause, play, step, cancel, show."""
    return shlex.join(["python", "-m", "lthviz", action, run_id])


def bench_command(run_id: str, round: int, structure: str, setting: Setting) -> str:
    """`python -m lthviz bench …` that measures a run's ticket at that setting and keeps it with the run."""
    words = ["python", "-m", "lthviz", "bench", "--run", run_id, "--round", str(round), "--structure", structure, "--batch", str(setting.batch)]
    words += ["--threads", str(setting.threads)] if setting.device == "cpu" else ["--device", setting.device]
    words += ["--precision", setting.precision] if setting.precision != "float32" else []
    return shlex.join(words)


def export_command(run_id: str, format: str, out: str, *, round: int | None, structure: str) -> str:
    """`python -m lthviz export …` of a run's ticket. round: None for what is made of the whole run."""
    of = [] if round is None else ["--round", str(round), "--structure", structure]
    return shlex.join(["python", "-m", "lthviz", "export", run_id, *of, "--format", format, "-o", out])


def sweep_command(name: str, backend: str = "serial", workers: int = 0) -> str:
    """`python -m lthviz sweep …` of the file NAME.toml."""
    words = ["python", "-m", "lthviz", "sweep", f"{name}.toml", "--backend", backend]
    return shlex.join(words + (["--workers", str(workers)] if workers else []))


def _word(value: Any) -> str:
    if isinstance(value, tuple):
        labels = [getattr(v, "label", None) for v in value]
        return ",".join(labels) if any(labels) else json.dumps(list(value))
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return value if parse(value) == value else json.dumps(value)
    return repr(value)
