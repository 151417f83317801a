"""TensorBoard: an event file, written with TensorBoard's own records and without TensorFlow."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from lthviz.records import Epoch, Run
from lthviz.sinks import contents
from lthviz.sinks.contents import Point
from lthviz.sinks.sink import Sink, Trained
from lthviz.store import files

PREFIX = "events.out.tfevents."
MARK = ".lthviz"
"""What our file's name ends in: nobody else's event files in the folder are touched."""


class EventFiles(Sink):
    """folder: of this run alone.

    Each time that a run begins or goes on its file is written anew, from what the store keeps, and takes the place of the one before; so nothing is in
    it twice, and what was trained past the last checkpoint is gone from it. A TensorBoard that looks on is told by a session's start to forget what it
    had read. Wall time counts the run's work alone: rounds, runs and resumes stand side by side.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.compat.proto import event_pb2, summary_pb2
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.folder, self.where = folder, str(folder)
        self._event, self._summary, self._writer = event_pb2, summary_pb2, RecordWriter
        self.file: Path | None = None
        self.waiting = io.BytesIO()

    def begin(self, run: Run, head: bytes) -> None:
        from tensorboard.plugins.hparams.summary_v2 import hparams_pb

        self.run, self.clock = run, run.created
        self._put(self._event.Event(wall_time=self.clock, file_version="brain.Event:2"))
        self._put(self._event.Event(wall_time=self.clock, step=0, session_log=self._event.SessionLog(status=self._event.SessionLog.START)))
        self._add(0, hparams_pb(contents.params(run), trial_id=run.id, start_time_secs=run.created))
        self._add(0, self._layout())

    def epoch(self, epoch: Epoch) -> None:
        self.clock += epoch.seconds
        self._points(contents.of_epoch(self.run.config, epoch))
        if self.file is not None:   # before that it is history, which is written in one go
            self._flush()

    def stage(self, trained: Trained) -> None:
        from tensorboard.plugins.histogram.summary_v2 import histogram_pb

        self._points(contents.of_ticket(trained))
        ticket = trained.ticket
        for layer in self.run.layers if ticket.round else ():   # the dense network's masks are all ones
            png, height, width = contents.picture(ticket, layer.name)
            image = self._summary.Summary.Image(height=height, width=width, colorspace=1, encoded_image_string=png)
            self._add(ticket.round, self._value(tag=f"mask/{ticket.structure}/{layer.short}", image=image))
            self._add(ticket.round, histogram_pb(f"row_density/{ticket.structure}/{layer.short}", contents.row_densities(ticket, layer.name)))

    def kept(self) -> None:
        self._flush()

    def end(self, state: str) -> None:
        self._flush()

    # Records

    def _points(self, points: Iterable[Point]) -> None:
        for p in points:
            self._add(p.step, self._value(tag=p.tag, simple_value=p.value))

    def _value(self, **value: Any) -> Any:
        return self._summary.Summary(value=[self._summary.Summary.Value(**value)])

    def _add(self, step: int, summary: Any) -> None:
        self._put(self._event.Event(wall_time=self.clock, step=step, summary=summary))

    def _put(self, event: Any) -> None:
        self._writer(self.waiting).write(event.SerializeToString(deterministic=True))

    def _layout(self) -> Any:
        """All structures in one chart for each thing that is logged, in TensorBoard's Custom Scalars."""
        from tensorboard.plugins.custom_scalar import layout_pb2, metadata
        from tensorboard.util.tensor_util import make_tensor_proto

        def chart(name: str) -> Any:
            return layout_pb2.Chart(title=name, multiline=layout_pb2.MultilineChartContent(tag=[f"^{name}/"]))

        layout = layout_pb2.Layout(category=[layout_pb2.Category(title=title, chart=[chart(x) for x in names])
                                             for title, names in (("Rounds", contents.RESULTS), ("Epochs", contents.CURVES))])
        return self._value(tag=metadata.CONFIG_SUMMARY_TAG, metadata=metadata.create_summary_metadata(),
                           tensor=make_tensor_proto(np.array(layout.SerializeToString(), dtype=object)))

    def _flush(self) -> None:
        data, self.waiting = self.waiting.getvalue(), io.BytesIO()
        if self.file is None:
            with files.failing(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True)
            old = sorted(self.folder.glob(f"{PREFIX}*{MARK}"))
            number = 1 + max((int(p.name[len(PREFIX):-len(MARK)]) for p in old if p.name[len(PREFIX):-len(MARK)].isdecimal()), default=0)
            self.file = self.folder / f"{PREFIX}{number:010d}{MARK}"   # TensorBoard goes on to the file whose name comes next
            files.write(self.file, data)
            for path in old:
                path.unlink(missing_ok=True)
        elif data:
            with files.failing(self.file), open(self.file, "r+b") as f:   # one that was taken away is not begun anew without its beginning
                f.seek(0, io.SEEK_END)
                f.write(data)
