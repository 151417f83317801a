"""python -m lthviz …: the same engine, store and core as the browser, from a terminal.

Exit code 0: done. 2: what the user gave was wrong, said in one line. 1: a fault of ours, or the machine's.
Results go to standard output, progress to standard error.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import sys
from collections.abc import Callable, Sequence
from typing import Any

from lthviz import ending, launch
from lthviz.cli import about as about_commands
from lthviz.cli import bench as bench_command
from lthviz.cli import branch as branch_command
from lthviz.cli import compare as compare_command
from lthviz.cli import export as export_command
from lthviz.cli import log as log_command
from lthviz.cli import sweep as sweep_command
from lthviz.cli import take_in as take_in_command
from lthviz.cli import verify as verify_command
from lthviz.cli.ask import cancel, pause, play, step
from lthviz.cli.masks import refill, regroup
from lthviz.cli.runs import ls, pack, resume, run, show, unpack, work
from lthviz.config import DERIVED, STRUCTURES, Refill, Regroup, RunConfig, limits
from lthviz.errors import LthvizError, WorldError
from lthviz.presets import PRESETS


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
        if not launch.rank() or isinstance(e, WorldError):   # of torchrun's processes the first says what all have met
            print(f"lthviz: {_visible(e)}", file=sys.stderr)
        return e.exit_code
    except launch.Cancelled as e:
        print(f"lthviz: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        goes_on = {run: "`lthviz resume` goes on", branch_command.branch: "`lthviz resume` goes on", resume: "`lthviz resume` goes on", sweep_command.sweep: "the same command goes on"}.get(args.act)
        hint = f"; {goes_on} from the last checkpoint" if goes_on else ""
        print(f"lthviz: stopped{hint}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        return 1
    except Exception as e:
        foreseen = ending.cause(e) != "fault"   # no memory, a full disk
        if not foreseen:
            logging.getLogger("lthviz").exception("unexpected")
        print(f"lthviz: {'' if foreseen else 'a fault of ours: '}{_visible(launch.reason(e))}", file=sys.stderr)
        return 1


def _visible(error: Exception | str) -> str:
    """An error's words on one line; what would move a terminal's cursor or colour it, as a name in a file may, is written out."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in str(error))


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line, as every other error here."""

    def error(self, message: str) -> None:
        print(f"lthviz: {message}; see `{self.prog} --help`", file=sys.stderr)
        raise SystemExit(2)


def _settings_help() -> str:
    lines = ["settings for --set and --config (default; limits):"]
    for f in (f for f in dataclasses.fields(RunConfig) if f.name not in DERIVED):
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

    def command(act: Callable, help: str, *, runs: bool = True, name: str = "", **more: Any) -> argparse.ArgumentParser:
        p = commands.add_parser(name or act.__name__, help=help, description=help, **more)
        p.set_defaults(act=act)
        p.add_argument("--json", action="store_true", help="print the result as JSON")
        if runs:
            p.add_argument("--runs", metavar="DIR", help="where runs are kept (default: $LTHVIZ_RUNS, else data/runs)")
        return p

    raw = {"formatter_class": argparse.RawDescriptionHelpFormatter}
    p = command(run, "train, prune and structure a network; a run that was begun goes on, one that is at work is watched",
                epilog=_settings_help(), **raw)
    p.add_argument("--preset", nargs="?", const="", metavar="P", help=f"one of {', '.join(PRESETS)}, or one of your own; without a name: list them")
    p.add_argument("--config", metavar="F.toml", help="settings in a TOML file, over the preset")
    p.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting, over both; may be repeated")
    sweep_command.add_options(command(sweep_command.sweep, "train many runs from one file; a sweep that was begun goes on",
                                      epilog=sweep_command.EPILOG, **raw))
    branch_command.add_options(command(branch_command.branch, "a new run from a round of another, with other settings from there on",
                                       epilog=branch_command.EPILOG, **raw))
    p = command(resume, "go on with a run that was interrupted, cancelled or failed")
    p.add_argument("run", metavar="RUN")
    for act, help in ((pause, "have a run that is at work wait after its batch; nothing is lost"), (play, "have a paused run go on"),
                      (step, "have a run go on to the end of the next stage, then wait"), (cancel, "end a run; its finished rounds are kept")):
        command(act, help).add_argument("run", metavar="RUN")
    command(ls, "list the runs")
    p = command(show, "the results of a run")
    p.add_argument("run", metavar="RUN")
    p.add_argument("--log", action="store_true", help="instead what happened in it, a line an event")
    about_commands.add_about(command(about_commands.about, "a run's title and note, and what it takes of the disk"))
    about_commands.add_delete(command(about_commands.delete, "delete runs, into the trash"))
    about_commands.add_undelete(command(about_commands.undelete, "bring deleted runs back"))
    about_commands.add_trash(command(about_commands.trash, "the deleted runs that can still be had back"))
    p = command(pack, "put a whole run into one file")
    p.add_argument("run", metavar="RUN")
    p.add_argument("-o", "--out", required=True, metavar="F.h5")
    p.add_argument("--force", action="store_true", help="overwrite the file")
    p = command(unpack, "take a run from such a file")
    p.add_argument("file", metavar="F.h5")
    verify_command.add_options(command(verify_command.check, "read everything that is stored and say what is damaged", name="verify",
                                       epilog=verify_command.EPILOG, **raw))
    take_in_command.add_options(command(take_in_command.take_in, "take in other people's networks: pruned checkpoints, masks, folders of rounds", name="import",
                                        epilog=take_in_command.EPILOG, **raw))
    export_command.add_options(command(export_command.export, "a ticket or a run in the forms of other programs: masks, weights, ONNX, tables, a report", epilog=export_command.EPILOG, **raw))
    p = command(work, "take queued runs and measurements until none is left (the app starts this by itself)")
    p.add_argument("--measure", metavar="RUN", help=argparse.SUPPRESS)
    log_command.add_options(command(log_command.log, "a stored run as TensorBoard event files or as an MLflow run", epilog=log_command.EPILOG, **raw))
    compare_command.add_options(command(compare_command.compare, "several seeds as one study: mean, spread, who wins, and methods at equal density or speed",
                                        epilog=compare_command.EPILOG, **raw))
    bench_command.add_options(command(bench_command.bench, "time a ticket against the fastest dense form of its network",
                                      epilog=bench_command.EPILOG, **raw))
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
