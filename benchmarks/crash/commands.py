"""Processes as a user starts them, their output in files, and their ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 600.0
"""A process that is at work for longer has hung."""


class Done(NamedTuple):
    """How a process ended. code: negative for a signal."""

    code: int
    out: str
    err: str
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL

    @property
    def said(self) -> list[str]:
        """The lines in which an error is told."""
        return [x for x in self.err.splitlines() if x.startswith("lthviz: ")]


class Process:
    """One that was started, in a session of its own; ended with all that it started when the block ends."""

    def __init__(self, words: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, **options: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.words, self.began = list(words), time.monotonic()
        self._out, self._err = folder / "stdout", folder / "stderr"
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self.popen = subprocess.Popen([sys.executable, *words], cwd=ROOT, env=environment(env), stdin=subprocess.DEVNULL, stdout=out, stderr=err, start_new_session=True, **options)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        end_session(self.popen.pid)
        self.popen.wait()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def ended(self) -> bool:
        return self.popen.poll() is not None

    def kill(self) -> None:
        self.popen.kill()

    def wait(self, seconds: float = LIMIT_S) -> Done:
        """How it ended; a process that hangs is ended, with code 124."""
        try:
            code = self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            end_session(self.pid)
            self.popen.wait()
            code = 124
        return Done(code, *(x.read_text(errors="replace") for x in (self._out, self._err)), time.monotonic() - self.began)


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """No examples, no other run than those of the scene, and what `more` says."""
    made = {k: v for k, v in os.environ.items() if not k.startswith(("LTHVIZ_", "RAY_"))} | {"LTHVIZ_EXAMPLES": "", "OMP_WAIT_POLICY": "PASSIVE"}
    paths = [*filter(None, [(more or {}).get("PYTHONPATH")]), str(ROOT)]
    return made | dict(more or {}) | {"PYTHONPATH": os.pathsep.join(paths)}


def lthviz(*words: str, folder: Path, env: Mapping[str, str] | None = None, **options: Any) -> Process:
    """`python -m lthviz …`."""
    return Process(["-m", "lthviz", *words], folder, env, **options)


def end_session(leader: int) -> None:
    """Ends every process of a session that this harness began."""
    for pid in _of_session(leader):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _of_session(leader: int) -> list[int]:
    out = []
    for entry in Path("/proc").iterdir() if Path("/proc").is_dir() else ():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError, IndexError, ValueError):
                if int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == leader:
                    out.append(int(entry.name))
    return out or [leader]


def marked(mark: str) -> dict[int, str]:
    """Processes whose environment has that text: pid → command line."""
    out = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with contextlib.suppress(OSError):
                if mark.encode() in (entry / "environ").read_bytes():
                    out[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return out


def until(true: Callable[[], Any], seconds: float, pause: float = 0.01) -> Any:
    """Waits until it is; what it gave, None when the time is over."""
    end = time.monotonic() + seconds
    while not (found := true()):
        if time.monotonic() > end:
            return None
        time.sleep(pause)
    return found
