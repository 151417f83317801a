"""A layer whose rows belong to groups, what Python makes of it, and a Streamlit script that shows it in the live view of Tune."""

from __future__ import annotations

import numpy as np
from playwright.sync_api import expect

from lthviz.config import Regroup
from lthviz.core.partition import Partition
from lthviz.core.refill import refill
from lthviz.core.regroup import parts, regroup
from lthviz.records import Masks

NAME = "net.0.weight"
PLANT = '''
import numpy as np
from lthviz.records import Layer

def plant(shape, density=0.2, groups=4, seed=0):
    """A mask whose rows belong to groups that like the same columns, its trained weights, and the group of each row."""
    rng = np.random.default_rng(seed)
    C, n = shape[0], int(np.prod(shape[1:]))
    owner, liked = rng.integers(0, groups, C), rng.random((groups, n)) ** 3
    weights = rng.standard_normal((C, n)).astype(np.float32) * (0.1 + liked[owner])
    before = np.abs(weights) > np.quantile(np.abs(weights), 1 - density)
    owner = np.where(before.any(1), owner, -1).astype(np.int32)
    return before, weights.astype(np.float32), owner, Layer("net.0.weight", shape, (4, 4))
'''
space: dict = {}
exec(PLANT, space)
plant = space["plant"]
SCRIPT = PLANT + '''
import dataclasses

import streamlit as st
from lthviz.config import Refill, Regroup
from lthviz.core.partition import Partition
from lthviz.core.regroup import parts
from lthviz.ui.tune.view import tune_view

st.set_page_config(layout="wide")
ask, state = st.query_params, st.session_state
other = int(st.toggle("Other layer"))
before, weights, owner, layer = plant((60, 256 if "wide" in ask else 10, 3, 3), seed=other)
layer = dataclasses.replace(layer, name=f"net.{other}.weight")
kind = ask.get("kind", "regroup")
name = {"regroup": "t1", "refill": "rho"}[kind]
state.setdefault("value", float(ask.get("value", {"t1": 1.5, "rho": 0.1}[name])))
state.setdefault("told", 0)

def heard():
    state.told += 1
    if "adopt" in ask:
        state.value = state.tune.settle[name]

if st.button("Undo"):
    state.value = {"t1": 1.5, "rho": 0.1}[name]
shown = state.get("was", state.value) if "late" in ask else state.value
state.was = state.value
if kind == "regroup":
    structure = Regroup(t1=shown, min_rows=int(ask.get("min", 5)))
    got = tune_view(before, structure, key="tune", layer=layer, order=ask.get("order", "grouped"), mode=ask.get("mode", "diff"), parts=parts(before, Partition(owner, "none", 0)), magnitude=weights, on_settle_change=heard,
                    was={"kept": 7, "density": 0.5} if "was" in ask else None)
else:
    got = tune_view(before, Refill(rho=shown), key="tune", layer=layer, order=ask.get("order", "grouped"), mode=ask.get("mode", "diff"), scores=(abs(weights) * before).sum(1), on_settle_change=heard, height=300)
st.text(f"settled: {got!r}, told {state.told}, shown {shown}")
'''


def found(before, owner, groups=None):
    return parts(before, Partition(owner, "none", 0))


def example(t1=None, rho=None, min_rows=5):
    """What Python makes of the page's layer."""
    before, weights, owner, layer = plant((60, 10, 3, 3))
    masks = Masks.of({NAME: before.reshape(layer.shape)})
    if rho is not None:
        return before, refill(masks, {NAME: (np.abs(weights) * before).sum(1)}, rho=rho).masks.matrix(NAME)
    return before, regroup(masks, Regroup(t1=t1, min_rows=min_rows), partitions={NAME: Partition(owner, "none", 0)}).masks.matrix(NAME)


def value(page):
    return float(page.locator(".tv").get_attribute("data-value"))


def follows(page, before, after):
    """Legend and numbers are those of the masks."""
    for state, n in (("kept", before & after), ("added", after & ~before), ("removed", before & ~after), ("never", ~before & ~after)):
        expect(page.locator(f".legend [data-state={state}]")).to_have_attribute("data-count", str(n.sum()))
    expect(page.locator("[data-figure=kept] dd").first).to_have_text(f"{after.sum():,}")
    expect(page.locator("[data-figure=density] dd").first).to_have_text(f"{100 * after.mean():.1f} %")


def middle(page, across, up):
    box = page.locator(".plot").bounding_box()
    return box["x"] + across * box["width"], box["y"] + (1 - up) * box["height"]
