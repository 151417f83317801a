"""run, resume, ls, show, pack, unpack, work: the runs of a store."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table
from rich.text import Text

from lthviz import launch, measuring, processes, ways_out
from lthviz.cli.output import new_table, show_result
from lthviz.config import RunConfig, assignments, read_toml
from lthviz.errors import LthvizError, UsageError
from lthviz.presets import PRESETS
from lthviz.store import Store, diary, presets
from lthviz.store.brief import Briefs
from lthviz.words import duration

if TYPE_CHECKING:
    from lthviz.nn.world import World


def configured(args: argparse.Namespace) -> tuple[RunConfig, str]:
    """The settings of `run`: preset, then file, then --set; and the preset's name where one was given."""
    base = presets.find(Store(args.runs).root, args.preset).config if args.preset else RunConfig()
    changes = {**(read_toml(args.config) if args.config else {}), **assignments(args.set)}
    return base.replace(**changes), args.preset or ""


def run(args: argparse.Namespace) -> int:
    if args.preset == "" and not (args.config or args.set):
        return _list_presets(args)
    if not (args.preset or args.config or args.set) or args.preset == "":
        raise UsageError(f"nothing to run: give --preset one of {', '.join(PRESETS)}; or settings alone with --config FILE or --set KEY=VALUE")
    config, name = configured(args)
    return together(args, lambda store: store.begin(config, preset=name))


def resume(args: argparse.Namespace) -> int:
    return together(args, lambda store: store.run(args.run).id)


def together(args: argparse.Namespace, which: Callable[[Store], str]) -> int:
    """Train in this process, or with torchrun's others: the first has the store and the terminal."""
    with launch.world() as world:
        if world and not world.first:
            return launch.follow(world, lambda line: print(f"lthviz: {line}", file=sys.stderr))
        store = Store(args.runs)
        return _train(store, which(store), args, world)


def _train(store: Store, run_id: str, args: argparse.Namespace, world: World | None) -> int:
    from lthviz.cli.progress import Terminal

    begun = time.monotonic()
    known = store.run(run_id)
    dense = next((r["test_acc"] for r in known.rows if r["round"] == 0), None)
    if store.status(run_id).state != "finished":
        print(f"run {run_id}", file=sys.stderr)
        try:
            with Terminal(run_id, known.config, known.layers, dense) as terminal:
                launch.drive(store, run_id, terminal, world=world)
        except launch.Busy:
            _attach(store, run_id)
    elif world:
        world.broadcast(None)   # nothing to do for the others either
    payload = {**_payload(store, run_id), "wall_seconds": round(time.monotonic() - begun, 3)}
    show_result(args, payload, lambda: _results(payload))
    return 0


def _attach(store: Store, run_id: str) -> None:
    """Watch a run that another process trains until it ends."""
    print(f"run {run_id} is being trained by another process; watching it", file=sys.stderr)
    from lthviz.cli.progress import Watch

    with Watch(run_id) as watch:
        while (status := store.status(run_id)).alive:
            watch(status)
            time.sleep(0.5)
    if status.state != "finished":
        raise LthvizError(f"run {run_id} is {status.state}: {status.message}")


def _payload(store: Store, run_id: str) -> dict[str, Any]:
    stored, status = store.run(run_id), store.status(run_id)
    return {"run_id": run_id, "state": status.state, "message": status.message, "cause": status.cause, "way_out": ways_out.words(status.cause, store.path(run_id)), "seconds": round(stored.seconds, 3),
            "config": stored.config.to_dict(), "parent": stored.parent, "from_round": stored.config.from_round,
            "branches": store.children(run_id), "warnings": store.warnings(run_id), "info": dict(stored.info), "rounds": [dict(r) for r in stored.rows]}


