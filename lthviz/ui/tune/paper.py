"""Regroup's variant `paper` on Tune: nothing of it can be dragged, and the page says so; its mask comes with the answer."""

from __future__ import annotations

from lthviz.core.regroup import regroup
from lthviz.records import Masks
from lthviz.tuning import Source
from lthviz.ui import frame
from lthviz.ui.maskview import mask_view
from lthviz.ui.tune import data
from lthviz.ui.tune.address import Asked

ON_RELEASE = ("This variant has no threshold to drag; it answers once a setting is entered. Every pass divides anew what the blocks before it left, so that "
              "another threshold makes other groups. What was worked out once is there at once.")


def view(of: Source, asked: Asked) -> None:
    """The layer's mask against the unstructured one, as soon as its blocks are known."""
    name, divided = asked.layer.name, data.divided(of, asked.structure)
    frame.quiet(ON_RELEASE)
    if name not in divided.found:
        return
    alone = Masks.of({name: of.masks.matrix(name)})
    made = regroup(alone, asked.here, partitions=divided.partitions, found_by_layer=divided.found)
    mask_view(made.masks.matrix(name), of.masks.matrix(name), key="tune-paper", layer=asked.layer, blocks=made.blocks.get(name), mode="diff", order="grouped",
              height=430, title=f"{asked.layer.short} · {asked.structure.title}, round {asked.round}, after Unstructured")
