"""What a sweep's file asks for: the settings of every run, in order. Nothing is trained or stored here.

    title = "Refill against Regroup"        # for people
    preset = "digits"                       # where the settings begin
    rounds = 4                              # settings of all runs

    [grid]                                  # every combination of these, the last one changing fastest
    structures = ["refill", "regroup-groups=4-min_rows=8", ["refill", "random"]]
    seed = [0, 1, 2]

    [[grid.variant]]                        # alternatives of settings that belong together
    lr = 0.1
    [[grid.variant]]
    lr = 0.02
    weight_decay = 0.0

    [[branches]]                            # of every run above, one each: it takes over the trunk, and all else that stays as it is
    structures = ["random-of=refill"]
    round = 2                               # the first that it makes itself (default 1)
    rounds = 2
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lthviz.branching import FREE
from lthviz.config import RunConfig
from lthviz.errors import ConfigError, did_you_mean
from lthviz.knobs import toml
from lthviz.presets import preset

ASK_FROM = 500
"""A grid of this many runs or more is not begun without a question."""
MOST = 100_000

_SETTINGS = tuple(f.name for f in dataclasses.fields(RunConfig))


class Point(NamedTuple):
    """One run of a grid. varies: what tells it from the others, as it stands in the file."""

    config: RunConfig
    preset: str
    varies: Mapping[str, Any]

    @property
    def id(self) -> str:
        return self.config.run_id

    @property
    def words(self) -> str:
        """What tells it from the others, in a line."""
        return ", ".join(f"{k} {plain(v)}" for k, v in self.varies.items())


@dataclass(frozen=True)
class Grid:
    """A sweep's file, read. points: its runs, each id once. combinations: how many there were before."""

    name: str
    title: str
    text: str
    points: tuple[Point, ...]
    combinations: int

    @property
    def ids(self) -> tuple[str, ...]:
        return tuple(p.id for p in self.points)


def read(path: str | Path) -> Grid:
    """The grid in a file; ConfigError names what is wrong and the way out."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"sweep file {str(path)!r} is not there") from None
    except (UnicodeDecodeError, OSError) as e:
        raise ConfigError(f"sweep file {str(path)!r} cannot be read: {getattr(e, 'strerror', None) or 'it is not UTF-8 text'}") from None
    return parse(text, path.stem)


def parse(text: str, name: str) -> Grid:
    """The grid in a sweep file's text. name: of the sweep."""
    try:
        value = toml(text)
    except tomllib.TOMLDecodeError as e:
        raise ConfigError(f"sweep {name!r} is not TOML: {e}") from None
    try:
        return _grid(value, text, name)
    except ConfigError as e:
        raise ConfigError(f"sweep {name!r}: {e}") from None


def _grid(value: dict[str, Any], text: str, name: str) -> Grid:
    axes, title, branches = value.pop("grid", {}), value.pop("title", ""), value.pop("branches", [])
    if not isinstance(title, str):
        raise ConfigError(f"title = {title!r} should be text")
    if not isinstance(axes, dict):
        raise ConfigError("grid should be a table: [grid], and below it a list for every setting that varies")
    _check_names(value, "", ("title", "grid", "preset", "branches"))
    _check_branches(branches)
    variants = axes.pop("variant", [{}])
    _check_axes(axes, variants, value)
    if not (value or axes or any(variants)) and variants:   # not one run of the defaults, whose training takes days
        raise ConfigError("the grid makes no run: the file has no setting; give it a preset and below [grid] a list for every setting that varies")
    combinations = len(variants) * math.prod(len(x) for x in axes.values()) * (1 + len(branches))
    if not combinations:
        raise ConfigError(f"the grid makes no run: {next((k for k, x in axes.items() if not x), 'variant')} is an empty list; give it a value, or leave it out")
    if combinations > MOST:
        raise ConfigError(f"the grid makes {combinations:,} runs; a sweep has {MOST:,} at most, so divide it into several files")
    points: dict[str, Point] = {}
    for variant, chosen in itertools.product(variants, itertools.product(*axes.values())):
        varies = {**variant, **dict(zip(axes, chosen, strict=True))}
        point = _point({**value, **varies}, varies)
        points.setdefault(point.id, point)
        for made in (_branch(point, b) for b in branches):
            points.setdefault(made.id, made)
    return Grid(name, title, text, tuple(points.values()), combinations)


def _check_branches(branches: Any) -> None:
    if not isinstance(branches, list) or not all(isinstance(b, dict) for b in branches):
        raise ConfigError("branches should be a table of its own for each: [[branches]]")
    for branch in branches:
        _check_names(branch, " in [[branches]]", ("round",))
        if fixed := [k for k in branch if k not in FREE and k != "round"]:
            raise ConfigError(f"{fixed[0]} stands in [[branches]]; a branch's own settings are {', '.join(sorted(FREE))} and round, all else is its parent's")
        if type(round := branch.get("round", 1)) is not int or round < 1:
            raise ConfigError(f"round = {round!r} in [[branches]] should be a round from 1 on, the first that the branch makes itself")


def _branch(point: Point, branch: Mapping[str, Any]) -> Point:
    settings = {k: v for k, v in branch.items() if k != "round"}
    return Point(point.config.replace(**settings).branch_of(point.config, branch.get("round", 1)), point.preset, {**point.varies, **branch})


def _check_names(values: Mapping[str, Any], where: str, more: Sequence[str]) -> None:
    for key in values:
        if key not in _SETTINGS and key not in more:
            raise ConfigError(f"{key!r}{where} is not a setting; {did_you_mean(key, [*_SETTINGS, *more])}")


def _check_axes(axes: Mapping[str, Any], variants: Any, common: Mapping[str, Any]) -> None:
    _check_names(axes, " in [grid]", ("preset", "variant"))
    for key, alternatives in axes.items():
        if not isinstance(alternatives, list):
            raise ConfigError(f"{key} = {alternatives!r} in [grid] should be a list; a setting that all runs share stands above [grid]")
        if key == "milestones" and not all(isinstance(x, list) for x in alternatives):
            raise ConfigError(f"milestones = {alternatives!r} in [grid] should be a list of lists, one for each alternative, such as [[80, 120], [40]]")
    if not isinstance(variants, list) or not all(isinstance(v, dict) for v in variants):
        raise ConfigError("variant should be a table of its own for each alternative: [[grid.variant]]")
    for variant in variants:
        _check_names(variant, " in [[grid.variant]]", ("preset",))
        if both := [k for k in variant if k in axes]:
            raise ConfigError(f"{both[0]} stands in [grid] and in [[grid.variant]]; it can vary in one of them only")
    if both := [k for k in axes if k in common]:
        raise ConfigError(f"{both[0]} stands above [grid] and inside it; leave one of them out")


def _point(values: dict[str, Any], varies: Mapping[str, Any]) -> Point:
    values = dict(values)
    name = values.pop("preset", "")
    if not isinstance(name, str):
        raise ConfigError(f"preset = {name!r} should be a preset's name")
    base = preset(name).config if name else RunConfig()
    return Point(base.replace(**values), name, varies)


def plain(value: Any) -> str:
    """A value of a sweep's file in a few words."""
    if isinstance(value, list):
        return "+".join(map(plain, value)) or "none"
    if isinstance(value, dict):
        return " ".join(plain(v) for v in value.values())
    return str(value).lower() if isinstance(value, bool) else str(value)
