"""What flows between the parts: frozen values, numpy inside. A ticket is a value; nothing here is changed after it is made.

A weight `W[C_out, C_in/groups, kh, kw]` is read as a matrix of `C = C_out` rows (output channels) and
`n = C_in/groups·kh·kw` columns; a linear layer's `(out, in)` is one. Layers, masks, blocks and weights are keyed by parameter name (`layer1.0.conv1.weight`).
"""

from __future__ import annotations

from lthviz.records.blocks import Blocks, Structured
from lthviz.records.events import Begin, Checkpoint, Epoch, Event, Stage, Step
from lthviz.records.layer import Layer
from lthviz.records.masks import Masks
from lthviz.records.run import Address, Run, Status
from lthviz.records.ticket import Curve, Round, Ticket
from lthviz.records.timing import APART, BUSY_CORES, STEADY, LayerTiming, Timing, timing_key

__all__ = [
    "APART", "BUSY_CORES", "STEADY", "Address", "Begin", "Blocks", "Checkpoint", "Curve", "Epoch", "Event", "Layer",
    "LayerTiming", "Masks", "Round", "Run", "Stage", "Status", "Step", "Structured", "Ticket", "Timing",
    "timing_key",
]
