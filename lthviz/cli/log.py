"""log: a stored run for TensorBoard or MLflow."""

from __future__ import annotations

import argparse

from lthviz import sinks
from lthviz.cli.output import show_result
from lthviz.errors import UsageError
from lthviz.store import Store

EPILOG = """With --set log_to=… a run is logged while it trains, with the same contents (docs/logging.md).

  lthviz log RUN --to tensorboard
  lthviz log RUN --to mlflow --where http://127.0.0.1:5000"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--to", required=True, choices=(*sinks.SINKS, sinks.BOTH), help="which tool it is for")
    parser.add_argument("--where", default="", metavar="DIR_OR_URI", help="a folder, or for MLflow a tracking URI as well (default: the run's folder and $LTHVIZ_TENSORBOARD, "
                                                                          "or MLFLOW_TRACKING_URI and a database beside the runs)")


def log(args: argparse.Namespace) -> int:
    store, names = Store(args.runs), sinks.chosen(args.to)
    if args.where and len(names) > 1:
        raise UsageError("--where names one place; give --to tensorboard and --to mlflow one after the other")
    run = store.run(args.run)
    if not args.where and store.held(run.id) and (double := set(names) & set(sinks.chosen(run.config.log_to))):
        raise UsageError(f"run {run.id} is at work and logged to {sorted(double)[0]} as it goes; wait until it has stopped, or give another place with --where")
    found = dict(zip(names, sinks.replay(store, run.id, names, args.where), strict=True))
    show_result(args, {"run_id": run.id, "logged": found}, lambda: "\n".join(f"logged {run.id} to {name}: {where}" for name, where in found.items()))
    return 0
