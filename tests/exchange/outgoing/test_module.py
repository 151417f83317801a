"""The smaller network as a Python file: run by a process in which lthviz cannot be imported, and held against the masked network."""

import ast
import json
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from lthviz.errors import ExchangeError
from lthviz.exchange import parcel as parcel_file
from lthviz.exchange.formats import write
from lthviz.exchange.outgoing import network as networks
from lthviz.exchange.outgoing import written
from lthviz.nn import models, place
from lthviz.store.parts import MARK
from tests import parcels

CASES = [("convnet", (1, 8, 8)), ("resnet8", (3, 16, 16)), ("resnet20", (3, 8, 8)), ("wrn32_2", (3, 8, 8)), ("vgg16", (3, 32, 32)), ("mobilenet_v1", (3, 16, 16)),
         ("resnet50", (3, 16, 16)), ("torchvision:mobilenet_v3_small", (3, 32, 32)), ("torchvision:efficientnet_b0", (3, 32, 32)), ("timm:tf_efficientnet_lite0", (3, 32, 32))]
THREE = ("convnet", "resnet8", "mobilenet_v1")
ALONE = """
import sys
class No:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("lthviz", "safetensors"):
            raise ImportError(name)
sys.meta_path.insert(0, No())
import importlib.util, warnings
warnings.simplefilter("error")
import torch
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    spec = importlib.util.spec_from_file_location("network", folder + "/network.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load()
    given = torch.load(folder + "/images.pt", weights_only=True)
    with torch.no_grad():
        out = network(given)
    torch.save({"out": out, "sizes": {k: list(v.shape) for k, v in network.state_dict().items()}, "names": [n for n, _ in network.named_modules()]}, folder + "/out.pt")
assert not any(m.split(".")[0] == "lthviz" for m in sys.modules)
"""


def test_it_runs_where_there_is_no_lthviz_and_computes_the_same(tmp_path):
    """Every network of the zoo and some of others', in the three structures, in one process that has torch alone."""
    folders = {}
    for model, shape in CASES:
        for structure in parcels.STRUCTURES if model in THREE else ["refill"]:
            ticket = parcels.of(model, shape, structure, keep=0.4)
            write(ticket, "module", folder := tmp_path / f"{model.replace(':', '-')}-{structure}")
            torch.save(parcels.images(ticket), folder / "images.pt")
            folders[folder] = ticket
    done = subprocess.run([sys.executable, "-I", "-c", ALONE, *map(str, folders)], cwd=tmp_path, capture_output=True, text=True, timeout=120, env={})
    assert done.returncode == 0, done.stderr
    for folder, ticket in folders.items():
        found, expected = torch.load(folder / "out.pt", weights_only=True), parcels.masked(ticket)
        with torch.no_grad():
            wanted = expected(parcels.images(ticket))
        torch.testing.assert_close(found["out"], wanted, rtol=0, atol=1e-4 * wanted.abs().max().item(), msg=folder.name)
        assert torch.equal(found["out"].argmax(1), wanted.argmax(1))
        whole = {k: list(v.shape) for k, v in expected.state_dict().items()}
        assert found["sizes"].keys() == whole.keys() and set(ticket.masks) <= found["sizes"].keys()
        smaller = {k for k in whole if found["sizes"][k] != whole[k]}
        assert smaller if ticket.address.structure == "refill" else not smaller or "regroup" in folder.name   # a group may leave channels that nobody reads
        if ticket.address.structure == "refill" and "mobilenet" not in folder.name and "efficientnet" not in folder.name:   # there depthwise layers remove more
            for layer in ticket.layers:
                assert layer.groups > 1 or found["sizes"][layer.name][0] <= ticket.masks.matrix(layer.name).any(axis=1).sum(), layer.name


def test_the_file_is_plain_python(tmp_path):
    ticket = parcels.of("resnet8", (3, 16, 16), "refill")
    write(ticket, "module", tmp_path / "small")
    text = (tmp_path / "small" / "network.py").read_text()
    tree = ast.parse(text)
    imported = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names} | {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
    assert imported <= {"json", "pathlib", "torch", "torch.nn"}
    assert not {"eval", "exec", "compile", "__import__", "pickle"} & {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
    assert "y = self.layer1[0].conv1(x)" in text and "place(" in text and "def forward(self, x):" in text
    assert sorted(p.name for p in (tmp_path / "small").iterdir() if p.name != MARK) == ["README.txt", "lthviz.json", "network.py", "weights.safetensors"]
    about = parcel_file.read((tmp_path / "small" / "lthviz.json").read_bytes(), "it")
    assert (about.structure, about.image_shape, about.classes) == ("refill", (3, 16, 16), tuple("abcdefghij"))
    write(ticket, "module", tmp_path / "small.zip")
    with zipfile.ZipFile(tmp_path / "small.zip") as z:
        assert {n: z.read(n) for n in z.namelist()} == {p.name: p.read_bytes() for p in (tmp_path / "small").iterdir() if p.name != MARK}


class Foreign(nn.Conv2d):
    """Computes with something else than its weight; torch.fx takes it for one piece."""

    def forward(self, x):
        return super().forward(x) * 2


class Twisted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.fc = nn.Conv2d(3, 4, 3), nn.Linear(4, 10)

    def forward(self, x):
        x = self.first(x).mean((2, 3))
        return self.fc(-x if x.sum() > 0 else x)


@pytest.mark.parametrize("model, said", [
    (lambda: Twisted(), "cannot be traced .*state-dict, safetensors or torch-prune"),
    (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), Foreign(4, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)), "Foreign, which is not torch's")])
