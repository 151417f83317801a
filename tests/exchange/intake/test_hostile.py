"""What a file says is looked at before it is believed: names, sizes, blocks, accuracies, settings."""

import json
from collections import OrderedDict

import numpy as np
import pytest
import safetensors.torch
import torch
from torch.nn.utils import prune

from lthviz.cli import main
from lthviz.config import RunConfig
from lthviz.errors import ExchangeError
from lthviz.exchange import intake, parcel
from lthviz.exchange.intake import Asked
from lthviz.store import Store
from tests.exchange.intake.networks import masks_of, network, permanent, pruned, saved

SAYS = {"format": 1, "lthviz": "0.1.0", "run": "r", "round": 1, "structure": "unstructured", "structural": False, "image_shape": [1, 8, 8], "classes": [str(k) for k in range(10)],
        "config": {"model": "convnet", "data": "digits", "epochs": 3}, "test_acc": 50.0, "val_acc": None, "dense_acc": None, "blocks": {}}


def says(tmp_path, **changes):
    state = OrderedDict(permanent(pruned(network())).state_dict())
    state._metadata = OrderedDict(lthviz=json.dumps({**SAYS, **changes}))
    return saved(tmp_path / "a.pt", state)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", examples=tmp_path / "none")


def test_where_something_works_is_not_a_files_to_say(tmp_path, store):
    settings = {**SAYS["config"], "device": "cuda", "data_dir": "/etc", "threads": 1000, "log_to": "both", "loader_workers": 99, "keep_weights": "all"}
    done = intake.take_in(store, intake.look(says(tmp_path, config=settings)))
    config, here = store.run(done.run_id).config, RunConfig()
    assert all(getattr(config, k) == getattr(here, k) for k in ("device", "data_dir", "threads", "log_to", "loader_workers", "keep_weights")) and config.epochs == 3


@pytest.mark.parametrize("changes", [
    {"test_acc": 1e9}, {"dense_acc": -1e300}, {"test_acc": "90"}, {"round": -1}, {"round": 10**30}, {"image_shape": [1, 100_000, 100_000]}, {"image_shape": [1, 8]}, {"classes": []}, {"config": {"modle": "x"}},
    {"config": []}, {"structure": None, "blocks": 3}], ids=str)
def test_what_no_ticket_is_is_refused(tmp_path, changes):
    with pytest.raises(ExchangeError, match="what it says of itself"):
        intake.look(says(tmp_path, **changes))


@pytest.mark.parametrize("blocks", [[{"rows": [0]}, {"rows": [0]}], [{"rows": [-1]}], [{"rows": [0.5]}], [{"rows": []}], [{"rows": [10**30]}], [{"rows": [0, 0]}], [{"rows": [0], "cols": [0, 1, 2, 3, 4, 5, 6, 7, 8]}], [3], {"rows": 1}], ids=str)
def test_blocks_that_are_none_are_refused(blocks):
    mask = np.zeros((4, 9), bool)
    mask[0, :5] = True
    masks = parcel.Masks.of({"w": mask})
    with pytest.raises(ExchangeError, match="are not blocks of its mask"):
        parcel.read(json.dumps({**SAYS, "blocks": {"w": blocks}}), "it").blocks_of(masks)
    good = parcel.read(json.dumps({**SAYS, "blocks": {"w": [{"rows": [0]}]}}), "it").blocks_of(masks)["w"]
    assert good.rows[0].tolist() == [0] and good.cols[0].tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("text", ['{"format": Infinity}', "[" * 100_000, '{"format": 1}', "null", "not json"])
def test_text_that_is_no_description(text):
    with pytest.raises(ExchangeError, match="it: what it says of itself"):
        parcel.read(text, "it")


