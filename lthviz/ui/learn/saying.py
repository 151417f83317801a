"""How chapters speak of the runs they rest on: methods, shares, means with their spread, the machine, and where all of it is from."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping

import streamlit as st

from lthviz.config import UNSTRUCTURED, RunConfig, structure
from lthviz.core.study import Summary, study_id
from lthviz.figures import measured, rows, wording
from lthviz.methods.controls import Reinit
from lthviz.ui import frame
from lthviz.ui.learn.evidence import Evidence
from lthviz.words import capital


def name(label: str) -> str:
    """A method without its settings, as it stands in a sentence: `Regroup`, `unstructured`."""
    return "unstructured" if label == UNSTRUCTURED else rows.bare(label) or label


def whose(label: str) -> str:
    """`the unstructured ticket`, `Regroup's ticket`."""
    return "the unstructured ticket" if label == UNSTRUCTURED else f"{name(label)}'s ticket"


def control_name(label: str) -> str:
    """What a control is, in a sentence."""
    return "the same mask over fresh random weights" if isinstance(structure(label), Reinit) else "a random mask of the same shape and density"


def percent(share: float, digits: int = 1) -> str:
    """`26.2 %`, on one line."""
    return f"{100 * share:.{digits}f}\u00a0%"


def points(value: float) -> str:
    """A difference in points of accuracy with its sign: `+1.2`, `−0.4`."""
    return f"{'−' if value < 0 else '+'}{abs(value):.1f}"


def mean(accuracy: Summary) -> str:
    """`92.1 ± 1.4 %`, without a spread where there is one replicate."""
    return f"{accuracy.mean:.1f}{'' if accuracy.sd is None else f' ± {accuracy.sd:.1f}'}\u00a0%"


def seeds(of: Evidence) -> str:
    n = len(of.study.seeds)
    return f"{n} seeds" if n > 1 else "one seed"


def machine(of: Evidence) -> str:
    """What was measured where: `24 pairs each of batch 64, 2 threads on …`; '' where nothing was."""
    every = [t for here in of.timings.values() for t in here]
    if not every:
        return ""
    pairs = sorted({t.n for t in every})
    n = f"{pairs[0]}" if len(pairs) == 1 else f"{pairs[0]} to {pairs[-1]}"
    return f"{wording.setting(measured.setting_of(every[0]))} on {'; '.join(wording.machines(every).values())}, medians of {n} interleaved pairs"


def apart(of: Evidence) -> float:
    """By how much the quartiles of the pairs' ratios typically lie apart, as a share."""
    return statistics.median(t.spread[1] / t.spread[0] - 1 for here in of.timings.values() for t in here)


def runs_query(of: Evidence, **more: str) -> dict[str, str | list[str]]:
    """Where Curves shows the study: its seeds, and what else of it is there."""
    ids = list(dict.fromkeys(study_id(r.config) for r in sorted(of.runs, key=lambda r: (-len(_labels(r.config)), r.id))))
    first = next(r for r in of.runs if study_id(r.config) == ids[0])
    if len(of.runs) == 1:
        return {"run": first.id, **more}
    return {"study": ids[0], "run": first.id, **more} | ({"with": ids[1:]} if len(ids) > 1 and more.get("x") == "speed" else {})


def _labels(config: RunConfig) -> tuple[str, ...]:
    return tuple(s.label for s in config.structures)


def origin(of: Evidence, *more: str, key: str, query: Mapping[str, str | list[str]] | None = None) -> None:
    """A quiet line of where the numbers come from, with the way to these runs."""
    said = f"{of.study.title}: {f'{len(of.runs)} runs' if len(of.runs) > 1 else 'one run'}, {_ids(r.id for r in of.runs)}"
    with st.container(key=f"origin-{key}", gap=None):
        frame.quiet("From " + ". ".join(map(capital, [said, *filter(None, more)])) + ".")
        st.page_link("pages/curves.py", label="These runs in Curves", icon=":material/show_chart:", query_params=dict(query or runs_query(of)))


def _ids(ids: Iterable[str]) -> str:
    """Of many, the first and the last."""
    every = sorted(ids)
    return " and ".join(every) if len(every) < 3 else f"{every[0]} to {every[-1]}"
