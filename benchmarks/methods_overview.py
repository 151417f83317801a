"""The overview in docs/methods/README.md: every method with what was measured in a few words, and what the study can show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.methods_words import fill, kind, pm
from lthviz.core import winning
from lthviz.core.study import Replicates
from lthviz.core.versus import versus
from lthviz.methods import UNSTRUCTURED
from lthviz.presets import preset

OVERVIEW = (    # title, page, labels, kind of structure, source
    ("Magnitude, in rounds (IMP)", "imp", ("unstructured",), "single weights", "Frankle and Carbin 2019; Frankle et al. 2020"),
    ("Refill", "refill", ("refill",), "output channels", "ICML 2022, section 3.2"),
    ("Regroup", "regroup", ("regroup",), "dense blocks", "ICML 2022, section 3.3"),
    ("L1 filters", "filters", ("filters",), "output channels", "Li et al. 2017"),
    ("Network slimming", "slimming", ("slimming",), "output channels", "Liu et al. 2017"),
    ("N:M", "nm", ("nm",), "n of m neighbouring weights", "Mishra et al. 2021"),
    ("OMP", "omp", ("omp",), "single weights", "Han et al. 2015"),
    ("SNIP", "snip", ("snip",), "single weights", "Lee et al. 2019"),
    ("GraSP", "grasp", ("grasp",), "single weights", "Wang et al. 2020"),
    ("SynFlow", "synflow", ("synflow",), "single weights", "Tanaka et al. 2020"),
    ("Random, re-initialised", "controls", ("random", "reinit"), "as the ticket that they are a control of",
     "Frankle and Carbin 2019; Su et al. 2020"),
)
PAGES = {page: kinds for _, page, kinds, _, _ in OVERVIEW}


def overview(studies: Sequence[Replicates], results: dict[str, Any]) -> str:
    """The table of all methods with what was measured in a few words, and what the study is."""
    main = studies[0]
    out = ["| Method | Label | Kind of structure | Source | Measured: accuracy at the sparsest round | Wins down to density |", "|---|---|---|---|---|---|"]
    for title, page, kinds, what, source in OVERVIEW:
        labels = [next(x for x in main.labels if kind(x) == k) for k in kinds]
        said = "; ".join((f"`{k}` " if len(kinds) > 1 else "") + _headline(main, label) for k, label in zip(kinds, labels, strict=True))
        won = "; ".join(_won(main, label) for label in labels)
        out.append(f"| [{title}]({page}.md) | {', '.join(f'`{k}`' for k in kinds)} | {what} | {source} | {said} | {won} |")
    return "\n".join([*out, "", *_study(main, results)])


def _study(main: Replicates, results: dict[str, Any]) -> list[str]:
    """What was trained, and what its numbers can and cannot show."""
    c, has, n, level = main.config, results["conditions"], main.dense.accuracy.n, winning.level_of(main)
    (h, w), usual = has["image_shape"][1:], preset("digits").config.rate
    what = (f"`{results['study']}`: the digits preset's network ({has['parameters']:,} parameters) and training, {has['train_images']} training images "
            f"of {h}×{w}, {c.epochs} epochs, {c.rounds} rounds that prune {100 * c.rate:.0f} % each (the preset's prune {100 * usual:.0f} %), "
            f"n = {n} seeds; {has['test_images']} test images, so that one image is {100 / has['test_images']:.2f} points. Dense: {pm(main.dense.accuracy)} %. A "
            f"ticket *wins* when its mean is at least the dense mean less its standard deviation, {level.least:.1f} % here. \"Equal density\" reads the other "
            f"method between its rounds and takes the difference seed by seed; *above* and *below* are by more than one standard "
            "deviation of these differences.")
    can = ("This is a small study. It can show that one way of choosing weights is several points better than another under these settings, and that every "
           "method runs to its end and keeps the density that it says. It cannot show how the methods order on larger networks and images, nor after a longer "
           "training: no method was tuned, all have the schedule of the preset, [which was chosen on seed 0](../measured.md) so that tickets differ. "
           f"A standard deviation of {n} seeds is itself [hardly known](../replicates.md#how-many-seeds), so \"within one standard deviation\" says that "
           "no difference was seen, not that there is none; and of as many comparisons as stand on these pages some come out by chance.")
    made = "Trained on {device}, {threads} thread{s}, {packages}. Commands: `{commands}`.".format(
        device={"cpu": "a CPU"}.get(has["device"], has["device"]), threads=has["threads"], s="" if has["threads"] == 1 else "s",
        packages=", ".join(f"{k} {v}" for k, v in has["versions"].items()), commands="`, then `".join(results["commands"]))
    return ["## What the numbers can show", "", fill(what), "", fill(can), "", fill(made)]


def _headline(study: Replicates, label: str) -> str:
    last = study.of(label)[-1]
    there = next((v.there for v in versus(study, label, study, UNSTRUCTURED) if v.ticket is last and v.there), None)
    beside = f" (IMP {there.accuracy:.1f})" if there and label != UNSTRUCTURED else ""
    return f"{pm(last.accuracy)} % at {last.density.mean:.2f}{beside}"


def _won(study: Replicates, label: str) -> str:
    best = winning.extreme(study.of(label), winning.level_of(study))
    return f"{best.density.mean:.2f}" if best else "never"
