"""One ticket's speed against the fastest dense form of its network: checked first, then timed in turn with it.

The protocol: the masked dense network gives the reference output; every form that is to be timed must give the same. Of the dense forms
(baselines.py) the fastest is one side, of the ticket's executors (executors.py), the dense forms included, the fastest the other.
Both run in turn in one process (timing.py). Weights are the same on both sides, so a dense form runs the same zeros.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from lthviz import seeds
from lthviz.core import stats
from lthviz.errors import SpeedError
from lthviz.records import Layer, LayerTiming, Masks, Timing
from lthviz.speed import baselines, calibrate, estimate, executors, machine, network, timing
from lthviz.speed.baselines import Form, Forms, fold
from lthviz.speed.executors import Executors, Ticket
from lthviz.speed.network import Shape

DENSE = "dense"
"""The executor of a ticket that no other one runs faster: the dense network with zeros in its weights."""


@dataclass
class Reuse:
    """Dense forms that one measurement leaves to the next: they take as long for every ticket of a network, as zeros do.

    masks: digest of the ticket that they were built of. Of another one they tell the time, never the output.
    """

    key: tuple = ()
    forms: Forms = field(default_factory=Forms)
    masks: str = ""


def measure(model: nn.Module, layers: Sequence[Layer], masks: Masks, *, image_shape: Shape, structural: bool, batch: int = 64,
            threads: int = 0, device: str = "cpu", precision: str = "float32", baselines: str | tuple[str, ...] = "all",
            seconds: float = 20.0, pairs: int | None = None, round: int = 0, structure: str = "", estimated: bool = True,
            seed: int = 0, reuse: Reuse | None = None, progress: Callable[[str], None] | None = None) -> Timing:
    """Measures the network with those masks. image_shape: (c, h, w). structural: a row without weights is a removed channel.

    Layers without a mask stay dense. baselines: `all`, `quick` (eager torch and our own kernel), or names of baselines.FORMS.
    seconds: about how long to time; building what is timed comes on top. pairs: how many instead of what the time allows, and as many samples of all else.
    progress: told in a line what is being done. round, structure: passed on. estimated: predict the time first, calibrating the
    machine if it never was (seconds); on the CPU only.

    Where the model's BatchNorms are untouched they get the statistics of random images, by `seed`. The model is left as it is.
    MaskError for masks that do not fit, SpeedError for what cannot be measured here, LthvizError when an executor of ours computes
    something else than the masked dense network.
    """
    begun, tell = time.time(), progress or (lambda doing: None)
    threads = machine.check_place(batch, threads, device, precision)
    _check_device(device)
    masks, whole = network.fit(masks, layers)
    asked = {"baselines": baselines if isinstance(baselines, str) else list(baselines), "seconds": seconds}
    with _settings(threads, precision), _memory(model, image_shape, batch, device):
        ticket = _ticket(model, layers, masks, image_shape, structural, batch, threads, device, precision, 0.1 * seconds, pairs, seed)
        forms = _dense_forms(ticket, baselines, reuse, tell)
        predicted = _predicted(ticket, tell) if estimated and device == "cpu" else None
        tell("comparing the dense forms")
        dense = timing.medians({name: form.run for name, form in forms.built.items()}, seconds=0.25 * seconds, n=pairs, clock=ticket.clock)
        best = next(iter(dense))
        made = executors.build(ticket, dense, progress=tell)
        tell("comparing what can run the ticket")
        ways = {name: executor.form.run for name, executor in made.built.items()} | {DENSE: forms.built[best].run}
        ways = timing.medians(ways, seconds=0.2 * seconds, n=pairs, clock=ticket.clock)
        form, error = forms.built[best], forms.errors[best]
        if next(iter(ways)) == DENSE and reuse is not None and reuse.masks != masks.digest:
            own = _own_dense(ticket, best, made, tell)
            form, error = own or (form, error)
            ways = ways if own else {name: ms for name, ms in ways.items() if name != DENSE}
            if not ways:
                raise SpeedError(f"nothing runs this ticket here; dense: {made.failed[DENSE]}")
        chosen = next(iter(ways))
        mine = made.built.get(chosen)
        others = machine.Others()
        found = timing.pairs(forms.built[best].run, mine.form.run if mine else form.run, seconds=0.35 * seconds, n=pairs,
                             clock=ticket.clock, progress=lambda i, n: tell(f"pair {i} of {n}"))
        busy = [others.cores()]
        tell("timing each layer alone")
        others = machine.Others()
        alone = _dense_layers(forms.built[best], ticket, 0.1 * seconds / len(layers))
        rows = _layers(ticket, alone, mine)
        busy.append(others.cores())
    gone = sum(int(x.sum()) for x in stats.removed(masks).values()) if structural else 0
    conditions = _conditions(forms, made, ways, masks, device, executor_form=mine.of if mine else "", asked=asked, dense_layers=whole, removed_channels=gone,
                             others_cores=max((x for x in busy if x is not None), default=None), drift=found.a_ms / dense[best],
                             image_shape=list(image_shape), structural=structural, seconds=float(f"{time.time() - begun:.1f}"))
    return Timing(round=round, structure=structure, device=device, threads=threads, batch=batch, dense_ms=found.a_ms,
                  ticket_ms=found.b_ms, time_ratio=found.ratio, spread=found.spread,
                  flops_ratio=stats.flops_ratio(stats.effective(masks, layers, structural), layers),
                  max_abs_err=mine.error if mine else error, baseline=best, executor=chosen, n=found.n, layers=rows,
                  others=dense, estimated_ms=predicted and estimate.against_fastest(predicted, dense, dense[best]) * found.a_ms, conditions=conditions, precision=precision, time=time.time())


# Before ----------------------------------------------------------------------------------------------------------------


def _check_device(device: str) -> None:
    if device == "cpu":
        return
    if not torch.cuda.is_available():
        raise SpeedError(f"device = {device!r}, but torch sees no GPU here; use cpu")
    if torch.device(device).index is not None and torch.device(device).index >= torch.cuda.device_count():
        raise SpeedError(f"device = {device!r} is not there; torch sees {torch.cuda.device_count()} GPUs, numbered from 0")


@contextlib.contextmanager
def _settings(threads: int, precision: str) -> Iterator[None]:
    """torch's threads and its GPU arithmetic as asked; afterwards these and its random state are as they were."""
    were, tf32 = torch.get_num_threads(), torch.backends.cuda.matmul.allow_tf32
    torch.set_num_threads(threads)
    torch.backends.cuda.matmul.allow_tf32 = precision == "tf32"
    try:
        with torch.random.fork_rng(devices=[]), torch.backends.cudnn.flags(
                enabled=True, benchmark=True, deterministic=False, allow_tf32=precision == "tf32"):
            yield
    finally:
        torch.set_num_threads(were)
        torch.backends.cuda.matmul.allow_tf32 = tf32


