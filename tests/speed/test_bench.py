"""A measurement from end to end on a small network: checked against the masked network, counted by hand, refused in one line."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from lthviz import seeds
from lthviz.config import Refill, Regroup
from lthviz.core import structures
from lthviz.core.magnitude import prune
from lthviz.errors import LthvizError, MaskError, SpeedError, UsageError
from lthviz.nn import topology
from lthviz.nn.masking import Masked
from lthviz.records import Masks, Timing
from lthviz.speed import baselines, bench, executors, machine, network, timing
from lthviz.speed.passes import FORMS

SHAPE = (1, 8, 8)
QUICK = {"image_shape": SHAPE, "structural": True, "batch": 4, "threads": 1, "baselines": ("torch",), "seconds": 0.01, "pairs": 1}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """What is measured of this machine for a test does not stay."""
    with pytest.MonkeyPatch.context() as m:
        m.setenv("LTHVIZ_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def net():
    model = network.build("convnet", SHAPE, 10)
    return model, topology.layers(model, SHAPE)


@pytest.fixture(scope="module")
def tickets(net):
    """Masks by structure, as a second round of pruning leaves them."""
    model, layers = net
    weights = {x.name: model.get_parameter(x.name).detach().numpy() for x in layers}
    masks = prune(weights, Masks.of({x.name: np.ones(x.shape, bool) for x in layers}), 0.6)
    made = {"unstructured": masks}
    for s in (Refill(), Regroup(groups=4, min_rows=8)):
        made[s.kind] = structures.apply(s, masks, weights=weights).masks
    return made


def test_each_structure_is_measured(net, tickets):
    model, layers = net
    for label, masks in tickets.items():
        told = []
        found = bench.measure(model, layers, masks, **{**QUICK, "structural": label != "unstructured", "pairs": 3, "baselines": "quick"}, round=2,
                              structure=label, progress=told.append)
        assert (found.round, found.structure, found.device, found.threads, found.batch, found.n) == (2, label, "cpu", 1, 4, 3)
        assert found.baseline in found.others and set(found.others) | set(found.conditions["baselines_failed"]) == set(baselines.names("quick"))
        assert found.baseline == min(found.others, key=found.others.get)
        ways = found.conditions["executors"]
        assert found.executor == min(ways, key=ways.get) and {"blocks", "dense"} <= ways.keys()
        assert ("compact" in ways) == (label == "refill"), "nothing else has removed channels"
        assert found.dense_ms > 0 and found.ticket_ms > 0 and found.spread[0] <= found.time_ratio <= found.spread[1]
        assert 0 <= found.max_abs_err <= 1e-4 and found.estimated_ms > 0
        assert [x.name for x in found.layers] == [x.name for x in layers] and all(x.dense_ms > 0 and x.ticket_ms > 0 for x in found.layers)
        assert all(x.executor in (*FORMS, "compact") for x in found.layers)
        assert Timing.of(json.loads(json.dumps(found.to_dict(), allow_nan=False))) == found
        assert "pair 3 of 3" in told and "building blocks" in told
        assert found.conditions["machine"] == machine.identity() and found.conditions["torch"] == torch.__version__.split("+")[0]


@pytest.mark.parametrize("structural", [True, False])
def test_what_is_left_is_counted_with_dead_inputs_removed(net, tickets, structural):
    model, layers = net
    masks = tickets["refill"]
    found = bench.measure(model, layers, masks, **{**QUICK, "structural": structural}, estimated=False)
    work = dense = 0
    alive = np.ones(32, bool)   # of the stem
    for layer, line in zip(layers, found.layers, strict=True):
        left = 0
        for row in masks[layer.name]:
            for c, plane in enumerate(row):
                left += int(plane.sum()) if alive[c] or not structural else 0
        alive = masks.matrix(layer.name).any(axis=1)
        assert line.kept == left and line.flops_ratio == left / layer.size
        work, dense = work + left * np.prod(layer.out_hw), dense + layer.size * np.prod(layer.out_hw)
    assert found.flops_ratio == pytest.approx(work / dense) and found.estimated_ms is None


def test_a_prediction_is_a_share_of_our_own_dense_form(net, tickets, monkeypatch):
    """Which ONNX Runtime, say, may beat by far: then the ticket gains less on it."""
    monkeypatch.setattr(bench, "_predicted", lambda ticket, tell: 0.25)
    monkeypatch.setattr(timing, "medians", lambda works, **more: {name: 8.0 if name == baselines.OWN else 2.0 for name in
                                                                  sorted(works, key=lambda x: x == baselines.OWN)})
    monkeypatch.setattr(timing, "pairs", lambda a, b, **more: timing.Pairs(2.2, 1.1, 0.5, (0.5, 0.5), 9))
    found = bench.measure(*net, tickets["refill"], **{**QUICK, "baselines": ("torch", baselines.OWN)})
    assert found.baseline == "torch" and found.estimated_ms == pytest.approx(0.25 * 8.0 * 2.2 / 2.0)
    assert bench.measure(*net, tickets["refill"], **QUICK).estimated_ms == pytest.approx(0.25 * 2.2), "not among them: as fast as the fastest"


def test_nothing_is_left_changed(net, tickets):
    model, layers = net
    before, modes = {k: v.clone() for k, v in model.state_dict().items()}, [m.training for m in model.modules()]
    threads, random = torch.get_num_threads(), torch.get_rng_state()
    bench.measure(model, layers, tickets["refill"], **QUICK, estimated=False)
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items()) and modes == [m.training for m in model.modules()]
    assert torch.get_num_threads() == threads and torch.equal(torch.get_rng_state(), random)
    assert all(p.requires_grad for p in model.parameters())


def test_the_dense_network_is_one_times_itself(net):
    model, layers = net
    whole = Masks.of({x.name: np.ones(x.shape, bool) for x in layers})
    found = bench.measure(model, layers, whole, **QUICK, estimated=False)
    assert found.flops_ratio == 1 and all(x.flops_ratio == 1 for x in found.layers)


def test_what_is_wrong_is_never_timed(net, tickets, monkeypatch):
    """An executor that is off by a thousandth: LthvizError, exit code 1, and no pair was taken."""
    from lthviz.speed import program

    right = program.Program.__call__
    monkeypatch.setattr(program.Program, "__call__", lambda self, x: right(self, x) * 1.001)
    monkeypatch.setattr(timing, "pairs", lambda *a, **k: pytest.fail("it was timed"))
    with pytest.raises(LthvizError, match=r"'blocks' differs by 1\.0e-03 .*fault of ours") as e:
        bench.measure(*net, tickets["regroup"], **QUICK, estimated=False)
    assert e.value.exit_code == 1


def test_an_executor_that_cannot_run_it_is_named(net, tickets, monkeypatch):
    from lthviz.speed import program

    def cannot(*args, **more):
        raise SpeedError("conv1: no such operation")

    monkeypatch.setattr(program, "build", cannot)
    found = bench.measure(*net, tickets["regroup"], **QUICK, estimated=False)
    assert found.conditions["executors_failed"] == {"blocks": "conv1: no such operation"}
    assert found.executor == "dense" and all(x.executor == "dense" and x.ticket_ms == x.dense_ms for x in found.layers)


@pytest.mark.parametrize("executor", ["compact", "dense", "blocks"])
def test_the_layers_are_of_the_executor_that_was_chosen(net, tickets, monkeypatch, executor):
    real = timing.medians

    def rigged(works, **more):
        found = real(works, **more)
        return dict(sorted(found.items(), key=lambda x: x[0] != executor)) if executor in found else found

    monkeypatch.setattr(timing, "medians", rigged)
    found = bench.measure(*net, tickets["refill"], **QUICK, estimated=False)
    assert found.executor == executor and {x.executor for x in found.layers} <= {"blocks": set(FORMS)}.get(executor, {executor})
    assert bool(found.conditions["executor_form"]) == (executor == "compact")


def test_layers_without_a_mask_stay_dense_and_are_named(net, tickets):
    model, layers = net
    first = layers[0].name
    masks = Masks.of({k: v for k, v in tickets["refill"].items() if k != first})
    found = bench.measure(model, layers, masks, **QUICK, estimated=False)
    assert found.conditions["dense_layers"] == [first] and found.layers[0].flops_ratio == 1.0


@pytest.mark.parametrize(("which", "structural"), [(0, True), (1, True), (2, False)])
def test_a_layer_with_nothing_kept_is_a_warning(net, tickets, which, structural):
    model, layers = net
    masks = Masks.of({x.name: np.zeros(x.shape, bool) if i == which else tickets["refill"][x.name] for i, x in enumerate(layers)})
    found = bench.measure(model, layers, masks, **{**QUICK, "structural": structural}, estimated=False)
    assert any(layers[which].name in x and "nothing is kept" in x for x in found.conditions["warnings"])
    assert found.layers[which].kept == 0 and found.max_abs_err <= 1e-4


def test_nothing_kept_anywhere(net):
    model, layers = net
    found = bench.measure(model, layers, Masks.of({x.name: np.zeros(x.shape, bool) for x in layers}), **QUICK)
    assert found.flops_ratio == 0 and len([x for x in found.conditions["warnings"] if "nothing" in x]) == 3


# Bad input -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("changes", "said"), [
    ({"batch": 0}, "batch = 0"), ({"batch": -3}, "batch = -3"), ({"batch": 2.5}, "batch = 2.5"),
    ({"threads": machine.cores() + 1}, f"{machine.cores()} cores"), ({"threads": -1}, "threads = -1"),
    ({"device": "tpu"}, "cpu, cuda or cuda:N"), ({"device": "cuda:77"}, "cuda:77"), ({"precision": "bfloat16"}, "on a GPU only"),
    ({"precision": "int8"}, "int8"), ({"baselines": "fastest"}, "fastest"), ({"batch": 10**9}, "use at most"),
    ({"image_shape": (1, 10**5, 10**5)}, "images 1x100000x100000 needs about"),
])
def test_what_cannot_be_measured_gets_one_line(net, tickets, changes, said, monkeypatch):
    monkeypatch.setattr(machine, "free_bytes", lambda: 2**30)
    with pytest.raises(SpeedError) as e:
        bench.measure(*net, tickets["refill"], **{**QUICK, **changes})
    assert said in str(e.value) and "\n" not in str(e.value) and e.value.exit_code == 2


def test_the_batch_that_it_names_would_do(net, tickets, monkeypatch):
    monkeypatch.setattr(machine, "free_bytes", lambda: 2**26)
    with pytest.raises(SpeedError, match="use at most") as e:
        bench.measure(*net, tickets["refill"], **{**QUICK, "batch": 10**6})
    most = int(str(e.value).rsplit(" ", 1)[1])
    assert most > 1
    with pytest.raises(SpeedError, match=f"use at most {most}"):
        bench.measure(*net, tickets["refill"], **{**QUICK, "batch": most + 1})
    with bench._memory(net[0], SHAPE, most, "cpu"):
        pass
    monkeypatch.setattr(machine, "free_bytes", lambda: 1000)
    with pytest.raises(SpeedError, match="even for one image"):
        bench.measure(*net, tickets["refill"], **QUICK)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"),
                                   torch.OutOfMemoryError("CUDA out of memory.")])
def test_memory_that_gives_out_all_the_same_is_one_line(net, tickets, monkeypatch, error):
    def gives_out(*args, **more):
        raise error

    monkeypatch.setattr(executors, "build", gives_out)
    with pytest.raises(SpeedError, match=r"^batch = 4: the memory has given out; use a smaller batch$"):
        bench.measure(*net, tickets["refill"], **QUICK, estimated=False)
    monkeypatch.setattr(executors, "build", lambda *a, **k: (_ for _ in ()).throw(RuntimeError("something else")))
    with pytest.raises(RuntimeError, match="something else"):
        bench.measure(*net, tickets["refill"], **QUICK, estimated=False)


@pytest.mark.parametrize(("change", "said"), [
    ({"features.9.weight": np.ones((4, 4, 3, 3), bool)}, ["features.9.weight", "did you mean features"]),
    ({"features.3.weight": np.ones((128, 64, 3, 3), bool)}, ["features.3.weight", "(128, 64, 3, 3)", "(128, 128, 3, 3)"]),
])
def test_masks_that_do_not_fit(net, tickets, change, said):
    with pytest.raises(MaskError) as e:
        bench.measure(*net, Masks.of({**{k: tickets["refill"][k] for k in tickets["refill"]}, **change}), **QUICK)
    assert all(x in str(e.value) for x in said)


def test_weights_that_are_not_finite(net, tickets):
    _, layers = net
    broken = network.build("convnet", SHAPE, 10)
    broken.fc.weight.data[0, 0] = float("nan")
    with pytest.raises(SpeedError, match="not finite"):
        bench.measure(broken, layers, tickets["refill"], **QUICK)


def test_without_any_dense_form(net, tickets, monkeypatch):
    def cannot(*args):
        raise RuntimeError("no engine")

    monkeypatch.setitem(baselines._BUILDERS, "torch", cannot)
    with pytest.raises(SpeedError, match="no dense form runs here: torch: RuntimeError: no engine"):
        bench.measure(*net, tickets["refill"], **QUICK)


# What one leaves to the next -------------------------------------------------------------------------------------------


def test_dense_forms_are_built_once_for_the_tickets_of_a_network(net, tickets):
    reuse, told = bench.Reuse(), []
    for masks in (tickets["refill"], tickets["regroup"]):
        bench.measure(*net, masks, **QUICK, estimated=False, reuse=reuse, progress=told.append)
    assert told.count("building torch") == 1
    bench.measure(*net, tickets["refill"], **{**QUICK, "batch": 3}, estimated=False, reuse=reuse, progress=told.append)
    assert told.count("building torch") == 2, "for another batch they are others"


@pytest.fixture
def dense_wins(monkeypatch):
    """The dense form is the fastest that runs the ticket, whatever the clock says."""
    real = timing.medians
    monkeypatch.setattr(timing, "medians", lambda works, **more: dict(sorted(real(works, **more).items(), key=lambda x: x[0] != "dense")))


@pytest.mark.parametrize("form", ["torch", baselines.OWN])
def test_a_reused_dense_form_is_compared_for_each_ticket(net, tickets, dense_wins, monkeypatch, form):
    """Each ticket's error is that of its own weights: the very number that a measurement without anything reused gives."""
    words = {**QUICK, "baselines": (form,), "estimated": False}
    alone = {label: bench.measure(*net, tickets[label], **words) for label in ("refill", "regroup")}
    real, compared = baselines.difference, []
    monkeypatch.setattr(baselines, "difference", lambda out, ref: compared.append((out, ref)) or real(out, ref))
    reuse = bench.Reuse()
    for label, want in alone.items():
        found = bench.measure(*net, tickets[label], **words, reuse=reuse)
        assert (found.executor, found.baseline, found.max_abs_err) == ("dense", form, want.max_abs_err)
        model = network.masked(*net, tickets[label], SHAPE, structural=True)
        _, reference = compared[-1]
        image = torch.randn((4, *SHAPE), generator=torch.Generator().manual_seed(seeds.derive(0, "speed images")))
        torch.testing.assert_close(reference, model(image))


