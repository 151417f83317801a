"""about, delete, undelete, trash: what a run is called, what is noted of it, and runs that go and come back."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from lthviz.cli.output import new_table, show_result
from lthviz.errors import DamagedError, LthvizError
from lthviz.store import Store, disk
from lthviz.store.about import About
from lthviz.store.trash import DAYS
from lthviz.words import duration


def add_about(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", metavar="RUN")
    p.add_argument("--title", metavar="TEXT", help="what it is called from now on, in one line; '': as it was begun")
    p.add_argument("--note", metavar="TEXT", help="plain text beside it, any number of lines; '' takes it away")


def about(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    if args.title is not None or args.note is not None:
        store.set_about(args.run, title=args.title, note=args.note)
    path, damaged = store.path(args.run), ""
    try:
        said = store.about(args.run)
    except DamagedError as e:
        said, damaged = About(), str(e)
    size, head = disk.size(path), store.head(path)
    payload = {"run_id": args.run, "title": head.title, "note": said.note, "source": said.source, "parent": head.config.parent,
               "from_round": head.config.from_round, "bytes": size, "damaged": damaged}
    lines = [f"{args.run}: {head.title or 'no title'}", *([said.note] if said.note else []), f"{disk.words(size)} on the disk"]
    lines += [f"damaged: {damaged}"] if damaged else []
    lines += [f"came in {said.source}"] if said.source else []
    lines += [f"branch of {head.config.parent} from round {head.config.from_round}"] if head.config.parent else []
    show_result(args, payload, lambda: _plain("\n".join(lines)))
    return 0


def add_delete(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", nargs="+", metavar="RUN")
    p.add_argument("--for-good", action="store_true", help="not into the trash but off the disk")


def delete(args: argparse.Namespace) -> int:
    store = Store(args.runs)

    def act(run_id: str) -> str:
        (store.delete if args.for_good else store.discard)(run_id)
        return run_id

    gone, failed = _each(args.run, act)
    where = "deleted for good" if args.for_good else f"deleted; `lthviz undelete RUN` brings a run back for {DAYS} days"
    return _told(args, {"deleted": gone, "for_good": args.for_good}, f"{', '.join(gone)} {where}", gone, failed)


def add_undelete(p: argparse.ArgumentParser) -> None:
    p.add_argument("run", nargs="+", metavar="RUN", help="its id, or its name in `lthviz trash` where it was deleted more than once")


def undelete(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    back, failed = _each(args.run, store.restore)
    return _told(args, {"restored": back}, f"{', '.join(back)} {'are' if len(back) > 1 else 'is'} back", back, failed)


def add_trash(p: argparse.ArgumentParser) -> None:
    p.add_argument("--empty", action="store_true", help="remove what is in it from the disk, for good")


def trash(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    there = [(t, disk.size(t.path)) for t in store.trashed()]
    freed = store.empty_trash([t.key for t, _ in there]) if args.empty else None
    payload: dict[str, Any] = {"runs": [{"key": t.key, "run_id": t.id, "title": t.title, "deleted": t.time, "bytes": size} for t, size in there], "freed": freed}
    table = new_table("run", "title", "deleted", "room", "key", whole="run")
    for t, size in there:
        table.add_row(t.id, _plain(t.title), f"{duration(max(1, time.time() - t.time))} ago", disk.words(size), t.key)
    show_result(args, payload, lambda: f"{disk.words(freed)} are free again" if args.empty else table if there else "the trash is empty")
    return 0


def _each(names: Sequence[str], act: Callable[[str], str]) -> tuple[list[str], dict[str, LthvizError]]:
    """What `act` made of each name, and what went wrong with the others: one that cannot be done keeps no other from it."""
    done, failed = [], {}
    for name in dict.fromkeys(names):
        try:
            done.append(act(name))
        except LthvizError as e:
            failed[name] = e
    return done, failed


def _told(args: argparse.Namespace, payload: dict[str, Any], words: str, done: Sequence[str], failed: dict[str, LthvizError]) -> int:
    """Prints what was done and then what was not; the exit code."""
    if len(args.run) == 1 and failed:
        raise next(iter(failed.values()))
    if done or args.json:
        show_result(args, payload | ({"errors": {k: str(e) for k, e in failed.items()}} if failed else {}), lambda: words)
    for e in failed.values():
        print(f"lthviz: {e}", file=sys.stderr)
    return 2 if failed else 0


def _plain(text: str) -> Any:
    from rich.text import Text  # square brackets in a note are no markup

    return Text(text)

