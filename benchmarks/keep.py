"""Puts the finished runs of a study beside the other examples: `python benchmarks/keep.py benchmarks/studies/digits.toml --runs FOLDER`.

What looking at a run needs is copied: settings, layers, log, rounds and timings, not the checkpoint; of the log not the epochs, which each ticket's curve
holds as well and which would be a tenth of it all; of weights those of the last round. The study's title becomes the runs' own. What
is there already stays. Exit code 1: data/ takes more room than it may.
"""

from __future__ import annotations

import argparse
import dataclasses
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from lthviz.records import Run  # noqa: E402
from lthviz.store import Store, about, files, writing  # noqa: E402
from lthviz.sweep import grid  # noqa: E402

EXAMPLES = ROOT / "data" / "examples"
LEFT = shutil.ignore_patterns("checkpoint.h5", "heartbeat.json", "request", "*.lock", "lock", ".*")
EPOCH = b'{"event":"epoch"'
ROOM = 40e6
"""Bytes that all of data/ may take."""


def size(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


def _lighten(store: Store, run: Run, index: int, to: Path) -> None:
    """Takes the weights out of a round that later ones follow: they are ten times the rest."""
    round = store.round(run.id, index)
    if index == run.config.rounds or all(t.weights is None for t in round.tickets.values()):
        return
    bare = dataclasses.replace(round, tickets={label: dataclasses.replace(t, weights=None) for label, t in round.tickets.items()})
    files.write(writing.round_path(to, index), writing.round_image(run.id, bare, [r for r in run.rows if r["round"] == index]))


def main() -> int:
    args = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    args.add_argument("study", type=Path)
    args.add_argument("--runs", type=Path, required=True)
    args.add_argument("--to", type=Path, default=EXAMPLES)
    options = args.parse_args()
    study, store, left = grid.read(options.study), Store(options.runs, examples=options.to / "nowhere"), 0
    for point in study.points:
        to = options.to / point.id
        if to.exists():
            continue
        if point.id not in store.runs() or store.status(point.id).state != "finished":
            left += 1
            continue
        run = store.run(point.id)
        shutil.copytree(store.path(point.id), to, ignore=LEFT)
        for k in run.finished:      # a damaged round is told here, not to whoever opens the example
            _lighten(store, run, k, to)
        lines = (to / "events.jsonl").read_bytes().splitlines(keepends=True)
        (to / "events.jsonl").write_bytes(b"".join(x for x in lines if not x.startswith(EPOCH)))
        about.change(to, title=study.title)
        for lock in to.glob("*.lock"):
            lock.unlink()
        print(f"{point.id}: {size(to) / 1e6:.2f} MB, of which rounds {size(to / 'rounds') / 1e6:.2f}")
    print(f"{size(options.to) / 1e6:.1f} MB in all, {left} of {len(study.points)} runs are not finished")
    return int(size(options.to.parent if options.to == EXAMPLES else options.to) > ROOM)


if __name__ == "__main__":
    raise SystemExit(main())
