"""The app's server and the worker that it starts: either may be killed, and neither takes the other along."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import time
import urllib.request
from pathlib import Path

from benchmarks.crash.check import Kept
from benchmarks.crash.commands import Process, marked, until
from benchmarks.crash.harness import Harness
from benchmarks.crash.study import TINY, stages, worker
from lthviz.store import Store

RUN = TINY.run_id


def server(harness: Harness, n: int | None) -> None:
    """A reader opens the page of a run that waits, the server starts its worker; then one of them is killed."""
    plan = ["worker", "worker", "server"] * 4 if n is None else (["server", "worker"] * 6)[:n]
    left = [(i, what) for i, what in enumerate(plan) if not harness.tally.done(f"server/{i} {what}")]
    number = 0
    while left:
        taken = next((k + 1 for k, (_, what) in enumerate(left) if what == "server"), len(left))
        _served(harness, left[:taken], number)
        left, number = left[taken:], number + 1


def _served(harness: Harness, plan: list[tuple[int, str]], number: int) -> None:
    reference, folder = harness.reference(TINY), harness.fresh(f"server-{number}")
    runs = folder / "runs"
    kept, store, keys, rng, wrong = Kept(runs, {RUN: reference / RUN}), Store(runs), [], harness.rng("server", number), []
    store.begin(TINY)     # as its button does it
    try:
        with _serve(runs, folder) as (process, port):
            for i, what in plan:
                before = stages(runs / RUN)
                if store.status(RUN).state != "queued":
                    store.set_state(RUN, "queued")     # as the page's button Resume does it
                _open(port, f"run={RUN}")
                pid = until(lambda before=before: _at_work(runs) if stages(runs / RUN) > before else 0, 90)
                time.sleep(rng.random())
                if not pid:
                    harness.tally.kill(what, f"server/{i} {what}", "no worker came", ["the server started no worker"])
                    break
                os.kill(process.pid if what == "server" else pid, signal.SIGKILL)
                until(lambda what=what, pid=pid: process.ended if what == "server" else not _alive(pid), 20)
                found = kept.wrong(states=("running", "finished") if what == "server" else ("interrupted", "finished"))
                if what == "worker" and not _answers(port):
                    found.append("the server does not answer any more")
                keys.append(f"server/{i} {what}")
                harness.tally.kill(what, keys[-1], f"SIGKILL of the {what} after {stages(runs / RUN)} stages", found, lost=kept.lost, damaged=kept.damaged)
                kept.lost = kept.damaged = 0
            if plan[-1][1] == "worker" and store.status(RUN).state != "finished":
                store.set_state(RUN, "queued")
                _open(port, f"run={RUN}")
            if not until(lambda: store.status(RUN).state not in ("queued", "running"), 120, 0.1):
                wrong.append("the run did not come to its end")
        until(lambda: not store.held(RUN), 10)
        wrong += kept.finished()
        harness.tally.end(keys, f"server-{number}", wrong)
    finally:
        for pid in marked(str(runs)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    if not wrong:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _serve(runs: Path, folder: Path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with Process(["-m", "streamlit", "run", "app.py", "--server.port", str(port)], folder / "served", {"LTHVIZ_RUNS": str(runs)}) as process:
        if not until(lambda: process.ended or _answers(port), 90, 0.1) or process.ended:
            raise RuntimeError(f"the server did not come up: {process.wait(1).err[-2000:]}")
        yield process, port


def _answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _open(port: int, query: str) -> None:
    """A reader's browser as the server sees it: opens the Lab at that address and waits until it is drawn."""
    from streamlit.proto.BackMsg_pb2 import BackMsg
    from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
    from websockets.sync.client import connect

    message = BackMsg()
    message.rerun_script.query_string, message.rerun_script.page_name = query, "lab"
    with connect(f"ws://127.0.0.1:{port}/_stcore/stream", subprotocols=["streamlit"], open_timeout=30, max_size=1 << 28, proxy=None) as reader:
        reader.send(message.SerializeToString())
        with contextlib.suppress(TimeoutError):
            while ForwardMsg.FromString(reader.recv(30)).WhichOneof("type") != "script_finished":
                pass


def _at_work(runs: Path) -> int:
    pid = worker(runs / RUN)
    return pid if pid and _alive(pid) else 0


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
