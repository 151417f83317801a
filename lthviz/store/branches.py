"""Runs that go on from a round of another: their folders, and which of a run there are."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from lthviz.config import RunConfig
from lthviz.errors import StoreError
from lthviz.records import Checkpoint, Layer, Round, Ticket
from lthviz.store import about, files, log, reading, timings, writing
from lthviz.store.folders import Head
from lthviz.store.measured import Measured
from lthviz.store.writing import ROUND, ahead_path, checkpoint_path, round_path


class Kept(NamedTuple):
    """What a run's checkpoint holds. round: its unfinished or last round; trained: labels of that round's trained tickets; parts: kinds
    of weights beside the round's: `theta_k`, `trunk`, `dense`, and in the middle of a training `model` and `momentum`."""

    round: int
    trained: frozenset[str]
    parts: frozenset[str]


class Branches(Measured):
    """What of a run another can begin with, and the runs that did."""

    def kept(self, run_id: str) -> Kept | None:
        """What the run's checkpoint holds, without reading its weights; None where there is none. DamagedError."""
        try:
            return Kept(*reading.checkpoint_parts(checkpoint_path(self.path(run_id))))
        except FileNotFoundError:
            return None

    def children(self, run_id: str) -> list[str]:
        """Ids of the runs that were branched from this one, newest first."""
        found = []
        for other in self.runs():
            try:
                found += [other] if self.head(self.path(other)).config.parent == run_id else []
            except StoreError:   # deleted meanwhile
                continue
        return found

    def ahead(self, run_id: str, index: int) -> tuple[Ticket, ...]:
        """What a branch took over of a round that it comes to now, weights read. StoreError where that is damaged or gone."""
        path = self.path(run_id)
        try:
            return tuple(reading.read_round(ahead_path(path, index), ROUND, index, path, lazy=False).tickets.values())
        except FileNotFoundError:
            raise StoreError(f"{ahead_path(path, index)}, which the branch took over, is not there any more; make the branch again") from None

    def put_branch(self, config: RunConfig, checkpoint: Checkpoint, rows: Sequence[Mapping[str, Any]], taken: Sequence[str],
                   *, ahead: Iterable[Round] = (), preset: str = "", title: str = "") -> str:
        """Makes the folder of a branch, queued: its parent's files of the rounds before its first own one, and a checkpoint to go on
        from; its id. A run of that id is left as it is.

        rows: of the trained tickets in the checkpoint. taken: labels of those of them that are the parent's. ahead: of later rounds, the
        tickets that are the parent's as well. StoreError.
        """
        run_id, parent, first = config.run_id, self.path(config.parent), config.from_round
        if self.taken(run_id):
            return run_id
        with self.new_folder(run_id) as folder:
            files.write_json(folder / "config.json", Head(config, time.time(), preset, about.checked_title(title)).to_dict())
            for k in range(first):
                _copy(round_path(parent, k), round_path(folder, k))
            _copy(parent / "layers.json", folder / "layers.json")
            of_parent = [line for line in files.read_lines(parent / "events.jsonl")[0]
                         if line.startswith((b'{"event":"stage"', b'{"event":"epoch"')) and _round_of(line) < first]
            files.write(folder / "events.jsonl", b"".join(x + b"\n" for x in (*of_parent, log.line("state", state="queued", message=""))))
            files.write(checkpoint_path(folder), writing.checkpoint_image(run_id, checkpoint, rows))
            kept = {(first, label) for label in taken}
            for round in ahead:
                ahead_path(folder, round.index).parent.mkdir(exist_ok=True)
                files.write(ahead_path(folder, round.index), writing.round_image(run_id, round, ()))
                kept |= {(round.index, label) for label in round.tickets}
            for timing in timings.read_all(self.timing_folders(config.parent))[0]:
                if timing.round < first or (timing.round, timing.structure) in kept:
                    timings.write(folder / timings.FOLDER, timing)
        return run_id

    def put_imported(self, config: RunConfig, layers: Sequence[Layer], info: Mapping[str, Any], rounds: Sequence[tuple[Round, Sequence[Mapping[str, Any]]]], checkpoint: Checkpoint,
                     *, title: str = "", source: str = "") -> str:
        """Makes the folder of a run that was made elsewhere, finished; its id. A run of that id is left as it is.

        rounds: each complete, with the rows of its tickets. checkpoint: what a branch of it goes on from. source: name of what it came in. StoreError.
        """
        run_id = config.run_id
        if self.taken(run_id):
            return run_id
        with self.new_folder(run_id) as folder:
            files.write_json(folder / "config.json", Head(config, time.time(), "", about.checked_title(title)).to_dict())
            files.write_json(folder / about.FILE, about.About(source=about.one_line(source)[:about.TITLE])._asdict())
            files.write_json(folder / "layers.json", {"layers": [dataclasses.asdict(x) for x in layers], "info": dict(info)})
            lines = [log.line("begin", info=dict(info))]
            for round, rows in rounds:
                files.write(round_path(folder, round.index), writing.round_image(run_id, round, rows))
                for label, ticket in round.tickets.items():
                    lines.append(log.line("stage", round=round.index, kind="train", structure=label, seconds=0.0, stages_done=round.stages_done, complete=True,
                                          test_acc=ticket.test_acc, val_acc=ticket.val_acc))
            lines.append(log.line("state", state="finished", message="taken in", pid=0))
            files.write(folder / "events.jsonl", b"".join(x + b"\n" for x in lines))
            files.write(checkpoint_path(folder), writing.checkpoint_image(run_id, checkpoint, rounds[-1][1]))
        return run_id


def _copy(source: Path, to: Path) -> None:
    try:
        with files.readable(source):
            data = source.read_bytes()
    except FileNotFoundError:
        raise StoreError(f"{source} is not there any more; branch from an earlier round") from None
    files.write(to, data)


def _round_of(line: bytes) -> int:
    found = log.parse([line])[0].get("round")
    return found if isinstance(found, int) else 1 << 30
