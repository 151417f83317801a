"""A layer alone under masks: what is timed computes the convolution, and what is asked for wrongly is refused."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lthviz.errors import SpeedError
from lthviz.speed import layer

ROOT = Path(__file__).resolve().parents[2]
SHAPE, SIDE = (24, 16, 3, 3), 5


def masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    rows, block = np.zeros((24, 144), bool), np.zeros((24, 144), bool)
    rows[::2] = True
    block[np.ix_(range(4, 16), range(30, 102))] = True
    return {"scattered": rng.random((24, 144)) < 0.5, "rows": rows, "block": block}


def test_every_form_computes_the_masked_convolution():
    rng = np.random.default_rng(2)
    weights, image = rng.standard_normal(SHAPE, np.float32), rng.standard_normal((32, 16, SIDE, SIDE), np.float32)
    for name, mask in masks().items():
        wanted = torch.nn.functional.conv2d(torch.from_numpy(image), torch.from_numpy(weights * mask.reshape(SHAPE)), padding=1).numpy()
        outputs = layer.outputs(mask.reshape(SHAPE), weights, image, threads=1)
        assert len(outputs) > (name == "scattered")
        for form, output in outputs.items():
            np.testing.assert_allclose(output, wanted, atol=2e-5 * np.abs(wanted).max(), err_msg=f"{name} {form}")


def test_every_mask_is_timed_against_the_dense_layer():
    told = []
    found = layer.measure(masks(), SHAPE, SIDE, batch=16, seconds=0.05, told=told.append)
    assert told == found and [p.name for p in found] == list(masks())
    for p, mask in zip(found, masks().values(), strict=True):
        assert p.kept == mask.mean() and p.n >= 9 and p.low <= p.ratio <= p.high and p.ms > 0
        assert p.form == min(p.forms, key=p.forms.get) and {"scattered": {"blocks", "quads"}, "rows": {"blocks"}, "block": {"blocks"}}[p.name] <= set(p.forms)


def test_masks_that_do_not_fit_are_named():
    with pytest.raises(SpeedError, match="'small' has 6 weights"):
        layer.measure({"small": np.ones((2, 3), bool)}, SHAPE, SIDE)
    with pytest.raises(SpeedError, match="'none' has 3,456 weights, 0 of them kept"):
        layer.measure({"none": np.zeros((24, 144), bool)}, SHAPE, SIDE)


def test_as_a_process_it_tells_a_line_for_each(tmp_path):
    np.savez(tmp_path / "a.npz", shape=SHAPE, side=SIDE, batch=16, threads=1, seconds=0.05, **masks())
    done = subprocess.run([sys.executable, "-m", "lthviz.speed.layer", str(tmp_path / "a.npz")], cwd=ROOT, check=True, capture_output=True, text=True, timeout=300)
    lines = [json.loads(x) for x in done.stdout.splitlines()]
    assert [x["name"] for x in lines] == list(masks()) and all(0 < x["ratio"] < 50 and x["form"] in x["forms"] for x in lines)