def test_a_reused_dense_form_that_is_wrong_for_a_ticket_does_not_run_it(net, tickets, dense_wins, monkeypatch):
    words, reuse = {**QUICK, "estimated": False}, bench.Reuse()
    bench.measure(*net, tickets["refill"], **words, reuse=reuse)
    right = baselines._BUILDERS["torch"]

    def wrong(*args):
        form = right(*args)
        return form._replace(call=lambda x: form.call(x) * 1.01)

    monkeypatch.setitem(baselines._BUILDERS, "torch", wrong)
    found = bench.measure(*net, tickets["regroup"], **words, reuse=reuse)
    assert found.executor == "blocks" and "dense" not in found.conditions["executors"]
    assert "its output differs by" in found.conditions["executors_failed"]["dense"]


# The network that is timed ---------------------------------------------------------------------------------------------


def test_untouched_norms_get_statistics_by_seed(net, tickets):
    model, layers = net
    a, b, c = (network.masked(model, layers, tickets["refill"], SHAPE, structural=True, seed=s) for s in (0, 0, 1))
    assert all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
    assert not torch.equal(a.bn1.weight, c.bn1.weight)
    for norm in (m for m in a.modules() if isinstance(m, nn.BatchNorm2d)):
        assert norm.running_mean.any() and (norm.running_var != 1).any() and (norm.running_var > 0).all() and not norm.training
    out = a(torch.randn(8, *SHAPE))
    assert torch.isfinite(out).all() and out.std() > 1e-2, "the images can still be told apart at the end"


