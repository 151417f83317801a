"""What the tables of a run hold: every table and column once, with its kind, unit and meaning. Frames, files and their README are made from this."""

from __future__ import annotations

from typing import NamedTuple


class Column(NamedTuple):
    """kind: int, float, bool or str. unit: '' where the meaning says all."""

    name: str
    kind: type
    unit: str
    meaning: str


class Table(NamedTuple):
    """meaning: what one row is."""

    meaning: str
    columns: tuple[Column, ...]


_ROUND = Column("round", int, "", "pruning round; 0 is the dense network")
_STRUCTURE = Column("structure", str, "", "the ticket's structure by its label; unstructured is the round's magnitude-pruned ticket, in round 0 the dense network")
_LAYER = Column("layer", str, "", "parameter name of the layer's weight")
_WHERE = (_ROUND, _STRUCTURE, Column("device", str, "", "what it was timed on"), Column("precision", str, "", "arithmetic of the forward pass"),
          Column("threads", int, "", "CPU threads"), Column("batch", int, "images", "images of a forward pass"))

TABLES: dict[str, Table] = {
    "rows": Table("a trained ticket", (
        _ROUND, _STRUCTURE,
        Column("density", float, "share", "prunable weights that its masks keep, over all prunable weights"),
        Column("effective_density", float, "share", "the same after weights that read removed channels are left out"),
        Column("coverage", float, "share", "kept weights that lie in dense blocks"),
        Column("coverage_layers", float, "share", "prunable layers that have a dense block"),
        Column("flops_ratio", float, "share", "multiply-adds left in the prunable layers, over the dense ones"),
        Column("test_acc", float, "percent", "accuracy on the test images after training"),
        Column("val_acc", float, "percent", "accuracy on the validation images in the last epoch; empty where none are held out"),
        Column("dense_acc", float, "percent", "test accuracy of the run's dense network"),
        Column("seconds", float, "seconds", "of its training, its last test included"),
        Column("smaller", bool, "", "whether it was trained as its physically smaller network; empty in older runs"),
        Column("epoch_seconds", float, "seconds", "median of its epochs without the first; empty where it has one only"))),
    "layers": Table("a layer of a ticket", (
        _ROUND, _STRUCTURE, _LAYER, Column("shape", str, "JSON", "of the weight: (C_out, C_in/groups, kh, kw), or (out, in) of a linear layer"),
        Column("rows", int, "", "rows of the weight read as a matrix: output channels"),
        Column("cols", int, "", "columns of that matrix"),
        Column("density", float, "share", "kept weights of the layer"),
        Column("effective_density", float, "share", "the same after weights that read removed channels are left out"),
        Column("coverage", float, "share", "kept weights that lie in the layer's dense blocks"),
        Column("blocks", int, "", "dense blocks of the layer"),
        Column("kept", int, "weights", "that the mask keeps"),
        Column("added", int, "weights", "kept here and not by the unstructured ticket of the round; empty of that ticket itself"),
        Column("removed", int, "weights", "kept by the unstructured ticket of the round and not here; empty of that ticket itself"),
        Column("removed_channels", int, "", "output channels that are removed with their BatchNorm"))),
    "curves": Table("an epoch of a ticket's training", (
        _ROUND, _STRUCTURE, Column("epoch", int, "", "epochs done, from 1; a rewound ticket begins behind the rewinding step"),
        Column("train_loss", float, "", "mean cross-entropy over the epoch's augmented batches as they were trained"),
        Column("train_acc", float, "percent", "accuracy over the same batches"),
        Column("val_acc", float, "percent", "accuracy on the validation images after the epoch; empty where none are held out"),
        Column("lr", float, "", "learning rate of the epoch's last update"),
        Column("seconds", float, "seconds", "training and validation"))),
    "timings": Table("a measured inference time of a ticket against the fastest dense form of its network", (
        *_WHERE,
        Column("dense_ms", float, "milliseconds", "median forward pass of the dense network"),
        Column("ticket_ms", float, "milliseconds", "median forward pass of the ticket"),
        Column("time_ratio", float, "", "median of the pairs' ratios, ticket over dense"),
        Column("ratio_q1", float, "", "lower quartile of those ratios"),
        Column("ratio_q3", float, "", "upper quartile of those ratios"),
        Column("n", int, "", "pairs that were timed"),
        Column("flops_ratio", float, "share", "multiply-adds left in the prunable layers, dead inputs removed, over the dense ones"),
        Column("max_abs_err", float, "share", "largest difference from the masked dense network's outputs, of their scale"),
        Column("baseline", str, "", "the dense form compared with"),
        Column("executor", str, "", "what ran the ticket"),
        Column("estimated_ms", float, "milliseconds", "predicted by the machine's calibration, not measured; empty without one"),
        Column("disturbed", str, "", "why the figures are doubtful; empty where the machine was at rest"),
        Column("time", float, "seconds since 1970", "when it was measured"),
        Column("others", str, "JSON, milliseconds", "medians of every dense form"),
        Column("conditions", str, "JSON", "machine, load, versions and how it was measured"))),
    "timing_layers": Table("a layer of a measured ticket, timed alone", (
        *_WHERE, _LAYER, Column("kept", int, "weights", "really left, dead inputs removed"),
        Column("flops_ratio", float, "share", "its multiply-adds over the dense layer's"),
        Column("dense_ms", float, "milliseconds", "of the dense layer"),
        Column("ticket_ms", float, "milliseconds", "of the ticket's layer"),
        Column("executor", str, "", "what runs it in the ticket"))),
    "blocks": Table("a dense block", (
        _ROUND, _STRUCTURE, _LAYER, Column("block", int, "", "its number in the layer, from 0"),
        Column("rows", int, "", "rows of the block"),
        Column("cols", int, "", "columns of the block"),
        Column("area", int, "weights", "in the block: rows times columns"))),
    "settings": Table("a setting of the run", (
        Column("key", str, "", "name of the setting, as in --set KEY=VALUE"),
        Column("value", str, "JSON", "what the run was made with; structures by their labels"),
        Column("default", str, "JSON", "what it is where nothing is said"))),
}

_KINDS = {int: "whole number", float: "number", bool: "true or false", str: "text"}


def readme(run_id: str, suffix: str) -> str:
    """What every file and column holds, as plain text. suffix: of the tables' files, with its dot."""
    lines = [f"Tables of the lthviz run {run_id}. An empty cell is a value that is not known.",
             "Shares are 0 to 1. Columns of JSON are read with any JSON parser.", ""]
    for name, table in TABLES.items():
        width = max(len(c.name) for c in table.columns)
        lines += [f"{name}{suffix}: a row is {table.meaning}", ""]
        lines += [f"  {c.name:<{width}}  {_KINDS[c.kind]}{', ' + c.unit if c.unit else ''}: {c.meaning}" for c in table.columns] + [""]
    return "\n".join(lines)
