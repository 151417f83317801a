"""Numbers, the smaller network and the timing of a user's ticket, against counts by hand and the masked network itself."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

import lthviz as lt

SHAPE = (3, 8, 8)


def test_a_table_of_layers_counts_by_hand(own):
    masks = lt.magnitude(own, 0.4)
    channel = lt.refill(own, masks)
    table = lt.stats(own, channel, SHAPE, before=masks)
    assert list(table.index) == ["first", "deep", "wide", "more", "network"]
    gone = {n: ~channel.masks.matrix(n).any(axis=1) for n in channel.masks}
    for short in table.index[:-1]:
        name, row = f"{short}.weight", table.loc[short]
        mask, weight = channel.masks[name], own.get_parameter(name)
        assert row["kept"] == mask.sum() and row["weights"] == weight.numel() and row["density"] == mask.mean()
        assert (row["added"], row["removed"]) == ((mask & ~masks[name]).sum(), (masks[name] & ~mask).sum())
        assert row["removed_channels"] == gone[name].sum() and row["macs"] == weight.numel() * 64 and row["shape"] == "×".join(map(str, weight.shape))
    assert table.loc["wide", "macs_left"] == channel.masks["wide.weight"][:, ~gone["deep.weight"]].sum() * 64, "what reads a removed channel is dead"
    assert table.loc["more", "effective_density"] == channel.masks["more.weight"][:, ~gone["wide.weight"]].sum() / own.more.weight.numel()
    total = table.loc["network"]
    for what in ("weights", "kept", "added", "removed", "macs", "macs_left", "blocks", "removed_channels"):
        assert total[what] == table[what].iloc[:-1].sum()
    assert total["density"] == channel.masks.density() and total["coverage"] == 1 and total["flops_ratio"] == total["macs_left"] / total["macs"]
    assert table["kept"].dtype.kind == "i" and table["flops_ratio"].dtype.kind == "f"


def test_multiply_adds_are_those_of_another_count(own):
    """torch's own counter of floating point operations, two a multiply-add, over the layers and the classifier."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        own(torch.zeros(1, *SHAPE))
    assert 2 * int(lt.stats(own, None, SHAPE).loc["network", "macs"]) == counter.get_total_flops() - 2 * own.head.weight.numel()


def test_layers_without_a_mask_are_dense_and_masks_of_others_count(own):
    masks = {"more.weight": np.zeros((48, 48, 3, 3), bool), "head.weight": np.ones((7, 48), bool)}
    table = lt.stats(own, masks, SHAPE)
    assert list(table.index) == ["first", "deep", "wide", "more", "head", "network"] and table.loc["first", "density"] == 1 and table.loc["more", "kept"] == 0


def test_the_smaller_network_computes_what_the_masked_one_does(own):
    channel = lt.refill(own, lt.magnitude(own, 0.3))
    small, masked = lt.compact(own, channel), lt.apply(own, channel, copy=True).model
    x = torch.randn(4, *SHAPE)
    torch.testing.assert_close(small(x), masked(x), rtol=1e-4, atol=1e-5)
    assert sum(p.numel() for p in small.parameters()) < 0.6 * sum(p.numel() for p in own.parameters())
    assert small.more.out_channels == channel.notes["more.weight"]["kept"] or small.more.out_channels == int(channel.masks.matrix("more.weight").any(axis=1).sum())


def test_it_is_measured_against_the_dense_network(own):
    channel = lt.refill(own, lt.magnitude(own, 0.3))
    before = copy.deepcopy(own.state_dict())
    timing = lt.bench(own, channel, SHAPE, batch=4, pairs=3, seconds=0.2, threads=1, baselines="quick")
    assert (timing.batch, timing.n, timing.threads, timing.structure) == (4, 3, 1, "refill") and timing.max_abs_err < 1e-4
    assert timing.flops_ratio == pytest.approx(lt.stats(own, channel, SHAPE).loc["network", "flops_ratio"])
    assert [x.name for x in timing.layers] == list(channel.masks) and timing.conditions["structural"] and timing.estimated_ms is None
    assert all(torch.equal(v, before[k]) for k, v in own.state_dict().items())
    said, shown = repr(timing), timing._repr_html_()
    assert said.startswith(f"Timing({timing.speedup:.2f} times as fast: {timing.ticket_ms:.2f} ms") and "\n" not in said
    assert shown.count("<tr>") == 1 + len(timing.layers) and "4 images, cpu, 1 thread" in shown


@pytest.mark.parametrize(("wrong", "said"), [
    (lambda m, k: lt.bench(m.half(), k, SHAPE), "weights of torch.float16; give a float32 one"), (lambda m, k: lt.bench(m, k, SHAPE, batch=0), "batch = 0"),
    (lambda m, k: lt.bench(m, k, SHAPE, bacth=3), "did you mean batch"), (lambda m, k: lt.stats(m, {"wid.weight": np.ones((2, 2), bool)}, SHAPE), "did you mean wide.weight"),
    (lambda m, k: lt.stats(m, k, (3, 8)), "should be"), (lambda m, k: lt.stats(m, k, (5, 8, 8)), r"does not run on images of shape \(5, 8, 8\)"),
    (lambda m, k: lt.compact(nn.utils.parametrizations.weight_norm(m.wide) and m, k), "wide.weight is computed by a parametrization"),
])
def test_what_will_not_do_is_said_in_a_line(own, wrong, said):
    masks = lt.magnitude(own, 0.3)
    with pytest.raises(lt.LthvizError, match=said) as found:
        wrong(own, masks)
    assert "\n" not in str(found.value)
