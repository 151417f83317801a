"""Other people's networks become runs: what they compute, what they keep, and what of them is refused."""

import dataclasses
import json
from collections import Counter, OrderedDict

import h5py
import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn
from torch.nn.utils import prune

from lthviz.errors import ConfigError, ExchangeError
from lthviz.exchange import intake
from lthviz.exchange.intake import Asked
from lthviz.nn import data, topology
from lthviz.store import Store
from tests.exchange.intake.networks import as_openlth, masks_of, network, permanent, pruned, saved

DIGITS = Asked(data="digits")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs", examples=tmp_path / "none")


def taken(store, path, asked=DIGITS):
    done = intake.take_in(store, intake.look(path, asked))
    run = store.run(done.run_id)
    return done, run, store.round(run.id, run.rounds[-1]).ticket("unstructured")


def accuracy(net, config):
    """Of the test images, counted one by one."""
    images, right = data.load(config, "cpu"), 0
    with torch.no_grad():
        for x, y in images.test_batches(50):
            right += int((net(x).argmax(1) == y).sum())
    return 100 * right / len(images.y_test)


def test_a_network_pruned_by_torch_is_a_run_with_its_masks_weights_and_accuracy(tmp_path, store):
    net = pruned(network())
    done, run, ticket = taken(store, saved(tmp_path / "a.pt", net.state_dict()))
    assert store.status(run.id).state == "finished" and run.finished == (0, 1) and run.config.model == "convnet"
    assert {n: m.numpy().tobytes() for n, m in masks_of(net).items()} == {n: ticket.masks[n].tobytes() for n in ticket.masks}
    whole = store.round(run.id, 0).ticket("unstructured").weights
    for name, value in permanent(net).state_dict().items():
        assert np.array_equal(ticket.weights[name], value.numpy()), name
    assert np.array_equal(whole["features.0.weight"] * ticket.masks["features.0.weight"], ticket.weights["features.0.weight"])
    assert (whole["features.0.weight"][~ticket.masks["features.0.weight"]] != 0).all(), "weight_orig holds what was there before"
    assert ticket.test_acc == pytest.approx(accuracy(net, run.config), abs=1e-9) == done.accuracies[1]
    assert [r["test_acc"] for r in run.rows] == [None, ticket.test_acc], "what the masks were laid over is no network that was trained"


def write_masks(path, masks):
    arrays = {n: m.numpy() for n, m in masks.items()}
    match path.suffix:
        case ".npz":
            np.savez(path, **arrays)
        case ".safetensors":
            safetensors.torch.save_file(masks, path)
        case ".h5":
            with h5py.File(path, "w") as f:
                for n, a in arrays.items():
                    f[n] = a
        case _:
            torch.save({f"module.{n}_mask": m.float() for n, m in masks.items()}, path)
    return path


@pytest.mark.parametrize("form", ["zeros", "module prefix", "compiled", "in a checkpoint", "safetensors", "masks.npz", "masks.safetensors", "masks.pt", "masks.h5", "masks by module", "float16"])
def test_every_form_in_which_masks_come_is_the_same_network(tmp_path, store, form):
    net = pruned(network())
    masks = masks_of(net)
    state, asked = permanent(net).state_dict(), DIGITS
    path = tmp_path / ("a.safetensors" if form == "safetensors" else "a.pt")
    match form:
        case "module prefix":
            state = {f"module.{n}": v for n, v in state.items()}
        case "compiled":
            state = {f"_orig_mod.model.{n}": v for n, v in state.items()}
        case "in a checkpoint":
            state = {"epoch": 4, "model": state, "optimizer": {"param_groups": []}}
        case "masks by module":
            asked = Asked(data="digits", masks=saved(tmp_path / "m.pt", {n.removesuffix(".weight"): m for n, m in masks.items()}))
        case "float16":
            state = {n: v.half() if v.is_floating_point() else v for n, v in state.items()}
        case _ if form.startswith("masks"):
            asked = Asked(data="digits", masks=write_masks(tmp_path / form, masks))
    safetensors.torch.save_file(state, path) if form == "safetensors" else torch.save(state, path)
    done, _, ticket = taken(store, path, asked)
    for name, mask in masks.items():
        assert np.array_equal(ticket.masks[name], mask.numpy())
    wanted = {n: v.half().float() if form == "float16" and v.is_floating_point() else v for n, v in permanent(net).state_dict().items()}
    assert all(np.array_equal(ticket.weights[n], v.numpy()) for n, v in wanted.items())
    assert ("float16" in " ".join(done.said)) == (form == "float16")


