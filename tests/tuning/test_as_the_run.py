"""A preview is what the run makes: masks, blocks and notes of the engine's own tickets, from partitions and scores that a child process found."""

import json

import pytest

from lthviz.config import Refill, Regroup
from lthviz.core.blocks import to_mask
from lthviz.tuning import partitions, preview, scores, source
from tests.tuning.conftest import STRUCTURES

REGROUPS, REFILLS = ([s for s in STRUCTURES if isinstance(s, kind)] for kind in (Regroup, Refill))


def check(found, ticket, run, row):
    assert found.made.masks == ticket.masks
    assert json.loads(json.dumps(found.made.notes, default=int)) == ticket.notes
    assert {n: len(b) for n, b in found.made.blocks.items()} == {n: len(b) for n, b in ticket.blocks.items()}
    for name, blocks in ticket.blocks.items():
        assert (to_mask(found.made.blocks[name]) == to_mask(blocks)).all()
    t = found.totals
    assert (t.density, t.effective, t.coverage, t.coverage_layers, t.flops) == pytest.approx(
        tuple(row[k] for k in ("density", "effective_density", "coverage", "coverage_layers", "flops_ratio")))


def stored(store, of, structure):
    row = next(r for r in of.run.rows if (r["round"], r["structure"]) == (of.round, structure.label))
    return store.round(of.run.id, of.round).ticket(structure.label), of.run, row


@pytest.mark.parametrize("round", [1, 2])
def test_regroup(trained, until, round):
    of = source(trained, trained.runs()[0], round)
    for structure in REGROUPS:
        partitions.ask(trained.root, of, structure)
    for structure in REGROUPS:
        until(lambda s=structure: partitions.progress(trained.root, of, s).ready)
        divided = partitions.known(trained.root, of, structure)
        assert list(divided.partitions) == list(of.masks) == list(divided.found if structure.variant == "paper" else divided.parts)
        check(preview(structure, of.masks, of.run.layers, divided=divided, weights=of.weights), *stored(trained, of, structure))


@pytest.mark.parametrize("structure", REFILLS, ids=lambda s: s.label)
def test_refill(trained, until, structure):
    of = source(trained, trained.runs()[0], 2)
    scores.ask(trained.root, of, structure)
    until(lambda: scores.known(trained.root, of, structure) is not None)
    given = scores.known(trained.root, of, structure)
    check(preview(structure, of.masks, of.run.layers, scores=given, weights=of.weights), *stored(trained, of, structure))


def test_what_is_known_is_not_asked_again(trained, until):
    of, structure = source(trained, trained.runs()[0], 1), Regroup(groups=3)
    partitions.ask(trained.root, of, structure)
    until(lambda: partitions.progress(trained.root, of, structure).ready)
    until(lambda: not any((trained.root / ".tuning" / "wanted").glob("*.json")))
    partitions.ask(trained.root, of, structure)
    partitions.ask(trained.root, of, Regroup(groups=3, t1=0.2, min_rows=3, tile_rows=2, leftovers="keep"))
    assert not any((trained.root / ".tuning" / "wanted").glob("*.json")), "thresholds share a partition"
    passes = [partitions.divisions(of, Regroup(groups=3, variant="paper", **more)) for more in ({}, {"min_nnz": 3}, {"min_cols": 9})]
    assert len({*passes[0], *passes[1], *passes[2], *partitions.divisions(of, Regroup(groups=3))}) == 4, "later passes divide what the thresholds left"
    assert set(partitions.divisions(of, Regroup(groups=3))) != set(partitions.divisions(source(trained, of.run.id, 2), Regroup(groups=3)))
