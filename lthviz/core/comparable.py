"""Whether the accuracies and densities of two runs say anything about each other, by their settings and by what they found on the disk.

Settings in which studies may well differ (methods, length of training, learning rate …) are what a comparison is about; they are told beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lthviz.records import Run

_FOUND = {"image_shape": "sizes of images", "classes": "classes", "test_images": "numbers of test images"}
"""What a run says of its data in `info`, which two folders of one name may not share."""


def unlike(others: Sequence[Run], run: Run) -> str:
    """Why the accuracies of a run say nothing about those of others, which are alike: another network or other images; '' where they do."""
    found = next((x for x in others if x.info.get("classes")), None)     # one that has not begun does not say what its data is
    return next((why for x in (*others[:1], found) if x is not None and (why := _unlike(x, run))), "")


def _unlike(a: Run, b: Run) -> str:
    kinds = [f"{run.config.model} on {run.config.data}" for run in (a, b)]
    if kinds[0] != kinds[1]:
        return f"run {a.id} is {kinds[0]}, run {b.id} is {kinds[1]}; only runs of one network and data set can be compared"
    why = []
    if not _one_network(a, b):
        why.append(f"networks (form {a.config.form}, {b.config.form})")
    if "data_dir" not in a.config.place and a.config.data_dir != b.config.data_dir:
        why.append(f"folders of images ({a.config.data_dir}, {b.config.data_dir})")
    for name, words in _FOUND.items():
        mine, other = a.info.get(name), b.info.get(name)
        if mine is not None and other is not None and mine != other:
            why.append(f"{words} ({_plain(mine, other)}, {_plain(other, mine)})")
    return f"runs {a.id} and {b.id} are both {kinds[0]}, but of different {' and '.join(why)}: their accuracies say nothing about each other" if why else ""


def caveats(runs: Sequence[Run]) -> list[str]:
    """What limits a comparison of runs that can be compared, a sentence each without its full stop."""
    said = []
    if len(linear := _each(run.config.linear for run in runs)) > 1:
        said.append(f"linear layers are not pruned alike (linear {', '.join(linear)}), so their densities are shares of different weights: "
                    "accuracies at one density are not of equally small networks, those at one measured speed can be compared")
    if len(_each(_images(run) for run in runs)) > 1:
        parts = {name: _each(getattr(run.config, name) for run in runs) for name in ("validation", "train_images")}
        settings = "; ".join(f"{name} {', '.join(map(str, values))}" for name, values in parts.items() if len(values) > 1)
        said.append(f"they were not trained on the same number of images ({settings})")
    elif len(counts := _each(n for run in runs if (n := run.info.get("train_images")))) > 1:
        said.append(f"their folders held different numbers of training images ({', '.join(map(str, counts))})")
    return said


def _one_network(a: Run, b: Run) -> bool:
    """Whether both forms build one network: alike, or found to be (`auto` goes by the size of the images)."""
    if a.config.form == b.config.form:
        return True
    mine, other = ((run.info.get("parameters"), {x.name: (x.shape, x.out_hw) for x in run.layers}) for run in (a, b))
    return bool(mine[1] and other[1]) and mine[0] == other[0] and all(mine[1][k] == other[1][k] for k in mine[1].keys() & other[1].keys())


def _images(run: Run) -> tuple[float, int]:
    return run.config.validation, run.config.train_images


def _each(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))


def _plain(value: Any, other: Any) -> str:
    """A size as 3×32×32; classes as their number, by the first that the other does not have where the numbers are equal."""
    if not isinstance(value, list | tuple):
        return str(value)
    if value and all(isinstance(x, int) for x in value):
        return "×".join(map(str, value))
    if len(value) != len(other):
        return str(len(value))
    return next((f"{x} …" for x, y in zip(value, other) if x != y), str(len(value)))