def test_trained_statistics_stay(net, tickets):
    model, layers = net
    trained = network.masked(model, layers, tickets["unstructured"], SHAPE, structural=False)
    again = network.masked(trained, layers, tickets["refill"], SHAPE, structural=False)
    for name, value in trained.state_dict().items():
        if name not in tickets["refill"]:
            assert torch.equal(value, again.state_dict()[name]), name


@pytest.mark.parametrize("structural", [True, False])
def test_what_is_masked_is_zero(net, tickets, structural):
    model, layers = net
    made = network.masked(model, layers, tickets["refill"], SHAPE, structural=structural)
    Masked(made, layers, tickets["refill"], structural=structural).assert_exact()
    for layer in layers:
        gone = torch.from_numpy(~tickets["refill"].matrix(layer.name).any(axis=1))
        scale = made.get_submodule(layer.bn).weight[gone]
        assert gone.any() and bool(scale.any()) != structural


def test_given_weights_are_used_and_checked():
    weights = {k: np.full(v.shape, 0.5, np.float32) for k, v in network.build("convnet", SHAPE, 10).state_dict().items() if k.endswith("bias")}
    made = network.build("convnet", SHAPE, 10, weights=weights)
    assert all((made.state_dict()[k] == 0.5).all() for k in weights) and not made.training
    with pytest.raises(MaskError, match="did you mean"):
        network.build("convnet", SHAPE, 10, weights={"fc.wieght": np.ones((10, 128))})
    with pytest.raises(MaskError, match=r"\(10, 64\).*\(10, 128\)"):
        network.build("convnet", SHAPE, 10, weights={"fc.weight": np.ones((10, 64))})
    for wrong in (("resnet99", SHAPE), ("vgg16", (3, 16, 16))):
        with pytest.raises(UsageError):
            network.build(*wrong, 10)


