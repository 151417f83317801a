"""The chapter of price and gain: every bar against rows, masks, weights and timings read on their own."""

import statistics
from xml.etree import ElementTree

import numpy as np
import pytest

from lthviz.config import UNSTRUCTURED
from lthviz.ui import cache
from lthviz.ui.learn import evidence
from lthviz.ui.learn.chapters import price
from tests.ui.learn.evidences import TIMED, accuracies, examples, run, seeds, sound, texts

REGROUP = "regroup-groups=4-min_rows=8"
LABELS = (UNSTRUCTURED, "refill", REGROUP)


@pytest.fixture
def store(tmp_path, monkeypatch):
    return examples(tmp_path, monkeypatch)


def mean(k, label, field):
    return statistics.fmean(r[field] for name in seeds() for r in run(name).rows if (r["round"], r["structure"]) == (k, label))


def test_every_number_of_a_round(store):
    of = evidence.found("speed")
    held = price.magnitudes(of, cache.round)
    for k in (1, 6, 12):
        found = price.values(of, k, held)
        assert tuple(found) == LABELS
        for label, v in found.items():
            assert v.density == pytest.approx(mean(k, label, "density")) and v.flops == pytest.approx(mean(k, label, "flops_ratio"))
            assert v.coverage == pytest.approx(mean(k, label, "coverage"))
            assert 100 * v.accuracy == pytest.approx(statistics.fmean(accuracies(k, label).values()))
            timing = [t for t in store.timings(TIMED) if (t.round, t.structure) == (k, label)]
            assert len(timing) == 1 and v.time == pytest.approx(timing[0].time_ratio)


def test_kept_magnitude_by_plain_loops(store):
    held = price.magnitudes(evidence.found("speed"), cache.round)
    for k in (2, 9):
        before, tickets = store.round(TIMED, k - 1).ticket(UNSTRUCTURED).weights, store.round(TIMED, k).tickets
        for label in LABELS:
            whole = part = 0.0
            for layer in store.run(TIMED).layers:
                mine, base = tickets[label].masks[layer.name], tickets[UNSTRUCTURED].masks[layer.name]
                size = np.abs(np.asarray(before[layer.name], np.float64))
                whole, part = whole + size[base].sum(), part + size[base & mine].sum()
            assert held[k, label] == pytest.approx(part / whole, rel=1e-5)


def test_bars_are_as_long_as_their_numbers(store):
    of = evidence.found("speed")
    made, (slider,) = price.frames(of)
    assert len(made) == len(slider.texts) == 12
    for frame in made:
        sound(frame.drawing)
    bars = [x for x in ElementTree.fromstring(made[5].drawing).iter() if x.tag.endswith("rect") and len(x)]
    found = price.values(of, 6, price.magnitudes(of, cache.round))
    shares = [getattr(v, m) for m in price.MEASURES for v in found.values()]
    lengths = [float(x.get("width")) for x in bars]
    assert len(bars) == len(shares) == 18
    unit = lengths[4]      # of what Refill keeps all lies in whole channels
    assert shares[4] == 1
    assert lengths == pytest.approx([max(0.6, unit * s) for s in shares], abs=0.06)
    assert f"{100 * found[REGROUP].density:.1f} % ×{found[REGROUP].density / found[UNSTRUCTURED].density:.2f}" in texts(made[5].drawing)


def test_the_verdicts_are_said(store):
    made, _ = price.frames(evidence.found("speed"))
    dense = list(accuracies(0, "").values())
    least = statistics.mean(dense) - statistics.stdev(dense)
    for k, frame in enumerate(made, 1):
        refill, regroup = (statistics.fmean(accuracies(k, x).values()) >= least for x in LABELS[1:])
        parts = frame.said.split("Regroup keeps")
        assert ("does not win" in parts[0]) != refill and ("does not win" in parts[1]) != regroup


def test_the_right_answer_is_the_density_that_regroup_has(store):
    made, base = mean(1, REGROUP, "density"), mean(1, UNSTRUCTURED, "density")
    right = next(o for o in price.question().options if o.right)
    assert right.text.split(":")[0] == ("Fewer" if made < 0.98 * base else "More" if made > 1.02 * base else "As many")
    assert len({o.why for o in price.question().options}) == 3
    assert f"{100 * made:.1f}" in right.why and sum(o.right for o in price.question().options) == 1


def test_without_timings_and_weights_the_bars_say_so(tmp_path, monkeypatch):
    examples(tmp_path, monkeypatch, seeds()[:1])
    made, _ = price.frames(evidence.found("speed"))
    for frame in made:
        sound(frame.drawing)
        assert texts(frame.drawing).count("not measured") == 3 and texts(frame.drawing).count("its weights are not kept") == 3 and "dense time" not in frame.said
    assert "No ticket of the runs here has been timed" in price.words()[-1]
    assert price.links() and price.question() is not None
