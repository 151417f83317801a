"""Masks and weights that go out, read by the libraries whose forms they are."""

import json

import h5py
import numpy as np
import pytest
import safetensors
import safetensors.numpy
import safetensors.torch
import torch
from torch.nn.utils import prune

from lthviz.errors import ExchangeError
from lthviz.exchange import maskfile, parcel
from lthviz.exchange.formats import FORMATS, write
from tests import parcels

SHAPE = (3, 32, 32)


@pytest.fixture(scope="module", params=parcels.STRUCTURES)
def ticket(request):
    return parcels.of("resnet8", SHAPE, request.param)


def test_masks_are_what_each_library_reads(ticket, tmp_path):
    read = {"masks-npz": lambda f: dict(np.load(f)), "masks-safetensors": safetensors.numpy.load_file,
            "masks-torch": lambda f: {k: v.numpy() for k, v in torch.load(f, weights_only=True).items()}}
    for name, load in read.items():
        write(ticket, name, out := tmp_path / f"m{FORMATS[name].suffix}")
        found = load(out)
        found.pop("__lthviz__", None)
        assert found.keys() == set(ticket.masks)
        for layer in ticket.masks:
            assert found[layer].dtype == bool and np.array_equal(found[layer], ticket.masks[layer])
    write(ticket, "masks-h5", tmp_path / "m.h5")
    with h5py.File(tmp_path / "m.h5") as f:
        assert all(np.array_equal(f[layer][:], ticket.masks[layer]) for layer in ticket.masks)


def test_masks_come_back_with_what_the_ticket_is(ticket, tmp_path):
    for name in (n for n in FORMATS if n.startswith("masks-")):
        write(ticket, name, out := tmp_path / f"m{FORMATS[name].suffix}")
        assert maskfile.read(out) == ticket.masks
        about = parcel.read(maskfile.description(out), str(out))
        assert (about.round, about.structure, about.config, about.test_acc) == (1, ticket.address.structure, ticket.config.replace(device="auto"), 50.0), "where it works is the reader's to say"


def test_weights_load_into_a_fresh_network(ticket, tmp_path):
    network = parcels.masked(ticket)
    fresh = type(network)
    for name in ("safetensors", "state-dict"):
        write(ticket, name, out := tmp_path / f"w{FORMATS[name].suffix}")
        state = safetensors.torch.load_file(out) if name == "safetensors" else torch.load(out, weights_only=True)
        assert state.keys() == network.state_dict().keys()
        again = parcels.masked(ticket)
        for p in again.parameters():
            torch.nn.init.zeros_(p)
        assert isinstance(again, fresh) and not again.load_state_dict(state, strict=True).missing_keys
        for key, value in network.state_dict().items():
            assert torch.equal(again.state_dict()[key], value) and again.state_dict()[key].dtype == value.dtype, key
    with safetensors.safe_open(tmp_path / "w.safetensors", "np") as f:
        assert json.loads(f.metadata()["lthviz"])["structure"] == ticket.address.structure


def test_torch_prune_takes_its_form_and_makes_it_permanent(ticket, tmp_path):
    write(ticket, "torch-prune", out := tmp_path / "p.pt")
    state = torch.load(out, weights_only=True)
    expected, pruned = parcels.masked(ticket), parcels.masked(ticket)
    layers = [name.removesuffix(".weight") for name in ticket.masks]
    for name in layers:   # as one prunes with torch alone, here with other masks
        prune.custom_from_mask(pruned.get_submodule(name), "weight", torch.ones_like(pruned.get_parameter(f"{name}.weight")))
    for p in pruned.parameters():
        torch.nn.init.zeros_(p)
    pruned.load_state_dict(state, strict=True)
    for name in layers:
        assert torch.equal(pruned.get_submodule(name).weight_mask.bool(), torch.from_numpy(ticket.masks[f"{name}.weight"]))
    x = parcels.images(ticket)
    with torch.no_grad():
        assert torch.equal(pruned(x), expected(x))
    for name in layers:
        prune.remove(pruned.get_submodule(name), "weight")
    assert pruned.state_dict().keys() == expected.state_dict().keys()
    assert all(torch.equal(v, pruned.state_dict()[k]) for k, v in expected.state_dict().items())


def test_weights_that_were_not_kept_are_not_made_up(tmp_path):
    bare = parcels.of("resnet8", SHAPE, "refill", weights=False)
    for name, form in FORMATS.items():
        if form.needs_weights:
            with pytest.raises(ExchangeError, match="kept no weights of round 1, 'refill'"):
                write(bare, name, tmp_path / f"x{form.suffix}")
    write(bare, "masks-npz", tmp_path / "m.npz")
    assert [p.name for p in tmp_path.iterdir()] == ["m.npz"]
    with pytest.raises(ExchangeError, match="did you mean masks-npz"):
        write(bare, "masks-nps", tmp_path / "x.npz")
