"""Folders of several rounds: what OpenLTH leaves of a lottery branch, and the checkpoints that the paper's released code writes a round."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lthviz.errors import ExchangeError

LEVEL = re.compile(r"level_(\d{1,3})")
ROUND = re.compile(r"(\d{1,3})(checkpoint|model_SA_best)\.pth\.tar")
STEP = re.compile(r"model_ep(\d+)_it(\d+)\.pth")
MOST_LOG = 1 << 26
"""Bytes of a log that are read."""


@dataclass(frozen=True)
class Level:
    """One round of a folder. claims: accuracies that its log tells, percent, by `test_acc`."""

    round: int
    weights: Path
    masks: Path | None = None
    claims: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Levels:
    """rewind: the weights that every round began from. model, data: as the folder names them in our words, '' where it does not."""

    kind: str
    levels: tuple[Level, ...]
    rewind: Path | None = None
    model: str = ""
    data: str = ""


def read(folder: Path) -> Levels:
    """The rounds in a folder. ExchangeError where it is none of the two, a round is missing, or a file of it is a link that leads out of the folder."""
    _links_stay_inside(folder)
    for at in (folder, *sorted(p for p in folder.glob("replicate_*") if p.is_dir())[:1]):
        if levels := {int(m[1]): p for p in at.iterdir() if p.is_dir() and (m := LEVEL.fullmatch(p.name))}:
            return _openlth(at, levels)
    if rounds := {int(m[1]): m[2] for p in sorted(folder.iterdir(), reverse=True) if (m := ROUND.fullmatch(p.name))}:   # `checkpoint` wins: the end of a training, no chosen epoch
        _without_gaps(folder, rounds, "checkpoint")
        return Levels("released code", tuple(Level(k, folder / f"{k}{rounds[k]}.pth.tar") for k in sorted(rounds)))
    raise ExchangeError(f"{folder} holds no rounds: neither level_0, level_1, … of OpenLTH nor 0checkpoint.pth.tar, 1checkpoint.pth.tar, … of the released code; give one file")


def _links_stay_inside(folder: Path) -> None:
    """A folder from somebody else may hold links to files of whoever takes it in."""
    root = folder.resolve()
    for path in folder.rglob("*"):
        if path.is_symlink() and not path.resolve().is_relative_to(root):
            raise ExchangeError(f"{path} is a link that leads out of the folder; put the file itself there")


def _without_gaps(folder: Path, rounds: Mapping[int, object], what: str) -> None:
    if gap := next((k for k in range(max(rounds) + 1) if k not in rounds), None):
        raise ExchangeError(f"{folder} has no {what} of round {gap}, but one of round {max(rounds)}; give a folder with every round from 0 on")
    if 0 not in rounds:
        raise ExchangeError(f"{folder} begins with round {min(rounds)}; round 0, the dense network, is missing: put it there")


def _openlth(folder: Path, levels: Mapping[int, Path]) -> Levels:
    _without_gaps(folder, levels, "level")
    found, rewind = [], None
    for k in sorted(levels):
        main = next((p for p in (levels[k] / "main", levels[k]) if (p / "mask.pth").exists() or any(p.glob("model_ep*_it*.pth"))), None)
        if main is None:
            raise ExchangeError(f"{levels[k]} has neither mask.pth nor a model; it was not finished: take that level away to take the others in")
        steps = {(int(m[1]), int(m[2])): p for p in main.iterdir() if (m := STEP.fullmatch(p.name))}
        if not steps:
            raise ExchangeError(f"{main} has no model_epN_itM.pth; it was not trained: take that level away to take the others in")
        if k == 0 and len(steps) > 1:
            rewind = steps[min(steps)]
        if k and len(steps) == 1 and min(steps)[0] == 0 and found:
            raise ExchangeError(f"{main} was not trained to its end; take that level away to take the others in")
        found.append(Level(k, steps[max(steps)], main / "mask.pth" if (main / "mask.pth").exists() else None, _claims(main / "logger")))
    return Levels("OpenLTH", tuple(found), rewind, *_hparams(folder))


def _claims(log: Path) -> dict[str, float]:
    """The last test accuracy of a log of lines `name,iteration,value`, percent."""
    if not log.is_file() or log.stat().st_size > MOST_LOG:
        return {}
    last: tuple[int, float] | None = None
    for line in log.read_text(errors="replace").splitlines():
        name, _, rest = line.partition(",")
        step, _, value = rest.partition(",")
        if name == "test_accuracy" and step.strip().isdigit():
            try:
                accuracy = float(value)
            except ValueError:
                continue
            if 0 <= accuracy <= 1 and (last is None or int(step) >= last[0]):
                last = int(step), accuracy
    return {"test_acc": 100 * last[1]} if last else {}


def _hparams(folder: Path) -> tuple[str, str]:
    """(model, data) in our words by the settings that a branch leaves in level_0."""
    for log in (folder / "level_0" / "main" / "hparams.log", folder / "level_0" / "hparams.log", folder / "hparams.log"):
        if log.is_file() and log.stat().st_size < MOST_LOG:
            text = log.read_text(errors="replace")
            model = (re.search(r"model_name (?:=>|=) '?([\w]+)", text) or ["", ""])[1]
            data = (re.search(r"dataset_name (?:=>|=) '?([\w]+)", text) or ["", ""])[1]
            return MODEL_NAMES.get(model, ""), DATA_NAMES.get(data, "")
    return "", ""


MODEL_NAMES = {"cifar_resnet_20": "resnet20", "cifar_resnet_20_16": "resnet20", "cifar_resnet_32_32": "wrn32_2", "imagenet_resnet_18": "torchvision:resnet18",
               "imagenet_resnet_50": "torchvision:resnet50"}
"""OpenLTH's names of networks that compute what ours, or torchvision's, do. Its VGG ends in another pooling."""
DATA_NAMES = {"cifar10": "cifar10", "imagenet": "imagenet"}
