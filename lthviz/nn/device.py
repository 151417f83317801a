"""Where the tensors live, how many threads work on them, and how they get there."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterable, Iterator

import torch
from torch import nn

from lthviz.config import RunConfig
from lthviz.errors import ConfigError, DeviceMissing, TrainingError
from lthviz.nn.world import ALONE, World


def pick(config: RunConfig, world: World = ALONE) -> torch.device:
    """The device of `config.device`, in a world one GPU a process; DeviceMissing, the same everywhere, for a GPU that is not there."""
    seen = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if world.size == 1:
        if config.device == "cuda" and not seen:
            raise DeviceMissing("device = 'cuda', but torch sees no GPU here; use device = 'auto' or 'cpu'")
        return torch.device("cuda" if seen and config.device != "cpu" else "cpu")
    everybodys = world.gather(seen - world.local)   # above zero: this process has its own
    if config.device == "cpu" or (config.device == "auto" and not any(world.gather(seen))):
        return torch.device("cpu")
    if lacking := [r for r, left in enumerate(everybodys) if left < 1]:
        raise DeviceMissing(f"rank {lacking[0]} of {world.size} has no GPU of its own: start as many processes on a machine as it has GPUs "
                          "(torchrun --nproc-per-node), or set device = 'cpu'")
    torch.cuda.set_device(world.local)
    world.use_gpus()
    return torch.device("cuda", world.local)


def use_threads(config: RunConfig, world: World = ALONE) -> int:
    """Let torch use `config.threads` CPU threads (0: every core, shared among the world's processes of this machine); their number.

    Sums are split by thread, so results are bit-equal only between processes with equal numbers of threads.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    count = config.threads or max(1, cores // world.locals)
    torch.set_num_threads(count)
    return count


def memory_format(config: RunConfig) -> torch.memory_format:
    return torch.channels_last if config.memory_format == "channels_last" else torch.contiguous_format


def compiled(config: RunConfig, network: nn.Module, place: torch.device, world: World = ALONE) -> nn.Module:
    """The network, or with `config.compile` what torch.compile makes of it: the same parameters. ConfigError where that cannot be."""
    if config.compile == "none":
        return network
    if world.size > 1:
        raise ConfigError(f"compile = {config.compile!r} does not work with several processes (BatchNorm talks to the others "
                          "in the middle of the network); use compile = 'none'")
    if place.type == "cpu" and not any(map(shutil.which, (os.environ.get("CXX", "g++"), "g++", "clang++", "cl"))):
        raise ConfigError(f"compile = {config.compile!r} needs a C++ compiler for the CPU, and none is found here; install g++ or use compile = 'none'")
    torch.compiler.reset()   # what was compiled for earlier tickets counts towards torch's limit of forms a function may have
    return torch.compile(network, dynamic=False)


@contextlib.contextmanager
def compiling(config: RunConfig) -> Iterator[None]:
    """What the compiler says of a network that it cannot compile, as one line."""
    try:
        yield
    except RuntimeError as e:
        if config.compile == "none" or not type(e).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        raise TrainingError(f"torch.compile fails on {config.model} here ({next(iter(str(e).splitlines()), type(e).__name__)}); "
                            "use compile = 'none'") from e


def ahead(batches: Iterable[tuple[torch.Tensor, torch.Tensor]], place: torch.device) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Batches from the host on the device, each copied while the one before it is being used.

    On a GPU through pinned memory and a stream of its own; elsewhere each as it comes.
    """
    if place.type != "cuda":
        yield from ((x.to(place), y.to(place)) for x, y in batches)
        return
    beside = torch.cuda.Stream(place)
    waiting = None
    for batch in batches:
        with torch.cuda.stream(beside):
            coming = tuple((t if t.is_cuda or t.is_pinned() else t.pin_memory()).to(place, non_blocking=True) for t in batch)
            arrived = beside.record_event()
        if waiting is not None:
            yield _taken(*waiting)
        waiting = coming, arrived
    if waiting is not None:
        yield _taken(*waiting)


def _taken(batch: tuple[torch.Tensor, ...], arrived: torch.cuda.Event) -> tuple[torch.Tensor, ...]:
    here = torch.cuda.current_stream(batch[0].device)
    here.wait_event(arrived)
    for t in batch:
        t.record_stream(here)   # its memory is not given away while this stream reads it
    return batch