def test_what_cannot_be_written_is_refused_and_says_what_to_use(model, said, tmp_path, monkeypatch, caplog):
    made = model()
    monkeypatch.setattr(models, "_own", lambda *args: made)
    monkeypatch.setattr(parcels, "_built", models._own)
    ticket = parcels.of("resnet8", (3, 16, 16), "unstructured")
    with pytest.raises(ExchangeError, match=said):
        write(ticket, "module", tmp_path / "small")
    assert not list(tmp_path.iterdir())


def test_a_file_that_would_compute_something_else_is_not_written(tmp_path, monkeypatch):
    ticket = parcels.of("resnet8", (3, 16, 16), "refill")
    other = parcels.of("resnet8", (3, 16, 16), "refill", seed=1)
    smaller = networks.smaller(other, networks.masked(other))
    monkeypatch.setattr(networks, "smaller", lambda parcel, model: smaller)
    with pytest.raises(ExchangeError, match="does not compute what the masked one does"):
        write(ticket, "module", tmp_path / "small")
    assert not list(tmp_path.iterdir())


def test_channels_that_fill_a_block_change_nothing(tmp_path):
    """As ONNX has them: maps of a multiple of sixteen channels."""
    for model in ("resnet20", "mobilenet_v1", "vgg16"):
        ticket = parcels.of(model, (3, 32, 32), "refill", keep=0.3)
        model = networks.masked(ticket)
        network = networks.smaller(ticket, model, multiple=16)
        wide = {x.name: network.get_parameter(x.name).shape[0] for x in ticket.layers}
        assert all(n % 16 == 0 for n in wide.values()), wide
        tight = {x.name: networks.smaller(ticket, model).get_parameter(x.name).shape[0] for x in ticket.layers} if model == "vgg16" else {}
        assert all(-(-n // 16) * 16 == wide[name] for name, n in tight.items())
        x = parcels.images(ticket)
        with torch.no_grad():
            found, wanted = network(x), parcels.masked(ticket)(x)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5 * wanted.abs().max().item())


def test_joining_by_convolution_is_the_same_to_the_bit():
    for model, most in (("resnet20", 16), ("resnet20", 10**6), ("mobilenet_v1", 10**6)):
        ticket = parcels.of(model, (3, 16, 16), "refill", keep=0.4)
        masked, x = networks.masked(ticket), parcels.images(ticket)
        before, after = networks.smaller(ticket, masked), networks.by_convolution(networks.smaller(ticket, masked), parcels.images(ticket, 1), most)
        left = {f: sum(n.target in (written.place, written.gather) for n in f.graph.nodes) for f in (before, after)}
        assert left[before] > left[after] and (left[after] == 0 or most == 16)
        with torch.no_grad():
            assert torch.equal(after(x), before(x))


def test_weights_are_read_as_safetensors_itself_reads_them(tmp_path):
    rng = torch.Generator().manual_seed(0)
    tensors = {"a": torch.randn(3, 4, generator=rng), "b": torch.tensor(7), "c": torch.randn(5, generator=rng).bfloat16(), "d": torch.tensor([True, False]),
               "e": torch.empty(0, 3), "f": torch.randn(2, generator=rng).double(), "g": torch.arange(3, dtype=torch.uint8)}
    safetensors.torch.save_file(tensors, tmp_path / "w.safetensors", {"lthviz": json.dumps({"x": 1})})
    found, wanted = written.read_weights(tmp_path / "w.safetensors"), safetensors.torch.load_file(tmp_path / "w.safetensors")
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in wanted.items())


def test_maps_are_placed_as_in_training():
    """The written function against nn.place, and against a loop over channels."""
    rng = np.random.default_rng(0)
    for spread in (((2, 5, 5), (2, 5, 5)), ((2, 1, 1), (2, 5, 5)), ((2,), (2,))):
        a, b = rng.permutation(12)[:7], rng.permutation(12)[:5]
        wanted = rng.permutation(12)
        maps = [torch.from_numpy(rng.random((shape[0], c.size, *shape[1:]))) for shape, c in zip(spread, (a, b), strict=True)]
        strips = place.pieces(wanted, [a, b])
        out = written.place(tuple((n, *first) for _, n, first in strips), *maps)
        assert torch.equal(out, place.place(strips, *maps))
        index = [[list(c).index(channel) if channel in c else -1 for channel in wanted] for c in (a, b)]
        assert torch.equal(written.gather(index, *maps), out)
        for i, channel in enumerate(wanted):
            expected = sum((m[:, list(c).index(channel)] for m, c in zip(maps, (a, b), strict=True) if channel in c), torch.zeros(()))
            assert torch.allclose(out[:, i], expected.expand(out[:, i].shape).to(out.dtype))
