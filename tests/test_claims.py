"""The paper's claims, put to the runs that the project comes with: what docs/results.md says of them is counted anew here, from the rows.

Nothing is trained. A claim that does not hold must be said on the page, with the figure that was found.
"""

import itertools
import math
import re
import statistics
from pathlib import Path

import pytest

from benchmarks import results, results_claims, results_read
from lthviz.config import Random, Refill, Regroup, structure
from lthviz.store import Store

ROOT = Path(__file__).resolve().parents[1]
STORED, SUMMARIES = results_read.stored(), results_read.summaries()
PAGE = results.PAGE.read_text(encoding="utf-8")
STUDIES = [s for s in STORED.values() if s.there]
HOLD = {"digits": {"unstructured", "equal", "channels", "groups"}}
"""Claims that hold on the committed runs of a study; the others are said not to."""


def made(label):
    return None if label == "unstructured" else structure(label)


class Table:
    """The rows of a study's runs by seed, round and label, read from the store without any of the page's code."""

    def __init__(self, study):
        self.by = {}
        runs = Store(ROOT / "data" / "nobodys", examples=ROOT / "data" / "examples")
        ids = {p.id for p in results_read.grid.read(ROOT / study.file).points}
        for run_id in sorted(ids & set(runs.runs()), key=lambda x: bool(runs.run(x).config.parent)):
            run = runs.run(run_id)
            for row in run.rows:
                self.by.setdefault((row["round"], row["structure"]), {}).setdefault(run.config.seed, row)
        dense = [r["test_acc"] for r in self.by[0, "unstructured"].values()]
        self.dense, self.tolerance = statistics.fmean(dense), statistics.stdev(dense) if len(dense) > 1 else 0.25

    def tickets(self, wanted):
        """(density, accuracy, round, label) of every ticket of labels that are wanted."""
        return [(statistics.fmean(r["density"] for r in of.values()), statistics.fmean(r["test_acc"] for r in of.values()), k, label)
                for (k, label), of in self.by.items() if k and wanted(made(label))]

    def wins(self, accuracy):
        return accuracy >= self.dense - self.tolerance - 1e-9

    def sparsest(self, wanted):
        return min((t for t in self.tickets(wanted) if self.wins(t[1])), default=None)

    def differences(self, k, label, other):
        """By seed, in one round, where both keep as many weights."""
        a, b = self.by[k, label], self.by[k, other]
        assert all(a[s]["density"] == b[s]["density"] for s in a.keys() & b.keys())
        return [a[s]["test_acc"] - b[s]["test_acc"] for s in sorted(a.keys() & b.keys())]

    def at(self, label, seed, density):
        """A seed's accuracy at a density, between its rounds: the straight line over the logarithm; None beyond its ends."""
        points = sorted([(r[seed]["density"], r[seed]["test_acc"]) for (k, x), r in self.by.items() if x == label and k and seed in r] + [(1.0, self.by[0, "unstructured"][seed]["test_acc"])])
        for (d0, a0), (d1, a1) in itertools.pairwise(points):
            if d0 <= density <= d1:
                return a0 if d1 == d0 else a0 + (a1 - a0) * math.log(density / d0) / math.log(d1 / d0)
        return None


@pytest.fixture(scope="module", params=STUDIES, ids=lambda s: s.name)
def study(request):
    return request.param


@pytest.fixture(scope="module")
def table(study):
    return Table(study)


def told(study, key):
    """The claim as the page has it: whether it holds, and what was found."""
    claim = next(c for c in results_claims.claims(study) if c.key == key)
    line = f"| {claim.words} | {claim.verdict} | {claim.found} |"
    assert line in PAGE, f"docs/results.md does not say: {line}"
    return claim


def test_there_are_runs_to_put_the_claims_to():
    assert STUDIES and len(PAGE) > 2000


def test_which_claims_hold_is_written_down(study):
    """That nothing begins or ceases to hold unnoticed."""
    held = {c.key for c in results_claims.claims(study) if c.holds}
    if study.name in HOLD and not study.missing:
        assert held == HOLD[study.name]
    for claim in results_claims.claims(study):
        assert told(study, claim.key).holds is claim.holds
        if claim.holds is False:
            assert re.search(r"does not hold", PAGE) and claim.found in PAGE


