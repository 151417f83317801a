"""Home's entries: which runs they are of, what they say, and what stands for many seeds in lists."""

import base64
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lthviz.config import Random, Refill, Regroup, RunConfig
from lthviz.core.families import families
from lthviz.core.study import study_id
from lthviz.errors import StoreError
from lthviz.figures import theme
from lthviz.figures.paying import finding
from lthviz.figures.small_curve import small_curve
from lthviz.records import Status
from lthviz.store.brief import Brief
from lthviz.ui import entries, several
from lthviz.ui.entries import Entry
from lthviz.ui.runs import table
from tests.core.test_study import run

CONFIG = RunConfig(model="convnet", data="digits", structures=(Refill(), Regroup(groups=4), Refill(rho=0.2), Random()), rounds=3)
LABELS = ("unstructured", "refill", "regroup-groups=4", "refill-rho=0.2", "random")
SHIPPED = Path(__file__).resolve().parents[2] / "data" / "examples"


def brief(config, example=True, **more):
    return Brief(config.run_id, config, 1.0, "digits", "", example, Status("finished", ""), **more)


def trained(seed, rounds=3, accuracy=90.0):
    key = {(0, "unstructured"): accuracy} | {(k, x): accuracy - i * k for k in range(1, rounds + 1) for i, x in enumerate(LABELS)}
    return run(seed, key, CONFIG, densities={(k, x): 0.5**k for k, x in key})


def test_an_entry_is_of_the_runs_that_it_names():
    ten = [brief(CONFIG.replace(seed=s)) for s in (2, 0, 1)]
    alone = brief(CONFIG.replace(structures=(Refill(),), lr=0.05))
    other = brief(CONFIG.replace(data="cifar10", model="resnet20", structures=(Regroup(),)))
    every = [*ten, alone, other]
    assert Entry("x", run=alone.id).of(every) == [alone] and Entry("x", run="gone").of(every) == []
    assert [b.config.seed for b in Entry("x", data="digits", seeds=2).of(every)] == [0, 1, 2]
    assert Entry("x", data="digits", seeds=4).of(every) == [] and Entry("x", data="cifar100").of(every) == []
    assert Entry("x", data="cifar10", structure="regroup").of(every) == [other] and Entry("x", data="cifar10", structure="refill").of(every) == []
    assert Entry("x", data="digits", structure="refill+").of([alone]) == [] and Entry("x", model="resnet20").of(every) == [other]
    assert Entry("x", model="convnet", data="cifar10").of(every) == []


def test_a_trunk_and_its_branches_are_one_entry():
    trunk = CONFIG.replace(structures=())
    parts = [brief(trunk.replace(seed=s)) for s in (0, 1)]
    parts += [brief(trunk.replace(seed=p.config.seed, structures=(x,), parent=p.id, from_round=1)) for p in parts[:2] for x in (Refill(), Regroup())]
    assert len(Entry("x", data="digits", seeds=2).of(parts)) == 6
    assert [bool(b.parent) for b in Entry("x", data="digits").of(parts)[:2]] == [False, True]
    assert [b.config.structures for b in Entry("x", data="digits", structure="refill").of(parts)] == [(Refill(),)] * 2


def test_numbers_are_of_the_runs_and_a_missing_one_passes_the_sentence_on():
    (of,) = families([trained(0), trained(1, accuracy=92.0)])
    assert entries.middle(of) == 2 and entries.middle(of, 3) == 3 and entries.middle(of, 9) == 2
    known = entries.numbers(of, 2, blocks=4)
    assert known["dense"] == "91.0" and known["seeds"] == "2" and known["unstructured_accuracy"] == "91.0" and known["refill_accuracy"] == "89.0"
    assert known["refillplus_accuracy"] == "85.0" and known["regroup_kept"] == "25" and known["regroup_blocks"] == "4" and known["of"] == "means of 2 seeds"
    assert known["unstructured_least"] == "12" and known["refill_least"] == "50"     # within 1.41 points of the dense mean: only round 1
    entry = Entry("x", run="y", notice=["{nothing} {dense}", "over {seeds}: {refill_least} %", "never"])
    assert entries.notice(entry, known) == "over 2: 50 %" and entries.notice(Entry("x", run="y"), known) == ""
    assert "regroup_blocks" not in entries.numbers(of, 2) and "refill_accuracy" not in entries.numbers(of, 0)
    (half,) = families([trained(0, rounds=0)])
    assert entries.middle(half) == 0 and entries.numbers(half, 0)["dense"] == "90.0"


@pytest.mark.parametrize(("text", "words"), [
    ('[[entry]]\ntitle = "x"\nrun = "y"\npicture = "film"', "'film'"), ('[[entry]]\ntitle = "x"', "either run or model"), ('[[entry]]\nrun = "y"', "title"),
    ('[[entry]]\ntitle = "x"\nrun = "y"\nrunn = "z"', "'runn'"), ("[[entry", "gallery.toml")])