def test_a_description_of_a_gigabyte_is_not_read(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", __lthviz__=np.zeros(1 << 27, np.uint8), w=np.zeros(3))
    with pytest.raises(ExchangeError, match="takes 134,217,728 bytes"):
        intake.look(tmp_path / "a.npz")


def test_a_name_moves_no_cursor(tmp_path, capsys):
    safetensors.torch.save_file({"a\x1b[31m\nlthviz: taken in as fake": torch.zeros(3, 3, 3, 3)}, tmp_path / "a.safetensors")
    assert main(["import", str(tmp_path / "a.safetensors"), "--data", "digits", "--dry"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\x1b" not in said and r"'a\x1b[31m\n" in said


@pytest.mark.parametrize("dtype", [torch.complex64, torch.int64, torch.float8_e4m3fn, torch.bool])
def test_weights_of_another_kind_are_refused(tmp_path, dtype):
    state = network().state_dict()
    state["features.0.weight"] = state["features.0.weight"].to(dtype)
    with pytest.raises(ExchangeError, match=r"features\.0\.weight' is .*; weights of bfloat16, float16, float32, float64 are read"):
        intake.look(saved(tmp_path / "a.pt", state), Asked(data="digits"))


def test_masks_of_the_stem_and_the_classifier_in_a_file_of_their_own_count(tmp_path, store):
    net = pruned(network(), stem="")
    last = [m for m in net.modules() if isinstance(m, torch.nn.Linear)][-1]
    prune.l1_unstructured(last, "weight", amount=0.5)
    masks = saved(tmp_path / "m.pt", masks_of(net))
    done = intake.take_in(store, intake.look(saved(tmp_path / "a.pt", permanent(net).state_dict()), Asked(data="digits", masks=masks)))
    run = store.run(done.run_id)
    ticket = store.round(run.id, 1).ticket("unstructured")
    assert run.config.linear == "all" and all(np.array_equal(ticket.weights[n], v.numpy()) for n, v in net.state_dict().items())


@pytest.mark.parametrize(("mask", "said"), [(torch.ones(3, 3), "the masks are of another network"), (0.5, "neither 0 nor 1")])
def test_masks_of_what_is_not_pruned_are_looked_at_as_well(tmp_path, mask, said):
    net = network()
    prune.random_unstructured(net.conv1, "weight", amount=0.5)
    state = net.state_dict()
    state["conv1.weight_mask"] = mask if isinstance(mask, torch.Tensor) else torch.full_like(state["conv1.weight_mask"], mask)
    with pytest.raises(ExchangeError, match=said):
        intake.look(saved(tmp_path / "a.pt", state), Asked(data="digits"))


def test_layers_are_not_told_apart_by_an_order_that_the_alphabet_made(tmp_path):
    """stage3.10 before stage3.2, of the same shape: another network, and nothing would show it."""
    state = {n.replace("layer", "stage").replace("fc.", "head."): v for n, v in network("resnet20", (3, 32, 32)).state_dict().items()}
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(ExchangeError, match="tensors of resnet20"):
        intake.look(tmp_path / "a.safetensors", Asked(model="resnet20", data="cifar10"))
    found = intake.look(saved(tmp_path / "a.pt", state), Asked(model="resnet20", data="cifar10"))
    assert sum(m.how == "order" for m in found.rounds[-1].matched.matches) > 100


def test_what_is_given_beside_and_cannot_be_used_is_said(tmp_path):
    (tmp_path / "level_0").mkdir()
    with pytest.raises(ExchangeError, match="leave --masks and --dense out"):
        intake.look(tmp_path, Asked(masks=tmp_path / "m.pt", dense=tmp_path / "d.pt"))
    dense = saved(tmp_path / "dense.pt", network().state_dict())
    with pytest.raises(ExchangeError, match="is a dense network itself"):
        intake.look(dense, Asked(data="digits", dense=dense))
    with pytest.raises(ExchangeError, match="the dense network's weights do not go with"):
        intake.look(saved(tmp_path / "p.pt", pruned(network()).state_dict()), Asked(data="digits", dense=saved(tmp_path / "o.pt", network("resnet20", (1, 8, 8)).state_dict())))


def test_what_wraps_single_modules_is_left_out_of_names(tmp_path):
    state = {n.replace("features.0.", "features.0._orig_mod.").replace("fc.", "_fsdp_wrapped_module.fc."): v for n, v in network().state_dict().items()}
    found = intake.look(saved(tmp_path / "a.pt", state), Asked(data="digits"))
    assert {m.how for m in found.rounds[-1].matched.matches} == {"renamed"}


def test_a_folder_of_ones_own_is_never_replaced(tmp_path, store):
    done = intake.take_in(store, intake.look(saved(tmp_path / "a.pt", pruned(network()).state_dict()), Asked(data="digits")))
    own, words = tmp_path / "paper", ["export", done.run_id, "--format", "csv", "--runs", str(store.root), "--force", "-o"]
    own.mkdir()
    (own / "README.txt").touch()
    (own / "thesis.tex").touch()
    assert main([*words, str(own)]) == 2 and (own / "thesis.tex").exists()
    made = tmp_path / "made"
    assert main([*words, str(made)]) == main([*words, str(made)]) == 0
    (made / "notes.txt").touch()
    assert main([*words, str(made)]) == 2 and (made / "notes.txt").exists()
