"""What can run a ticket: its blocks, the physically smaller network, or the dense forms with zeros in their weights.

Each is compared with the masked dense network before anything is timed.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional as F

from lthviz.core import stats
from lthviz.errors import LthvizError, SpeedError
from lthviz.records import Layer, Masks
from lthviz.speed import baselines, network, timing
from lthviz.speed.baselines import Form

if TYPE_CHECKING:   # Triton takes its time
    from lthviz.speed.gpu_program import Choice

log = logging.getLogger(__name__)


class Ticket(NamedTuple):
    """What is to be run. model: masked, in evaluation mode, on its device. image: a batch, float32 (N, c, h, w). reference: what the
    model makes of it, in float32. precision: in which the forms compute. seconds: for a choice between forms. pairs: samples to take
    of each work, instead of what the time allows."""

    model: nn.Module
    layers: Sequence[Layer]
    masks: Masks
    structural: bool
    image: torch.Tensor
    reference: torch.Tensor
    threads: int
    precision: str = "float32"
    seconds: float = 2.0
    pairs: int | None = None

    @property
    def repeats(self) -> int:
        """Runs of a layer's step alone."""
        return min(7, self.pairs or 7)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        return tuple(self.image.shape[1:])

    @property
    def clock(self) -> timing.Clock:
        return timing.Clock(sync=torch.cuda.synchronize) if self.image.is_cuda else timing.Clock()


class Executor(NamedTuple):
    """form: the whole network. of: the dense form that it is of a smaller network, '' if none. layers: what runs each layer, by
    parameter name. error: its largest difference from the masked dense network, as a share of the output's scale. layer_ms: () to
    the milliseconds of each layer, timed alone."""

    form: Form
    of: str
    layers: Mapping[str, str]
    error: float
    layer_ms: Callable[[], Mapping[str, float]]


@dataclass
class Executors:
    """What can run the ticket here, by name, and why the others cannot, one line each."""

    built: dict[str, Executor] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)


def build(ticket: Ticket, dense: Mapping[str, float], *, progress: Callable[[str], None] = lambda doing: None) -> Executors:
    """Every executor of the ticket but the dense forms themselves, checked. dense: medians of those, the fastest first.

    LthvizError when one computes something else than the masked dense network: that is a fault of ours and must not be timed.
    """
    found = Executors()
    for name, make in (("blocks", _blocks), ("compact", _compact)):
        progress(f"building {name}")
        try:
            made = make(ticket, dense)
        except SpeedError as e:   # an operation it does not know, say
            found.failed[name] = str(e)
            continue
        except MemoryError:
            raise
        except Exception as e:   # a network of a kind that it was not written for: named in the result, and the others go on
            log.warning("executor %s cannot be built", name, exc_info=True)
            found.failed[name] = baselines.one_line(e)
            continue
        if made is None:
            continue
        form, of, layers, layer_ms = made
        found.built[name] = Executor(form, of, layers, _checked(name, form.run(), ticket), layer_ms)
    return found


def _checked(name: str, output: torch.Tensor, ticket: Ticket) -> float:
    error = baselines.difference(output, ticket.reference)
    if not error <= baselines.TOLERANCE[ticket.precision]:
        raise LthvizError(f"the executor {name!r} differs by {error:.1e} of the scale from the masked dense network, so nothing was timed; "
                          "this is a fault of ours, please report it with the masks")
    return error


Made = tuple[Form, str, Mapping[str, str], Callable[[], Mapping[str, float]]]


def _blocks(ticket: Ticket, dense: Mapping[str, float]) -> Made:
    if ticket.image.is_cuda:
        return _blocks_on_gpu(ticket)
    from lthviz.speed import program as programs

    program = programs.build(ticket.model, ticket.layers, ticket.image_shape, ticket.masks, structural=ticket.structural,
                             batch=len(ticket.image), threads=ticket.threads)
    return Form(program, ticket.image), "", program.executors, lambda: program.layer_times(ticket.image, ticket.repeats)


