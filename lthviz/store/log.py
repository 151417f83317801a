"""events.jsonl: what happened in a run, a line each, and how a run stands by it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lthviz.errors import plain_line
from lthviz.records import Begin, Epoch, Event, Stage, Status
from lthviz.store import diary, files, pulse, sealed

STATES = ("queued", "running", "paused", "finished", "cancelled", "failed", "interrupted")
QUIET_S = 15.0
"""A worker that was not heard of for longer is called quiet."""

_STATE = b'\n{"event":"state"'
_EPOCH_FIELDS = tuple(f.name for f in dataclasses.fields(Epoch) if f.name != "snapshot")
_FORMAT_1 = {"state": {"state", "message", "pid", "cause"}, "begin": {"info"}, "epoch": set(_EPOCH_FIELDS), "warning": {"message"},
             "stage": {"round", "kind", "structure", "seconds", "stages_done", "complete", "test_acc", "val_acc"}}
"""The fields of the lines that have no checksum. A line with another one has lost it: its name is what was changed."""


def line(event: str, **fields: Any) -> bytes:
    """One line of the log, without its newline; `event` comes first, its checksum last."""
    return sealed.seal(files.json_bytes({"event": event, "time": round(time.time(), 3), **fields}))


def append(run: Path, line: bytes) -> None:
    """Adds a line to a run's log, and what it says in words to log.txt."""
    files.append_line(run / "events.jsonl", line)
    files.append_line(run / diary.FILE, diary.line(sealed.load(line)[0]).encode())


def line_of(event: Event) -> bytes | None:
    """The line that an event of the engine leaves; None for a Step."""
    match event:
        case Begin():
            return line("begin", info=event.info)
        case Epoch():
            return line("epoch", **{f: getattr(event, f) for f in _EPOCH_FIELDS})
        case Stage():
            ticket = event.round.tickets.get(event.structure) if event.kind == "train" else None
            more = {"test_acc": ticket.test_acc, "val_acc": ticket.val_acc} if ticket else {}   # so that a list of runs need not open their rounds
            return line("stage", round=event.round.index, kind=event.kind, structure=event.structure, seconds=event.seconds,
                        stages_done=event.round.stages_done, complete=event.round.complete, **more)
    return None


def parse(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The events of finished lines; one that is not what was written becomes `{"event": "damaged", "text": …, "why": …}`."""
    out = []
    for text in lines:
        try:
            value, whole = sealed.load(text)
            if why := "" if whole else wrong(value):
                raise ValueError(why)
        except ValueError as e:
            value = {"event": "damaged", "text": text[:200].decode(errors="replace"), "why": str(e)}
        out.append(value)
    return out


def wrong(value: Mapping[str, Any]) -> str:
    """Why a line without a checksum is none of format 1, which had none; '' where it is one."""
    event = value.get("event")
    if not isinstance(event, str) or event not in _FORMAT_1:
        return f"its checksum is missing, and there was no event {event!r} without one"
    odd = value.keys() - _FORMAT_1[event] - {"event", "time"}
    return f"its checksum is missing, and {min(odd)!r} was in no line without one" if odd else ""


def damaged(lines: Iterable[bytes]) -> dict[int, str]:
    """The lines that are not what was written, by number from 1, and why. Every line from the first on is to be given."""
    there = {n: text for n, text in enumerate(lines, 1) if not sealed.intact(text)}
    return {n: event["why"] for n, event in zip(there, parse(there.values()), strict=True) if event["event"] == "damaged"}


def epochs(lines: Iterable[bytes], round: int, structure: str) -> tuple[Epoch, ...]:
    """The curve of one ticket; an attempt that starts again at epoch e replaces what an earlier one had from e on."""
    out: list[Epoch] = []
    for event in parse(x for x in lines if x.startswith(b'{"event":"epoch"')):
        if event.get("round") == round and event.get("structure") == structure and _whole(event):
            epoch = Epoch(**{f: float("nan") if event[f] is None else event[f] for f in _EPOCH_FIELDS})
            out = [e for e in out if e.epoch < epoch.epoch] if out and out[-1].epoch >= epoch.epoch else out
            out.append(epoch)
    return tuple(out)


def _whole(epoch: dict[str, Any]) -> bool:
    """Whether a line of an epoch has all that one has: whole numbers, and numbers or nothing."""
    rest = [f for f in _EPOCH_FIELDS if f not in ("round", "structure", "epoch", "epochs")]
    return epoch.keys() >= set(_EPOCH_FIELDS) and all(type(epoch[f]) is int and is_number(epoch[f]) for f in ("epoch", "epochs")) and all(epoch[f] is None or is_number(epoch[f]) for f in rest)


def is_number(value: Any) -> bool:
    """Whether that is a number as a log has them: finite, and of no astronomic size."""
    return isinstance(value, int | float) and abs(value) < pulse.MOST


def last_state(run: Path) -> dict[str, Any]:
    """The newest state line that is whole and known, looked for from the end; a run that has neither a log nor rounds is queued."""
    data = b""
    for data in files.read_tail(run / "events.jsonl"):
        end = len(data)
        while (at := data.rfind(_STATE, 0, end)) >= 0:
            found = parse([data[at + 1:].split(b"\n", 1)[0]])[0]
            if found.get("state") in STATES:
                return {"event": "state", "time": _number(found.get("time")), "state": found["state"],
                        "message": plain_line(str(found.get("message", ""))), "pid": found.get("pid"), "cause": str(found.get("cause", ""))}
            end = at + len(_STATE) - 1
    if data.strip() or next((run / "rounds").glob("*.h5"), None):
        what = "is damaged: no line of it tells a state that this lthviz knows" if data.strip() else "is not there or empty, though rounds are: a half-copied folder"
        return {"event": "state", "time": 0.0, "state": "failed", "message": f"events.jsonl {what}; resume goes on from the last checkpoint",
                "pid": None, "cause": "damaged"}
    return {"event": "state", "time": 0.0, "state": "queued", "message": "", "pid": None, "cause": ""}


def _number(value: Any) -> float:
    return float(value) if is_number(value) else 0.0


def status(run: Path, held: Any, next_round: Any) -> Status:
    """How a run stands. held: () -> whether a worker has it. next_round: () -> words on where a resume goes on."""
    event = last_state(run)
    alone = event["state"] in ("running", "paused") and not held()
    if alone:  # it may have ended between the two looks
        event = last_state(run)
        alone = event["state"] in ("running", "paused")
    beat = pulse.last(run)
    state, message = ("interrupted", f"the worker is gone{pulse.short_of_memory(beat)}; {next_round()}") if alone else (event["state"], event["message"])
    at_work = state in ("running", "paused")
    beat_s = pulse.age(beat, event["time"] if at_work else 0.0, event["pid"] if at_work else None)
    if at_work and beat_s is not None and beat_s > QUIET_S:
        message = f"the worker has been quiet for {beat_s:.0f} s"
    total = int(beat.get("total", 0))
    return Status(state, message, total if state == "finished" else int(beat.get("done", 0)), total,
                  beat.get("eta_s") if at_work else None, beat_s, event["cause"] if state == "failed" else "")
