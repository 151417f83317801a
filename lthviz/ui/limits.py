"""What each person may take of a server that several share: runs that wait, files that come in, processes of the page Exchange.

A person is who signed in; without sign-in, all together are one. What came in and what is at work is counted by this server and forgotten with it;
runs that wait are counted in the store.
"""

from __future__ import annotations

import functools
import threading
import time
import weakref
from collections import defaultdict, deque
from pathlib import Path
from typing import Any

from lthviz.store import Store
from lthviz.store.brief import Briefs
from lthviz.ui import access
from lthviz.ui.access import AccessError

HOUR_S = 3600.0
SESSION = "upload-session"
"""Where a session's state holds what it may send."""
_lock = threading.Lock()
_came: dict[str, deque[tuple[float, int]]] = defaultdict(deque)
"""Times and bytes of what each person sent in the last hour."""
_jobs: dict[str, weakref.WeakSet[Any]] = defaultdict(weakref.WeakSet)


def queue(store: Store, more: int) -> None:
    """AccessError where so many runs more would wait than who asks may have waiting."""
    if not (most := access.limits().queued_runs):
        return
    who = access.person()
    found = _known(str(store.root), str(store.examples or "")).all()[0]
    waiting = sum(b.status.state == "queued" and not b.example and (not who.key or b.asked == who.key) for b in found)
    if waiting + more > most:
        raise AccessError(f"{waiting} of your runs wait already, and {most} a person may; cancel some, wait until they are done, or start the rest from a terminal")


@functools.lru_cache(maxsize=8)
def _known(root: str, examples: str) -> Briefs:
    return Briefs(Store(root, Path(examples) if examples else None), accuracies=False)


def job(made: Any) -> None:
    """Counts a process of who looks. made: has `done`."""
    with _lock:
        _jobs[access.person().key].add(made)


def room() -> None:
    """AccessError where who looks has as many processes at work as one may."""
    if not (most := access.limits().jobs):
        return
    with _lock:
        at_work = sum(not made.done for made in _jobs[access.person().key])
    if at_work >= most:
        raise AccessError(f"{at_work} of your files are being read or made already, and {most} a person may at once; wait for one, or stop it")


def came_in(key: str, size: int, most_files: int, most_mb: int, now: float | None = None) -> str:
    """Counts an upload of that person, or in a line why it is refused. size: bytes; 0 for no limit."""
    now = time.monotonic() if now is None else now
    with _lock:
        there = _came[key]
        while there and now - there[0][0] > HOUR_S:
            there.popleft()
        files, megabytes = len(there) + 1, (sum(n for _, n in there) + size) / 1e6
        wait = f"wait {max(1, round((HOUR_S - (now - there[0][0])) / 60))} minutes" if there else "split it"
        if most_files and files > most_files:
            return f"{most_files} files an hour may be uploaded by a person; {wait}, or copy it to the server and use a terminal there: python -m lthviz import FILE"
        if most_mb and megabytes > most_mb:
            return f"{most_mb:,} MB an hour may be uploaded by a person; {wait}, or copy it to the server and use a terminal there: python -m lthviz import FILE"
        there.append((now, size))
        return ""


# Where uploads come in -------------------------------------------------------------------------------------------------

_sessions: weakref.WeakValueDictionary[str, Session] = weakref.WeakValueDictionary()


class Session:
    """What a browser's session may send; it lives as long as the session's state. said: why something was refused, not told yet."""

    def __init__(self, who: access.Person, of: Any) -> None:
        self.who, self.limits, self.said = who, of, ""


def watch(manager: Any, session: str, state: Any) -> None:
    """Has the server take files of operators' sessions alone, each within its limits. manager: where Streamlit puts uploads (it takes them of any
    session, before a page is asked). state: of the session."""
    held = state.get(SESSION)
    if held is None:
        held = state[SESSION] = Session(access.person(), access.limits())
    held.who, held.limits = access.person(), access.limits()
    _sessions[session] = held
    if not hasattr(manager.add_file, "lthviz"):
        manager.add_file = _checking(manager.add_file)


def _checking(add: Any) -> Any:
    from starlette.exceptions import HTTPException

    @functools.wraps(add)
    def add_file(session_id: str, file: Any) -> None:
        held = _sessions.get(session_id)
        if held is None or held.who.role != access.OPERATOR:
            raise HTTPException(403, "Files are taken from operators alone.")
        if why := came_in(held.who.key, len(file.data), held.limits.uploads_per_hour, held.limits.upload_mb_per_hour):
            held.said = why
            raise HTTPException(429, why)
        add(session_id=session_id, file=file)

    add_file.lthviz = True
    return add_file
