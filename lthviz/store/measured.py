"""How fast a run's tickets are: what was measured, what is asked to be measured, and how far that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lthviz.records import Timing
from lthviz.store import queue, timings
from lthviz.store.looking import Looking
from lthviz.store.queue import Item, Measuring


class Measured(Looking):
    """Timings of the runs, and the requests for more that a worker takes."""

    def timings(self, run_id: str) -> tuple[Timing, ...]:
        """The newest measurement of each ticket, device, precision, threads and batch, by round, structure and batch.

        Some may come from another machine: `conditions["machine"]` says which. Damaged ones are told in `run(…).info["damaged"]`.
        """
        return timings.read_all(self.timing_folders(run_id))[0]

    def put_timing(self, run_id: str, timing: Timing) -> None:
        """Keeps a measurement with its run, in place of an older one of the same key; of an example beside the user's own runs."""
        timings.write(self.timing_folders(run_id)[-1], timing)

    # What is asked ----------------------------------------------------------------------------------------------------

    def measure_folder(self, run_id: str) -> Path:
        """Where the requests for measurements of a run lie."""
        return self.root / queue.FOLDER / run_id

    def ask_measuring(self, run_id: str, items: Sequence[Item], how: Mapping[str, Any], *, patience: float = 0.0) -> int:
        """Asks for measurements of a run's tickets; how many of them were not asked for before in that way.

        how: settings, JSON-able. patience: see `queue.Request`.
        """
        folder = self.measure_folder(self.path(run_id).name)
        alike = [r for r in queue.requests(folder) if not r.again and r.how == queue.plain(how)]
        waiting = {x for r in alike for x in r.items}
        if new := [x for x in dict.fromkeys(items) if x not in waiting]:
            queue.ask(folder, new, how, patience=patience)
        return len(new)

    def cancel_measuring(self, run_id: str) -> int:
        """Takes back every request for measurements of a run, and forgets what failed; the number of requests."""
        return queue.drop_all(self.measure_folder(self.path(run_id).name))

    def measuring(self, run_id: str) -> Measuring | None:
        """How the measurements that were asked of a run stand; None when nothing waits and nothing failed."""
        folder = self.measure_folder(self.path(run_id).name)
        asked, said, damaged = queue.requests(folder), queue.progress(folder), queue.damaged(folder)
        errors = {key: why for key, (_, why) in said.errors.items()}
        wrong = [*damaged.values(), *errors.values()]
        told = {"error": wrong[-1] if wrong else "", "errors": errors, "damaged": damaged}
        total = said.finished + sum(len(r.items) for r in asked)
        if not asked:
            return Measuring("failed", told["error"], said.finished, total, **told) if wrong else None
        there = self.timings(run_id)
        done = said.finished + sum(r.done(x, there, said) for r in asked for x in r.items)
        if queue.held(folder):
            return Measuring("measuring", said.doing, done, total, said.item, **told)
        return Measuring("waiting", self._waits_for(run_id), done, total, **told)

    def _waits_for(self, run_id: str) -> str:
        if training := self.training():
            return f"waiting for {training} to finish or pause"
        others = (r for r in self.to_measure() if r != run_id and queue.held(self.measure_folder(r)))
        other = next(others, "")
        return f"waiting for the measurements of {other}" if other else "waiting for its turn"

    def training(self) -> str:
        """A run that is being trained at this moment, '' when there is none. Nothing is measured meanwhile."""
        return next((r for r in self.runs() if not self.is_example(r) and self.status(r).state == "running"), "")

    def to_measure(self, *, again: bool = True) -> list[str]:
        """The runs of which measurements are asked, the longest waiting first, those with nothing but repetitions last.

        again: also where only what was disturbed is to be measured once more.
        """
        asked = []
        for folder in (self.root / queue.FOLDER).glob("*"):
            if self.exists(folder.name) and (waiting := queue.requests(folder)) and (again or not waiting[0].again):
                asked.append((waiting[0].again, waiting[0].time, folder.name))
        return [name for *_, name in sorted(asked)]
