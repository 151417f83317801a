"""Logging out: a run as TensorBoard event files or as an MLflow run, while it trains or afterwards. See docs/logging.md.

A sink takes what happens (sink.py); feeding.py tells it, from the engine's events or from the store, the same either way.
"""

from lthviz.sinks.feeding import Live, replay
from lthviz.sinks.places import BOTH, MLFLOW, SINKS, TENSORBOARD, chosen, require

__all__ = ["BOTH", "MLFLOW", "SINKS", "TENSORBOARD", "Live", "chosen", "replay", "require"]
