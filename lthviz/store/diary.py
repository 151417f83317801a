"""log.txt: what happened in a run as sentences, a line an event. For people: nothing reads it, and events.jsonl has all of it and more."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

FILE = "log.txt"


def line(event: Mapping[str, Any]) -> str:
    """One event of events.jsonl as a line: the time in UTC, then what happened."""
    when = event.get("time")
    known = isinstance(when, (int, float)) and 0 <= when < 1e11
    said = _SAYS.get(str(event.get("event")), _other)
    try:
        words = said(event)
    except (LookupError, TypeError, ValueError):   # of a newer lthviz, or written by hand
        words = _other(event)
    words = "".join(c if c.isprintable() else " " for c in words)
    return f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(when)) if known else '-'}  {' '.join(words.split())}"


def _state(e: Mapping[str, Any]) -> str:
    cause, message, pid = (e.get(k) for k in ("cause", "message", "pid"))
    return f"{e['state']}" + (f" ({cause})" if cause else "") + (f": {message}" if message else "") + (f" [process {pid}]" if pid and e["state"] == "running" else "")


def _begin(e: Mapping[str, Any]) -> str:
    info = e["info"]
    return (f"begins: {info['parameters']:,} parameters, {info['train_images']:,} images to train on and {info['test_images']:,} to test, on {info['device']} with "
            f"{info['threads']} thread{'s' * (info['threads'] != 1)}, {info['total_batches']:,} batches in all")


def _epoch(e: Mapping[str, Any]) -> str:
    held_out = "" if e.get("val_acc") is None else f", validation {e['val_acc']:.2f} %"
    loss = "not finite" if e["train_loss"] is None else f"{e['train_loss']:.4f}"
    return (f"round {e['round']}, {e['structure']}: epoch {e['epoch']} of {e['epochs']}, loss {loss}, training images {e['train_acc']:.2f} %{held_out}, "
            f"lr {e['lr']:.4g}, {e['seconds']:.2f} s")


def _stage(e: Mapping[str, Any]) -> str:
    tested = f", test images {e['test_acc']:.2f} %" if e.get("test_acc") is not None else ""
    return (f"round {e['round']}, {e['structure']}: {_DONE.get(e['kind'], 'mask made')} in {e['seconds']:.2f} s{tested}" + ("; the round is complete" if e.get("complete") else ""))


def _warning(e: Mapping[str, Any]) -> str:
    return f"warning: {e['message']}"


def _other(e: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}: {v}" for k, v in e.items() if k != "time")


_DONE = {"prune": "pruned by magnitude", "refill": "refilled", "regroup": "regrouped", "rewind": "weights rewound", "train": "trained"}
_SAYS: dict[str, Callable[[Mapping[str, Any]], str]] = {"state": _state, "begin": _begin, "epoch": _epoch, "stage": _stage, "warning": _warning}
