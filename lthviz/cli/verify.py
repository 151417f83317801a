"""verify: reads everything that is stored, and says what is damaged."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lthviz.cli.output import show_result
from lthviz.store import Store, disk, verify
from lthviz.store.verify import Verified

EPILOG = """Every dataset, line, timing and sweep is read and its checksum computed anew; nothing is changed. Exit code 1: something is damaged.

  lthviz verify
  lthviz verify RUN
  lthviz verify RUN.h5      a packed run"""


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", nargs="*", metavar="RUN", help="ids of runs, or packed runs by their file (default: all runs, the examples too, and the store's other files)")


def check(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    found = []
    for one in _chosen(store, args.run):
        found.append(one)
        if not args.json:
            print(_plain(_words(one)), flush=True)
    damaged = sum(not v.whole for v in found)
    if args.json:
        show_result(args, {"whole": not damaged, "runs": [_payload(v) for v in found]}, lambda: "")
    else:
        print(f"{len(found)} looked at, {disk.words(sum(v.bytes for v in found))}: " + (f"{damaged} damaged" if damaged else "all whole"), file=sys.stderr)
    return 1 if damaged else 0


def _chosen(store: Store, names: list[str]) -> Iterator[Verified]:
    if not names:
        yield from verify.every(store)
    packed = {name: name.endswith(".h5") and Path(name).is_file() for name in names}
    for name, file in packed.items():
        if not file:
            store.path(name)   # so that a name that is none is told before minutes of reading
    for name, file in packed.items():
        yield verify.packed(Path(name)) if file else verify.run(store, name)


def _payload(v: Verified) -> dict[str, Any]:
    return {"run_id": v.run or None, "whole": v.whole, "damage": [d._asdict() for d in v.damage], "readable": v.readable, "bytes": v.bytes}


def _words(v: Verified) -> str:
    name = v.run or "beside the runs"
    if v.whole:
        return f"{name}: whole ({disk.words(v.bytes)})"
    lines = [f"{name}: damaged"]
    for d in v.damage:
        lines += [f"  {d.what}: {d.why}", f"    way out: {d.way_out}"]
    return "\n".join([*lines, f"  readable: {v.readable}"])


def _plain(text: str) -> str:
    """What a file's name may have that moves a cursor is written out."""
    return "".join(c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in text)
