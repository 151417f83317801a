"""What a run looks like in a terminal: a live bar with the time left, and a line a stage."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lthviz.config import RunConfig
from lthviz.core.stats import row
from lthviz.records import Begin, Event, Layer, Stage, Status, Step


def describe(stage: Stage, config: RunConfig, layers: tuple[Layer, ...], dense_acc: float | None) -> str:
    """One line of a finished stage, with numbers: what a terminal and a log say."""
    head = f"round {stage.round.index:2d}  {stage.kind:8s}"
    if stage.kind == "rewind":
        return f"{head} {config.title(stage.structure)}: weights back at step k"
    ticket = stage.round.ticket(stage.structure)
    facts = row(ticket, layers, dense_acc)
    line = f"{head} {config.title(stage.structure):28s} {100 * facts['density']:5.1f} % of weights"
    if stage.kind == "train":
        return f"{line}  test {ticket.test_acc:.2f} %  ({stage.seconds:.1f} s)"
    if facts["coverage_layers"]:
        line += f"  {100 * facts['coverage']:.0f} % in blocks"
    return line


class Terminal:
    """Shows the events of one run on standard error. Use as a context manager; call it with each event."""

    def __init__(self, run_id: str, config: RunConfig, layers: tuple[Layer, ...] = (), dense_acc: float | None = None) -> None:
        self.config, self.layers, self.dense_acc = config, layers, dense_acc
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
                            TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(), console=self.console,
                            disable=not sys.stderr.isatty())
        self.task = self.bar.add_task(run_id, total=None)
        self.shown = 0.0

    def __enter__(self) -> Terminal:
        self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.bar.stop()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Begin):
            self.layers = event.layers
        elif isinstance(event, Step):
            if time.monotonic() - self.shown > 0.1 or event.done == event.total:
                self.shown = time.monotonic()
                self.bar.update(self.task, completed=event.done, total=event.total)
        elif isinstance(event, Stage):
            if event.round.index == 0 and event.kind == "train":
                self.dense_acc = event.round.ticket(event.structure).test_acc
            self.console.print(describe(event, self.config, self.layers, self.dense_acc), markup=False)


class Watch:
    """A bar for a run that another process trains; call it with each status."""

    def __init__(self, run_id: str) -> None:
        self.bar = Progress(TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:3.0f} %"),
                            TextColumn("{task.fields[message]}"), console=Console(stderr=True), disable=not sys.stderr.isatty())
        self.task = self.bar.add_task(run_id, total=None, message="")

    def __enter__(self) -> Watch:
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def __call__(self, status: Status) -> None:
        left = f"{status.eta_s:.0f} s left" if status.eta_s is not None else status.message
        self.bar.update(self.task, completed=status.done, total=status.total or None, message=left)