def _blocks_on_gpu(ticket: Ticket) -> Made:
    from lthviz.speed import gpu_program

    program = gpu_program.build(ticket.model, ticket.layers, ticket.image_shape, ticket.masks, structural=ticket.structural,
                                batch=len(ticket.image), precision=ticket.precision, device=ticket.image.device)
    made, ms = by_layer(program.choices, ticket.layers)
    return Form(program, ticket.image), "", made, lambda: ms


def by_layer(choices: Sequence[Choice], layers: Sequence[Layer]) -> tuple[dict[str, str], dict[str, float]]:
    """Who runs each layer, and its milliseconds where they were measured. A layer that no step of the program is made of is run by plain torch."""
    found = {layer.name: "torch" for layer in layers} | {c.layer: c.executor for c in choices}
    ms = {c.layer: c.blocks_ms if c.executor == "blocks" else c.dense_ms for c in choices}
    return found, {k: v for k, v in ms.items() if v is not None}


def _compact(ticket: Ticket, dense: Mapping[str, float]) -> Made | None:
    """The smaller network in whichever form is fastest: the eager ones, and the one that was the fastest with the dense network."""
    if not ticket.structural or not any(gone.any() for gone in stats.removed(ticket.masks).values()):
        return None   # nothing is removed: it would be the dense network
    from lthviz.nn import compact

    folded = baselines.fold(ticket.model)   # now: what compact makes cannot be traced once more
    there = dict(folded.named_modules())
    layers = [layer if layer.bn in there else replace(layer, bn="") for layer in ticket.layers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")   # torch's own on layers without a channel
        small = compact.compact(folded, layers, ticket.masks).eval().requires_grad_(False)
    if ticket.precision == "float32":
        _checked("compact", baselines.plain(small)(ticket.image), ticket)
    which = dict.fromkeys((*baselines.names("quick", ticket.image.device.type), *list(dense)[:1]))
    which.pop(baselines.OWN, None)   # the block program leaves removed channels out by itself
    forms = baselines.build(small, ticket.image, ticket.reference, tuple(which), threads=ticket.threads, precision=ticket.precision)
    if not forms.built:
        raise SpeedError("; ".join(f"{name}: {why}" for name, why in forms.failed.items()))
    best = timing.fastest({name: form.run for name, form in forms.built.items()}, seconds=ticket.seconds, n=ticket.pairs, clock=ticket.clock)
    return forms.built[best], best, {layer.name: "compact" for layer in ticket.layers}, lambda: layers_alone(small, ticket)


def layers_alone(model: nn.Module, ticket: Ticket, seconds: float = 0.2) -> dict[str, float]:
    """Milliseconds of each prunable layer of a folded network with a ReLU behind it, run alone in eager torch at the shape
    that it has there, in the faster of both layouts. seconds: for each layer; a layer without channels takes none."""
    wanted, out = {layer.name for layer in ticket.layers}, {}
    dtype = torch.bfloat16 if ticket.precision == "bfloat16" else torch.float32
    modules = dict(model.named_modules())
    for name, shape in network.inputs(model, ticket.image).items():
        conv = modules[name.removesuffix(".weight")]
        if name not in wanted:
            continue
        if not (shape.numel() and conv.weight.numel()):
            out[name] = 0.0
            continue
        works = {}
        for layout in (torch.contiguous_format, torch.channels_last)[:1 if conv.weight.dim() == 2 else 2]:
            image = torch.randn(shape, device=ticket.image.device, dtype=dtype).contiguous(memory_format=layout)
            works[str(layout)] = _alone(copy.deepcopy(conv).to(dtype=dtype, memory_format=layout), image)
        out[name] = next(iter(timing.medians(works, seconds=seconds, n=ticket.pairs, clock=ticket.clock).values()))
    return out


def _alone(conv: nn.Module, image: torch.Tensor) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        with torch.inference_mode():
            return F.relu_(conv(image))

    return run
