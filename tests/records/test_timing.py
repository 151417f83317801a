import dataclasses

import pytest

from lthviz.records import APART, BUSY_CORES, STEADY, Timing


@pytest.mark.parametrize(("change", "why"), [
    ({}, []), ({"conditions": {"others_cores": BUSY_CORES, "drift": STEADY}}, []), ({"conditions": {"others_cores": None, "drift": None}}, []),
    ({"conditions": {"others_cores": 0.8, "drift": 1.0}}, ["0.8 cores"]), ({"conditions": {"others_cores": 0.1, "drift": 1.4}}, ["1.40 times"]),
    ({"conditions": {"drift": 0.7}}, ["0.70 times"]), ({"spread": (0.4, 0.4 * APART)}, []), ({"spread": (0.4, 0.7)}, ["0.400 to 0.700"]),
    ({"spread": (0.4, 0.7), "conditions": {"others_cores": 0.1}}, []), ({"conditions": {"others_cores": 1, "drift": 2}}, ["1 cores", "2.00 times"]),
    ({"spread": (0.4, 0.7), "device": "cuda", "conditions": {"others_cores": 0.1}}, ["0.400 to 0.700"]),
    ({"device": "cuda", "conditions": {"others_cores": 1.5}}, []),
])
def test_what_was_measured_on_a_busy_machine_is_disturbed(change, why):
    calm = Timing(1, "refill", "cpu", 2, 64, 20.0, 10.0, 0.5, (0.49, 0.51), 0.4, 1e-6, "torch", "blocks", 9)
    found = dataclasses.replace(calm, **change).disturbed
    assert len(found) == len(why) and all(part in line for part, line in zip(why, found))