def test_a_wrong_entry_is_named(tmp_path, text, words):
    (tmp_path / entries.FILE).write_text(text)
    with pytest.raises(StoreError, match=re.escape(words)):
        entries.read(tmp_path)


def test_the_shipped_entries_name_only_numbers_that_there_are():
    (of,) = families([trained(0), trained(1, accuracy=92.0)])
    known = entries.numbers(of, 2, blocks=4) | {f"{name}_least": "5" for name in entries.KINDS.values()}
    shipped = entries.read(SHIPPED)
    assert len(shipped) > 2 and entries.read(None) == entries.read(SHIPPED / "nowhere") == []
    for entry in shipped:
        for words in entry.notice:
            assert entries.notice(Entry("x", run="y", notice=[words]), known), f"{entry.title}: {words}"


def test_of_an_examples_study_one_seed_stands_in_lists():
    ten = [brief(CONFIG.replace(seed=s)) for s in (3, 1, 2)]
    own = [brief(CONFIG.replace(seed=s, lr=0.05), example=False) for s in (0, 1)]
    alone = brief(CONFIG.replace(structures=()))
    every = [*own, *ten, alone]
    assert [b.id for b in several.few(every)] == [own[0].id, own[1].id, ten[1].id, alone.id]
    assert several.few(every, {ten[0].id}) == [*own, ten[0], ten[1], alone]
    assert several.together(every) == {study_id(CONFIG): [ten[1], ten[2], ten[0]]} and several.seeds(ten) == "3 seeds"
    rows = table.rows(every, [])
    assert [len(r.seeds) for r in rows] == [0, 0, 3, 0] and rows[2].study == study_id(CONFIG)
    cells = table.cells(rows[2])
    assert cells["title"] == "3 seeds" and cells["seed"] is None and table.cells(rows[0])["seed"] == 0
    assert "6 runs" in table.sentence(rows) and "2 more seeds" in table.sentence(rows)
    assert table.narrowed(rows, {}, ten[0].id) == [rows[2]]


@pytest.mark.parametrize("dark", [False, True])
def test_a_small_curve_is_a_picture_of_the_means(dark):
    (of,) = families([trained(0), trained(1, accuracy=92.0)])
    html = small_curve(of, ["unstructured", "refill", "nothing"], dark=dark)
    svg = ElementTree.fromstring(base64.b64decode(re.search(r"base64,([^']+)'", html)[1]))
    lines = svg.findall("{*}polyline")
    assert [x.get("stroke") for x in lines] == [theme.style(x).line(dark) for x in ("unstructured", "refill")]
    points = [[tuple(map(float, p.split(","))) for p in x.get("points").split()] for x in lines]
    assert [len(p) for p in points] == [4, 4] and all(a[0] < b[0] for p in points for a, b in itertools.pairwise(p))
    assert len({y for _, y in points[0]}) == 1 and points[1][-1][1] > points[1][0][1]      # as accurate all along; less and less
    step = points[1][1][0] - points[1][0][0]
    assert points[1][2][0] - points[1][1][0] == pytest.approx(step, abs=0.2), "densities halve, so steps are equal"
    assert len(svg.findall("{*}polygon")) == 2 and "Unstructured 91.0 % with 12 %" in html and "Refill 88.0 %" in html
    late = families([trained(0), trained(1)])[0]
    late = late.__class__(late.id, tuple(run.__class__(**{**run.__dict__, "rows": tuple(r for r in run.rows if r["structure"] != "random" or r["round"] > 1)}) for run in late.runs))
    svg = ElementTree.fromstring(base64.b64decode(re.search(r"base64,([^']+)'", small_curve(late, ["refill", "random"]))[1]))
    assert [len(x.get("points").split()) for x in svg.findall("{*}polyline")] == [4, 2], "what begins later comes from no dense network"
    assert small_curve(of, []) == "" and small_curve(families([trained(0, rounds=0)])[0], ["unstructured"]) == ""


def test_what_pays_is_said_of_measured_tickets_alone():
    runs = [trained(0), trained(1, accuracy=92.0)]
    (of,) = families(runs)
    assert finding(of, "On the digits") == ()
    times = {(runs[0].id, 1, "refill"): 0.5, (runs[0].id, 3, "refill"): 0.1, (runs[0].id, 2, "unstructured"): 0.9, (runs[0].id, 1, "random"): 0.01}
    first, second = finding(families(runs, times)[0], "On the digits")
    assert "On the digits (2 seeds) the fastest ticket that still wins is Refill's in round 1: 2.00× the speed" in first and "90.0 %" in first and "91.0 %" in first
    assert second == "Whole channels win at up to 2.00×; scattered weights win at up to 1.11×."
    lost = families(runs, {(runs[0].id, 3, "refill"): 0.1})[0]
    assert "no ticket that was timed is as accurate" in finding(lost, "Here")[0]
