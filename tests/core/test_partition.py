import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import mtkahypar
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lthviz.config import Regroup
from lthviz.core import partitioners
from lthviz.core.partition import Partition, km1, partition, partition_all
from lthviz.core.regroup import regroup
from lthviz.errors import ConfigError, PartitionerMissing
from lthviz.records import Masks
from tests.core import oracles
from tests.core.oracles import matrices

ROOT = Path(__file__).resolve().parents[2]
BOTH = pytest.mark.parametrize("partitioner", ["mtkahypar", "pymetis"])


def random_mask(rows=64, n=200, density=0.15, seed=0):
    return np.random.default_rng(seed).random((rows, n)) < density


@BOTH
@settings(max_examples=40, deadline=None)
@given(mask=matrices(st.tuples(st.integers(1, 20), st.integers(1, 15))), groups=st.integers(1, 6), seed=st.integers(0, 3))
def test_every_row_with_weights_is_in_a_part(partitioner, mask, groups, seed):
    found = partition(mask, groups, seed=seed, partitioner=partitioner)
    full = mask.any(axis=1)
    sizes = np.bincount(found.assignment[full], minlength=groups)
    assert (found.assignment[~full] == -1).all() and found.assignment.dtype == np.int32
    assert len(sizes) == groups and (sizes > 0).sum() == min(groups, full.sum())
    assert sizes.max() <= 1.1 * -(-full.sum() // groups) + (partitioner == "pymetis")  # METIS: at times one row more
    assert found.km1 == oracles.km1(mask, found.assignment)
    assert sorted(r for rows in found.members() for r in rows.tolist()) == np.flatnonzero(full).tolist()
    assert [set(found.assignment[rows].tolist()) for rows in found.members()] == [{g} for g in np.flatnonzero(sizes).tolist()]


@given(matrices(), st.data())
def test_connectivity_equals_the_loop(mask, data):
    assignment = data.draw(hnp.arrays(np.int32, len(mask), elements=st.integers(-1, 3)))
    assignment[~mask.any(axis=1)] = -1
    mask = mask & (assignment >= 0)[:, None]
    assert km1(mask, assignment) == oracles.km1(mask, assignment)


def test_connectivity_is_what_mtkahypar_calls_km1():
    mask, assignment = random_mask(), np.arange(64) % 5
    machine = partitioners._initializer()
    context = machine.context_from_preset(mtkahypar.PresetType.DETERMINISTIC)
    context.set_partitioning_parameters(5, 0.1, mtkahypar.Objective.KM1)
    edges = [np.flatnonzero(column).tolist() for column in mask.T if column.any()]
    graph = machine.create_hypergraph(context, 64, len(edges), edges)
    assert graph.create_partitioned_hypergraph(context, 5, assignment.tolist()).km1() == km1(mask, assignment)


@BOTH
def test_planted_groups_are_recovered(partitioner):
    rng = np.random.default_rng(1)
    planted, owner = rng.permutation(np.arange(96) % 4), rng.permutation(np.arange(400) % 4)
    mask = (planted[:, None] == owner[None]) & (rng.random((96, 400)) < 0.5)
    found = partition(mask, 4, partitioner=partitioner)
    assert found.km1 == 0 and found.partitioner.startswith(partitioner + " ")
    assert len(set(zip(planted.tolist(), found.assignment.tolist()))) == 4


def test_settings_that_are_kept_divide_as_freshly_read_ones(monkeypatch):
    rng = np.random.default_rng(3)
    cases = [(random_mask(rows, n, density, seed), groups, imbalance)
             for seed, (rows, n, density, groups, imbalance) in enumerate([(12, 15, 0.4, 3, 0.1), (64, 200, 0.15, 8, 0.3), (100, 90, 0.05, 2, 0.03), (512, 1400, 0.36, 6, 0.1), (12, 15, 0.4, 5, 0.1)])]
    cases = [cases[i] for i in (*range(len(cases)), *rng.permutation(len(cases)))]
    kept = [partition(*case[:2], imbalance=case[2]).assignment for case in cases]
    monkeypatch.setattr(partitioners, "_context", lambda machine, pins: partitioners._read(machine, partitioners.DENSE_SETTINGS if pins > partitioners.DENSE_PINS else {}))
    for case, found in zip(cases, kept):
        np.testing.assert_array_equal(partition(*case[:2], imbalance=case[2]).assignment, found)


@BOTH
def test_the_seed_decides(partitioner):
    mask = random_mask()
    first, again, other = (partition(mask, 4, seed=s, partitioner=partitioner).assignment for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    # another seed gives another grouping, not only other numbers for the same groups
    assert len(set(zip(first.tolist(), other.tolist()))) > 4


@BOTH
def test_another_process_with_one_thread_finds_the_same_parts(partitioner):
    code = ("import os, sys\nif hasattr(os, 'sched_setaffinity'): os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
            "from tests.core.test_partition import random_mask\nfrom lthviz.core.partition import partition\n"
            f"print(*partition(random_mask(128, 500), 8, seed=5, partitioner='{partitioner}').assignment)")
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    here = partition(random_mask(128, 500), 8, seed=5, partitioner=partitioner).assignment
    assert done.stdout.split() == [str(part) for part in here]  # and nothing else was printed
    assert done.stderr == ""


def test_small_layers_ask_nobody():
    mask = random_mask(5, 30)
    mask[2] = False
    found = partition(mask, 8)
    assert found.assignment.tolist() == [0, 1, -1, 2, 3] and found.partitioner == "none"
    assert partition(mask, 1).assignment.tolist() == [0, 0, -1, 0, 0]


def test_a_dense_layer_is_divided_with_the_shorter_search():
    rng = np.random.default_rng(0)
    planted, owner = rng.permutation(np.arange(400) % 2), rng.permutation(np.arange(1600) % 2)
    mask = (planted[:, None] == owner) & (rng.random((400, 1600)) < 0.9)
    assert mask.sum() > partitioners.DENSE_PINS
    found = partition(mask, 2)
    assert found.km1 == 0 and found.partitioner.startswith("mtkahypar ")
    assert len(set(zip(planted.tolist(), found.assignment.tolist()))) == 2


def test_equal_columns_count_as_often_as_they_occur():
    """Rows 0–1 share one column, rows 1–2 five equal ones: cutting the one is right."""
    mask = np.zeros((4, 12), bool)
    mask[[0, 1], 0], mask[0, 1], mask[3, 2] = True, True, True
    mask[1:3, 3:8] = True
    mask[[0, 3], 8:12] = True
    found = partition(mask, 2, imbalance=0.0, partitioner="mtkahypar")
    assert found.km1 == 1 and found.assignment[1] == found.assignment[2] != found.assignment[0]


def test_without_a_partitioner_there_is_an_error_and_never_the_unstructured_mask(monkeypatch):
    """The released code returns the mask as it came and reports it as group-wise."""
    masks = Masks.of({"w": random_mask()})
    monkeypatch.setitem(sys.modules, "mtkahypar", None)
    assert regroup(masks, Regroup(groups=2)).notes["w"]["partitioner"].startswith("pymetis ")
    with pytest.raises(PartitionerMissing, match="pip install mtkahypar"):
        regroup(masks, Regroup(groups=2, partitioner="mtkahypar"))
    monkeypatch.setitem(sys.modules, "pymetis", None)
    for variant in ("code", "paper"):
        with pytest.raises(PartitionerMissing, match="pip install mtkahypar or pip install pymetis"):
            regroup(masks, Regroup(groups=2, variant=variant))


def test_more_groups_than_rows_everywhere_is_refused():
    masks = {"a": random_mask(6, 20), "b": random_mask(9, 60)}
    with pytest.raises(ConfigError, match="groups = 10 is more than the 9 rows"):
        partition_all(Masks.of(masks), Regroup(groups=10), 0)
    found = partition_all(Masks.of(masks), Regroup(groups=8), 0)
    assert found["a"].partitioner == "none" and found["b"].partitioner == f"mtkahypar {version('mtkahypar')}"


def test_layers_are_seeded_by_name():
    masks = Masks.of({"a": random_mask(), "b": random_mask()})
    found = partition_all(masks, Regroup(groups=4), 0)
    alone = partition_all(Masks.of({"b": random_mask()}), Regroup(groups=4), 0)
    assert (found["a"].assignment != found["b"].assignment).any()
    np.testing.assert_array_equal(found["b"].assignment, alone["b"].assignment)


def test_threads_in_use_leave_the_process_its_cores():
    if hasattr(os, "sched_getaffinity"):
        before = os.sched_getaffinity(0)
        partition(random_mask(), 4)
        assert os.sched_getaffinity(0) == before


def test_a_run_of_one_thread_partitions_with_one_and_finds_the_same():
    code = ("import os, sys, numpy as np\nfrom lthviz.core import partitioners\nfrom lthviz.core.partition import partition\n"
            "partitioners.use_threads(int(sys.argv[1]))\n"
            "found = partition(np.random.default_rng(0).random((256, 1152)) < 0.2, 8)\n"
            "print(found.km1, found.assignment.tolist(), len(os.listdir('/proc/self/task')) if os.path.isdir('/proc/self/task') else '')")
    out = [subprocess.run([sys.executable, "-c", code, str(n)], cwd=ROOT, check=True, capture_output=True, text=True,
                          env={**os.environ, "OPENBLAS_NUM_THREADS": "1"}).stdout.rpartition(" ") for n in (1, 2)]
    assert out[0][0] == out[1][0]
    if len(os.sched_getaffinity(0)) > 1 and out[0][2].strip():
        assert int(out[0][2]) < int(out[1][2])


def test_members_ascend_by_part():
    found = Partition(np.array([1, -1, 0, 1, 3], np.int32), "", 0)
    assert [rows.tolist() for rows in found.members()] == [[2], [0, 3], [4]]
