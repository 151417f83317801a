"""Refill on a small matrix, step by step: what the core functions decide, and how it is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from lthviz.core import refill as core
from lthviz.records import Masks
from lthviz.ui.learn.drawing import ACCENT, MUTED, RULE, SMALL, WIDTH, Canvas
from lthviz.ui.learn.figure import ADDED, KEPT, NEVER, REMOVED, Band, Control, Frame, Matrix, Picture

RHOS = tuple(i / 20 for i in range(11))
SCORES = ("magnitude", "remain")
STEPS = ("Scattered", "Score", "Budget", "Rank", "Fill", "In order")
CONTROLS = (
    Control("Step", STEPS, "steps", 1),
    Control("ρ (Refill+)", tuple(f"{x:g}" for x in RHOS), "slider", help="Share of the other channels that stays as well; 0 is Refill"),
    Control("Score", SCORES, "choice"),
)
_NAME = "piece"
KEPT_COLOUR = "var(--kept)"


class Decision(NamedTuple):
    """What Refill makes of a small matrix. scores: (C,). order: channels from best to worst. budget: channels' worth of weights, exactly.
    keeps: K. after: bool (C, n). tied: whether a channel that goes has the score of one that stays."""

    scores: np.ndarray
    order: np.ndarray
    budget: Fraction
    keeps: int
    after: np.ndarray
    tied: bool


def decide(mask: np.ndarray, weights: np.ndarray, score: str, rho: float = 0.0) -> Decision:
    """Refill (ICML 2022, section 3.2) of one small layer. mask: bool (C, n); weights: float (C, n); score: magnitude or remain."""
    masks = Masks.of({_NAME: mask})
    scores = (core.magnitude_scores(masks, {_NAME: weights}) if score == "magnitude" else core.remain_scores(masks))[_NAME]
    made = core.refill(masks, {_NAME: scores}, rho=rho)
    order, keeps = core.ranking(scores), core.channels(masks.nnz(), mask.shape, rho)
    tied = keeps < len(order) and bool(scores[order[keeps - 1]] == scores[order[keeps]])
    return Decision(scores, order, core.budget(masks.nnz(), mask.shape, rho), keeps, made.masks[_NAME], tied)


def matrix(mask: np.ndarray, weights: np.ndarray, channels: Sequence[int], places: Sequence[str], largest: float) -> Matrix:
    """The matrix that is shown: a weight that is not there has no number, since what it will be is decided by the rewinding."""
    return Matrix(np.where(mask, weights, np.nan), mask.shape, "Weights of a layer", tuple(f"output channel {c}" for c in channels), tuple(places), True,
                  "a row is an output channel", tuple(str(c) for c in channels), states=("pruned", "kept", "given back", "removed"), largest=largest)


def frames(mask: np.ndarray, weights: np.ndarray, channels: Sequence[int]) -> list[Frame]:
    """One for every step, ρ and score. channels: what the rows are called."""
    made = {(rho, score): decide(mask, weights, score, rho) for rho in RHOS for score in SCORES}
    return [_frame(step, rho, score, mask, made[rho, score], channels) for step in range(len(STEPS)) for rho in RHOS for score in SCORES]


def codes(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """What became of every weight, uint8."""
    return np.where(before, np.where(after, KEPT, REMOVED), np.where(after, ADDED, NEVER)).astype(np.uint8)


def percent(value: float, digits: int = 0) -> str:
    """A share of 1 in percent, its unit on the same line."""
    return f"{100 * value:.{digits}f}\u00a0%"


def share(part: int, of: int) -> str:
    return percent(part / of, 1)


def named(channels: Sequence[int], rows: Sequence[int]) -> str:
    """`channel 3`, `channels 3 and 8`, `channels 3, 8 and 9`."""
    names = [str(channels[r]) for r in rows]
    return f"channel{'s' * (len(names) != 1)} {', '.join(names[:-1])}{' and ' * (len(names) > 1)}{names[-1]}" if names else "no channel"


def score_text(value: float, score: str) -> str:
    return f"{value:.2f}" if score == "magnitude" else f"{value:.0f}"


def _frame(step: int, rho: float, score: str, mask: np.ndarray, made: Decision, channels: Sequence[int]) -> Frame:
    rows, n = mask.shape
    name, filled = STEPS[step], step >= STEPS.index("Fill")
    best = made.order[: made.keeps]
    after = made.after if filled else mask
    notes: tuple[str, ...] = ()
    if filled:
        notes = tuple(f"+{n - k}" if whole else f"−{k}" for k, whole in zip(mask.sum(axis=1).tolist(), after.all(axis=1).tolist()))
    elif step:
        notes = tuple(score_text(s, score) for s in made.scores.tolist())
    top = float(made.scores.max()) or 1.0
    every = tuple(range(n))
    bands: tuple[Band, ...] = ()
    if name == "Rank":
        bands = (Band(tuple(made.order.tolist()), every),)
    elif name == "Fill":
        bands = (Band(tuple(best.tolist()), every, "stay, whole", n), *((Band(tuple(made.order[made.keeps:].tolist()), every, "go"),) if made.keeps < rows else ()))
    picture = Picture(codes(mask, after), bands, notes, tuple((made.scores / top).tolist()) if step else (),
                      strong=mask if name == "Score" else None, rows_strong=tuple(best.tolist()) if name == "Rank" else ())
    drawing = strip(int(mask.sum()), mask.shape, made.budget, made.keeps) if step >= STEPS.index("Budget") else ""
    alt = f"{rows} places for a whole channel; what is left fills {float(Fraction(int(mask.sum()), n)):.2f} of them, and {made.keeps} stay." if drawing else ""
    return Frame(_said(name, rho, score, mask, made, channels), (picture,), drawing, alt)


def _said(name: str, rho: float, score: str, mask: np.ndarray, made: Decision, channels: Sequence[int]) -> str:
    (rows, n), nnz, scores = mask.shape, int(mask.sum()), made.scores
    best, after = made.order[: made.keeps], made.after
    if name == "Scattered":
        whole, empty = int(mask.all(axis=1).sum()), int((~mask.any(axis=1)).sum())
        return f"{nnz} of {mask.size} weights are left ({share(nnz, mask.size)}), scattered over {rows} channels: {whole or 'none'} whole, {empty or 'none'} empty."
    if name == "Score":
        low, high = int(made.order[-1]), int(made.order[0])
        what = "the sum of |w| over the weights that the mask keeps" if score == "magnitude" else "how many weights the mask keeps"
        return (f"A channel's score is {what}: from {score_text(scores[low], score)} (channel {channels[low]}) to {score_text(scores[high], score)} "
                f"(channel {channels[high]}).")
    if name == "Budget":
        x = f"{nnz} weights, {n} to a channel: {_number(Fraction(nnz, n))} channels' worth."
        if rho:
            x += f" With ρ = {rho:g} it is {_number(Fraction(nnz, n))} + ({rows} − {_number(Fraction(nnz, n))}) · {rho:g} = {_number(made.budget)}."
        least = "" if nnz else ", at least one"
        return f"{x} {'Rounded up, ' if made.budget.denominator > 1 else ''}K = {made.keeps} channel{'s' * (made.keeps != 1)} will be whole{least}."
    if name == "Rank":
        tie = " The last of them has the same score as the next one; the lower number goes first." if made.tied else ""
        return f"Ranked by score. K = {made.keeps}: {named(channels, best)} {'stays' if made.keeps == 1 else 'stay'}.{tie}"
    back, gone = int((after & ~mask).sum()), int((mask & ~after).sum())
    if name == "Fill":
        return (f"{back} weight{'s' * (back != 1)} of the {made.keeps} best come back with what they were at the rewinding step θk; "
                f"{gone} weight{'s' * (gone != 1)} of the other {rows - made.keeps} are removed.")
    return (f"{int(after.sum())} of {mask.size} weights ({share(int(after.sum()), mask.size)}) in {named(channels, np.sort(best))}; "
            f"scattered it was {nnz} ({share(nnz, mask.size)}).")


def _number(value: Fraction) -> str:
    return f"{float(value):.2f}" if value.denominator > 1 else str(value.numerator)


@lru_cache(maxsize=512)
def strip(nnz: int, shape: tuple[int, int], budget: Fraction, keeps: int) -> str:
    """A place for every channel, side by side: how far the weights that are left fill them, how far ρ lets it go, and the K whole ones."""
    rows, n = shape
    canvas, each, gap = Canvas(48), (WIDTH - 4) / rows, 5
    canvas.text(0, 11, f"x = {_number(Fraction(nnz, n))}{f', with ρ {_number(budget)}' if budget > Fraction(nnz, n) else ''}: K = {keeps}", size=SMALL, colour=MUTED)
    for i in range(rows):
        left, wide = 2 + i * each, each - gap
        full, allowed = (float(min(Fraction(1), max(Fraction(0), v - i))) for v in (Fraction(nnz, n), budget))
        canvas.add(f"<rect x='{left:.1f}' y='20' width='{wide:.1f}' height='24' fill='none' stroke='{ACCENT if i < keeps else RULE}' stroke-width='{2.5 if i < keeps else 1}'/>")
        if allowed > full:
            canvas.bar(left + 2, 22, allowed * (wide - 4), 20, ACCENT, opacity=0.35)
        if full:
            canvas.bar(left + 2, 22, full * (wide - 4), 20, KEPT_COLOUR)
    return canvas.svg()
