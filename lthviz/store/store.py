"""Runs on disk: begin, write as events come, look at any time from any process.

A run is a folder (data/README.md). One process at a time writes a run's rounds: the one that holds its `lock`. Everybody may
read at any time: a file is whole under its name or not there, and a round that is complete is never written again.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import Any

from filelock import Timeout

from lthviz.config import RunConfig
from lthviz.core import stats
from lthviz.errors import DamagedError, UsageError, VersionError, did_you_mean
from lthviz.records import Begin, Checkpoint, Event, Round, Stage, Ticket
from lthviz.store import about, files, log, pack, pulse, reading, reserve, sealed, timings, writing
from lthviz.store.about import About
from lthviz.store.branches import Branches
from lthviz.store.locks import FolderLock
from lthviz.store.same import check_images
from lthviz.store.sweeps import Sweeps
from lthviz.store.trash import Trash
from lthviz.store.writing import CHECKPOINT, ROUND, checkpoint_path, round_path

ACTIONS = ("pause", "play", "step", "cancel")


class Store(Sweeps, Branches, Trash):
    """The runs below a folder, and read-only example runs beside them.

    root: None means $LTHVIZ_RUNS, else data/runs. examples: None means `examples` beside root, when it is there,
    else $LTHVIZ_EXAMPLES, else those that lthviz came with.

    Errors: AddressError for a run, round or structure that is not there, StoreError for what cannot be read or written, DamagedError for a file that is not
    what was written.
    Source: data/README.md has the tree on disk.
    Example:
        store = lt.Store("data/runs")
        run = store.run(store.runs()[0])
        ticket = store.ticket(lt.Address(run.id, round=1, structure="refill"))
        print(run.rows[-1]["test_acc"], ticket.masks)
    """

    def __init__(self, root: Path | str | None = None, examples: Path | None = None) -> None:
        super().__init__(root, examples)
        self._rows: dict[str, dict[str, tuple[Ticket, dict[str, Any]]]] = {}

    def begin(self, config: RunConfig, *, preset: str = "", title: str = "") -> str:
        """Makes the run's folder, queued; its id. A run of that id attaches; one that has stopped moves to where `config` says."""
        if config.parent and not self.taken(config.run_id):
            raise UsageError(f"the settings are those of a branch of run {config.parent}; make it with `lthviz branch`, or leave parent and from_round out")
        run_id = super().begin(config, preset=preset, title=title)
        path = self.root / run_id
        head = self.head(path)
        if head.config != config and head.config.run_id == run_id:  # they differ in what the id leaves out: device, threads, data_dir
            with contextlib.suppress(Timeout), self.lock(run_id).acquire(timeout=0):  # held: its worker has read the settings
                if log.last_state(path)["state"] != "finished":
                    files.write_json(path / "config.json", head._replace(config=config).to_dict())
        return run_id

    # What a worker keeps ----------------------------------------------------------------------------------------------

    def append(self, run_id: str, event: Event) -> None:
        """Keeps what an event of the engine says; the caller holds the run's lock. DataError where what was trained had other images."""
        path = self.own(run_id)
        if isinstance(event, Begin):
            if checkpoint_path(path).exists() or any((path / "rounds").glob("*.h5")):
                with contextlib.suppress(DamagedError, VersionError):   # of what is written anew here
                    check_images(run_id, self.head(path).config, self._layers(path)[1], event.info)
            layers = [dataclasses.asdict(layer) for layer in event.layers]
            files.write_json(path / "layers.json", {"layers": layers, "info": event.info})
        if isinstance(event, Stage):
            self.save_checkpoint(run_id, event.snapshot())
            if event.round.complete:
                self._publish(path, event.round)
        if (line := log.line_of(event)) is not None:
            log.append(path, line)

    def save_checkpoint(self, run_id: str, checkpoint: Checkpoint) -> None:
        """Replaces the run's checkpoint."""
        path = self.own(run_id)
        rows = self._rows_of(path, checkpoint.round)
        files.write(checkpoint_path(path), writing.checkpoint_image(run_id, checkpoint, rows))

    def _publish(self, path: Path, round: Round) -> None:
        """Writes a complete round under its final name, once."""
        file = round_path(path, round.index)
        if not file.exists():
            with files.failing(file):
                file.parent.mkdir(exist_ok=True)
            files.write(file, writing.round_image(path.name, round, self._rows_of(path, round)))
        writing.ahead_path(path, round.index).unlink(missing_ok=True)

    def _rows_of(self, path: Path, round: Round) -> list[dict[str, Any]]:
        """The rows of a round's trained tickets; a ticket that was in the last checkpoint as well has its row already."""
        layers, _ = self._layers(path)
        tickets = [t for t in round.tickets.values() if t.test_acc is not None]
        dense = self._dense_acc(path, round) if tickets else None
        before = self._rows.get(path.name, {})
        self._rows[path.name] = now = {}
        for t in tickets:
            known, row = before.get(t.structure, (None, {}))
            now[t.structure] = t, row if known is t else dict(stats.row(t, layers, dense))
        return [row for _, row in now.values()]

    def _dense_acc(self, path: Path, round: Round) -> float | None:
        if round.index == 0:
            return next(iter(round.tickets.values())).test_acc
        try:
            rows = reading.read_outline(round_path(path, 0), ROUND).rows
        except (FileNotFoundError, DamagedError):  # `run` tells of a damaged round; the training that goes on is worth more
            return None
        return rows[0]["test_acc"] if rows else None

    def recover(self, run_id: str) -> None:
        """Puts right what a kill left: a complete round that is only in the checkpoint, a torn line, files aside. Settings in an older format are
        written anew, so that an older lthviz no longer takes the run for one of its own."""
        path = self.own(run_id)
        _migrate(path / "config.json")
        files.cut_torn_line(path / "events.jsonl")
        for folder in (path, path / "rounds", path / "ahead", path / timings.FOLDER):
            files.sweep(folder)
        file = checkpoint_path(path)
        try:
            index, complete = reading.checkpoint_round(file)
            published = round_path(path, index).exists()
            lost = reading.read_round(file, CHECKPOINT, index, path) if complete and not published else None
        except (FileNotFoundError, DamagedError, VersionError):  # `checkpoint` says what is wrong with it
            return
        if lost is not None:
            self._publish(path, lost)

    def set_state(self, run_id: str, state: str, message: str = "", cause: str = "") -> None:
        """Notes how the run stands. cause: why it failed, in a word of `ending.CAUSES`."""
        if state not in log.STATES:
            raise UsageError(f"state {state!r} is not known; {did_you_mean(state, log.STATES)}")
        log.append(self.own(run_id), log.line("state", state=state, message=message, pid=os.getpid(), **({"cause": cause} if cause else {})))

    def warn(self, run_id: str, message: str) -> None:
        """Notes in the run's log what went wrong beside it, in one line; the run goes on."""
        log.append(self.own(run_id), log.line("warning", message=message))

    def beat(self, run_id: str, *, done: int, total: int, eta_s: float | None, loss: float | None = None) -> None:
        """A sign of life: batches done of all, seconds left, the newest loss."""
        pulse.beat(self.own(run_id), done=done, total=total, eta_s=eta_s, loss=loss)

    def keep_reserve(self, run_id: str) -> None:
        """Takes the little space that lets a run say why it ended when its disk is full."""
        reserve.keep(self.own(run_id))

    def give_reserve(self, run_id: str) -> bool:
        """Gives it back; whether there was any."""
        return reserve.give(self.own(run_id))

    # Asking a worker --------------------------------------------------------------------------------------------------

    def request(self, run_id: str, action: str) -> None:
        """Asks the run's worker to pause, play, step or cancel; the newest request counts."""
        if action not in ACTIONS:
            raise UsageError(f"request {action!r} is not known; {did_you_mean(action, ACTIONS)}")
        files.write(self.own(run_id) / "request", action.encode())

    def take_request(self, run_id: str) -> str:
        """The request that waits, taken away in the same moment, so that one asked meanwhile is not lost; '' when there is none."""
        path = self.own(run_id) / "request"
        taken = path.with_name(".request.taken")
        with files.failing(path), contextlib.suppress(FileNotFoundError):
            files.patiently(os.replace, path, taken)
            action = taken.read_bytes().decode(errors="replace")
            taken.unlink()
            return action if action in ACTIONS else ""
        return ""

    def clear_request(self, run_id: str) -> None:
        path = self.own(run_id) / "request"
        with files.failing(path), contextlib.suppress(FileNotFoundError):
            files.patiently(os.unlink, path)

    # One writer -------------------------------------------------------------------------------------------------------

    def lock(self, run_id: str) -> FolderLock:
        """The lock that a run's writer holds; filelock.Timeout after two seconds when another has it, AddressError when the run is gone. The
        system frees it when its process ends, however it ends. (Two seconds, because `held` takes it for a moment.)"""
        return FolderLock(self.own(run_id) / "lock", timeout=2, beside="config.json")

    # What people say of it --------------------------------------------------------------------------------------------

    def set_about(self, run_id: str, *, title: str | None = None, note: str | None = None) -> About:
        """Changes a run's title or note, whether it is at work or not; None leaves one as it is, '' takes it away. What is said now.
        UsageError for what is too long, StoreError for an example."""
        return about.change(self.own(run_id), title=title, note=note)

    # To share ---------------------------------------------------------------------------------------------------------

    def pack(self, run_id: str, out: Path | str, *, overwrite: bool = False) -> Path:
        """One .h5 file that holds the run and its timings, without its checkpoint."""
        return pack.pack(self.path(run_id), Path(out), self.timing_folders(run_id), overwrite=overwrite)

    def unpack(self, file: Path | str, *, source: str = "") -> str:
        """Takes a packed run in; its id. The same run already there only gains what the file has of newer timings; another of
        that id is an error. source: what the file was called, where that is not its name here."""
        return pack.unpack(self, Path(file), source)


def _migrate(file: Path) -> None:
    """Writes a JSON file of an older format in the present one; what it says stays. One that cannot be read is left as it is."""
    try:
        value = files.read_json(file)
    except (FileNotFoundError, DamagedError, VersionError):   # `run` tells of it
        return
    if value.get("format") != sealed.FORMAT:
        files.write_json(file, {k: v for k, v in value.items() if k not in ("format", "lthviz")})
