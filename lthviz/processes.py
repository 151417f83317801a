"""Other processes of this very package: how one is started, and how one ends with whoever started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

_SET_HERE = ("OMP_WAIT_POLICY", "PASSIVE")
"""What a training sets for itself (driving.py); a process begins as a user's own program would."""


def spawn(*words: str, module: str = "lthviz", **options: Any) -> subprocess.Popen:
    """`python -m lthviz …` of this very package, in a session of its own. module: another one of it."""
    package = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join([package, *filter(None, [os.environ.get("PYTHONPATH")])])
    env = {k: v for k, v in os.environ.items() if (k, v) != _SET_HERE}
    return subprocess.Popen([sys.executable, "-m", module, *words], env={**env, "PYTHONPATH": path}, start_new_session=True,
                            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0), **options)


def end(child: subprocess.Popen) -> None:
    """Ends a spawned process and whatever compilers it has started."""
    if child.poll() is None:
        if hasattr(os, "killpg"):
            os.killpg(child.pid, signal.SIGKILL)
        else:
            child.kill()
        child.wait()
    if child.stdin:
        child.stdin.close()


def end_with_parent(before: Callable[[], None] = lambda: None) -> None:
    """Ends this process as soon as its standard input ends: whoever started it is gone, however that went. before: what is done then."""
    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1 << 12):     # not sys.stdin: a thread that waits inside it makes Python abort when it ends
                pass
        try:
            before()
        finally:
            os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
