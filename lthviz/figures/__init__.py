"""Pictures of what is stored: records in, plotly figures and PNGs out. Nothing here knows streamlit, torch or files.

Each figure `f` has twins: `f_table` (the data, units in the column names), `f_alt` (what is said aloud) and `f_caption`.
"""

from lthviz.figures.accuracy import (
    accuracy_vs_density,
    accuracy_vs_density_alt,
    accuracy_vs_density_caption,
    accuracy_vs_density_table,
)
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_alt, accuracy_curves_caption, accuracy_curves_table
from lthviz.figures.layers import layer_density, layer_density_alt, layer_density_caption, layer_density_table
from lthviz.figures.masks import Counts, data_url, mask_block, mask_counts, mask_png, mask_table, mask_text
from lthviz.figures.measured import Setting, Study, study
from lthviz.figures.order import Band, Order, grouped
from lthviz.figures.speed import (
    alternatives,
    alternatives_alt,
    alternatives_caption,
    alternatives_table,
    layer_times,
    layer_times_alt,
    layer_times_caption,
    layer_times_table,
)
from lthviz.figures.training import loss_curve, loss_curve_alt, loss_curve_caption, loss_curve_table

__all__ = [
    "Band", "Counts", "Order", "Setting", "Study", "accuracy_curves", "accuracy_curves_alt", "accuracy_curves_caption",
    "accuracy_curves_table", "accuracy_vs_density", "accuracy_vs_density_alt", "accuracy_vs_density_caption",
    "accuracy_vs_density_table", "alternatives", "alternatives_alt", "alternatives_caption", "alternatives_table", "data_url",
    "grouped", "layer_density", "layer_density_alt", "layer_density_caption", "layer_density_table", "layer_times",
    "layer_times_alt", "layer_times_caption", "layer_times_table", "loss_curve", "loss_curve_alt", "loss_curve_caption",
    "loss_curve_table", "mask_block", "mask_counts", "mask_png", "mask_table", "mask_text", "study",
]
