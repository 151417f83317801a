"""A figure with every part, for a script page and for the tests that hold the page against it."""

PLANT = '''
import numpy as np

from lthviz.ui.learn.figure import ADDED, KEPT, NEVER, REMOVED, Band, Cell, Control, Frame, Matrix, Picture, lesson_figure

CODES = (NEVER, KEPT, ADDED, REMOVED)
STEPS, RATES, ORDERS = ("Scattered", "Sorted", "Blocks"), tuple(f"{r} %" for r in range(0, 100, 5)), ("Original", "Turned")


def matrices(shift=0.0):
    rng = np.random.default_rng(7)
    left, right = rng.normal(0, 0.4, (8, 12)) + shift, rng.normal(0, 3, (6, 4)) + shift
    return (Matrix(left, left.shape, "First", tuple(f"output channel {r}" for r in range(8)), tuple(f"column {c}" for c in range(12)), editable=True,
                   unit="8 channels × 12 weights", letters=tuple("abcdefgh")),
            Matrix(right, right.shape, "Second", unit="6 × 4"))


def frames():
    """3 steps × 20 rates × 2 orders; each of the 120 frames unlike the others."""
    out = []
    for s in range(len(STEPS)):
        for r in range(len(RATES)):
            for o in range(len(ORDERS)):
                rng = np.random.default_rng((s, r, o))
                first, second = (rng.integers(0, 4, shape).astype(np.uint8) for shape in ((8, 12), (6, 4)))
                rows, cols = rng.permutation(8), [rng.permutation(12) for _ in range(3)]
                bands = () if s == 0 else (Band(tuple(rows[:3]), tuple(cols[0]), "group 1", 5, 0), Band(tuple(rows[3:6]), tuple(cols[1]), "group 2", 4 * (s == 2), 1),
                                           Band(tuple(rows[6:]), tuple(cols[2]), "", 3, -1))
                under = tuple(str(n) for n in (second > 0).sum(0)) if s == 0 else ()
                drawing = (f'<svg viewBox="0 0 640 120"><rect x="0" y="20" width="{20 + 5 * r}" height="60" fill="var(--added)"/><text x="4" y="110">rate {RATES[r]}</text></svg>'
                           if o else "")
                out.append(Frame(f"Step {s}, rate {RATES[r]}, order {o}: {int((first > 0).sum())} of 96 weights.", (
                    Picture(first, bands, notes=tuple(f"{n} kept" for n in (first == KEPT).sum(1)), bars=tuple((first > 0).mean(1)), rows_strong=(int(rows[0]),),
                            pale=rng.random((8, 12)) < 0.1, strong=rng.random((8, 12)) < 0.05),
                    Picture(second, under=under)), drawing, f"A bar of {RATES[r]}" if o else ""))
    return out


CONTROLS = (Control("Stage", STEPS, "steps"), Control("Rate", RATES, "slider", 4, "of the smallest weights"), Control("Order", ORDERS, "choice"))
'''