def test_the_same_network_is_the_same_run_whatever_file_it_came_in(tmp_path, store):
    state = permanent(pruned(network())).state_dict()
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    first, *_ = taken(store, saved(tmp_path / "a.pt", state))
    again, *_ = taken(store, tmp_path / "a.safetensors")
    other, *_ = taken(store, saved(tmp_path / "b.pt", permanent(pruned(network(seed=1))).state_dict()))
    assert again.run_id == first.run_id != other.run_id and (first.new, again.new, other.new) == (True, False, True)


def test_a_dense_network_is_taken_in_to_be_pruned_here(tmp_path, store):
    net = network()
    done, run, ticket = taken(store, saved(tmp_path / "a.pt", net.state_dict()))
    assert run.finished == (0,) and ticket.masks.density() == 1 and "to be pruned here" in " ".join(done.said)
    assert ticket.test_acc == pytest.approx(accuracy(net, run.config))


@pytest.mark.parametrize("model", ["resnet18", "vgg16", "mobilenet_v1", "torchvision:mobilenet_v2"])
def test_a_network_is_known_by_its_shapes(tmp_path, model):
    net = network(model, (3, 32, 32), 100)
    found = intake.look(saved(tmp_path / "a.pt", pruned(net, stem="").state_dict()))
    assert (found.config.model, found.config.data, found.classes) == (model, "cifar100", 100)
    assert f"by its shapes it is {model}" in " ".join(found.said) and "cifar100" in " ".join(found.said)


def test_the_stems_mask_is_put_into_its_weights_and_said(tmp_path, store):
    net = network()
    prune.random_unstructured(net.conv1, "weight", amount=0.5)
    done, _, ticket = taken(store, saved(tmp_path / "a.pt", pruned(net, stem="").state_dict()))
    assert "conv1.weight" not in ticket.masks and "masks of conv1.weight are put into the weights" in " ".join(done.said)
    assert np.array_equal(ticket.weights["conv1.weight"], permanent(net).state_dict()["conv1.weight"].numpy())


def test_linear_layers_with_masks_are_layers_of_the_run(tmp_path, store):
    net = pruned(network())
    last = [m for m in net.modules() if isinstance(m, nn.Linear)][-1]
    prune.l1_unstructured(last, "weight", amount=0.5)
    _, run, ticket = taken(store, saved(tmp_path / "a.pt", net.state_dict()))
    assert run.config.linear == "all" and ticket.masks.density(run.layers[-1].name) == 0.5


@pytest.mark.parametrize("gone", [True, False])
def test_empty_channels_are_removed_only_where_nothing_of_them_is_left(tmp_path, store, gone):
    net = network()
    conv, norm = net.features[0], net.features[1]
    with torch.no_grad():
        conv.weight[::2] = 0
        if gone:
            norm.weight[::2] = 0
            norm.bias[::2] = 0
    done, run, ticket = taken(store, saved(tmp_path / "a.pt", net.state_dict()))
    assert ticket.structural is gone and ("adds a constant" in " ".join(done.said)) is not gone
    assert ticket.test_acc == pytest.approx(accuracy(net, run.config)), "the network that came, whichever it is"
    assert len(ticket.blocks["features.0.weight"]) == 1, "rows alike are one dense block"


def test_a_convolutions_bias_is_taken_over_by_the_norm_behind_it(tmp_path, store):
    ours, theirs = network(), network()
    for conv in [m for m in theirs.modules() if isinstance(m, nn.Conv2d)]:
        conv.bias = nn.Parameter(torch.randn(conv.out_channels, generator=torch.Generator().manual_seed(3)))
    state = OrderedDict((f"net.{n.replace('features', 'body').replace('conv1', 'first')}", v) for n, v in theirs.state_dict().items())
    _, run, ticket = taken(store, saved(tmp_path / "a.pt", state), Asked(data="digits", model="convnet"))
    ours.load_state_dict({n: torch.from_numpy(np.array(v)) for n, v in ticket.weights.items()})
    x = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        assert torch.allclose(ours(x), theirs(x), atol=1e-4)
    assert ticket.test_acc == pytest.approx(accuracy(theirs, run.config))