def test_unstructured_tickets_match_dense(study, table):
    claim = told(study, "unstructured")
    tickets = sorted(table.tickets(lambda s: s is None), reverse=True)
    unbroken = None
    for t in tickets:
        if not table.wins(t[1]):
            break
        unbroken = t
    assert claim.holds == (unbroken is not None and 1 - unbroken[0] >= 0.6)
    assert unbroken is None or f"{100 * (1 - unbroken[0]):.0f} % sparse" in claim.found


def test_regroup_is_at_least_refill_at_equal_density(study, table):
    claim = told(study, "equal")
    refill = next((x for k, x in table.by if k and made(x) == Refill()), None)
    found = []
    for density, _, k, label in table.tickets(lambda s: isinstance(s, Regroup)):
        if refill is None or density < min(d for d, _, _, x in table.tickets(lambda s: s == Refill()) if x == refill):
            continue
        if pairs := [r["test_acc"] - v for s, r in table.by[k, label].items() if (v := table.at(refill, s, r["density"])) is not None]:
            found.append(statistics.fmean(pairs))
    if claim.holds is None:
        assert not found
        return
    assert claim.holds == (min(found) >= -table.tolerance)
    assert f"{abs(min(found)):.2f}" in claim.found


def test_structure_beats_the_same_structure_at_random_in_the_sparsest_round(study, table):
    claim = told(study, "random")
    verdicts = []
    for label in dict.fromkeys(x for k, x in table.by if k):
        control = next((x for k, x in table.by if k and isinstance(s := made(x), Random) and s.of == label and s.shuffle == "channels"), None)
        if control is None or label == "unstructured":
            continue
        last = max(k for k, x in table.by if x == control and (k, label) in table.by)
        pairs = table.differences(last, label, control)
        verdicts.append(len(pairs) > 1 and statistics.fmean(pairs) > statistics.stdev(pairs))
        assert f"`{label}` {'−' if statistics.fmean(pairs) < 0 else '+'}{abs(statistics.fmean(pairs)):.2f}" in claim.found
    assert claim.holds == (all(verdicts) if verdicts else None)


@pytest.mark.parametrize(("key", "kind", "least"), [("channels", Refill, 0.3), ("groups", Regroup, 0.5)])
def test_a_structured_winning_ticket(study, table, key, kind, least):
    claim, best = told(study, key), table.sparsest(lambda s: isinstance(s, kind))
    if claim.holds is None:
        assert not table.tickets(lambda s: isinstance(s, kind))
        return
    assert claim.holds == (best is not None and 1 - best[0] >= least)
    if best:
        assert f"{100 * (1 - best[0]):.0f} % sparse, `{best[3]}` with {best[1]:.2f}" in claim.found


def test_the_page_is_what_the_runs_say():
    assert results.text(STORED, SUMMARIES) == PAGE, "docs/results.md was changed by hand, or python benchmarks/results.py was not run"


def test_what_is_missing_of_a_study_is_said(tmp_path):
    """With half of the runs, and with none."""
    (tmp_path / "examples").mkdir()
    points = results_read.grid.read(ROOT / "benchmarks" / "studies" / "digits.toml").points
    def said():
        found = results_read.stored(tmp_path / "examples")
        return found, " ".join(results.text(found, SUMMARIES).split())

    _, text = said()
    assert f"{len(points)} of {len(points)} runs are not there" in text and points[0].id in text and "not there yet" in text
    there = [p for p in points if (ROOT / "data" / "examples" / p.id).exists()]
    some = there[:(len(there) + 1) // 2]
    for p in some:
        (tmp_path / "examples" / p.id).symlink_to(ROOT / "data" / "examples" / p.id)
    half, text = said()
    left = [p.id for p in points if p not in some]
    assert f"{len(left)} of {len(points)} runs are not there" in text and left[0] in text and some[0].id not in text.split("## The claims")[0]
    assert {t.accuracy.n for t in half["digits"].main.tickets} == {len(some)}
