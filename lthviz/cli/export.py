"""export: a ticket, or a whole run, in the forms that other programs read."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from lthviz import exporting
from lthviz.cli.output import new_table, show_result
from lthviz.errors import ExchangeError
from lthviz.exchange.formats import FORMATS
from lthviz.exporting import Written
from lthviz.store import Store

EPILOG = """  lthviz export RUN --format onnx -o net.onnx                              the ticket of the last round, where it has just one structure
  lthviz export RUN --round 3 --structure refill --format module -o small  a folder with network.py; small.zip makes an archive
  lthviz export RUN --format report -o run.html                            the whole run
  lthviz export --list                                                     every format"""


def export(args: argparse.Namespace) -> int:
    if args.list:
        show_result(args, [{"format": n, "suffix": f.suffix, "folder": f.folder, "words": f.words, "needs_weights": getattr(f, "needs_weights", False),
                            "of": "ticket" if n in FORMATS else "run"} for n, f in exporting.every_form().items()], _listed)
        return 0
    if missing := [name for name, value in (("RUN", args.run), ("--format", args.format), ("-o", args.out)) if not value]:
        raise ExchangeError(f"{' and '.join(missing)} missing: lthviz export RUN --format F -o OUT; `lthviz export --list` prints the formats")
    made = exporting.export(Store(args.runs), args.run, args.format, Path(args.out), round=args.round, structure=args.structure, force=args.force)
    show_result(args, payload(made), lambda: _words(made))
    return 0


def payload(made: Written) -> dict[str, Any]:
    """What was written, JSON-able; of a whole run without what only a ticket has."""
    said = {"run_id": made.address.run, "format": made.format, "path": str(made.path), "bytes": made.bytes}
    if made.kept is None:
        return said
    return said | {"round": made.address.round, "structure": made.address.structure, "kept": made.kept, "prunable": made.prunable,
                   "density": made.kept / max(1, made.prunable), "test_acc": made.test_acc}


def _listed() -> Any:
    table = new_table("format", "suffix", "of", "what", whole="format")
    for name, f in exporting.every_form().items():
        table.add_row(name, f.suffix + (", or a folder" if f.folder else ""), "a ticket" if name in FORMATS else "the run", f.words)
    return table


def _words(made: Written) -> str:
    a, size = made.address, f"{made.bytes / 1e6:.2f} MB" if made.bytes >= 10_000 else f"{made.bytes:,} bytes"
    of = f"run {a.run}" if made.kept is None else f"round {a.round}, {a.structure}: {made.kept:,} of {made.prunable:,} prunable weights"
    return f"{made.path}  ({made.format}, {size})  {of}"


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="", metavar="RUN")
    parser.add_argument("--list", action="store_true", help="print the formats")
    parser.add_argument("--round", type=int, metavar="K", help="of the ticket (default: the last finished one)")
    parser.add_argument("--structure", default="", metavar="S", help="of the ticket, by its label (default: the one there is)")
    parser.add_argument("--format", default="", metavar="F", help="; ".join(exporting.every_form()))
    parser.add_argument("-o", "--out", default="", metavar="OUT", help="the file to write; of some formats a folder")
    parser.add_argument("--force", action="store_true", help="replace what is there")
