"""The processes that train one run together. A single process is a world of one, and nothing else asks which it is.

torchrun starts them and says by environment variables who is who. Rank 0 is the first: it alone has a store and a terminal, and
what depends on a clock, a file or a request is decided there and told to the others. Tensors that live on GPUs are reduced by
NCCL, one GPU a process; everything else goes over gloo. A collective call that fails is a PeerLost or what the other said (peers.py).
"""

from __future__ import annotations

import contextlib
import inspect
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import torch
from torch import distributed as dist
from torch import nn

from lthviz.errors import TrainingError, WorldError
from lthviz.nn import batchnorm
from lthviz.nn.peers import Peers, meet

BEAT_S = 1.0
"""How often a process that works for long says that it is there."""
ABORT_S = 10.0
"""How long NCCL is given to let go of a group in which somebody is missing."""
TIMEOUT_S = 600.0
"""How long a process that is there but silent is waited for; LTHVIZ_TIMEOUT sets it. One that ends is noticed at once."""


class World:
    """One of `size` processes, its `rank` from 0. local, locals: its place among those of its machine, and their number.

    Every method must be called by all processes in the same order, but for `part`, `leave` and those that `by_first`, `together` and
    `in_turns` run. broken: something ended this process's part in it, so that the others may be gone.
    """

    def __init__(self, rank: int = 0, size: int = 1, local: int = 0, locals: int = 1, peers: Peers | None = None, timeout_s: float = TIMEOUT_S) -> None:
        self.rank, self.size, self.local, self.locals, self.peers, self.timeout_s = rank, size, local, locals, peers, timeout_s
        self._alone, self.broken = size == 1, False
        self._tensors: dist.ProcessGroup | None = None   # of tensors on GPUs

    @property
    def first(self) -> bool:
        return self.rank == 0

    # What everybody does with its own part ----------------------------------------------------------------------------

    def part(self, n: int) -> slice:
        """Which of n things are this process's: consecutive, as even as can be; it may be none."""
        return slice(0, n) if self._alone else slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor added up over all processes, in place; the same bits everywhere."""
        if not self._alone:
            with self.watched():
                dist.all_reduce(tensor, group=self._group(tensor.device))
        return tensor

    def parallel(self, network: nn.Module, *, idle: bool = False) -> nn.Module:
        """What is called in the network's place: gradients are then averaged over the processes (not weighted).

        idle: some parameters get no gradient. To look for them costs a walk through the graph each step, so it must be said.
        """
        if self._alone:
            return network
        device, wrap = next(network.parameters()).device, nn.parallel.DistributedDataParallel
        # Statistics are the same everywhere already. torch has given the setting another name.
        apart = "forward_sync_buffers" if "forward_sync_buffers" in inspect.signature(wrap).parameters else "broadcast_buffers"
        with self.watched():
            return wrap(network, device_ids=[device.index] if device.type == "cuda" else None, process_group=self._group(device),
                        gradient_as_bucket_view=True, find_unused_parameters=idle, **{apart: False})

    def batchnorm(self, device: torch.device) -> contextlib.AbstractContextManager:
        """Inside, BatchNorm in training mode takes its statistics over the parts of all processes."""
        return contextlib.nullcontext() if self._alone else batchnorm.Global(self._group(device), self.size)

    # What the first decides -------------------------------------------------------------------------------------------

    def tell(self, word: int = 0) -> int:
        """The first's number."""
        if self._alone:
            return word
        box = torch.tensor([word])
        with self.watched():
            dist.broadcast(box, 0)
        return int(box)

    def broadcast(self, value: Any = None) -> Any:
        """The first's value, pickled; what the others give does not matter.

        Pickled, since what goes here are settings, checkpoints and tickets of our own. Who can speak in this group can make the others run code by
        torch's own calls as well (broadcast_object_list): torchrun's address belongs to one's own machines. Nothing that came in a file is unpickled here.
        """
        if self._alone:
            return value
        data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL) if self.first else b""
        box = torch.empty(self.tell(len(data)), dtype=torch.uint8)
        if self.first:
            box.copy_(torch.frombuffer(bytearray(data), dtype=torch.uint8))
        with self.watched():
            dist.broadcast(box, 0)
        return value if self.first else pickle.loads(box.numpy().tobytes())

    def by_first(self, work: Callable[[], Any]) -> Any:
        """What `work` returns in the first process, where it runs as in a world of one; the others wait, however long it takes."""
        if self._alone:
            return work()
        return self.broadcast(self.together(work if self.first else None))

    # What takes each its own time -------------------------------------------------------------------------------------

    def together(self, work: Callable[[], Any] | None) -> Any:
        """What `work` returns in this process, as in a world of one; None: nothing to do here. No process goes on before all are through.

        However long one takes: a thread of each says once a second whether its own is. Only who does not even say that is silent.
        """
        if self._alone:
            return work() if work else None
        through, failed = threading.Event(), threading.Event()
        if work is None:
            through.set()
        errors: list[RuntimeError] = []

        def count() -> None:
            at_work = self.size
            try:
                while at_work:
                    through.wait(min(BEAT_S, self.timeout_s / 4))
                    if failed.is_set():   # the others learn of it when this process ends
                        return
                    box = torch.tensor([int(not through.is_set())])
                    dist.all_reduce(box)
                    at_work = int(box)
            except RuntimeError as e:
                errors.append(e)

        thread = threading.Thread(target=count, daemon=True)
        thread.start()
        self._alone = True   # nobody else speaks meanwhile
        try:
            value = work() if work else None
        except BaseException:
            failed.set()
            raise
        finally:
            self._alone = False
            through.set()
            thread.join(2 * BEAT_S if failed.is_set() else None)
        with self.watched():
            if errors:
                raise errors[0]
        return value

    def in_turns(self, work: Callable[[bool], Any]) -> Any:
        """What `work` returns in this process. It runs in the first, then in the first of every other machine, then in all others;
        it is told whether its process is the first of a machine. Everybody waits for everybody, however long it takes."""
        lead, value = self.local == 0 or self.first, None
        for turn in (self.first, lead and not self.first, not lead):
            made = self.together((lambda: work(lead)) if turn else None)
            value = made if turn else value
        return value

    # What all must agree on -------------------------------------------------------------------------------------------

    def gather(self, value: int) -> list[int]:
        """Everybody's number, by rank."""
        if self._alone:
            return [value]
        boxes = [torch.empty(1, dtype=torch.int64) for _ in range(self.size)]
        with self.watched():
            dist.all_gather(boxes, torch.tensor([value]))
        return [int(b) for b in boxes]

    def same(self, number: Callable[[], int], what: str) -> None:
        """TrainingError when a process has another number than the first; it is not asked for in a world of one."""
        if self.size == 1:
            return
        everybodys = self.gather(number())
        if apart := [r for r, v in enumerate(everybodys) if v != everybodys[0]]:
            raise TrainingError(f"{what} of rank {apart[0]} are not those of rank 0 any more; nothing of this epoch is kept. Are torch "
                                "and the machines the same for all?")

    def use_gpus(self) -> None:
        """From here on tensors on GPUs are reduced as well; called once it is known that every process has one."""
        if not self._alone and self._tensors is None:
            self._tensors = dist.new_group(backend="nccl", timeout=timedelta(seconds=self.timeout_s))

    def _group(self, device: torch.device) -> dist.ProcessGroup:
        return self._tensors if device.type == "cuda" and self._tensors is not None else dist.group.WORLD

    # When one is lost -------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Turns the failure of a collective call into one line that says who is missing."""
        try:
            yield
        except RuntimeError as e:
            if self.size == 1 or not _of_peers(e):
                raise
            self.broken = True
            raise self.peers.why(self.timeout_s) from e

    def leave(self) -> None:
        """The end of this process's part. With everybody there the groups are closed; in a broken world nothing waits for anybody:
        what is under way on a GPU is aborted, and connections end with the process."""
        if self.size == 1:
            return
        if not self.broken:
            dist.destroy_process_group()
        elif self._tensors is not None:   # a thread: an abort that hangs must not keep the process from ending
            thread = threading.Thread(target=self._tensors.abort, daemon=True)
            thread.start()
            thread.join(ABORT_S)