def _results(payload: Mapping[str, Any]) -> Table:
    table = new_table("round", "structure", "weights", "effective", "in blocks", "test", "dense", whole="structure",
                   title=f"{payload['run_id']}  ({payload['state']}, {payload['seconds']:.1f} s of work)")
    for r in payload["rounds"]:
        accuracies = ("–" if r[k] is None else f"{r[k]:.2f}" for k in ("test_acc", "dense_acc"))
        table.add_row(str(r["round"]), r["structure"], f"{100 * r['density']:.1f} %", f"{100 * r['effective_density']:.1f} %",
                      f"{100 * r['coverage']:.0f} %", *accuracies)
    said = [f"branch of {payload['parent']} from round {payload['from_round']}"] if payload["parent"] else []
    said += [f"branches: {', '.join(payload['branches'])}"] if payload["branches"] else []
    said += filter(None, (payload["message"] if payload["state"] in ("failed", "interrupted") else "", payload["way_out"], *payload["warnings"]))
    table.caption = Text("\n".join(said))
    for part, message in payload["info"].get("damaged", {}).items():
        table.add_row(part, f"damaged: {message}")
    return table


def _list_presets(args: argparse.Namespace) -> int:
    """With the time each would take here, measured by a few steps; interrupted, it lists what it knows."""
    from lthviz import expected

    root = Store(args.runs).root
    there = presets.everything(root)
    for why in presets.broken(root).values():
        print(f"lthviz: {why}", file=sys.stderr)
    found: dict[str, expected.Expected | None] = {}
    try:
        for name, p in there.items():
            found[name] = expected.expected(p.config, lambda doing: print(doing, file=sys.stderr))
    except KeyboardInterrupt:
        print("stopped measuring; the rest is listed without its time", file=sys.stderr)
    times = {name: found.get(name) for name in there}
    payload = {k: {"title": p.title, "note": p.note, "source": p.source, "config": p.config.to_dict(),
                   "expected": times[k] and times[k]._asdict()} for k, p in there.items()}
    table = new_table("preset", "what", "time here", "to expect", "source", whole="preset")
    for name, p in there.items():
        e = times[name]
        table.add_row(name, p.title, duration(e.seconds) + (", or less: the machine is busy" if e.busy else "") if e else "–", p.note, p.source)
    show_result(args, payload, lambda: table)
    return 0


# ls, show, pack, unpack, work ------------------------------------------------------------------------------------------


def ls(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    rows, table = [], new_table("run", "state", "preset", "rounds", "message", whole="run")
    briefs, broken = Briefs(store, accuracies=False).all()
    for b in briefs:
        status = store.status(b.id) if b.status.state == "interrupted" else b.status   # which says where a resume goes on
        rows.append({"run_id": b.id, "state": status.state, "message": status.message, "preset": b.preset,
                     "rounds": b.rounds - 1 if b.rounds else None, "planned": b.config.rounds, "example": b.example})
        table.add_row(b.id, status.state, b.preset, f"{b.rounds - 1} of {b.config.rounds}" if b.rounds else "", status.message)
    for name, message in sorted(broken.items()):
        rows.append({"run_id": name, "state": "broken", "message": message})
        table.add_row(name, "broken", "", "", message)
    show_result(args, rows, lambda: table if rows else "no runs yet; `lthviz run --preset digits` makes one")
    return 0


def show(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    if args.log:
        events = store.events(args.run)[0]
        show_result(args, events, lambda: Text("\n".join(map(diary.line, events))))
        return 0
    payload = _payload(store, args.run)
    show_result(args, payload, lambda: _results(payload))
    return 0


def pack(args: argparse.Namespace) -> int:
    Store(args.runs).pack(args.run, Path(args.out), overwrite=args.force)
    show_result(args, {"run_id": args.run, "file": args.out}, lambda: f"packed {args.run} into {args.out}")
    return 0


def unpack(args: argparse.Namespace) -> int:
    run_id = Store(args.runs).unpack(Path(args.file))
    show_result(args, {"run_id": run_id}, lambda: f"unpacked {run_id}")
    return 0


def work(args: argparse.Namespace) -> int:
    if args.measure:   # what the worker starts to have a run's tickets measured; it ends with the worker
        processes.end_with_parent()
        measuring.measure_queued(Store(args.runs), args.measure)
        return 0
    driven = launch.work(Store(args.runs))
    show_result(args, {"driven": driven}, lambda: f"{driven} runs driven")
    return 0
