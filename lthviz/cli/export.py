"""export: a ticket, or a whole run, in the forms that other programs read."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lthviz.cli.output import new_table, show_result
from lthviz.config import UNSTRUCTURED
from lthviz.errors import AddressError, ExchangeError, did_you_mean
from lthviz.exchange.formats import FORMATS, Format
from lthviz.records import Address, Run
from lthviz.store import Store

EPILOG = """  lthviz export RUN --format onnx -o net.onnx                              the ticket of the last round, where it has just one structure
  lthviz export RUN --round 3 --structure refill --format module -o small  a folder with network.py; small.zip makes an archive
  lthviz export RUN --format report -o run.html                            the whole run
  lthviz export --list                                                     every format"""


class Whole(NamedTuple):
    """A form of a whole run. folder: as in Format. write: (store, run id, out)."""

    suffix: str
    words: str
    write: Callable[[Store, str, Path], Any]
    folder: bool = False


def export(args: argparse.Namespace) -> int:
    if args.list:
        show_result(args, [{"format": n, "suffix": f.suffix, "folder": f.folder, "words": f.words, "needs_weights": getattr(f, "needs_weights", False),
                            "of": "ticket" if n in FORMATS else "run"} for n, f in _all().items()], _listed)
        return 0
    if missing := [name for name, value in (("RUN", args.run), ("--format", args.format), ("-o", args.out)) if not value]:
        raise ExchangeError(f"{' and '.join(missing)} missing: lthviz export RUN --format F -o OUT; `lthviz export --list` prints the formats")
    form = _format(args.format)
    out = _target(Path(args.out), args.format, form, args.force)
    store = Store(args.runs)
    if isinstance(form, Whole):
        if args.round is not None or args.structure:
            raise ExchangeError(f"{args.format} is of the whole run; leave --round and --structure out")
        run_id = store.run(args.run).id
        form.write(store, run_id, out)
        said = {"run_id": run_id, "format": args.format}
    else:
        said = _ticket(store, args, out)
    size = sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) if out.is_dir() else out.stat().st_size
    payload = {**said, "path": str(out), "bytes": size}
    show_result(args, payload, lambda: _words(payload))
    return 0


def _ticket(store: Store, args: argparse.Namespace, out: Path) -> dict[str, Any]:
    from lthviz.exchange import formats, parcel

    address = address_of(store, store.run(args.run), args.round, args.structure)
    ticket = parcel.of(store, address)
    formats.write(ticket, args.format, out)
    masks = ticket.masks
    return {"run_id": address.run, "round": address.round, "structure": address.structure, "format": args.format, "kept": masks.nnz(), "prunable": masks.size(),
            "density": masks.density(), "test_acc": ticket.ticket.test_acc}


def address_of(store: Store, run: Run, index: int | None, structure: str) -> Address:
    """The ticket meant: of the last finished round, and of the round's one structure, where nothing else is said. ExchangeError names those there are."""
    done = [*run.rounds[:-1], *(k for k in run.rounds[-1:] if store.round(run.id, k).complete)]   # only the last can be at work
    if not done:
        raise ExchangeError(f"run {run.id} has no finished round yet; `lthviz resume {run.id}` goes on")
    if index is None:
        index = done[-1]
    elif index not in done:
        raise ExchangeError(f"round {index} of run {run.id} is not finished; finished: {', '.join(map(str, done))}")
    labels = list(store.round(run.id, index).tickets)
    others = [label for label in labels if label != UNSTRUCTURED]
    if structure and structure not in labels:
        raise AddressError(f"round {index} of run {run.id} has no ticket {structure!r}; {did_you_mean(structure, labels)}")
    if not structure and len(others) > 1:
        raise ExchangeError(f"round {index} of run {run.id} has several tickets; give --structure, one of {', '.join(labels)}")
    return Address(run.id, index, structure or (others or labels)[0])


