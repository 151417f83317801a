"""What stands beside a run on Curves: its family, the pinned baseline, how sparse each method may get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import streamlit as st

from lthviz.figures.compared import extremes_table, less
from lthviz.figures.replicated import Studies
from lthviz.records import Run
from lthviz.ui import cache, figure, frame, pickers, where


def family_button(run: Run, runs: Sequence[Run]) -> None:
    """The way to the branches of a run, and to what it is a branch of."""
    shown = {r.id for r in runs}
    if others := [i for i in family(run.id) if i not in shown]:
        parent = getattr(run.config, "parent", "") in others
        n = len(others) - parent
        words = " and ".join([*(["its parent"] if parent else []), *([f"its {n} {'other ' * parent}branch{'es' * (n != 1)}"] if n else [])])
        st.button(f"With {words}", key="with-family", icon=":material/fork_right:", type="tertiary", help="All runs that go on from rounds of one another",
                  on_click=lambda: st.query_params.update({"with": [*(r.id for r in runs[1:]), *others]}))


def family(run_id: str) -> list[str]:
    """A run, what it was branched from, and all that was branched from any of them, the first one first."""
    parents = {i: getattr(head.config, "parent", "") for i, head in cache.heads().items()}
    root, seen = run_id, {run_id}
    while (up := parents.get(root, "")) in parents and up not in seen:
        root = up
        seen.add(up)
    found = [root]
    for i in found:      # grows as it goes
        found += [child for child, parent in reversed(parents.items()) if parent == i and child not in found]
    return found


def compare_link(ids: Sequence[str]) -> None:
    st.page_link("pages/compare.py", label="Compare", icon=":material/compare_arrows:", query_params={"of": ",".join(ids)},
                 help="Settings, outcomes and layers side by side")


def baseline(names: Mapping[str, str]) -> tuple[str, list[str]]:
    """Which of those shown is pinned, by the address. names: for people, by id."""
    word = where.text("baseline")
    return (word, []) if not word or word in names else ("", [f"The link pins {word!r} as the baseline, which is not shown here; none is pinned."])


def pick_baseline(names: Mapping[str, str], current: str) -> None:
    """Only where there are several to choose from."""
    if len(names) > 1:
        key = pickers.showing("pick-baseline", current or None)
        st.selectbox("Baseline", list(names), key=key, index=None, format_func=lambda i: names.get(i, i), placeholder="none pinned", width=250,
                     help="Its curves lie grey and dotted behind the others", on_change=pickers.heard(key, lambda chosen: where.go(baseline=chosen)))


def extremes(of: Studies, pinned: str = "") -> None:
    """How sparse each method may get; pinned: id of the baseline, for the differences to it."""
    st.subheader("Extreme sparsity", anchor=False)
    n = sorted({len(s.seeds) for s in of.of})
    frame.quiet("The sparsest ticket of each method that is as accurate as the dense network, less the tolerance. "
                + (f"One training stands behind each number (n = 1){'' if len(of.of) == 1 else ' of each run'}: another seed may tell otherwise." if n == [1] else
                   f"Means over {' or '.join(map(str, n))} seeds."))
    table = extremes_table(of)
    if pinned:
        base = {r["method"]: r["extreme sparsity (%)"] for r in table if r["id"] == pinned}
        table = [{**r, "less baseline (points)": None if r["id"] == pinned else less(r["extreme sparsity (%)"], base.get(r["method"]))} for r in table]
    columns = [c for c in table[0] if c not in ("id", "less baseline (points)") and (c != "study" or of.several)] if table else []
    if pinned and table:
        columns.insert(columns.index("extreme sparsity (%)") + 1, "less baseline (points)")
    figure.numbers(table, key="extremes", columns=columns, widths={"method": 215, "study": 180})
