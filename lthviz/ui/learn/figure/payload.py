"""What the browser is given of a figure, checked: every frame's cells as digits, and what many frames share but once."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from lthviz.ui.learn.figure.frames import REMOVED, Band, Control, Frame, Matrix, Picture
from lthviz.ui.learn.figure.svg import checked

_KINDS = ("steps", "slider", "choice")


def payload(frames: Sequence[Frame], controls: Sequence[Control], matrices: Sequence[Matrix], key: str) -> dict[str, Any]:
    """A figure as JSON. `pool` holds what frames refer to by its place there. ValueError says what does not fit together, and where."""
    _check_controls(controls)
    places = math.prod(len(c.texts) for c in controls)
    if len(frames) != places:
        raise ValueError(f"{len(frames)} frames for {places} combinations of {' × '.join(str(len(c.texts)) for c in controls) or 'no controls'}")
    pool = _Pool()
    return {"key": key, "controls": [c.__dict__ for c in controls], "matrices": [_matrix(m, i) for i, m in enumerate(matrices)],
            "frames": [_frame(f, i, matrices, pool) for i, f in enumerate(frames)], "pool": pool.values}


def number(value: float) -> str:
    """A weight in two significant digits, under 0.01 in one and four after the point at most: 0.12, −1.3, 0.004, 0.0003; a whole number as it is."""
    value = float(value)
    rounded = float(f"{value:.1e}")
    if value == int(value) or abs(rounded) >= 10:
        text = f"{value:.0f}"
    else:
        small = abs(rounded) < 0.01
        text = f"{value:.{min(4, (0 if small else 1) - math.floor(math.log10(abs(rounded))))}f}"
    text = text.replace("-", "\u2212")
    return text if text.strip("\u22120.") else "0"


class _Pool:
    """Values that are sent once, however many frames have them."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._places: dict[str, int] = {}

    def __call__(self, value: Any) -> int:
        name = value if isinstance(value, str) else json.dumps(value)
        if name not in self._places:
            self._places[name] = len(self.values)
            self.values.append(value)
        return self._places[name]


