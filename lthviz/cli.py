"""python -m lthviz …: the same engine, store and core as the browser, from a terminal.

Exit code 0: done. 2: what the user gave was wrong, said in one line. 1: a fault of ours, or the machine's.
Results go to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import logging
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from lthviz import launch, measuring
from lthviz.config import STRUCTURES, Refill, Regroup, RunConfig, assignments, limits, read_toml
from lthviz.errors import LthvizError, UsageError
from lthviz.presets import PRESETS, preset
from lthviz.records import Masks, Structured
from lthviz.store import Store


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, run, and turn errors into one line and an exit code."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    parser = _parser()
    args = parser.parse_args(argv)
    if args.command is None:
        parser.print_help()
        return 2
    try:
        return args.act(args) or 0
    except LthvizError as e:
        print(f"lthviz: {e}", file=sys.stderr)
        return e.exit_code
    except launch.Cancelled as e:
        print(f"lthviz: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        hint = "; `lthviz resume` goes on from the last checkpoint" if args.act in (run, resume) else ""
        print(f"lthviz: stopped{hint}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except Exception as e:
        logging.getLogger("lthviz").exception("unexpected")
        print(f"lthviz: a fault of ours: {launch.reason(e)}", file=sys.stderr)
        return 1


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error here."""

    def error(self, message: str) -> None:
        print(f"lthviz: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(2)


# run, resume -----------------------------------------------------------------------------------------------------------


def configured(args: argparse.Namespace) -> tuple[RunConfig, str]:
    """The settings of `run`: preset, then file, then --set; and the preset's name where one was given."""
    base = preset(args.preset).config if args.preset else RunConfig()
    changes = {**(read_toml(args.config) if args.config else {}), **assignments(args.set)}
    return base.replace(**changes), args.preset or ""


def run(args: argparse.Namespace) -> int:
    if args.preset == "" and not (args.config or args.set):
        return _list_presets(args)
    if not (args.preset or args.config or args.set) or args.preset == "":
        raise UsageError(f"nothing to run: give --preset one of {', '.join(PRESETS)}; or settings alone with --config FILE or --set KEY=VALUE")
    config, name = configured(args)
    store = Store(args.runs)
    run_id = store.begin(config, preset=name)
    return _train(store, run_id, args)


def resume(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    store.run(args.run)
    return _train(store, args.run, args)


def _train(store: Store, run_id: str, args: argparse.Namespace) -> int:
    from lthviz.progress import Terminal

    begun = time.monotonic()
    known = store.run(run_id)
    dense = next((r["test_acc"] for r in known.rows if r["round"] == 0), None)
    if store.status(run_id).state != "finished":
        print(f"run {run_id}", file=sys.stderr)
        try:
            with Terminal(run_id, known.config, known.layers, dense) as terminal:
                launch.drive(store, run_id, terminal)
        except launch.Busy:
            _attach(store, run_id)
    payload = {**_payload(store, run_id), "wall_seconds": round(time.monotonic() - begun, 3)}
    _print(args, payload, lambda: _results_table(payload))
    return 0


def _attach(store: Store, run_id: str) -> None:
    """Watch a run that another process trains until it ends."""
    print(f"run {run_id} is being trained by another process; watching it", file=sys.stderr)
    from lthviz.progress import Watch

    with Watch(run_id) as watch:
        while (status := store.status(run_id)).alive:
            watch(status)
            time.sleep(0.5)
    if status.state != "finished":
        raise LthvizError(f"run {run_id} is {status.state}: {status.message}")


def _payload(store: Store, run_id: str) -> dict[str, Any]:
    stored = store.run(run_id)
    return {"run_id": run_id, "state": store.status(run_id).state, "seconds": round(stored.seconds, 3),
            "config": stored.config.to_dict(), "info": dict(stored.info), "rounds": [dict(r) for r in stored.rows]}


def _results_table(payload: Mapping[str, Any]) -> Table:
    table = _table("round", "structure", "weights", "effective", "in blocks", "test", "dense", whole="structure",
                   title=f"{payload['run_id']}  ({payload['state']}, {payload['seconds']:.1f} s of work)")
    for r in payload["rounds"]:
        accuracies = ("–" if r[k] is None else f"{r[k]:.2f}" for k in ("test_acc", "dense_acc"))
        table.add_row(str(r["round"]), r["structure"], f"{100 * r['density']:.1f} %", f"{100 * r['effective_density']:.1f} %",
                      f"{100 * r['coverage']:.0f} %", *accuracies)
    for part, message in payload["info"].get("damaged", {}).items():
        table.add_row(part, f"damaged: {message}")
    return table


def _table(*columns: str, whole: str, title: str | None = None) -> Table:
    """A table whose column `whole` is never shortened: what stands there is typed again."""
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, no_wrap=name == whole, overflow="ignore" if name == whole else "fold")
    return table


def _list_presets(args: argparse.Namespace) -> int:
    payload = {k: {"title": p.title, "note": p.note, "source": p.source, "config": p.config.to_dict()} for k, p in PRESETS.items()}
    table = _table("preset", "what", "to expect", "source", whole="preset")
    for name, p in PRESETS.items():
        table.add_row(name, p.title, p.note, p.source)
    _print(args, payload, lambda: table)
    return 0


# ls, show, pack, unpack, work ------------------------------------------------------------------------------------------


def ls(args: argparse.Namespace) -> int:
    store = Store(args.runs)
    rows, table = [], _table("run", "state", "preset", "rounds", "message", whole="run")
    for run_id in store.runs():
        status, stored = store.status(run_id), store.run(run_id)
        rows.append({"run_id": run_id, "state": status.state, "message": status.message, "preset": stored.preset,
                     "rounds": len(stored.finished), "example": store.is_example(run_id)})
        table.add_row(run_id, status.state, stored.preset, f"{len(stored.finished)} of {stored.config.rounds + 1}", status.message)
    for name, message in store.broken().items():
        rows.append({"run_id": name, "state": "broken", "message": message})
        table.add_row(name, "broken", "", "", message)
    _print(args, rows, lambda: table if rows else "no runs yet; `lthviz run --preset digits` makes one")
    return 0


def show(args: argparse.Namespace) -> int:
    payload = _payload(Store(args.runs), args.run)
    _print(args, payload, lambda: _results_table(payload))
    return 0


def pack(args: argparse.Namespace) -> int:
    Store(args.runs).pack(args.run, Path(args.out), overwrite=args.force)
    _print(args, {"run_id": args.run, "file": args.out}, lambda: f"packed {args.run} into {args.out}")
    return 0


def unpack(args: argparse.Namespace) -> int:
    run_id = Store(args.runs).unpack(Path(args.file))
    _print(args, {"run_id": run_id}, lambda: f"unpacked {run_id}")
    return 0


def work(args: argparse.Namespace) -> int:
    if args.measure:   # what the worker starts to have a run's tickets measured; it ends with the worker
        measuring.end_with_parent()
        measuring.measure_queued(Store(args.runs), args.measure)
        return 0
    driven = launch.work(Store(args.runs))
    _print(args, {"driven": driven}, lambda: f"{driven} runs driven")
    return 0


# refill, regroup -------------------------------------------------------------------------------------------------------


def refill(args: argparse.Namespace) -> int:
    from lthviz.core import structures
    from lthviz.exchange import maskfile

    settings = _structure_from(args, Refill)
    maskfile.check_target(args.out)
    masks = maskfile.read(args.masks)
    if settings.score not in ("magnitude", "remain"):
        raise UsageError(f"score {settings.score!r} needs the network and images; here it can be magnitude (with --weights) or remain")
    if args.weights is None and (settings.score == "magnitude" or settings.fractional):
        raise UsageError("score 'magnitude' and --fractional need --weights FILE; without weights use --score remain")
    weights = maskfile.read_weights(args.weights, masks) if args.weights else None
    begun = time.perf_counter()
    made = structures.apply(settings, masks, weights=weights)
    return _structured(args, settings, masks, made, time.perf_counter() - begun)


def regroup(args: argparse.Namespace) -> int:
    from lthviz.core import regroup as core_regroup
    from lthviz.core.partition import partition_all
    from lthviz.exchange import maskfile

    settings = _structure_from(args, Regroup)
    maskfile.check_target(args.out)
    masks = maskfile.read(args.masks)
    begun = time.perf_counter()
    partitions = partition_all(masks, settings, args.seed)
    made, seconds = [], {}
    for name in masks:   # a layer at a time, to say what each took; layers do not depend on each other
        since = time.perf_counter()
        made.append(core_regroup.regroup(Masks.of({name: masks[name]}), settings, seed=args.seed, partitions=partitions))
        seconds[name] = partitions[name].seconds + time.perf_counter() - since
    whole = Structured(Masks.of({k: m.masks[k] for m in made for k in m.masks}), {k: v for m in made for k, v in m.blocks.items()},
                       {k: v for m in made for k, v in m.notes.items()})
    return _structured(args, settings, masks, whole, time.perf_counter() - begun, seconds)


def _structured(args: argparse.Namespace, settings: Any, before: Any, made: Any, seconds: float,
                layer_seconds: Mapping[str, float] | None = None) -> int:
    from lthviz.core.stats import coverage
    from lthviz.exchange import maskfile

    maskfile.write(args.out, made.masks)
    layers, table = {}, _table("layer", "shape", "weights before", "after", "blocks", "in blocks", whole="layer", title=settings.name)
    for name in before:
        blocks, kept = made.blocks.get(name), made.masks.nnz(name)
        inside = blocks.area / kept if blocks and kept else 0.0
        notes = dict(made.notes.get(name, {}))
        if "kept" in notes:   # Refill's note counts channels; here "kept" counts weights
            notes["kept_channels"] = notes.pop("kept")
        layers[name] = {"kept": kept, "size": before.size(name), "before": before.nnz(name), "blocks": len(blocks) if blocks else 0,
                        "coverage": inside, **({"seconds": round(layer_seconds[name], 4)} if layer_seconds else {}), **notes}
        table.add_row(name, "×".join(map(str, before.shape(name))), f"{100 * before.density(name):.1f} %",
                      f"{100 * made.masks.density(name):.1f} %", str(layers[name]["blocks"]), f"{100 * inside:.0f} %")
    share_layers, share_weights = coverage(made.masks, made.blocks)
    payload = {"structure": settings.label, "out": args.out, "seconds": round(seconds, 4), "density_before": before.density(),
               "density": made.masks.density(), "coverage": share_weights, "coverage_layers": share_layers, "layers": layers}
    _print(args, payload, lambda: table)
    return 0


def _structure_from(args: argparse.Namespace, kind: type) -> Any:
    return kind(**{f.name: getattr(args, f.name) for f in dataclasses.fields(kind)})


# Output and flags ------------------------------------------------------------------------------------------------------


def _print(args: argparse.Namespace, payload: Any, words: Callable[[], Any]) -> None:
    if args.json:
        print(json.dumps(payload, indent=2, allow_nan=False, default=float))
    else:
        Console(highlight=False, soft_wrap=True).print(words())


def _settings_help() -> str:
    lines = ["settings for --set and --config (default; limits):"]
    for f in dataclasses.fields(RunConfig):
        meta = f.metadata
        bounds = ", ".join(meta["choices"]) if meta["choices"] else limits(f) if meta["low"] is not None else ""
        default = ",".join(getattr(x, "label", str(x)) for x in f.default) if isinstance(f.default, tuple) else f.default
        lines.append(f"  {f.name} = {default!s:<12} {meta['help']}" + (f"; {bounds}" if bounds else ""))
    lines.append("structures are labels, e.g. --set structures=refill,refill-rho=0.2,regroup-groups=4-t1=2.0,random; known: "
                 + ", ".join(STRUCTURES))
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="lthviz", description="A laboratory for structurally sparse lottery tickets.")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")

    def command(act: Callable, help: str, *, runs: bool = True, **more: Any) -> argparse.ArgumentParser:
        p = commands.add_parser(act.__name__, help=help, description=help, **more)
        p.set_defaults(act=act)
        p.add_argument("--json", action="store_true", help="print the result as JSON")
        if runs:
            p.add_argument("--runs", metavar="DIR", help="where runs are kept (default: $LTHVIZ_RUNS, else data/runs)")
        return p

    raw = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    p = command(run, "train, prune and structure a network; a run that was begun goes on, one that is at work is watched",
                epilog=_settings_help(), **raw)
    p.add_argument("--preset", nargs="?", const="", metavar="P", help=f"one of {', '.join(PRESETS)}; without a name: list them")
    p.add_argument("--config", metavar="F.toml", help="settings in a TOML file, over the preset")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, over both; may be repeated")
    p = command(resume, "go on with a run that was interrupted, cancelled or failed")
    p.add_argument("run", metavar="RUN")
    command(ls, "list the runs")
    p = command(show, "the results of a run")
    p.add_argument("run", metavar="RUN")
    p = command(pack, "put a whole run into one file")
    p.add_argument("run", metavar="RUN")
    p.add_argument("-o", "--out", required=True, metavar="F.h5")
    p.add_argument("--force", action="store_true", help="overwrite the file")
    p = command(unpack, "take a run from such a file")
    p.add_argument("file", metavar="F.h5")
    p = command(work, "take queued runs and measurements until none is left (the app starts this by itself)")
    p.add_argument("--measure", metavar="RUN", help=argparse.SUPPRESS)
    for act, kind, help in ((refill, Refill, "channel-wise masks from unstructured ones"),
                            (regroup, Regroup, "group-wise masks from unstructured ones")):
        p = command(act, help, runs=False)
        p.add_argument("masks", metavar="MASKS", help=".npz, .safetensors, .pt or .h5, keyed by parameter name; non-zero = kept")
        if act is refill:
            p.add_argument("--weights", metavar="F", help="trained weights in one of the same formats")
        else:
            p.add_argument("--seed", type=int, default=0, help="of the partitioner")
        p.add_argument("-o", "--out", required=True, metavar="OUT")
        for f in dataclasses.fields(kind):
            flag, meta = "--" + f.name.replace("_", "-"), f.metadata
            if isinstance(f.default, bool):
                p.add_argument(flag, action="store_true", help=meta["help"])
            else:
                p.add_argument(flag, type=type(f.default), default=f.default, metavar=f.name.upper(),
                               help=f"{meta['help']} (default {f.default}" + (f"; one of {', '.join(meta['choices'])})" if meta["choices"] else ")"))
    return parser
