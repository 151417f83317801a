"""MLflow: one of its runs for each of ours, through its client. It is never asked to call home."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from filelock import FileLock

from lthviz.records import Epoch, Run
from lthviz.sinks import contents
from lthviz.sinks.contents import Point
from lthviz.sinks.sink import Sink, Trained
from lthviz.store import files

EXPERIMENT = "lthviz"
SILENT = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
"""MLflow 3.2 and later report how they are used unless one of these is set before they are imported (its docs, "Usage Tracking")."""
PATIENT = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2"}
"""A server that does not answer holds up the training by half a minute, once; by MLflow's own defaults it were many minutes."""
STATUS = {"finished": "FINISHED", "failed": "FAILED", "running": "RUNNING", "paused": "RUNNING", "queued": "SCHEDULED"}
MOST = 1000
"""Metrics that MLflow takes in one batch."""
LONGEST = 250
"""Characters of a metric's name."""


class MlflowRun(Sink):
    """uri: a tracking URI; folder: of a local store that is made there, when `uri` is its database.

    What is told goes out once it is kept, as MLflow can take no point back; and only what the MLflow run does not have yet, so that a kill at any
    moment neither doubles nor loses a point. Times count the run's work alone.
    """

    def __init__(self, uri: str, folder: Path | None = None) -> None:
        os.environ.update(SILENT)
        for name, value in PATIENT.items():
            os.environ.setdefault(name, value)
        import mlflow
        from mlflow.entities import Metric

        for name in ("mlflow", "alembic"):   # a new database is announced by every table
            logging.getLogger(name).setLevel(logging.WARNING)
        self.uri, self.folder, self.where = uri, folder, uri
        self._mlflow, self._metric = mlflow, Metric
        self.waiting: list[tuple[Point, int]] = []

    def begin(self, run: Run, head: bytes) -> None:
        self.run, self.clock = run, run.created
        with self._alone():
            self.client = self._mlflow.MlflowClient(tracking_uri=self.uri)
            experiment = self._experiment()
            mine = {"lthviz.run": run.id, "lthviz.created": repr(run.created)}   # an id that was deleted and begun again is another run
            found = self.client.search_runs([experiment], " and ".join(f"tags.`{k}` = '{v}'" for k, v in mine.items()), max_results=1)
            tags = {**mine, "lthviz.version": files.version(), **({"lthviz.parent": run.parent} if run.parent else {}), "mlflow.source.name": "lthviz"}
            made = found[0] if found else self.client.create_run(experiment, start_time=self._ms(), tags=tags, run_name=run.id)
        self.id = made.info.run_id
        self.there = {(key, m.step) for key in made.data.metrics for m in self.client.get_metric_history(self.id, key)}
        for key, value in contents.params(run).items():
            if key not in made.data.params:
                self.client.log_param(self.id, key, value)
        self.client.update_run(self.id, status="RUNNING")
        self.client.log_text(self.id, head.decode(), "config.json")

    def epoch(self, epoch: Epoch) -> None:
        self.clock += epoch.seconds
        self._points(contents.of_epoch(self.run.config, epoch))

    def stage(self, trained: Trained) -> None:
        self._points(contents.of_ticket(trained))

    def kept(self) -> None:
        out = [self._metric(key(p.tag), p.value, ms, p.step) for p, ms in self.waiting if (key(p.tag), p.step) not in self.there]
        for i in range(0, len(out), MOST):
            self.client.log_batch(self.id, metrics=out[i:i + MOST])
        self.there |= {(m.key, m.step) for m in out}
        self.waiting = []

    def end(self, state: str) -> None:
        status = STATUS.get(state, "KILLED")
        if status in ("FINISHED", "FAILED", "KILLED"):
            self.client.set_terminated(self.id, status, end_time=self._ms())
        else:
            self.client.update_run(self.id, status=status)

    def _points(self, points: Iterable[Point]) -> None:
        self.waiting += [(p, self._ms()) for p in points]

    def _ms(self) -> int:
        return int(1000 * self.clock)

    def _experiment(self) -> str:
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or EXPERIMENT
        if found := self.client.get_experiment_by_name(name):
            return found.experiment_id
        try:
            return self.client.create_experiment(name, artifact_location=(self.folder / "artifacts").as_uri() if self.folder else None)
        except self._mlflow.MlflowException:
            if found := self.client.get_experiment_by_name(name):   # another process was first
                return found.experiment_id
            raise

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While a local store may be made, no other process makes it, nor two the same run."""
        if self.folder is None:
            yield
            return
        with files.failing(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(self.folder / "lock"):
            yield


def key(tag: str) -> str:
    """A tag as MLflow takes it in the name of a metric: letters, digits and `_-./ `, at most LONGEST of them."""
    name = tag.replace("=", " ").replace("@", " and ")
    return name if len(name) <= LONGEST else f"{name[:LONGEST - 17]} {hashlib.sha256(tag.encode()).hexdigest()[:16]}"
