"""A sweep in a terminal: a line for every run at work, the counts, the time left; and a line as each run ends."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from lthviz.store import Store
from lthviz.store.brief import Briefs
from lthviz.store.sweeps import Sweep
from lthviz.sweep.grid import Grid
from lthviz.sweep.one import Outcome
from lthviz.sweep.tally import Tally, tally
from lthviz.words import duration

EVERY_S = 0.5
SHOWN = 20
"""So many runs at work have a line of their own."""


class Terminal:
    """Shows a sweep on standard error. Use as a context manager; call it with each outcome.

    How the runs stand is read from the store, whoever trains them: a thread does it twice a second, and nothing is shown where
    standard error is no terminal but the line that each run leaves.
    """

    def __init__(self, store: Store, grid: Grid) -> None:
        self.grid, self.briefs = grid, Briefs(store)
        self.words = {p.id: p.words for p in grid.points}
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.looked, self.last = 0.0, tally(self.briefs, grid.ids)
        self.begun_done, self.ended = self.last.done, 0
        self.live: Live | None = None

    def begin(self, sweep: Sweep) -> None:
        """The backend is there: from now on it is shown."""
        self.console.print(f"sweep {sweep.name}: {self.last.sentence()}", markup=False)
        if sys.stderr.isatty():
            self.live = Live(get_renderable=self._picture, console=self.console, refresh_per_second=2, transient=True)
            self.live.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.live:
            self.live.stop()

    def __call__(self, outcome: Outcome) -> None:
        self.ended += 1
        count = f"{self.begun_done + self.ended} of {len(self.grid.points)}"
        words = self.words.get(outcome.run_id, "")
        line = f"{count}  {outcome.run_id}" + (f"  ({words})" if words else "")
        if outcome.state == "finished":
            self.console.print(f"{line}  finished in {duration(outcome.seconds)}" if outcome.seconds else f"{line}  finished elsewhere", markup=False)
        else:
            self.console.print(Text(f"{line}  {outcome.state}: {outcome.message}", style="red"))

    def _picture(self) -> RenderableType:
        if time.monotonic() - self.looked > EVERY_S:
            self.last, self.looked = tally(self.briefs, self.grid.ids), time.monotonic()
        return picture(self.last, self.words)


def picture(now: Tally, words: dict[str, str]) -> RenderableType:
    """The runs at work, a line each, and what they are part of."""
    table = Table.grid(padding=(0, 2))
    for brief in now.at_work[:SHOWN]:
        s = brief.status
        left = "paused" if s.state == "paused" else f"{duration(s.eta_s)} left" if s.eta_s is not None else s.message
        share = f"{100 * s.done / s.total:3.0f} %" if s.total else "  –  "
        table.add_row(words.get(brief.id) or brief.id, ProgressBar(s.total or 1, s.done, width=24), share, left)
    more = len(now.at_work) - SHOWN
    rows = [table] + ([Text(f"… and {more} more")] if more > 0 else [])
    eta = f", about {duration(now.eta_s)} left" if now.eta_s is not None else ""
    return Group(*rows, Text(now.sentence() + eta, style="bold"))
