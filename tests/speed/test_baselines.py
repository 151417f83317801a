"""Every dense form computes what the network does; what cannot be built, or does not, is named and left out."""

import logging
import shutil

import pytest
import torch
from torch import nn

from lthviz.errors import SpeedError
from lthviz.nn import topology
from lthviz.records import Masks
from lthviz.speed import baselines, network

SHAPES = {"convnet": (1, 8, 8), "resnet20": (3, 16, 16)}
EAGER = ("torch", "torch channels_last", "torch mkldnn", "block kernel")


@pytest.fixture(scope="module", params=SHAPES)
def case(request):
    """(network whose BatchNorms are not identities, images, its output)."""
    model = network.build(request.param, SHAPES[request.param], 10)
    model = network.masked(model, topology.layers(model, SHAPES[request.param]), _whole(model, SHAPES[request.param]), SHAPES[request.param],
                           structural=False)
    image = torch.randn((4, *SHAPES[request.param]), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return model, image, model(image)


def _whole(model, shape):
    return Masks.of({x.name: torch.ones(x.shape, dtype=torch.bool).numpy() for x in topology.layers(model, shape)})


@pytest.fixture(scope="module")
def one_thread():
    were = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(were)


def test_every_form_gives_the_networks_output(case, one_thread):
    model, image, reference = case
    which = "all" if image.shape[1] == 1 else (*EAGER, "onnxruntime")   # compilers take long; theirs are tried on one network
    told = []
    forms = baselines.build(model, image, reference, which, threads=1, progress=told.append)
    assert told == [f"building {x}" for x in baselines.names(which)]
    assert forms.failed.keys() <= (set() if any(map(shutil.which, ("g++", "c++", "clang++", "cl"))) else {"torch.compile"}), forms.failed
    assert {*forms.built, *forms.failed} == set(baselines.names(which))
    for name, form in forms.built.items():
        assert (form.run() - reference).abs().max() <= 1e-4 * reference.abs().max(), name
        assert forms.errors[name] == pytest.approx(float((form.run() - reference).abs().max() / reference.abs().max()), rel=0.5, abs=1e-7)
        other = torch.randn_like(image)
        with torch.no_grad():
            wanted = model(other)
        layout = form.image.clone(memory_format=torch.preserve_format).copy_(other)
        assert (form.call(layout) - wanted).abs().max() <= 1e-4 * wanted.abs().max(), f"{name}, other images"
    assert not any(p.requires_grad and p.grad is not None for p in model.parameters())


def test_norms_are_folded_and_the_network_stays(case):
    model, image, reference = case
    before = {k: v.clone() for k, v in model.state_dict().items()}
    folded = baselines.fold(model)
    assert any(isinstance(m, nn.BatchNorm2d) for m in model.modules())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in folded.modules())
    assert (baselines.plain(folded)(image) - reference).abs().max() <= 1e-4 * reference.abs().max()
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


def test_a_network_that_cannot_be_followed_runs_unfolded(caplog):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.norm = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)

        def forward(self, x):
            x = self.norm(self.conv(x))
            return (x if x.sum() > 0 else -x).flatten(1)

    model, image = Odd().eval(), torch.randn(2, 1, 6, 6)
    with caplog.at_level(logging.WARNING):
        forms = baselines.build(model, image, baselines.plain(model)(image), "quick", threads=1)
    assert {"torch", "torch channels_last"} <= forms.built.keys() and "not folded" in caplog.text


def test_what_is_not_installed_is_named(case, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    model, image, reference = case
    forms = baselines.build(model, image, reference, ("torch", "onnxruntime"), threads=1)
    assert list(forms.built) == ["torch"]
    assert "onnxruntime" in forms.failed["onnxruntime"] and "\n" not in forms.failed["onnxruntime"]


def test_without_a_compiler_torch_compile_is_named(case, monkeypatch):
    import torch._inductor.config as inductor

    model, image, reference = case
    with inductor.patch({"cpp.cxx": ("no-such-compiler",), "force_disable_caches": True}):
        forms = baselines.build(model, image, reference, ("torch", "torch.compile"), threads=1)
    assert list(forms.built) == ["torch"] and "compiler" in forms.failed["torch.compile"] and "\n" not in forms.failed["torch.compile"]


def test_a_form_that_computes_something_else_is_left_out(case, monkeypatch):
    model, image, reference = case

    def off(by):
        return lambda model, image, threads: baselines.Form(lambda x: baselines.plain(model)(x) + by * float(reference.abs().max()), image)

    for name, by in (("torch", 0.0), ("torch channels_last", 5e-5), ("torch mkldnn", 2e-4), ("torch.jit", float("nan"))):
        monkeypatch.setitem(baselines._BUILDERS, name, off(by))
    forms = baselines.build(model, image, reference, (*EAGER, "torch.jit"), threads=1)
    assert list(forms.built) == ["torch", "torch channels_last", "block kernel"]
    assert "differs by 2.0e-04" in forms.failed["torch mkldnn"] and "nan" in forms.failed["torch.jit"]


def test_which_forms_there_are():
    assert baselines.names("quick") == EAGER and set(baselines.names("all")) > set(EAGER)
    assert "torch CUDA graph" in baselines.names("quick", "cuda") and "onnxruntime" not in baselines.names("all", "cuda")
    for wrong in ("eager", ("torch", "onnx")):
        with pytest.raises(SpeedError, match=r"is not known; (did you mean|known: all, quick, torch)"):
            baselines.names(wrong)
    with pytest.raises(SpeedError, match="torch CUDA graph"):
        baselines.names(("torch CUDA graph",))


def test_the_difference_is_a_share_of_the_scale():
    reference = torch.tensor([[1.0, -4.0]])
    assert baselines.difference(torch.tensor([[1.0, -4.2]]), reference) == pytest.approx(0.05)
    assert baselines.difference(torch.zeros(1, 2), torch.zeros(1, 2)) == 0.0
    assert baselines.difference(torch.tensor([[1.0, float("inf")]]), reference) != 0
    assert not baselines.difference(torch.tensor([[1.0, float("nan")]]), reference) <= 1.0
    with pytest.raises(ValueError, match="shape"):
        baselines.difference(torch.zeros(2, 2), reference)
