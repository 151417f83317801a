"""Other people's files are read, and files for them made, in a process of their own: what it may take of time, memory and disk is limited.

The server that shows pages imports no torch, and a file that eats the machine ends one child, not everybody's pages. A child is this module, run with
its limits and a command's words: it limits itself before torch is imported, then is that command of lthviz; it ends with whoever started it. MOST of
them are at work at once, others wait for their turn.
"""

from __future__ import annotations

import contextlib
import json
import logging
import runpy
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lthviz import processes
from lthviz.errors import EnvironmentFault, ExchangeError, LthvizError, out_of_memory
from lthviz.words import capital

log = logging.getLogger("lthviz")
MOST = 2
"""Children that are at work at once; each may take its limits."""
_turn = threading.Semaphore(MOST)
_MODULE = "lthviz.exchange.apart"
_ANSWER = 64_000_000
"""Bytes of an answer that are read."""


class Limits(NamedTuple):
    """Of a child. seconds: of the clock, once it has its turn. memory_mb: of its data, in megabytes of 1,000,000 bytes. file_mb: of any file that it writes."""

    seconds: float = 180
    memory_mb: int = 6000
    file_mb: int = 1000


def run(words: Sequence[str], limits: Limits | None = None) -> dict[str, Any]:
    """`python -m lthviz` with these words and --json, in a process of its own: what it answers. Raises as `Job.answer`."""
    return Job(words, limits).wait().answer()


class Job:
    """A child at work, or waiting for its turn. folder: of its own, for files that it is to read or write; removed with the job, or by `forget`."""

    def __init__(self, words: Sequence[str], limits: Limits | None = None, folder: Path | None = None) -> None:
        """words: of the command, without --json. folder: a fresh one, which is the job's from now on."""
        self.words, self.limits = tuple(words), limits or Limits()
        self.folder = folder or fresh_folder()
        self._asked, self._began = time.monotonic(), 0.0
        self._stopped, self._late, self._code = threading.Event(), False, 0
        self._ended = threading.Event()
        self.forget = weakref.finalize(self, shutil.rmtree, self.folder, True)
        self._thread = threading.Thread(target=self._work, daemon=True, name="lthviz-apart")
        self._thread.start()

    @property
    def done(self) -> bool:
        return self._ended.is_set()

    @property
    def waits(self) -> bool:
        """Whether others are before it."""
        return not self._began and not self.done

    @property
    def seconds(self) -> float:
        """Since it has its turn; since it was asked for where it has none yet."""
        return time.monotonic() - (self._began or self._asked)

    @property
    def says(self) -> str:
        """The last line of progress; '' without any."""
        if not self._began or self.done:
            return ""
        lines = [x for x in _read(self.folder / "said").splitlines() if x.strip()]
        return lines[-1].strip() if lines and not lines[-1].startswith((" ", "Traceback", "/")) else ""

    def wait(self) -> Job:
        """Until it has ended."""
        self._ended.wait()
        return self

    def stop(self) -> None:
        """End it, wherever it is; what it has begun to write is aside still."""
        self._stopped.set()

    def answer(self) -> dict[str, Any]:
        """What an ended job answered. ExchangeError with the child's own line for what the user gave (its exit code 2), or where a limit ended it;
        EnvironmentFault with its line for a fault of the machine's or of ours."""
        if self._stopped.is_set():
            raise ExchangeError("it was stopped; nothing was kept")
        said, end = _read(self.folder / "said"), self._code
        if self._late:
            raise ExchangeError(f"it was ended after {self.limits.seconds:g} seconds, the most that it may take here; from a terminal it may take as long as it needs")
        if end and (out_of_memory(said) or "can't start new thread" in said):
            raise ExchangeError(f"it needs more than the {self.limits.memory_mb:,} MB of memory that it may take here; from a terminal it may take what there is")
        if end and "File too large" in said:
            raise ExchangeError(f"it would write a file of more than {self.limits.file_mb:,} MB, the most that is made here; from a terminal it may be of any size")
        lines = [x for x in said.splitlines() if x.startswith("lthviz: ")]
        if end not in (0, 2) or (end and not lines):
            log.error("lthviz %s ended with %s:\n%s", " ".join(self.words), end, said[-4000:])
        if end == 2 and lines:
            raise ExchangeError(lines[-1].removeprefix("lthviz: "))
        if end > 0:
            raise EnvironmentFault(lines[-1].removeprefix("lthviz: ") if lines else f"it ended with exit code {end} and without a word; the server's log has more")
        if end:
            raise EnvironmentFault(f"the process was killed (signal {-end}), perhaps for want of memory; from a terminal: python -m lthviz {self.words[0]}")
        try:
            return json.loads(_read(self.folder / "answer"))
        except ValueError:
            raise EnvironmentFault("the process ended without an answer that can be read") from None

    def _work(self) -> None:
        try:
            while not _turn.acquire(timeout=0.1):
                if self._stopped.is_set():
                    return
            try:
                self._run()
            finally:
                _turn.release()
        except (OSError, LthvizError) as e:
            self._code = 1
            with contextlib.suppress(OSError):
                (self.folder / "said").write_text(f"lthviz: the process could not be started: {e}\n")
        finally:
            self._ended.set()

    def _run(self) -> None:
        if self._stopped.is_set():
            return
        self._began = time.monotonic()
        with (self.folder / "answer").open("wb") as answer, (self.folder / "said").open("wb") as said:
            child = processes.spawn(str(self.limits.memory_mb), str(self.limits.file_mb), *self.words, "--json", module=_MODULE,
                                    stdin=subprocess.PIPE, stdout=answer, stderr=said)
        while child.poll() is None and not self._stopped.is_set() and not self._late:
            with contextlib.suppress(subprocess.TimeoutExpired):
                child.wait(0.1)
            self._late = child.poll() is None and self.seconds > self.limits.seconds
        processes.end(child)
        self._code = child.returncode


def fresh_folder() -> Path:
    """A new folder for the files of a job."""
    return Path(tempfile.mkdtemp(prefix="lthviz-exchange-"))


def remove(folder: Path) -> None:
    """A folder that no job took."""
    shutil.rmtree(folder, ignore_errors=True)


def told(error: LthvizError, names: dict[str, str]) -> str:
    """An error's line for people, with the files' own names in place of where they were put. names: by path."""
    line = str(error)
    for path, name in names.items():
        line = line.replace(path, name)
    return line if line.startswith(tuple(names.values())) else capital(line)


def _read(file: Path) -> str:
    try:
        with file.open("rb") as f:
            return f.read(_ANSWER).decode(errors="replace")
    except OSError:
        return ""


def _limit(memory_mb: int, file_mb: int) -> None:
    """No more data and no larger files than that, of this process and what it starts. Windows knows no such limits; the clock's holds there too."""
    with contextlib.suppress(ImportError):
        import resource

        for what, bytes_ in ((resource.RLIMIT_DATA, memory_mb * 1_000_000), (resource.RLIMIT_FSIZE, file_mb * 1_000_000)):
            hard = resource.getrlimit(what)[1]
            resource.setrlimit(what, (bytes_ if hard == resource.RLIM_INFINITY else min(bytes_, hard), hard))


def main() -> None:
    """`MEMORY_MB FILE_MB COMMAND …` of this process."""
    memory_mb, file_mb, *words = sys.argv[1:]
    processes.end_with_parent()
    _limit(int(memory_mb), int(file_mb))
    sys.argv = ["lthviz", *words]
    runpy.run_module("lthviz", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
