"""What can go wrong, as a tree. Every message is one line: what, which value, and the way out.

    LthvizError
    ├── UsageError              what the user gave was wrong (exit code 2)
    │   ├── ConfigError         an unknown or out-of-range setting, preset, model or data set
    │   │   └── DeviceMissing   the device that the settings name is not on this machine
    │   ├── MaskError           a mask that does not fit: key, shape, dtype, NaN, not 0/1
    │   ├── DataError           a data set that is missing or broken
    │   ├── AddressError        a run, round, structure or layer that is not there
    │   ├── ExchangeError       a file that cannot come in, or a ticket that cannot go out in that form
    │   └── SpeedError          a measurement that cannot be made: batch, device, threads, model
    ├── StoreError              a run on disk cannot be read or written (exit code 1)
    │   ├── VersionError        written by a newer lthviz
    │   └── DamagedError        a file is not what was written
    ├── EnvironmentFault        something the machine lacks (exit code 1)
    │   ├── TorchMismatch       torch and torchvision do not match
    │   ├── WorldError          the processes of a run that trains on several devices do not come together
    │   └── PartitionerMissing  no hypergraph partitioner is installed
    └── TrainingError           training cannot go on (exit code 1)
        ├── Diverged            the loss or a weight is not finite
        ├── PeerLost            another process of the run has ended without a word
        └── PeerFailed          another process of the run has failed and said why
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LONGEST = 2500
"""Characters of a message, before escapes."""


class LthvizError(Exception):
    """Base of all errors this project raises on purpose; `exit_code` is what the command line ends with.

    Source: the tree of errors above.
    Example:
        try:
            lt.magnitude(model, density=2)
        except lt.LthvizError as e:
            print(e)
    """

    exit_code = 1

    def __str__(self) -> str:
        return plain_line(super().__str__())


class UsageError(LthvizError):
    exit_code = 2


class ConfigError(UsageError):
    pass


class DeviceMissing(ConfigError):
    pass


class MaskError(UsageError):
    pass


class DataError(UsageError):
    pass


class AddressError(UsageError):
    pass


class ExchangeError(UsageError):
    pass


class SpeedError(UsageError):
    pass


class StoreError(LthvizError):
    pass


class VersionError(StoreError):
    pass


class DamagedError(StoreError):
    pass


class EnvironmentFault(LthvizError):
    pass


class TorchMismatch(EnvironmentFault):
    pass


class WorldError(EnvironmentFault):
    pass


class PartitionerMissing(EnvironmentFault):
    pass


class TrainingError(LthvizError):
    pass


class Diverged(TrainingError):
    pass


class PeerLost(TrainingError):
    pass


class PeerFailed(TrainingError):
    pass


def plain_line(text: str) -> str:
    """What may come from a stranger's file, as one line that a terminal and a log can take: whatever moves a cursor is written as an escape, and the middle of what is very long left out."""
    if len(text) > LONGEST:
        text = f"{text[:LONGEST - 500]} … {text[-400:]}"
    return text if text.isprintable() else "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def in_a_line(error: BaseException) -> str:
    """One of ours says all itself; of any other its type and its first line."""
    if isinstance(error, LthvizError):
        return str(error)
    return plain_line(f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}".rstrip(": "))


_OUT_OF_MEMORY = ("out of memory", "allocate memory", "not enough memory", "std::bad_alloc", "memoryerror", "unable to allocate", "failed to map segment")
"""What Python, numpy, torch, CUDA and C++ say when memory is refused to them."""


def out_of_memory(error: BaseException | str) -> bool:
    """Whether an error of Python's or of a library's, or what it printed, says that there was no memory for something."""
    said = error.lower() if isinstance(error, str) else f"{type(error).__name__}: {error}".lower()
    return isinstance(error, MemoryError) or any(x in said for x in _OUT_OF_MEMORY)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The tail of a message about an unknown name: the near misses, else all that is known."""
    known = list(known)
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.5)
    if near:
        return "did you mean " + " or ".join(near) + "?"
    return "known: " + ", ".join(known)