def _of_peers(e: RuntimeError) -> bool:
    text = str(e).lower()
    return isinstance(e, dist.DistError) or any(word in text for word in ("gloo", "nccl", "connection closed by peer", "connection reset"))


ALONE = World()


# Joining ---------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def joined() -> Iterator[World]:
    """The world that torchrun's environment variables describe, left at the end; a world of one without them.

    WorldError when they are wrong, or when the others do not come.
    """
    names = ("RANK", "WORLD_SIZE")
    if not any(name in os.environ for name in names):
        yield World()
        return
    rank, size = (_number(name) for name in names)
    local, locals = _number("LOCAL_RANK", rank), _number("LOCAL_WORLD_SIZE", size)
    if not (0 <= rank < size and 0 <= local < locals <= size):
        raise WorldError(f"RANK={rank}, WORLD_SIZE={size}, LOCAL_RANK={local} and LOCAL_WORLD_SIZE={locals} do not fit together; "
                         "start with torchrun, which sets them")
    if size == 1:
        yield World()
        return
    timeout_s = _timeout()
    where = ":".join(os.environ.get(name, "?") for name in ("MASTER_ADDR", "MASTER_PORT"))
    if "?" in where:
        raise WorldError(f"RANK and WORLD_SIZE are set, but MASTER_ADDR:MASTER_PORT is {where!r}; start with torchrun, which sets them")
    span = timedelta(seconds=timeout_s)
    try:
        store, _, _ = next(dist.rendezvous("env://", rank, size, timeout=span))
        store.set_timeout(span)
        store = dist.PrefixStore(meet(store, rank, size, timeout_s), store)
        dist.init_process_group("gloo", store=dist.PrefixStore("gloo", store), rank=rank, world_size=size, timeout=span)
        world = World(rank, size, local, locals, Peers(dist.PrefixStore("lthviz", store), rank, size), timeout_s)
    except (RuntimeError, ValueError, OSError) as e:   # DistError and its kinds are RuntimeErrors
        first = str(e).splitlines()[0] if str(e) else type(e).__name__
        raise WorldError(f"rank {rank} of {size} found not all of the others at {where} within {timeout_s:g} s ({first}); are all "
                         "started, with the same address? LTHVIZ_TIMEOUT sets how many seconds it waits") from None
    try:
        yield world
    except BaseException:
        world.broken = True
        raise
    finally:
        world.leave()


def _number(name: str, default: int | None = None) -> int:
    text = os.environ.get(name)
    if text is None and default is not None:
        return default
    try:
        return int(text or "")
    except ValueError:
        raise WorldError(f"the environment variable {name} is {text!r}, not a whole number; start with torchrun, which sets it, "
                         "or unset RANK and WORLD_SIZE to train in one process") from None


def _timeout() -> float:
    text = os.environ.get("LTHVIZ_TIMEOUT", str(TIMEOUT_S))
    with contextlib.suppress(ValueError):
        if 0 < (seconds := float(text)) < 1e6:
            return seconds
    raise WorldError(f"the environment variable LTHVIZ_TIMEOUT is {text!r}; it should be a number of seconds above 0")
