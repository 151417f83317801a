"""Going out: a ticket, or a whole run, in the forms that other programs read. The command, the page and a notebook ask here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from lthviz.config import UNSTRUCTURED
from lthviz.errors import AddressError, ExchangeError, did_you_mean
from lthviz.exchange.formats import FORMATS, Format
from lthviz.records import Address, Run
from lthviz.store import Store, parts


class Whole(NamedTuple):
    """A form of a whole run. folder: as in Format. write: (store, run id, out)."""

    suffix: str
    words: str
    write: Callable[[Store, str, Path], Any]
    folder: bool = False


class Written(NamedTuple):
    """What was written. address: of the ticket, with no structure where it was a whole run. kept, prunable: weights of the ticket; density: the one over the other; test_acc: percent."""

    path: Path
    format: str
    address: Address
    bytes: int
    kept: int | None = None
    prunable: int | None = None
    test_acc: float | None = None


def export(store: Store, run_id: str, format: str, out: Path, *, round: int | None = None, structure: str = "", force: bool = False) -> Written:
    """Writes a ticket or a run in that form at `out`, whole or not at all.

    round, structure: of the ticket; None and '': the last finished round, and the structure that there is. force: replaces what is there. ExchangeError: an unknown form,
    a name that does not fit it, what is there already, weights that were not kept, or a network that the form cannot hold; AddressError and StoreError as of the store.
    """
    form = form_of(format)
    out = _target(out, format, form, force)
    if isinstance(form, Whole):
        if round is not None or structure:
            raise ExchangeError(f"{format} is of the whole run; leave --round and --structure out")
        address = Address(store.run(run_id).id, 0, "")
        form.write(store, address.run, out)
        return Written(out, format, address, _size(out))
    from lthviz.exchange import formats, parcel

    address = address_of(store, store.run(run_id), round, structure)
    sent = parcel.of(store, address)
    formats.write(sent, format, out)
    return Written(out, format, address, _size(out), sent.masks.nnz(), sent.masks.size(), sent.ticket.test_acc)


def _size(out: Path) -> int:
    return sum(f.stat().st_size for f in out.rglob("*") if f.is_file()) if out.is_dir() else out.stat().st_size


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
    if folder and not parts.ours(out):
        raise ExchangeError(f"the folder {out} has files in it that `lthviz export` did not write, and is not replaced; give another name")
    return out


def form_of(name: str) -> Format | Whole:
    """The form of that name. ExchangeError with near misses."""
    known = every_form()
    if name not in known:
        raise ExchangeError(f"format {name!r} is not known; {did_you_mean(name, known)}")
    return known[name]


def every_form() -> dict[str, Format | Whole]:
    """Every form by its name, those of a ticket first."""
    return {**FORMATS, **WHOLE}


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