def _need(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ValueError(otherwise)


def _check_controls(controls: Sequence[Control]) -> None:
    for c in controls:
        _need(c.kind in _KINDS, f"control {c.name!r} has kind {c.kind!r}; it should be one of {', '.join(_KINDS)}")
        _need(len(c.texts) >= 1, f"control {c.name!r} has no places")
        _need(c.kind != "choice" or 2 <= len(c.texts) <= 4, f"choice {c.name!r} has {len(c.texts)} alternatives; it should have two to four")
        _need(0 <= c.start < len(c.texts), f"control {c.name!r} starts at {c.start}; it has {len(c.texts)} places")
    _need(len({c.name for c in controls}) == len(controls), "two controls have the same name")
    _need(sum(c.kind == "steps" for c in controls) <= 1, "two controls of kind 'steps'; the arrow keys can turn one")


def _matrix(m: Matrix, at: int) -> dict[str, Any]:
    where = f"matrix {at} ({m.name!r})"
    rows, columns = m.shape
    _need(rows > 0 and columns > 0, f"{where} has shape {m.shape}")
    for name, given, size in (("rows", m.rows, rows), ("columns", m.columns, columns), ("letters", m.letters, rows), ("heads", m.heads, columns)):
        _need(len(given) in (0, size), f"{where}: {len(given)} {name} for {size}")
    _need(len(m.states) == REMOVED + 1, f"{where}: {len(m.states)} names of states; there are {REMOVED + 1}")
    out = {"name": m.name, "unit": m.unit, "shape": m.shape, "rows": m.rows, "columns": m.columns, "letters": m.letters, "heads": m.heads,
           "states": m.states, "editable": m.editable, "numbers": None}
    if m.values is not None:
        values = np.asarray(m.values, np.float64)
        _need(values.shape == tuple(m.shape), f"{where}: values have shape {values.shape}, not {tuple(m.shape)}")
        _need(not np.isinf(values).any(), f"{where}: a value is not finite")
        sizes = np.nan_to_num(np.abs(values))
        largest = m.largest or float(sizes.max()) or 1.0
        out |= {"numbers": ["" if np.isnan(v) else number(v) for v in values.flat], "levels": np.clip(sizes / largest * 100, 0, 100).round().astype(int).ravel().tolist()}
    return out


def _frame(f: Frame, at: int, matrices: Sequence[Matrix], pool: _Pool) -> dict[str, Any]:
    _need(len(f.pictures) == len(matrices), f"frame {at} has {len(f.pictures)} pictures for {len(matrices)} matrices")
    _need(bool(f.said), f"frame {at} says nothing")
    _need(bool(f.alt) or not f.drawing, f"the drawing of frame {at} has no words for those who do not see it (alt)")
    out: dict[str, Any] = {"said": pool(f.said), "pictures": [_picture(p, m, f"frame {at}, matrix {i}", pool) for i, (p, m) in enumerate(zip(f.pictures, matrices))]}
    if f.drawing:
        out |= {"drawing": pool(checked(f.drawing)), "alt": pool(f.alt)}
    return out


def _picture(p: Picture, m: Matrix, where: str, pool: _Pool) -> dict[str, int]:
    rows, columns = shape = tuple(m.shape)
    _need(isinstance(p.codes, np.ndarray) and p.codes.dtype == np.uint8 and p.codes.shape == shape, f"{where}: codes should be uint8 of shape {shape}")
    _need(p.codes.max() <= REMOVED, f"{where}: code {p.codes.max()}; the last is {REMOVED}")
    _check_bands(p.bands, rows, columns, where)
    _need(len(p.notes) in (0, rows), f"{where}: {len(p.notes)} notes for {rows} rows")
    _need(len(p.bars) in (0, rows) and all(0 <= x <= 1 for x in p.bars), f"{where}: bars should be {rows} numbers from 0 to 1")
    _need(len(p.under) in (0, columns), f"{where}: {len(p.under)} texts under {columns} columns")
    _need(not p.under or len(p.bands) <= 1, f"{where}: text under columns where there are {len(p.bands)} bands")
    _need(all(0 <= r < rows for r in p.rows_strong), f"{where}: chosen rows {p.rows_strong} of {rows}")
    out = {"codes": pool(_digits(p.codes))}
    if p.bands:
        out["bands"] = pool([[*map(_numbers, (b.rows, b.cols)), b.name, int(b.block), int(b.hue)] for b in p.bands])
    for name, given in (("notes", p.notes), ("under", p.under)):
        if any(given):
            out[name] = pool(list(given))
    if p.bars:
        out["bars"] = pool([round(float(x), 4) for x in p.bars])
    if p.rows_strong:
        out["chosen"] = pool(_numbers(p.rows_strong))
    for name, cells in (("pale", p.pale), ("strong", p.strong)):
        if cells is not None:
            _need(cells.dtype == bool and cells.shape == shape, f"{where}: {name} should be bool of shape {shape}")
            if cells.any():
                out[name] = pool(_digits(cells))
    return out


def _check_bands(bands: Sequence[Band], rows: int, columns: int, where: str) -> None:
    if not bands:
        return
    _need(sorted(_numbers([r for b in bands for r in b.rows])) == list(range(rows)), f"{where}: the bands do not have each of {rows} rows once")
    for b in bands:
        _need(len(b.rows) > 0, f"{where}: band {b.name!r} has no rows")
        _need(sorted(_numbers(b.cols)) == list(range(columns)), f"{where}: band {b.name!r} does not have each of {columns} columns once")
        _need(0 <= b.block <= columns, f"{where}: band {b.name!r} has a block of {b.block} of {columns} columns")
        _need(b.hue >= -1, f"{where}: band {b.name!r} has hue {b.hue}")


def _numbers(values: Sequence[int]) -> list[int]:
    return [int(v) for v in values]


def _digits(cells: np.ndarray) -> str:
    return (cells.astype(np.uint8).ravel() + ord("0")).tobytes().decode()