@contextlib.contextmanager
def _memory(model: nn.Module, image_shape: Shape, batch: int, device: str) -> Iterator[None]:
    """SpeedError instead of starting what does not fit, and for memory that gives out all the same."""
    network.check_memory(model, image_shape, batch, device)
    try:
        yield
    except (MemoryError, RuntimeError) as e:
        if isinstance(e, MemoryError) or any(x in str(e).lower() for x in ("out of memory", "can't allocate", "not enough memory")):
            raise SpeedError(f"batch = {batch}: the memory has given out; use a smaller batch") from None
        raise


def _ticket(model: nn.Module, layers: Sequence[Layer], masks: Masks, image_shape: Shape, structural: bool, batch: int, threads: int,
            device: str, precision: str, seconds: float, pairs: int | None, seed: int) -> Ticket:
    masked = network.masked(model, layers, masks, image_shape, structural=structural, seed=seed).to(device)
    random = torch.Generator().manual_seed(seeds.derive(seed, "speed images"))
    image = torch.randn((batch, *image_shape), generator=random).to(device)
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        reference = baselines.plain(masked)(image)
    if not bool(torch.isfinite(reference).all()):
        raise SpeedError("the masked network's output is not finite, so nothing can be compared with it; look at its weights")
    return Ticket(masked, layers, masks, structural, image, reference, threads, precision, seconds, pairs)


