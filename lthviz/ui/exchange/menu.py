"""The forms in which a ticket and a run go out, as people choose among them: in groups, each with what reads it."""

from __future__ import annotations

from typing import NamedTuple

from lthviz.exchange.formats import FORMATS


class Form(NamedTuple):
    """suffix: of the file that is made here. words: what it is. by: what reads it. needs_weights: whether the ticket's weights must have been kept.
    whole: of the whole run, not of one ticket."""

    name: str
    suffix: str
    words: str
    by: str
    needs_weights: bool = False
    whole: bool = False


READ_BY = {
    "masks-npz": "numpy.load, `lthviz refill` and `lthviz regroup`", "masks-safetensors": "safetensors, in any framework", "masks-torch": "torch.load with weights_only",
    "masks-h5": "h5py and any other reader of HDF5",
    "safetensors": "safetensors; load_state_dict of the same architecture", "state-dict": "load_state_dict of the same architecture",
    "torch-prune": "load_state_dict of a network that torch.nn.utils.prune has pruned",
    "module": "Python with torch, without lthviz", "onnx": "ONNX Runtime, TensorRT, OpenVINO, Core ML tools", "torch-export": "torch.export.load, AOTInductor, ExecuTorch"}
"""What reads each form of one ticket; the forms themselves say what they are."""
WHOLE = (
    Form("csv", ".zip", "every table of the run as CSV: results, layers, curves, timings, blocks, settings", "spreadsheets, R, pandas", whole=True),
    Form("parquet", ".zip", "the same tables as Parquet, with their types", "pandas, Polars, DuckDB, Arrow", whole=True),
    Form("figures", ".zip", "the figures, a file each, for a paper or slides", "any browser, LaTeX, an editor of vector graphics", whole=True),
    Form("report", ".html", "the run as one page with live figures, without a network connection", "any browser", whole=True),
    Form("bundle", ".h5", "the whole run in one file: masks, weights that were kept, curves, timings", "`lthviz unpack`, and this page elsewhere", whole=True))
_OF = {"Masks": ("masks-npz", "masks-safetensors", "masks-torch", "masks-h5"), "Weights": ("safetensors", "state-dict", "torch-prune"),
       "For deployment": ("onnx", "module", "torch-export")}


def groups() -> dict[str, list[Form]]:
    """Forms by the group's name, those of one ticket first."""
    out = {title: [_form(name) for name in names if name in FORMATS] for title, names in _OF.items()}
    if more := [_form(name) for name in FORMATS if not any(name in names for names in _OF.values())]:
        out["Others"] = more
    out["Tables and figures"] = [f for f in WHOLE if f.name in ("csv", "parquet", "figures")]
    out["The whole run"] = [f for f in WHOLE if f.name in ("report", "bundle")]
    return out


def forms() -> dict[str, Form]:
    """All of them by name."""
    return {f.name: f for group in groups().values() for f in group}


def _form(name: str) -> Form:
    f = FORMATS[name]
    return Form(name, f.suffix, f.words, READ_BY.get(name, ""), f.needs_weights)