def test_shapes_of_inputs_and_the_largest_map():
    model = network.build("resnet20", (3, 32, 32), 10)
    seen = network.inputs(model, torch.zeros(5, 3, 32, 32))
    assert seen["conv1.weight"] == (5, 3, 32, 32) and seen["layer2.0.downsample.0.weight"] == (5, 16, 32, 32)
    assert seen["layer3.2.conv2.weight"] == (5, 64, 8, 8) and len(seen) == sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in model.modules())
    assert network.largest_map(model, (3, 32, 32)) == 4 * 16 * 32 * 32


def test_a_layer_alone_computes_that_layer(net, tickets):
    """What is timed is the convolution with its BatchNorm and a ReLU, at the network's shapes."""
    model, layers = net
    masked = network.masked(model, layers, tickets["refill"], SHAPE, structural=True)
    folded, seen = baselines.fold(masked), {}
    image = torch.randn(2, *SHAPE)
    for name, module in masked.named_modules():
        module.register_forward_hook(lambda m, a, out, name=name: seen.__setitem__(name, (a[0].clone(), out.clone())))
    with torch.no_grad():
        masked(image)
        for layer in layers:
            alone = executors._alone(folded.get_submodule(layer.short), seen[layer.short][0])()
            torch.testing.assert_close(alone, torch.relu(seen[layer.bn][1]), rtol=1e-4, atol=1e-5)


