"""import: other people's networks as runs."""

from __future__ import annotations

import argparse
import dataclasses
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lthviz.cli.output import new_table, show_result
from lthviz.config import DERIVED, assignments
from lthviz.errors import UsageError
from lthviz.presets import PRESETS
from lthviz.store import Store, hdf5, presets
from lthviz.store.pack import PACK

if TYPE_CHECKING:
    from lthviz.exchange.intake import Arrival

PACKED = "packed"
"""What is said of a packed run in place of a kind of file."""
_SAYS = ("model", "form", "data", "data_dir", "image", "masks", "dense", "rewind_to", "preset", "title")
EPILOG = """FILE is a state dict or a checkpoint that holds one (.pt, .pth, .pth.tar), .safetensors, .npz or .h5; or the folder of several rounds that OpenLTH
(level_0, level_1, …) or the paper's released code (0checkpoint.pth.tar, …) leaves; or what `lthviz pack` made. Masks are found as weight_mask, in a file of their own (--masks), or as
the zeros in the weights. Nothing is unpickled but tensors. The run is explored, refilled, regrouped, measured and branched like any other.

  lthviz import pruned.pt --data cifar10 --dry           what matches, and what would be taken in
  lthviz import weights.safetensors --masks masks.npz --model torchvision:resnet18 --data imagenet
  lthviz import lottery_0a1b2c/replicate_1 --set epochs=160"""


def take_in(args: argparse.Namespace) -> int:
    from lthviz.exchange import intake

    if hdf5.kind_of(Path(args.file)) == PACK:
        return _packed(args)
    changes = assignments(args.set)
    if wrong := sorted((DERIVED | {"structures", "rounds", "in_loop", "model", "form", "data", "data_dir"}) & changes.keys()):
        raise UsageError(f"--set {wrong[0]}=… says what the file says" + (f"; use --{wrong[0].replace('_', '-')}" if wrong[0] in ("model", "form", "data", "data_dir") else "; leave it out"))
    store = Store(args.runs)
    base = _preset(store, args.preset) if args.preset else {}
    asked = intake.Asked(args.model, args.form, args.data, args.data_dir, _image(args.image), _path(args.masks), _path(args.dense), _path(args.rewind_to), {**base, **changes})
    arrival = intake.look(Path(args.file), asked)
    if args.source:
        arrival = dataclasses.replace(arrival, source=args.source)
    if args.dry:
        show_result(args, payload(arrival), lambda: _table(arrival))
        return 0
    taken = intake.take_in(store, arrival, title=args.title, progress=lambda line: print(line, file=sys.stderr))
    out = {**payload(arrival), "run_id": taken.run_id, "new": taken.new, "said": list(taken.said), "accuracies": {str(k): v for k, v in taken.accuracies.items()}}
    show_result(args, out, lambda: "\n".join([f"taken in as {taken.run_id}" if taken.new else f"it is here already, as {taken.run_id}", *(f"  {line}" for line in taken.said)]))
    return 0


def _packed(args: argparse.Namespace) -> int:
    """A run that `lthviz pack` made, as `lthviz unpack` takes it in. --dry: only that it is one."""
    if given := [name for name in (*_SAYS, "set") if getattr(args, name)]:
        raise UsageError(f"{args.file} is a packed run, which says all of itself: leave --{given[0].replace('_', '-')} out")
    file, source = Path(args.file), args.source or Path(args.file).name
    if args.dry:
        show_result(args, {"kind": PACKED, "source": source}, lambda: f"{source} is a run that lthviz packed; it is checked whole before anything is kept")
        return 0
    store = Store(args.runs)
    there = set(store.runs())
    run_id = store.unpack(file, source=source)
    new = run_id not in there
    show_result(args, {"kind": PACKED, "source": source, "run_id": run_id, "new": new}, lambda: f"taken in as {run_id}" if new else f"it is here already, as {run_id}")
    return 0