def release(net, state, init):
    """A checkpoint as the paper's released code writes it."""
    more = {"normalize.mean": torch.zeros(3), "normalize.std": torch.ones(3)}
    return {"state": state, "result": {"train": [90.0], "ta": [80.0], "test_ta": [79.5]}, "epoch": 182, "state_dict": {**net.state_dict(), **more}, "best_sa": 80.0,
            "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}, "scheduler": {"milestones": Counter([91, 136])}, "init_weight": {**init, **more}}


def test_the_released_codes_rounds_are_rounds_and_its_init_weight_is_what_branches_begin_from(tmp_path, store):
    init, folder, nets = network("resnet18", (3, 32, 32), seed=9).state_dict(), tmp_path / "save", []
    folder.mkdir()
    for k in range(3):
        net = network("resnet18", (3, 32, 32), seed=k)
        nets.append(pruned(net, 1 - 0.8**k) if k else net)
        saved(folder / f"{k}checkpoint.pth.tar", release(net, k, init))
        saved(folder / f"{k}model_SA_best.pth.tar", {"nonsense": torch.zeros(1)})
    done = intake.take_in(store, found := intake.look(folder))
    run, kept = store.run(done.run_id), store.checkpoint(done.run_id)
    assert run.rounds == (0, 1, 2) and found.kind == "released code" and found.rewind is not None
    for k in (1, 2):
        masks = store.round(run.id, k).ticket("unstructured").masks
        assert all(np.array_equal(masks[n], m.numpy()) for n, m in masks_of(nets[k]).items()) and masks.density() == pytest.approx(0.8**k, abs=1e-6)
    assert all(np.array_equal(kept.arrays[f"theta_k/{n}"], v.numpy()) for n, v in init.items())
    assert done.accuracies == {0: None, 1: None, 2: None} and "images are not here" in " ".join(done.said)


def openlth(root, levels=3):
    nets = []
    for k in range(levels):
        main = root / f"level_{k}" / "main"
        main.mkdir(parents=True)
        net = network("resnet20", (3, 32, 32), seed=k)
        masks = {n: torch.from_numpy((np.random.default_rng(k).random(tuple(v.shape)) < 0.8**k).astype(np.int32)) for n, v in as_openlth(net.state_dict()).items() if v.dim() in (2, 4) and n != "fc.weight"}
        state = as_openlth(net.state_dict())
        state.update({n: state[n] * m for n, m in masks.items()})
        torch.save(masks, main / "mask.pth")
        torch.save(as_openlth(network("resnet20", (3, 32, 32), seed=8).state_dict()), main / "model_ep0_it0.pth")
        torch.save(state, main / "model_ep160_it0.pth")
        (main / "logger").write_text(f"test_accuracy,0,0.1\ntest_loss,62400,0.3\ntest_accuracy,62400,0.9{k}\n")
        (main / "sparsity_report.json").write_text(json.dumps({"total": 1.0, "unpruned": 0.8**k}))
        nets.append((net, masks))
    (root / "level_0" / "main" / "hparams.log").write_text("Model Hyperparameters\n    * model_name => cifar_resnet_20\nDataset Hyperparameters\n    * dataset_name => cifar10\n")
    return nets


def test_openlths_levels_are_rounds_with_the_accuracies_of_their_logs(tmp_path, store):
    nets = openlth(tmp_path / "lottery_1" / "replicate_1")
    done = intake.take_in(store, intake.look(tmp_path / "lottery_1"))
    run = store.run(done.run_id)
    assert (run.config.model, run.config.data, run.rounds) == ("resnet20", "cifar10", (0, 1, 2))
    assert [r["test_acc"] for r in run.rows] == [90.0, 91.0, 92.0], "as its logs say: its images are not here"
    _, masks = nets[2]
    ours = store.round(run.id, 2).ticket("unstructured").masks
    assert np.array_equal(ours["layer2.0.downsample.0.weight"], masks["blocks.3.shortcut.0.weight"].numpy().astype(bool))
    assert np.array_equal(ours["layer3.2.conv2.weight"], masks["blocks.8.conv2.weight"].numpy().astype(bool))
    assert np.array_equal(store.checkpoint(run.id).arrays["theta_k/layer1.0.conv1.weight"], network("resnet20", (3, 32, 32), seed=8).state_dict()["layer1.0.conv1.weight"].numpy())


def test_an_unfinished_level_is_said(tmp_path):
    openlth(tmp_path)
    (tmp_path / "level_2" / "main" / "model_ep160_it0.pth").unlink()
    with pytest.raises(ExchangeError, match="level_2/main was not trained to its end"):
        intake.look(tmp_path)
    (tmp_path / "level_1" / "main" / "mask.pth").unlink()
    (tmp_path / "level_1").rename(tmp_path / "level_5")
    with pytest.raises(ExchangeError, match="no level of round 1, but one of round 5"):
        intake.look(tmp_path)


# What is refused ----------------------------------------------------------------------------------------------------------


def r18(**more):
    return {**network("resnet18", (3, 32, 32)).state_dict(), **more}


def without(state, n):
    return dict(list(state.items())[:n])


@pytest.mark.parametrize(("make", "asked", "said"), [
    (lambda: network("resnet20", (3, 32, 32)).state_dict(), Asked(model="resnet18", data="cifar10"), "tensors of resnet18; .*it looks like resnet20 of 10 classes: give that as the model"),
    (lambda: r18(), Asked(model="resnet20", data="cifar10"), "it looks like resnet18"),
    (lambda: without(r18(), 60), Asked(model="resnet18", data="cifar10"), "a part of a checkpoint"),
    (lambda: {**without(r18(), 60), "fc.weight": torch.zeros(10, 512), "fc.bias": torch.zeros(10)}, Asked(model="resnet18", data="cifar10"), r"52 of the 102 tensors of resnet18 and nothing else: a part of a checkpoint; give the file that has all of it"),
    (lambda: {f"a{i}.weight": torch.zeros(3 + i, 3, 3, 3) for i in range(3)} | {"a.bias": torch.zeros(3), "fc.weight": torch.zeros(10, 5)}, Asked(), "not known by its shapes"),
    (lambda: r18(**{"layer1.0.conv1.weight": torch.zeros(64, 64, 3, 3, dtype=torch.int8)}), Asked(), "'layer1.0.conv1.weight' is int8; .*before quantisation"),
    (lambda: r18(**{"layer1.0.conv1.weight": torch.full((64, 64, 3, 3), float("nan"))}), Asked(), "36,864 values that are not finite"),
    (lambda: r18(), Asked(data="cifar100"), "3 channels and 10 classes; 'cifar100' has 3 channels and 100 classes"),
    (lambda: r18(), Asked(data="digits"), "'digits' has 1 channels"),
    (lambda: network().state_dict(), Asked(), "1 channel and 10 classes; say which: --data digits|"),
    (lambda: {"a.weight": torch.zeros(3, 3)}, Asked(), "there is no convolution among"),
    (lambda: masks_of(pruned(network())), Asked(data="digits"), "holds masks and no weights: give the weights"),
    (lambda: r18(), Asked(data="folder"), "images of any size; say of which: --image 3xHxW"),
    (lambda: r18(), Asked(model="resnet19", data="cifar10"), "resnet19"),
], ids=["other architecture", "other architecture 2", "half", "half with its head", "unknown", "int8", "nan", "other classes", "other channels", "ambiguous", "no network", "masks alone", "any size", "no such model"])
def test_what_cannot_come_in_is_said_in_a_line_with_the_way_out(tmp_path, store, make, asked, said):
    path = saved(tmp_path / "a.pt", make())
    with pytest.raises((ExchangeError, ConfigError), match=said) as e:
        intake.take_in(store, intake.look(path, asked))
    assert "\n" not in str(e.value) and store.runs() == []


@pytest.mark.parametrize(("masks", "said"), [
    (lambda m: {n: ~v for n, v in m.items()}, "weights are not zero where the mask of m.pt says that they are gone"),
    (lambda m: {n: v.float() * 0.5 for n, v in m.items()}, r"has the value 0.5 \(.* neither 0 nor 1\)"),
    (lambda m: {n: v[:4] for n, v in m.items()}, "the masks are of another network"),
    (lambda m: {"stage1.weight": next(iter(m.values()))}, "a mask 'stage1.weight', but no such layer"),
    (lambda m: {"epoch": torch.zeros(3)}, "holds no mask of a layer"),
], ids=["belied", "not 0 or 1", "other shapes", "other names", "none"])
def test_masks_that_do_not_belong_to_the_weights(tmp_path, masks, said):
    net = pruned(network())
    found = masks(masks_of(net))
    with pytest.raises(ExchangeError, match=said):
        intake.look(saved(tmp_path / "a.pt", permanent(net).state_dict()), Asked(data="digits", masks=saved(tmp_path / "m.pt", found)))


def test_an_accuracy_that_is_not_the_claimed_one_is_said(tmp_path, store):
    arrival = intake.look(saved(tmp_path / "a.pt", network().state_dict()), DIGITS)
    claiming = dataclasses.replace(arrival, rounds=(dataclasses.replace(arrival.rounds[0], claims={"test_acc": 99.0}),))
    assert "99.00 % by what came with it" in " ".join(intake.take_in(store, claiming).said)


def test_layers_are_those_that_a_training_here_would_prune(tmp_path):
    net = network("vgg16", (3, 32, 32))
    found = intake.look(saved(tmp_path / "a.pt", net.state_dict()))
    assert found.layers == topology.layers(network("vgg16", (3, 32, 32)), (3, 32, 32)) and found.layers[0].name == "features.0.weight"


@pytest.mark.parametrize("name", ["level_1/main/mask.pth", "level_1/main/logger", "level_1"])
def test_a_link_that_leads_out_of_a_folder_is_not_followed_and_one_inside_is(tmp_path, store, name):
    folder, elsewhere = tmp_path / "theirs", tmp_path / "mine"
    openlth(folder, levels=2)
    (folder / name).rename(elsewhere)
    (folder / name).symlink_to(elsewhere)
    with pytest.raises(ExchangeError, match=f"{name} is a link that leads out of the folder"):
        intake.look(folder)
    elsewhere.rename(folder / "kept")
    (folder / name).unlink()
    (folder / name).symlink_to(folder / "kept")
    assert intake.take_in(store, intake.look(folder)).run_id