def test_other_processes_are_noticed(monkeypatch):
    others = machine.Others()
    moments = iter([(0.0, 100.0, 10.0), (10.0, 118.0, 13.0)])
    monkeypatch.setattr(machine.Others, "_now", staticmethod(lambda: next(moments)))
    assert machine.Others().cores() == 1.5, "18 s of CPU in 10 s, 3 s of them our own"
    monkeypatch.setattr(machine.Others, "_now", staticmethod(lambda: None))
    assert others.cores() is None


def test_on_a_busy_machine_it_is_disturbed(net, tickets, monkeypatch):
    monkeypatch.setattr(timing, "pairs", lambda a, b, **more: timing.Pairs(3.0, 1.0, 1 / 3, (0.33, 0.34), 9))
    monkeypatch.setattr(timing, "medians", lambda works, **more: dict.fromkeys(works, 3.0))
    for busy in (0.1, 1.5, None):
        monkeypatch.setattr(machine.Others, "cores", lambda self, busy=busy: busy)
        found = bench.measure(*net, tickets["refill"], **QUICK, estimated=False)
        assert any("busy" in x for x in found.disturbed) == (busy == 1.5) == bool(found.disturbed)
        assert found.conditions["others_cores"] == busy and not found.conditions["warnings"]


@pytest.mark.parametrize(("pairs_ms", "disturbed"), [(3.1, False), (6.0, True), (1.5, True)])
def test_on_a_machine_that_changes_its_speed_it_is_disturbed(net, tickets, monkeypatch, pairs_ms, disturbed):
    monkeypatch.setattr(machine.Others, "cores", lambda self: 0.0)
    monkeypatch.setattr(timing, "medians", lambda works, **more: dict.fromkeys(works, 3.0))
    monkeypatch.setattr(timing, "pairs", lambda a, b, **more: timing.Pairs(pairs_ms, 1.0, 1 / 3, (0.33, 0.34), 9))
    found = bench.measure(*net, tickets["refill"], **QUICK, estimated=False)
    assert [f"{pairs_ms / 3:.2f} times" in x for x in found.disturbed] == [True] * disturbed


def test_the_description_of_the_machine():
    found = machine.describe(("numpy", "no-such-package"))
    assert found["numpy"] == np.__version__ and found["no-such-package"] == "not installed"
    assert found["cores"] >= 1 and found["cpu"] and json.dumps(found) and machine.describe()["machine"] == found["machine"]
    free, whole = machine.free_bytes(), machine.memory_gib()
    assert free is None or 0 < free <= (whole + 1) * 2**30
