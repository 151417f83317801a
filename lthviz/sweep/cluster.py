"""A Ray cluster to train on: one of this machine's own processes, or one that is there already and is found by its address.

Nothing calls out: Ray's usage statistics and dashboard are off, and a cluster of our own listens on the loopback address only,
behind a token of its own.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lthviz.config import RunConfig
from lthviz.errors import EnvironmentFault, UsageError

log = logging.getLogger("lthviz")

CONNECT_S, ANSWER_S = 5.0, 45.0
"""How long a machine may take to take a connection, and the cluster there to answer."""
QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
         "RAY_task_oom_retries": "3"}   # by default a run that wants more memory than there is would be tried for ever
LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0", "RAY_AUTH_MODE": "token"}
"""The first is Ray's own switch for a cluster that never leaves its machine; it is on by itself on Windows and macOS."""
HUSH = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
FOLDER = "lthviz-ray-"
"""How the folder of a cluster of our own begins, below the system's for temporary files; its process's number follows."""
STORE_BYTES = 100 * 2**20
"""Of Ray's object store: runs hand nothing over but their outcome."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that answers. cpus, gpus: of all nodes; node_cpus, node_gpus: of the smallest node that has any.

    workers: runs at once, 0: as many as fit.
    """

    ray: Any
    cpus: int
    gpus: int
    node_cpus: int
    node_gpus: int
    workers: int

    def wants(self, config: RunConfig) -> dict[str, float]:
        """What a run is given: `num_cpus` from `threads` (0: all cores; of each node as many as its runs share), `num_gpus` from `device`.

        Never more than a node has: such a run would wait for ever.
        """
        on_gpu = self.gpus and config.device != "cpu"
        share = max(1, self.node_gpus) if on_gpu else 1
        if self.workers:
            share = max(share, -(-self.workers * self.node_cpus // max(1, self.cpus)))
        cpus = min(config.threads or max(1, self.node_cpus // share), self.node_cpus)
        gpus = min(1.0, self.gpus / self.workers if self.workers else 1.0) if on_gpu else 0
        return {"num_cpus": cpus, "num_gpus": gpus if gpus == 1 else int(gpus * 1000) / 1000}

    @property
    def most(self) -> int:
        """Runs handed over at once; what waits beyond them waits here."""
        return self.workers or max(16, 2 * self.cpus)


class _Chatter(io.TextIOBase):
    """Takes to the log what Ray prints on standard output, whatever it is told, of workers that died: results are printed there."""

    def write(self, text: str) -> int:
        if text.strip():
            log.info("ray: %s", text.strip())
        return len(text)


@contextlib.contextmanager
def opened(address: str, workers: int, threads: int) -> Iterator[Cluster]:
    """The cluster at an address, or for '' one of this machine, as long as the block lasts.

    workers: runs at once, 0: as many as the cores allow. threads: the most that a run asks for. EnvironmentFault without Ray,
    UsageError where nothing answers at the address. What is printed to standard output meanwhile goes to the log.
    """
    for name, value in {**QUIET, **({} if address else {**LOOPBACK, "RAY_AUTH_TOKEN": secrets.token_hex(32)})}.items():
        os.environ.setdefault(name, value)
    ray = _import()
    folder = ""
    try:
        if address:
            _probe(address)
            ray.init(address=address, **{k: v for k, v in HUSH.items() if k != "include_dashboard"})
        else:
            cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
            _clear()
            folder = tempfile.mkdtemp(prefix=f"{FOLDER}{os.getpid()}-")
            ray.init(address="local", num_cpus=max(cores, workers * max(1, threads)), object_store_memory=STORE_BYTES, _temp_dir=folder, **HUSH)
        with contextlib.redirect_stdout(_Chatter()):
            yield _measured(ray, workers)
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _import() -> Any:
    try:
        import ray
    except ImportError as e:
        raise EnvironmentFault(f"--backend ray needs Ray, which is not installed ({e}); pip install -r requirements-ray.txt, "
                               "or use --backend serial") from None
    return ray


def _clear() -> None:
    """Removes the folders that killed sweeps left; Ray's processes end by themselves with the one that started them."""
    if not hasattr(os, "getuid"):   # where asking after a process would end it
        return
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER}*"):
        pid = folder.name.removeprefix(FOLDER).partition("-")[0]
        with contextlib.suppress(PermissionError, FileNotFoundError):
            try:
                os.kill(int(pid) if pid.isdecimal() else 0, 0)
            except ProcessLookupError:
                if folder.stat().st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)


def _measured(ray: Any, workers: int) -> Cluster:
    nodes = [n["Resources"] for n in ray.nodes() if n["Alive"]]
    cpus, gpus = [int(n.get("CPU", 0)) for n in nodes], [int(n.get("GPU", 0)) for n in nodes]
    if not any(cpus):
        raise UsageError("the cluster has no CPU to give; start a node with `ray start --address=HEAD:6379`")
    return Cluster(ray, sum(cpus), sum(gpus), min(filter(None, cpus)), min(filter(None, gpus), default=0), workers)


def _probe(address: str) -> None:
    """UsageError where no cluster of ours answers. Ray itself would try for more than a minute and then end this process."""
    out = f"no Ray cluster answers at {address!r}"
    hint = "start one with `ray start --head` and give its address, or leave --address out for workers on this machine"
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address != "auto":
        if not (host and port.isdecimal() and 0 < int(port) < 65536):
            raise UsageError(f"--address {address!r} should be HOST:PORT, ray://HOST:PORT or auto")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
        except OSError as e:
            raise UsageError(f"{out} ({e.strerror or e}); {hint}") from None
    code = "import sys, ray\nray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    try:
        child = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, timeout=ANSWER_S,
                               errors="replace", stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        raise UsageError(f"{out} within {ANSWER_S:.0f} s; {hint}") from None
    if child.returncode:
        why = next((x.strip() for x in reversed(child.stderr.splitlines()) if x.strip()), f"exit code {child.returncode}")
        raise UsageError(f"{out}: {why}; {hint}")
