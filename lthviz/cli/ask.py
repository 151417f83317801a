"""pause, play, step, cancel: what is asked of a run that another process trains."""

from __future__ import annotations

import argparse

from lthviz import launch
from lthviz.cli.output import show_result
from lthviz.store import Store


def _ask(args: argparse.Namespace, action: str, said: str) -> int:
    launch.request(Store(args.runs), args.run, action)
    show_result(args, {"run_id": args.run, "asked": action}, lambda: f"asked run {args.run} to {said}")
    return 0


def pause(args: argparse.Namespace) -> int:
    return _ask(args, "pause", "pause after this batch")


def play(args: argparse.Namespace) -> int:
    return _ask(args, "play", "go on")


def step(args: argparse.Namespace) -> int:
    return _ask(args, "step", "go on to the end of the next stage")


def cancel(args: argparse.Namespace) -> int:
    return _ask(args, "cancel", "end; its finished rounds are kept")