def payload(arrival: Arrival) -> dict[str, Any]:
    """What was found, JSON-able: how each tensor was matched, what was left and why, and the masks of the last round."""
    last = arrival.rounds[-1]
    masks = last.masks
    return {"source": arrival.source, "kind": arrival.kind, "model": arrival.config.model, "form": arrival.config.form, "data": arrival.config.data, "linear": arrival.config.linear,
            "image_shape": list(arrival.image_shape), "classes": arrival.classes, "rounds": [r.round for r in arrival.rounds], "said": list(arrival.said),
            "density": masks.density() if masks is not None else 1.0, "rewind": arrival.rewind is not None,
            "matches": [{"name": m.name, "shape": list(m.shape), "found": m.found, "how": m.how} for m in last.matched.matches],
            "left": dict(last.matched.left),
            "layers": [{"name": x.name, "density": masks.density(x.name) if masks is not None else 1.0, "mask": last.how.get(x.name, "dense")} for x in arrival.layers]}


def _table(arrival: Arrival) -> Any:
    from rich.console import Group

    found = payload(arrival)
    head = (f"{found['source']} ({found['kind']}): {found['model']} for {found['data']}, {'×'.join(map(str, found['image_shape']))}, {found['classes']} classes; "
            f"rounds {found['rounds'][0]} to {found['rounds'][-1]}, {100 * found['density']:.1f} % of the prunable weights kept in the last")
    masks = {x["name"]: x for x in found["layers"]}
    table = new_table("weight", "in the file", "mask", "kept", whole="weight")
    for m in found["matches"]:   # of the others only what is worth a look
        layer = masks.get(m["name"])
        if layer or m["how"] == "order":
            table.add_row(m["name"], {"name": "the same", "renamed": "the same, without its prefix"}.get(m["how"], f"{m['found']}, by its place"),
                          layer["mask"] if layer else "", f"{100 * layer['density']:.1f} %" if layer else "")
    for name, why in found["left"].items():
        table.add_row("–", name, f"not used: {why}", "")
    return Group(head, *(f"  {line}" for line in found["said"]), table)


def _preset(store: Store, name: str) -> dict[str, Any]:
    config = presets.find(store.root, name).config.to_dict()
    return {k: v for k, v in config.items() if k not in ("model", "form", "data", "data_dir", "structures", "rounds", "in_loop", "linear")}


def _image(text: str) -> tuple[int, int, int] | None:
    if not text:
        return None
    if not re.fullmatch(r"[1-9]\d{0,3}x[1-9]\d{0,3}x[1-9]\d{0,3}", text):
        raise UsageError(f"--image {text!r} should be CxHxW, channels, height and width: 3x224x224")
    return tuple(map(int, text.split("x")))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a checkpoint, or a folder of rounds")
    parser.add_argument("--dry", action="store_true", help="only look: what matches what, and why not")
    parser.add_argument("--model", default="", metavar="M", help="the network: one of ours, torchvision:NAME or timm:NAME (default: found by its shapes)")
    parser.add_argument("--form", default="", metavar="F", help="how it begins, as in `lthviz run` (default: found by its shapes)")
    parser.add_argument("--data", default="", metavar="D", help="the images it was trained on (default: by channels and classes)")
    parser.add_argument("--data-dir", default="", metavar="DIR", help="where they are")
    parser.add_argument("--image", default="", metavar="CxHxW", help="of images that are no known data set")
    parser.add_argument("--masks", metavar="F", help="masks in a file of their own, as `weight_mask` or by the weights' names")
    parser.add_argument("--dense", metavar="F", help="the dense network's trained weights, for round 0")
    parser.add_argument("--rewind-to", metavar="F", help="the weights that its trainings began from (default: init_weight of the file, else what came)")
    parser.add_argument("--preset", metavar="P", help=f"how a branch of it trains, as one of {', '.join(PRESETS)}")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="one setting of that; may be repeated")
    parser.add_argument("--title", default="", metavar="T", help="its name for people")
    parser.add_argument("--source", default="", metavar="NAME", help=argparse.SUPPRESS)   # what the file was called before it was put where it is read
