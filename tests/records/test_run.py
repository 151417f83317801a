from lthviz.config import Refill, RunConfig
from lthviz.records import Run


def test_a_round_is_finished_when_all_its_tickets_are_trained():
    config = RunConfig(structures=(Refill(),), rounds=2)
    rows = tuple({"round": k, "structure": s} for k, s in ((0, "unstructured"), (1, "unstructured"), (1, "refill"), (2, "unstructured")))
    run = Run("r", config, (), {}, rows, (0, 1, 2), 0.0)
    assert run.finished == (0, 1)
