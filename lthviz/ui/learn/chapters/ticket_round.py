"""One round as a line of time: initial weights, trained, pruned, rewound to step k, trained again; of a real run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lthviz.config import UNSTRUCTURED
from lthviz.records import Curve, Round, Run
from lthviz.ui.learn.drawing import ACCENT, INK, MUTED, RULE, SMALL, WIDTH, Box, Canvas, colour_of
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.figure import Control, Frame
from lthviz.ui.learn.plot import Axis, Plot, linear
from lthviz.ui.learn.saying import percent

STEPS = Control("One round", ("Initial θ0", "Train to θT", "Prune", "Rewind to θk", "Train again"), "steps", start=3)
BOX = Box(34, 26, WIDTH - 66, 126)
HEIGHT = 206.0


def shown(of: Evidence) -> Run | None:
    """The run whose first round is told: one that stands alone and knows its steps; the one that keeps its weights, where there is one."""
    found = [r for r in of.runs if not r.parent and len(r.finished) > 1 and r.info.get("steps") and r.config.trunk_of(1) == UNSTRUCTURED]
    return min(found, key=lambda r: (r.config.keep_weights == "none", r.config.seed, r.id), default=None)


def frames(run: Run, round: Callable[[str, int], Round]) -> list[Frame]:
    """A frame for each of STEPS."""
    dense, ticket = (round(run.id, k).ticket(UNSTRUCTURED) for k in (0, 1))
    step, steps = int(run.info["rewind_step"]), int(run.info["steps"])
    kept, size = ticket.masks.nnz(), ticket.masks.size()
    curves = [_curve(t.curve, steps, run.config.epochs) for t in (dense, ticket)]
    began = int(np.interp(step, *map(list, zip((0, 0.0), *curves[0])))) if curves[0] else 0
    curves[1] = [(step, float(began)), *(p for p in curves[1] if p[0] > step)] if curves[1] else []
    out = []
    for i, name in enumerate(STEPS.texts):
        said = (f"Before the first step the network holds θ0: {size:,} prunable weights, drawn at random from seed {run.config.seed}.",
                f"It trains {steps:,} steps. The weights of step {step:,} are remembered: θk. At the end stands θT, with {dense.test_acc:.1f} % test accuracy.",
                f"The {size - kept:,} weights that are smallest in θT, {percent(1 - kept / size, 0)}, are removed over all layers at once; {kept:,} stay.",
                f"The {kept:,} that stay go back to what they were at step {step:,}; BatchNorm and the classifier too. The others are zero from now on.",
                f"From step {step:,} the sparse network trains the rest of the schedule: {ticket.test_acc:.1f} % test accuracy with {percent(kept / size, 0)} of the weights. "
                f"Then round 2 prunes again.")[i]
        out.append(Frame(said, drawing=_drawing(i, curves, step, steps, kept / size), alt=f"A line of time from step 0 to step {steps}, at {name}. {said}"))
    return out


def _curve(curve: Curve | None, steps: int, epochs: int) -> list[tuple[float, float]]:
    """Accuracy after each epoch, by step: of the validation images, of the training images where there are none."""
    if curve is None or not len(curve.epoch):
        return []
    values = curve.train_acc if np.isnan(curve.val_acc).any() else curve.val_acc
    return [(float(e) * steps / max(1, epochs), float(v)) for e, v in zip(curve.epoch, values)]


def _drawing(i: int, curves: Sequence[Sequence[tuple[float, float]]], step: int, steps: int, kept: float) -> str:
    canvas = Canvas(HEIGHT)
    x = Axis(0, steps, "")
    plot = Plot(canvas, x, linear(0, 100, "accuracy while it trains (%)", most=4), BOX)
    k, end, bottom = plot.px(step), plot.px(steps), BOX.bottom
    ink, again = colour_of("dense"), ACCENT
    for at, name, words, on in ((plot.px(0), "θ0", "step 0", True), (k, "θk", f"step {step:,}", i > 0), (end, "θT", f"step {steps:,}", i > 0)):
        canvas.line([(at, bottom), (at, bottom + 5)], INK if on else RULE, width=1.5)
        if at == k and k < BOX.left + 34:      # it would stand on step 0
            words = ""
        canvas.text(max(at, BOX.left + 26) if at == k else at, bottom + 17, name, anchor="middle", bold=True, colour=INK if on else RULE)
        if words:
            canvas.text(at if at != k else max(at, BOX.left + 52), bottom + 31, words, anchor="middle", size=SMALL, colour=MUTED if on else RULE)
    if i > 0 and curves[0]:
        plot.line([(0, 0.0), *curves[0]] if curves[0][0][0] > 0 else curves[0], ink, width=2.2 if i < 4 else 1.2)
        canvas.text(end + 6, plot.py(curves[0][-1][1]) + (4 if i < 4 else -8), "dense", size=SMALL, colour=ink)
    if i == 3:
        canvas.line([(k, BOX.top + 14), (k, bottom)], again, dash="4 3", width=1.5)
        canvas.arrow(end, BOX.top + 14, k + 1, BOX.top + 14, again, width=2)
        canvas.text(k + 0.3 * (end - k), BOX.top + 9, "rewind", anchor="middle", colour=again, bold=True)
    if i == 4 and curves[1]:
        canvas.line([(k, BOX.top + 14), (k, bottom)], again, dash="4 3")
        plot.line(curves[1], again, width=2.4)
        canvas.mark(*plot.place(curves[1][0]), "circle", again)
        canvas.text(end + 6, plot.py(curves[1][-1][1]) + 8, "ticket", size=SMALL, colour=again, bold=True)
    _weights(canvas, i, kept)
    return canvas.svg()


def _weights(canvas: Canvas, i: int, kept: float) -> None:
    """Below: how many weights there are, and which values they hold."""
    top, wide = BOX.bottom + 44, BOX.right - BOX.left
    canvas.bar(BOX.left, top, wide, 14, "var(--rule, currentColor)", opacity=0.5)
    canvas.bar(BOX.left, top, wide if i < 2 else wide * kept, 14, colour_of("unstructured"), opacity=(0.35, 0.9, 0.9, 0.55, 0.9)[i])
    value = ("θ0", "θT", "θT", "θk", "θT of the ticket")[i]
    canvas.text(BOX.left, top + 29, f"{'all' if i < 2 else percent(kept, 0)} of the weights, at {value}", size=SMALL, colour=MUTED)
