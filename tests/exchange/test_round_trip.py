"""What goes out comes in again as it was; and a ResNet-18 that only torch has pruned goes in and comes out in every form."""

import io
import json
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import onnxruntime
import pandas as pd
import pytest
import safetensors.numpy
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from lthviz import launch
from lthviz.cli import main
from lthviz.config import structure
from lthviz.exchange import intake, parcel
from lthviz.exchange.formats import FORMATS
from lthviz.presets import PRESETS
from lthviz.records import Address
from lthviz.store import Store
from tests.exchange.intake.networks import masks_of, network, permanent, pruned, saved

GROUPS = "regroup-groups=4-min_rows=8"
CARRIES_WEIGHTS = ("safetensors", "state-dict", "torch-prune")
MASKS_ALONE = tuple(name for name in FORMATS if name.startswith("masks-"))


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A small digits run that kept the weights of every ticket."""
    store = Store(tmp_path_factory.mktemp("trained") / "runs", examples="none")
    config = PRESETS["digits"].config.replace(rounds=1, epochs=2, train_images=150, threads=1, keep_weights="all", structures=(structure("refill"), structure(GROUPS)))
    run_id = store.begin(config)
    launch.drive(store, run_id)
    return store, run_id


def same(one, other):
    assert one.masks == other.masks and one.structural == other.structural
    assert one.test_acc == other.test_acc and one.val_acc == other.val_acc
    assert one.blocks.keys() == other.blocks.keys()
    for name, blocks in one.blocks.items():
        assert blocks.shape == other.blocks[name].shape
        for a, b in ((blocks.rows, other.blocks[name].rows), (blocks.cols, other.blocks[name].cols)):
            assert len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))
    assert all(np.array_equal(one.weights[n], other.weights[n]) for n in one.weights)


@pytest.mark.parametrize("label", ["unstructured", "refill", GROUPS])
@pytest.mark.parametrize("form", [*CARRIES_WEIGHTS, *MASKS_ALONE])
def test_export_and_import_give_the_same_masks_blocks_weights_and_accuracies(trained, tmp_path, form, label):
    store, run_id = trained
    sent = parcel.of(store, Address(run_id, 1, label))
    asked, path = intake.Asked(), tmp_path / f"out{FORMATS[form].suffix}"
    FORMATS[form].write(sent, path)
    if form in MASKS_ALONE:     # they come with the weights of another file, as its masks
        masks, path = path, tmp_path / "weights.safetensors"
        FORMATS["safetensors"].write(sent, path)
        asked = intake.Asked(masks=masks)
    there = Store(tmp_path / "runs", examples=tmp_path / "none")
    taken = intake.take_in(there, intake.look(path, asked))
    same(store.round(run_id, 1).ticket(label), there.round(taken.run_id, 1).ticket("unstructured"))
    run, came = store.run(run_id), there.run(taken.run_id)
    assert came.layers == run.layers and came.config.epochs == run.config.epochs and list(came.info["classes"]) == list(run.info["classes"])


def test_a_packed_run_comes_in_as_the_run_it_was(trained, tmp_path):
    store, run_id = trained
    assert main(["export", run_id, "--format", "bundle", "-o", str(tmp_path / "run.h5"), "--runs", str(store.root)]) == 0
    there = Store(tmp_path / "runs", examples=tmp_path / "none")
    assert there.unpack(tmp_path / "run.h5") == run_id
    for label, ticket in store.round(run_id, 1).tickets.items():
        same(ticket, there.round(run_id, 1).ticket(label))


# A ResNet-18 that nothing but torch.nn.utils.prune has touched ------------------------------------------------------------


@pytest.fixture(scope="module")
def theirs(tmp_path_factory):
    """(store, run id, the network itself): it went in from its state dict alone."""
    folder = tmp_path_factory.mktemp("resnet18")
    net = pruned(network("resnet18", (3, 32, 32)))
    path = saved(folder / "pruned.pt", net.state_dict())
    assert main(["import", str(path), "--runs", str(folder / "runs"), "--json"]) == 0
    store = Store(folder / "runs", examples="none")
    return store, store.runs()[0], net


def export(theirs, form, out, *more):
    store, run_id, _ = theirs
    assert main(["export", run_id, "--format", form, "-o", str(out), "--runs", str(store.root), *more]) == 0
    return out


def images():
    return torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(5))


def computes_the_same(found, net):
    with torch.no_grad():
        wanted = net(images())
    found = torch.as_tensor(np.asarray(found))
    assert (found - wanted).abs().max() <= 1e-4 and torch.equal(found.argmax(1), wanted.argmax(1))


@pytest.mark.parametrize("form", MASKS_ALONE)
def test_its_masks(theirs, tmp_path, form):
    path, wanted = export(theirs, form, tmp_path / f"masks{FORMATS[form].suffix}"), masks_of(theirs[2])
    match path.suffix:
        case ".npz":
            found = {n: a for n, a in np.load(path).items() if not n.startswith("__")}
        case ".safetensors":
            found = safetensors.numpy.load_file(path)
        case ".h5":
            found, skip = {}, lambda n: n.startswith("__")
            with h5py.File(path) as f:
                f.visititems(lambda n, d: found.update({n: d[()]}) if isinstance(d, h5py.Dataset) and not skip(n) else None)
        case _:
            found = {n: t.numpy() for n, t in torch.load(path, weights_only=True).items()}
    assert found.keys() == wanted.keys() and all(np.array_equal(found[n].astype(bool), m.numpy()) for n, m in wanted.items())


def test_its_weights(theirs, tmp_path):
    wanted = permanent(pruned(network("resnet18", (3, 32, 32)))).state_dict()
    plain, pt = export(theirs, "safetensors", tmp_path / "w.safetensors"), export(theirs, "state-dict", tmp_path / "w.pt")
    for found in (safetensors.torch.load_file(plain), torch.load(pt, weights_only=True)):
        fresh = network("resnet18", (3, 32, 32), seed=1)
        fresh.load_state_dict(found, strict=True)
        assert all(torch.equal(v, wanted[n]) for n, v in fresh.state_dict().items())


def test_its_pruning_as_torch_has_it(theirs, tmp_path):
    net, fresh = theirs[2], pruned(network("resnet18", (3, 32, 32), seed=1), 0.5)
    fresh.load_state_dict(torch.load(export(theirs, "torch-prune", tmp_path / "p.pt"), weights_only=True), strict=True)
    assert all(torch.equal(m, masks_of(net)[n]) for n, m in masks_of(fresh).items())
    computes_the_same(fresh.eval()(images()).detach(), net)
    assert any(isinstance(m, nn.Conv2d) and prune.is_pruned(m) for m in permanent(fresh).modules()) is False


def test_it_computes_the_same_wherever_it_is_deployed(theirs, tmp_path):
    net = theirs[2]
    onnx = export(theirs, "onnx", tmp_path / "n.onnx")
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    computes_the_same(session.run(None, {session.get_inputs()[0].name: images().numpy()})[0], net)
    program = torch.export.load(export(theirs, "torch-export", tmp_path / "n.pt2")).module()
    computes_the_same(program(images()).detach(), net)
    folder = export(theirs, "module", tmp_path / "net")
    torch.save(images(), tmp_path / "x.pt")
    code = ("import sys, torch\nclass No:\n    def find_spec(self, name, *rest):\n        assert name.partition('.')[0] != 'lthviz', name\n"
            f"sys.meta_path.insert(0, No())\nsys.path.insert(0, {str(folder)!r})\nimport network\nnet = network.load({str(folder)!r}).eval()\n"
            f"with torch.no_grad():\n    torch.save(net(torch.load({str(tmp_path / 'x.pt')!r})), {str(tmp_path / 'y.pt')!r})\nassert not [m for m in sys.modules if m.startswith('lthviz')]")
    subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, check=True, timeout=300)
    computes_the_same(torch.load(tmp_path / "y.pt"), net)


def test_its_tables_figures_report_and_bundle(theirs, tmp_path):
    _, run_id, net = theirs
    kept = {n: int(m.sum()) for n, m in masks_of(net).items()}
    csv, parquet = export(theirs, "csv", tmp_path / "csv"), export(theirs, "parquet", tmp_path / "parquet")
    for rows in (pd.read_csv(csv / "layers.csv"), pd.read_parquet(parquet / "layers.parquet")):
        last = rows[rows["round"] == 1]
        assert dict(zip(last["layer"], last["kept"], strict=True)) == kept
    text = export(theirs, "report", tmp_path / "r.html").read_text(encoding="utf-8")
    assert run_id in text and "resnet18" in text and "pruned.pt" in text
    with zipfile.ZipFile(io.BytesIO(export(theirs, "figures", tmp_path / "f.zip").read_bytes())) as z:
        assert z.testzip() is None and any(n.endswith("index.html") for n in z.namelist())
    there = Store(tmp_path / "runs", examples=tmp_path / "none")
    assert there.unpack(export(theirs, "bundle", tmp_path / "b.h5")) == run_id


def test_what_each_command_says_can_be_read_by_a_program(theirs, tmp_path, capsys):
    store, run_id, _ = theirs
    capsys.readouterr()
    export(theirs, "masks-npz", tmp_path / "m.npz", "--json")
    said = json.loads(capsys.readouterr().out)
    assert said["path"] == str(tmp_path / "m.npz") and said["format"] == "masks-npz" and said["bytes"] == (tmp_path / "m.npz").stat().st_size
    assert main(["export", run_id, "--format", "masks-npz", "-o", str(tmp_path / "m.npz"), "--runs", str(store.root)]) == 2, "what is there is not overwritten unasked"
    assert "--force" in capsys.readouterr().err
