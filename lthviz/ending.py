"""How a run ends: as a state and one line, said to the store and to the other processes, whatever it was that ended it."""

from __future__ import annotations

import errno
import logging
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lthviz.errors import (
    DataError,
    DeviceMissing,
    Diverged,
    EnvironmentFault,
    LthvizError,
    PeerFailed,
    PeerLost,
    StoreError,
    UsageError,
    in_a_line,
    out_of_memory,
)

if TYPE_CHECKING:
    from lthviz.nn.world import World

log = logging.getLogger("lthviz")


class Busy(UsageError):
    """Somebody else is driving this run."""


class Cancelled(Exception):
    """The run was asked to end; its finished rounds stay."""


@contextmanager
def outcome(world: World | None, name: str, tell: Callable[[str, str, str], None]) -> Iterator[None]:
    """Whatever ends the run goes to `tell` as a state, one line and, where it failed, its cause, and to the other processes, before it goes on to the caller.

    name: of the run, for the log.
    """
    peers = world.peers if world else None
    with _on_sigterm(_interrupt):
        try:
            yield
        except BaseException as caught:
            if world:   # who was told to end may find the others gone already
                world.broken = True
            if peers:   # for good: torchrun ends us as soon as it has seen that another has ended, but first this must be said
                signal.signal(signal.SIGTERM, signal.SIG_IGN)
            error = (peers.stopped() or caught) if peers and isinstance(caught, KeyboardInterrupt) else caught
            state, word, line = ending(error, bool(peers))
            if peers:
                peers.say(word, line)
            tell(state, line, cause(error) if state == "failed" else "")
            if state == "failed" and cause(error) == "fault":   # one that was foreseen says all in its line
                log.error("%s: %s", name, "".join(traceback.format_exception(error)).rstrip())
            if error is caught:
                raise
            raise error from None


def ending(error: BaseException, among_others: bool) -> tuple[str, str, str]:
    """(the run's state, the word for the other processes, the line)."""
    if isinstance(error, Cancelled):
        return "cancelled", "stopped", str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted", "stopped", f"stopped by hand{' or by torchrun' * among_others}; resume goes on from the last checkpoint"
    if isinstance(error, PeerLost):
        return "interrupted", "lost", str(error)
    return "failed", "failed", reason(error)


@contextmanager
def _on_sigterm(handler: Any) -> Iterator[None]:
    """Inside, SIGTERM is answered like that, until something else sets the answer."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGTERM, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGTERM) is handler:
            signal.signal(signal.SIGTERM, previous)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


CAUSES = ("diverged", "memory", "disk", "device", "images", "settings", "store", "machine", "process", "fault")
"""Why a run failed, as far as it decides what to do next (ways_out.py has the words)."""
_OF_A_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_REFUSED = (errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE)
"""What a system says that will not or cannot, whoever asked."""
_BY_TYPE = ((Diverged, "diverged"), (DeviceMissing, "device"), (DataError, "images"), (UsageError, "settings"), (StoreError, "store"), (EnvironmentFault, "machine"),
            ((PeerLost, PeerFailed), "process"))


def cause(error: BaseException) -> str:
    """One of CAUSES; "fault" for what none of ours foresaw, '' for an error of ours that says all in its line."""
    if not isinstance(error, LthvizError) and out_of_memory(error):
        return "memory"
    if any(isinstance(e, OSError) and e.errno in _OF_A_DISK for e in (error, error.__cause__)):
        return "disk"
    if isinstance(error, OSError) and error.errno in _REFUSED:
        return "machine"
    if not isinstance(error, LthvizError):
        return "fault"
    return next((word for types, word in _BY_TYPE if isinstance(error, types)), "")


def reason(error: BaseException) -> str:
    """One line that names the error and what to do."""
    if not isinstance(error, LthvizError) and out_of_memory(error):
        return f"out of memory ({in_a_line(error)}); a smaller batch_size or model needs less"
    if isinstance(error, OSError) and cause(error) != "fault":
        return f"{error.strerror}: {error.filename}" if error.filename else str(error.strerror)
    return in_a_line(error)