def _target(out: Path, name: str, form: Format | Whole, force: bool) -> Path:
    """Where to write, once it is sure that one can. ExchangeError: another suffix, a folder that is not there, something that is there."""
    suffix = out.suffix.lower()
    folder = form.folder and (suffix == "" or out.is_dir())
    if suffix != form.suffix and not folder:
        either = f"a name without suffix for a folder, or one that ends in {form.suffix}" if form.folder else f"a name that ends in {form.suffix}"
        raise ExchangeError(f"{name} is written to {either}; {str(out)!r} {f'ends in {out.suffix}' if suffix else 'has no suffix'}")
    if not out.parent.is_dir():
        raise ExchangeError(f"the folder {out.parent} is not there; make it or give another name")
    if not out.exists():
        return out
    if not force:
        raise ExchangeError(f"{out} is there already; give another name, or --force to replace it")
    if out.is_dir() != folder:
        raise ExchangeError(f"{out} is a {'folder' if out.is_dir() else 'file'} and cannot be replaced by a {'folder' if folder else 'file'}; give another name")
    if out.is_dir() and any(out.iterdir()) and not any((out / mark).is_file() for mark in ("README.txt", "index.html")):
        raise ExchangeError(f"the folder {out} is not one that `lthviz export` made, and is not replaced; give another name")
    return out


def _format(name: str) -> Format | Whole:
    known = _all()
    if name not in known:
        raise ExchangeError(f"format {name!r} is not known; {did_you_mean(name, known)}")
    return known[name]


def _all() -> dict[str, Format | Whole]:
    return {**FORMATS, **WHOLE}


def _listed() -> Any:
    table = new_table("format", "suffix", "of", "what", whole="format")
    for name, f in _all().items():
        table.add_row(name, f.suffix + (", or a folder" if f.folder else ""), "a ticket" if name in FORMATS else "the run", f.words)
    return table


def _words(said: dict[str, Any]) -> str:
    size = said["bytes"]
    of = f"round {said['round']}, {said['structure']}: {said['kept']:,} of {said['prunable']:,} prunable weights" if "round" in said else f"run {said['run_id']}"
    return f"{said['path']}  ({said['format']}, {size / 1e6:.2f} MB)  {of}" if size >= 10_000 else f"{said['path']}  ({said['format']}, {size:,} bytes)  {of}"


# Whole runs -------------------------------------------------------------------------------------------------------------


def _csv(store: Store, run_id: str, out: Path) -> None:
    from lthviz.exchange import tables

    tables.write(store, run_id, out, "csv")


def _parquet(store: Store, run_id: str, out: Path) -> None:
    from lthviz.exchange import tables

    tables.write(store, run_id, out, "parquet")


def _figures(store: Store, run_id: str, out: Path) -> None:
    from lthviz.report import bundle

    bundle.write(store, run_id, out)


def _report(store: Store, run_id: str, out: Path) -> None:
    from lthviz import report

    report.write(store, run_id, out)


def _bundle(store: Store, run_id: str, out: Path) -> None:
    store.pack(run_id, out, overwrite=True)   # whether it may be replaced has been asked before


WHOLE: dict[str, Whole] = {
    "csv": Whole(".zip", "every table of the run as CSV files", _csv, folder=True),
    "parquet": Whole(".zip", "the same tables as Parquet files", _parquet, folder=True),
    "figures": Whole(".zip", "every figure as page, data and picture", _figures, folder=True),
    "report": Whole(".html", "the run as one page with live figures, self-contained", _report),
    "bundle": Whole(".h5", "the whole run in one file, for `lthviz unpack`", _bundle),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="?", default="", metavar="RUN")
    parser.add_argument("--list", action="store_true", help="print the formats")
    parser.add_argument("--round", type=int, metavar="K", help="of the ticket (default: the last finished one)")
    parser.add_argument("--structure", default="", metavar="S", help="of the ticket, by its label (default: the one there is)")
    parser.add_argument("--format", default="", metavar="F", help="; ".join(_all()))
    parser.add_argument("-o", "--out", default="", metavar="OUT", help="the file to write; of some formats a folder")
    parser.add_argument("--force", action="store_true", help="replace what is there")
