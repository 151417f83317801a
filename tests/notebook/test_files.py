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
