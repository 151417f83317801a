"""A ticket's masks as a file: bool arrays of the weights' shapes, by parameter name (in .h5: uint8)."""

from __future__ import annotations

from pathlib import Path

from lthviz.exchange import maskfile
from lthviz.exchange import parcel as parcels
from lthviz.exchange.parcel import Parcel


def write(parcel: Parcel, out: Path) -> None:
    """In the format that the suffix names. MaskError where it names none."""
    maskfile.write(out, parcel.masks, parcels.text(parcel))
