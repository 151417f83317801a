"""ONNX and torch.export: outputs in their own runtimes against the masked network's, on the whole test set of digits and on random images."""

import contextlib
import importlib.util
import io
import json
import subprocess
import sys

import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from lthviz import launch
from lthviz.config import Refill, Regroup
from lthviz.errors import ExchangeError
from lthviz.exchange import parcel
from lthviz.exchange.formats import write
from lthviz.nn import data, models
from lthviz.records import Address
from lthviz.store import Store
from tests import parcels
from tests.small import SMALL

GROUPS = "regroup-groups=4-min_rows=8"


def run_onnx(path, images):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    assert [x.name for x in session.get_inputs()] == ["images"] and [x.name for x in session.get_outputs()] == ["logits"]
    return torch.from_numpy(session.run(None, {"images": images.numpy()})[0])


def run_program(path, images):
    with torch.no_grad():
        return torch.export.load(path).module()(images)


RUN = {"onnx": (".onnx", run_onnx), "torch-export": (".pt2", run_program)}


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """(store, run, test images) of a small run that is trained far enough to tell the classes apart."""
    store = Store(tmp_path_factory.mktemp("digits") / "runs", examples="none")
    run_id = store.begin(SMALL.replace(rounds=1, epochs=3, train_images=600, structures=(Refill(), Regroup(groups=4, min_rows=8))))
    launch.drive(store, run_id)
    return store, run_id, torch.cat([x for x, _ in data.load(store.run(run_id).config, torch.device("cpu")).test_batches(64)]).contiguous()


@pytest.mark.parametrize("form", RUN)
@pytest.mark.parametrize("structure", ["unstructured", "refill", GROUPS])
def test_decisions_on_the_whole_test_set_are_the_masked_networks(digits, tmp_path, form, structure):
    store, run_id, images = digits
    ticket, (suffix, run) = parcel.of(store, Address(run_id, 1, structure)), RUN[form]
    write(ticket, form, out := tmp_path / f"net{suffix}")
    with torch.no_grad():
        expected = parcels.masked(ticket)(images)
    for batch in (slice(None), slice(0, 1), slice(1, 8)):
        found = run(out, images[batch])
        torch.testing.assert_close(found, expected[batch], rtol=0, atol=1e-4)
        assert torch.equal(found.argmax(1), expected[batch].argmax(1))
    assert len(images) > 250 and len(expected.argmax(1).unique()) == 10


@pytest.mark.parametrize("model, structure, form", [("resnet18", "refill", "onnx"), ("resnet20", "regroup", "onnx"), ("torchvision:mobilenet_v3_small", "refill", "onnx"),
                                                    ("mobilenet_v1", "refill", "torch-export"), ("resnet20", "unstructured", "torch-export")])
def test_other_networks_compute_the_same(model, structure, form, tmp_path):
    ticket, (suffix, run) = parcels.of(model, (3, 32, 32), structure, keep=0.4), RUN[form]
    write(ticket, form, out := tmp_path / f"net{suffix}")
    images = parcels.images(ticket)
    with torch.no_grad():
        expected = parcels.masked(ticket)(images)
    for found, wanted in ((run(out, images), expected), (run(out, images[:1]), expected[:1])):
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-4 * max(1.0, wanted.abs().max().item()))
        assert torch.equal(found.argmax(1), wanted.argmax(1))


def test_the_onnx_file_is_the_smaller_network_and_says_what_it_is(digits, tmp_path):
    store, run_id, _ = digits
    ticket = parcel.of(store, Address(run_id, 1, "refill"))
    write(ticket, "onnx", tmp_path / "net.onnx")
    model = onnx.load(tmp_path / "net.onnx")
    onnx.checker.check_model(model, full_check=True)
    said = {p.key: p.value for p in model.metadata_props}
    about = parcel.read(said["lthviz"], "it")
    assert (about.run, about.round, about.structure, about.test_acc) == (run_id, 1, "refill", ticket.ticket.test_acc)
    assert json.loads(said["lthviz"])["blocks"] == {} and ticket.ticket.blocks
    kernels = [tuple(x.dims) for x in model.graph.initializer if len(x.dims) == 4]   # this network has no maps to join
    rows = [int(ticket.masks.matrix(x.name).any(axis=1).sum()) for x in ticket.layers]
    assert [k[0] for k in kernels[1:]] == [-(-n // 16) * 16 for n in rows] and rows[0] < ticket.layers[0].shape[0]   # in blocks of sixteen
    assert [k[1] for k in kernels[2:]] == [k[0] for k in kernels[1:-1]]
    dims = [d.dim_param or d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
    assert isinstance(dims[0], str) and dims[1:] == [1, 8, 8]


def test_the_program_says_what_it_is(tmp_path):
    ticket = parcels.of("resnet8", (3, 16, 16), "refill")
    write(ticket, "torch-export", tmp_path / "net.pt2")
    extra = {"lthviz.json": ""}
    program = torch.export.load(tmp_path / "net.pt2", extra_files=extra)
    assert json.loads(extra["lthviz.json"]) == parcel.about(ticket)
    kept = {n: tuple(p.shape) for n, p in program.state_dict.items()}
    assert all(kept[x.name][0] == ticket.masks.matrix(x.name).any(axis=1).sum() for x in ticket.layers)


class Twisted(nn.Module):
    """Control flow on data, which nothing here can follow."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

    def forward(self, x):
        x = self.first(x).mean((2, 3))
        return self.fc(-x if x.sum() > 0 else x)


@pytest.mark.parametrize("form", RUN)
def test_what_cannot_be_followed_says_what_to_use_instead(form, tmp_path, monkeypatch):
    monkeypatch.setattr(models, "_own", lambda *args: Twisted())
    monkeypatch.setattr(parcels, "_built", models._own)
    ticket = parcels.of("resnet8", (3, 16, 16), "unstructured")
    with pytest.raises(ExchangeError, match=r"cannot follow 'resnet8' .*state-dict, safetensors or torch-prune"), contextlib.redirect_stderr(io.StringIO()):
        write(ticket, form, tmp_path / f"net{RUN[form][0]}")
    assert not list(tmp_path.iterdir())


def test_a_package_that_is_missing_is_named(tmp_path, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "onnxscript" else found(name, *a))
    with pytest.raises(ExchangeError, match="pip install onnxscript"):
        write(parcels.of("convnet", (1, 8, 8), "refill"), "onnx", tmp_path / "net.onnx")


def test_formats_are_listed_without_torch():
    code = "import sys\nfrom lthviz.exchange.formats import FORMATS\nassert len(FORMATS) >= 10 and not {'torch', 'onnx'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
