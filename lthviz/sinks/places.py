"""Which sinks there are, what each needs to be installed, and where it writes."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from lthviz.errors import ConfigError, ExchangeError
from lthviz.records import Run
from lthviz.sinks.sink import Sink
from lthviz.store import Store

TENSORBOARD, MLFLOW, BOTH = "tensorboard", "mlflow", "both"


def chosen(log_to: str) -> tuple[str, ...]:
    """The sinks of a setting `log_to`."""
    return (TENSORBOARD, MLFLOW) if log_to == BOTH else () if log_to == "none" else (log_to,)


def require(names: tuple[str, ...], where: str = "") -> None:
    """ConfigError where a package is missing that one of these needs."""
    for name in names:
        needed = {"tensorboard": "tensorboard"} if name == TENSORBOARD else {"mlflow": "mlflow-skinny"}
        if name == MLFLOW and not _server(where or os.environ.get("MLFLOW_TRACKING_URI", "")):
            needed |= {"sqlalchemy": "sqlalchemy", "alembic": "alembic"}
        if missing := [package for module, package in needed.items() if find_spec(module) is None]:
            raise ConfigError(f"log_to = {name!r} needs what is not installed: pip install {' '.join(missing)}")


def opened(name: str, store: Store, run: Run, where: str = "") -> Sink:
    """The sink of that name for a run. where: a folder, or a tracking URI; '': as the environment says, else beside the run."""
    return SINKS[name](store, run, where)


def _event_files(store: Store, run: Run, where: str) -> Sink:
    from lthviz.sinks.event_files import EventFiles

    if place := where or os.environ.get("LTHVIZ_TENSORBOARD", ""):
        return EventFiles(Path(place).absolute() / run.id)
    if store.is_example(run.id):
        raise ExchangeError(f"run {run.id} is an example, whose folder is not written to; give --where FOLDER")
    return EventFiles(store.own(run.id) / TENSORBOARD)


def _mlflow(store: Store, run: Run, where: str) -> Sink:
    from lthviz.sinks.mlflow_runs import MlflowRun

    if where and not re.match(r"databricks|[a-z][a-z0-9+]+:", where):   # a drive's letter is no scheme
        return _local(Path(where).absolute())
    if uri := where or os.environ.get("MLFLOW_TRACKING_URI", ""):
        return MlflowRun(uri)
    return _local(store.root / ".mlflow")


def _local(folder: Path) -> Sink:
    """A database: MLflow keeps files alone no longer (its issue 18534)."""
    from lthviz.sinks.mlflow_runs import MlflowRun

    return MlflowRun(f"sqlite:///{(folder / 'mlflow.db').as_posix()}", folder)


def _server(uri: str) -> bool:
    return uri.startswith(("http://", "https://", "databricks"))


SINKS: dict[str, Callable[[Store, Run, str], Sink]] = {TENSORBOARD: _event_files, MLFLOW: _mlflow}
