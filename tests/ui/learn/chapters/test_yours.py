"""The live study: a seed of its own, and what is said of it holds against the run's rows."""

import statistics

from lthviz.config import UNSTRUCTURED
from lthviz.core.families import families
from lthviz.presets import preset
from lthviz.ui.learn.chapters import yours


def test_the_study_is_the_preset_with_a_seed_that_no_run_here_has(shipped):
    root = preset(yours.PRESET).config
    first = yours.fresh(root)
    assert first == root.replace(seed=1)
    shipped.begin(first)
    assert yours.fresh(root) == root.replace(seed=2)


def test_the_right_answer_is_the_lowest_mean_of_the_last_round(shipped):
    asked = yours.question()
    runs = [shipped.run(x) for x in shipped.runs()]
    labels = [UNSTRUCTURED, *(s.label for s in preset(yours.PRESET).config.structures)]
    last = max(r.config.rounds for r in runs)
    rows: dict[str, dict[int, float]] = {}
    for run in runs:
        for row in run.rows:
            if row["round"] == last and row["structure"] in labels:
                rows.setdefault(row["structure"], {})[run.config.seed] = row["test_acc"]
    means = [statistics.fmean(rows[x].values()) for x in labels]
    assert len(rows[UNSTRUCTURED]) == 10 and [o.right for o in asked.options] == [m == min(means) for m in means]
    assert all(f"{m:.1f} %" in asked.options[0].why for m in means)


def test_what_a_study_came_to_is_said_of_each_method(shipped):
    (of,) = [s for s in families([shipped.run(x) for x in shipped.runs()][:1]) if s.seeds]
    lines = yours.found(of)
    dense = statistics.fmean(r.rows[0]["test_acc"] for r in of.runs)
    assert len(lines) == len(of.labels) and all(f"{dense:.1f} %" in x for x in lines)
    for x in lines:
        assert ("wins down to" in x and "n = 1" in x) or "no ticket reaches" in x


def test_the_plan_marks_what_is_done(shipped):
    config = preset(yours.PRESET).config
    alt = yours.line(config, {(0, UNSTRUCTURED), (1, "refill")})
    assert f"2 of {1 + config.rounds * len(config.tickets(1))} trainings are done" in alt and "80 %, 64 %, 51 %" in alt
