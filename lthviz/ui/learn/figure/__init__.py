"""The live figure of a chapter: frames that were all computed before, and the controls that choose which is shown.

`frames` is what chapters build, `view` what sends it; controls.js holds the controls, matrix.js a small matrix with every number,
drawing.js a drawing, and mount.js puts them together.
"""

from __future__ import annotations

from lthviz.ui.learn.figure.frames import ADDED, KEPT, NEVER, REMOVED, Band, Control, Frame, Matrix, Picture
from lthviz.ui.learn.figure.view import Cell, lesson_figure

__all__ = ["ADDED", "KEPT", "NEVER", "REMOVED", "Band", "Cell", "Control", "Frame", "Matrix", "Picture", "lesson_figure"]
