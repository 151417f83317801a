"""A process and all that it starts, its sockets watched: every address and host name that Python asks for is written down, wherever it leads."""

from __future__ import annotations

import os
from pathlib import Path

HOOK = '''
import os, sys
def _watch(event, args, file={file!r}):
    if event in ("socket.connect", "socket.sendto"):
        told = repr(args[1])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyname_ex", "socket.gethostbyaddr", "urllib.Request", "http.client.connect"):
        told = repr(args)
    else:
        return
    fd = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(fd, (event + " " + told.replace(chr(10), " ") + chr(10)).encode())
    os.close(fd)
sys.addaudithook(_watch)
'''
HERE = ("('127.0.0.1'", "'127.0.0.1'", "('::1'", "'::1'", "'localhost'", "b'localhost'", "b'127.0.0.1'", "(None,", "'/", "b'/", "'\\x00", "b'\\x00")
"""What begins so stays on this machine; a path is a socket of its own."""


def environment(folder: Path, root: Path) -> dict[str, str]:
    """Of a process that is to be watched; `heard(folder)` has what it asked for. root: the project."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sitecustomize.py").write_text(HOOK.format(file=str(folder / "sockets.log")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(root)])}


def heard(folder: Path) -> list[str]:
    """All that was asked for, a line each."""
    file = folder / "sockets.log"
    return file.read_text().splitlines() if file.exists() else []


def outside(folder: Path) -> list[str]:
    """What of it leads to another host."""
    lines = [line.partition(" ")[2] for line in heard(folder)]
    return [x for x in lines if not x.removeprefix("(").startswith(HERE) and not x.startswith(HERE)]
