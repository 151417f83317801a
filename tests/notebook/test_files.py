"""In and out of a notebook: the examples as they stand, on files of one's own."""

import contextlib
import io
import re

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import lthviz as lt
from lthviz import apidoc
from lthviz.config import RunConfig
from lthviz.nn import models


def test_the_examples_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    net = models.build(RunConfig(model="convnet", data="digits", device="cpu"), (1, 8, 8), 10)
    prune.global_unstructured([(m, "weight") for n, m in net.named_modules() if isinstance(m, nn.Conv2d) and n != "conv1"], prune.L1Unstructured, amount=0.75)
    torch.save(net.state_dict(), "pruned.pt")
    space, out = {"lt": lt, "store": lt.Store(tmp_path / "runs", examples=tmp_path / "none")}, io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(apidoc.example("take_in"), space)
        exec(apidoc.example("export"), space)
    assert re.fullmatch(r"convnet-digits-[0-9a-f]{8} \[1\.0, 0\.25\]\n", out.getvalue())
    for name, mask in np.load("masks.npz").items():
        if not name.startswith("__"):
            assert np.array_equal(mask, net.get_buffer(f"{name}_mask").numpy().astype(bool))


def test_a_wrong_word_is_said_in_a_line(tmp_path):
    with pytest.raises(lt.LthvizError, match=r"'modle' is not a keyword of lt\.take_in; did you mean model"):
        lt.take_in("a.pt", modle="resnet18")
    with pytest.raises(lt.LthvizError, match="there is no file"):
        lt.take_in(tmp_path / "a.pt", store=lt.Store(tmp_path / "runs"))


class ByValue(nn.Module):
    """Decides by the values in its images."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 2)

    def forward(self, x):
        x = self.conv2(self.conv1(x).relu())
        return self.head((x if x.mean().item() > -1e9 else -x).mean((2, 3)))


def test_what_cannot_be_timed_or_read_is_said(tmp_path):
    net = ByValue()
    masks = lt.magnitude(net, density=0.5)
    with pytest.raises(lt.LthvizError, match="ByValue decides by the values in its images"):
        lt.bench(net, masks, (3, 8, 8), batch=1, pairs=2, seconds=0.1, threads=1, baselines="quick")
    name = next(iter(masks))
    arrays = {n: torch.from_numpy(masks[n]) for n in masks}
    assert lt.regroup({**arrays, name: arrays[name].to_sparse()}, groups=2, min_rows=1).masks == lt.regroup(masks, groups=2, min_rows=1).masks
    with pytest.raises(lt.LthvizError, match="meta device"):
        lt.regroup({**arrays, name: arrays[name].to("meta")})