def _dense_forms(ticket: Ticket, which: str | tuple[str, ...], reuse: Reuse | None, tell: Callable[[str], None]) -> Forms:
    shapes = tuple((name, tuple(t.shape)) for name, t in ticket.model.state_dict().items())
    key = (shapes, tuple(ticket.image.shape), str(ticket.image.device), ticket.threads, ticket.precision, which)
    if reuse is not None and reuse.key == key:
        return reuse.forms
    if reuse is not None:
        reuse.key, reuse.forms, reuse.masks = (), Forms(), ""   # two at once would be twice the memory
    forms = baselines.build(ticket.model, ticket.image, ticket.reference, which, threads=ticket.threads, precision=ticket.precision, progress=tell)
    if not forms.built:
        raise SpeedError("no dense form runs here: " + "; ".join(f"{name}: {why}" for name, why in forms.failed.items()))
    if reuse is not None:
        reuse.key, reuse.forms, reuse.masks = key, forms, ticket.masks.digest
    return forms


def _own_dense(ticket: Ticket, name: str, made: Executors, tell: Callable[[str], None]) -> tuple[Form, float] | None:
    """That dense form with this ticket's zeros in its weights, and how far it is from the masked network; None, and why in
    `made.failed`, where it cannot be built or computes something else."""
    tell(f"building {name} for this ticket")
    own = baselines.build(ticket.model, ticket.image, ticket.reference, (name,), threads=ticket.threads, precision=ticket.precision)
    if name in own.failed:
        made.failed[DENSE] = f"{name}: {own.failed[name]}"
        return None
    return own.built[name], own.errors[name]


def _predicted(ticket: Ticket, tell: Callable[[str], None]) -> float:
    """The ticket's time over the dense network's in our own kernel, by this machine's calibration."""
    calibration = calibrate.calibration(len(ticket.image), ticket.threads, progress=tell)
    return estimate.estimate(calibration, ticket.layers, ticket.masks, structural=ticket.structural).time_ratio


# After -----------------------------------------------------------------------------------------------------------------


def _dense_layers(best: Form, ticket: Ticket, seconds: float) -> dict[str, float]:
    """Milliseconds of each dense layer alone, as the fastest dense form runs it; in eager torch where a form runs only as a whole."""
    own = getattr(best.call, "layer_times", None)
    return own(ticket.image, ticket.repeats) if own else executors.layers_alone(fold(ticket.model), ticket, seconds)


def _layers(ticket: Ticket, alone: dict[str, float], mine: executors.Executor | None) -> tuple[LayerTiming, ...]:
    """One line a layer; a layer of which nothing is left takes no time."""
    kept = stats.effective(ticket.masks, ticket.layers, ticket.structural)
    own = dict(mine.layer_ms()) if mine else alone
    return tuple(LayerTiming(layer.name, kept[layer.name], kept[layer.name] / max(1, layer.size), alone[layer.name],
                             own.get(layer.name, 0.0), mine.layers.get(layer.name, "removed") if mine else DENSE)
                 for layer in ticket.layers)


def _conditions(forms: Forms, made: Executors, ways: dict[str, float], masks: Masks, device: str, **more: Any) -> dict[str, Any]:
    """What a reader has to know of a figure: the machine, the versions, what else went on, what is not in the comparison and why."""
    packages = ["torch", "numpy", "numba", *(["onnxruntime"] if "onnxruntime" in forms.built else [])]
    said = [f"{name}: nothing is kept in this layer" for name in masks if not masks.nnz(name)]
    gpu = {"gpu": torch.cuda.get_device_name(device)} if device != "cpu" else {}
    return {**machine.describe(packages), **gpu, **more, "executors": ways, "warnings": said, "baselines_failed": forms.failed,
            "executors_failed": made.failed}
