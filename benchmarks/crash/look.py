"""A fresh process that looks at a store after a kill, as a user would: `lthviz ls`, `show` of each run, and each run opened to its last weight.

`python -m benchmarks.crash.look RUNS` prints JSON: `runs` (id → state, message, rounds) and `wrong` (what no promise covers). One process for all of
it, since most of its time goes into starting; the commands are the ones that the terminal has.
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import sys
from typing import Any

from lthviz.cli import main
from lthviz.errors import LthvizError
from lthviz.store import Store

STATES = ("queued", "running", "paused", "finished", "cancelled", "failed", "interrupted")


def look(root: str) -> dict[str, Any]:
    store, wrong, found = Store(root), [], {}
    code, said, shown = _command("ls", "--json", "--runs", root)
    if code or said:
        wrong.append(f"ls ended with {code}: {said}")
    listed = json.loads(shown) if not code else []
    wrong += [f"{x['run_id']} is broken: {x['message']}" for x in listed if x["state"] not in STATES]
    for run_id in [x["run_id"] for x in listed if x["state"] in STATES]:
        code, said, _ = _command("show", run_id, "--json", "--runs", root)
        if code or said:
            wrong.append(f"show {run_id} ended with {code}: {said}")
        try:
            found[run_id] = _open(store, run_id, wrong)
        except LthvizError as e:
            wrong.append(f"{run_id} cannot be opened: {e}")
    return {"runs": found, "wrong": wrong}


def _open(store: Store, run_id: str, wrong: list[str]) -> dict[str, Any]:
    run, status = store.run(run_id), store.status(run_id)
    wrong += [f"{run_id}: {part}: {why}" for part, why in run.info.get("damaged", {}).items()]
    for k in run.rounds:
        for ticket in store.round(run_id, k).tickets.values():
            for name in ticket.masks:
                ticket.masks[name]
            for name in ticket.weights or ():
                ticket.weights[name]
    with contextlib.suppress(FileNotFoundError):
        store.checkpoint(run_id)
    store.timings(run_id)
    return {"state": status.state, "message": status.message, "cause": getattr(status, "cause", ""), "rounds": list(run.rounds)}


def _command(*words: str) -> tuple[int, str, str]:
    """(exit code, what was said beside the result, the result)."""
    out, err = io.StringIO(), io.StringIO()
    handler = logging.StreamHandler(err)
    logging.getLogger().addHandler(handler)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(words)
    except BaseException as e:     # what a terminal would show as a traceback
        return 1, f"{type(e).__name__}: {e}", out.getvalue()
    finally:
        logging.getLogger().removeHandler(handler)
    return code, err.getvalue().strip(), out.getvalue()


if __name__ == "__main__":
    print(json.dumps(look(sys.argv[1])))
