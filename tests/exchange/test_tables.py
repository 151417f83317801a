"""The tables of a run against what the store says, value by value, and through pandas' own readers."""

import dataclasses
import io
import json
import math
import shutil
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lthviz.config import RunConfig, structure
from lthviz.core import stats
from lthviz.errors import DamagedError, ExchangeError
from lthviz.exchange import columns, tables
from lthviz.records import LayerTiming, Timing
from lthviz.store import Store, log
from lthviz.store.parts import MARK
from tests.shipped import EXAMPLES
from tests.shipped import FIRST as RUN
from tests.speeds import timing


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An example's copy, with timings; one is disturbed and has no estimate."""
    made = Store(tmp_path_factory.mktemp("tables") / "runs")
    shutil.copytree(EXAMPLES / RUN, made.root / RUN)
    run = made.run(RUN)
    for row in run.rows[:4]:
        made.put_timing(RUN, timing(run, dict(row)))
    made.put_timing(RUN, dataclasses.replace(timing(run, dict(run.rows[1]), batch=1), estimated_ms=None, conditions={"others_cores": 1.5, "cpu": "a, \"b\"\nc"}))
    return made


def same(cell, value):
    """Bit for bit; a gap is a gap."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return pd.isna(cell)
    return cell == value and repr(float(cell)) == repr(float(value)) if isinstance(value, float) else cell == value


def check(frame, lines):
    lines = list(lines)
    assert len(frame) == len(lines) > 0
    for name in frame.columns:
        assert all(same(cell, line[name]) for cell, line in zip(frame[name], lines, strict=True)), name


def test_rows_and_curves_are_the_store_s(store):
    made, run = tables.frames(store, RUN), store.run(RUN)
    check(made["rows"], [{c: r.get(c) for c in made["rows"].columns} for r in run.rows])
    rounds = [store.round(RUN, k) for k in run.rounds]
    check(made["curves"], [{"round": r.index, "structure": label, **{f: getattr(t.curve, f)[i].item() for f in t.curve.FIELDS}}
                           for r in rounds for label, t in r.tickets.items() for i in range(t.curve.epoch.size)])


def test_layers_and_blocks_are_counted_from_the_masks(store):
    made, run = tables.frames(store, RUN), store.run(RUN)
    tickets = [(r.index, label, t, r.tickets["unstructured"]) for r in map(lambda k: store.round(RUN, k), run.rounds) for label, t in r.tickets.items()]
    rows = made["layers"].set_index(["round", "structure", "layer"])
    assert len(rows) == len(tickets) * len(run.layers) and rows.index.is_unique
    for k, label, t, before in tickets:
        for layer in run.layers:
            mask, was, row = t.masks[layer.name], before.masks[layer.name], rows.loc[(k, label, layer.name)]
            assert (row.kept, row.density, json.loads(row["shape"])) == (mask.sum(), mask.mean(), list(mask.shape))
            assert (row.added, row.removed) == ((mask & ~was).sum(), (was & ~mask).sum()) if label != "unstructured" else (pd.isna(row.added) and pd.isna(row.removed))
            blocks = t.blocks.get(layer.name)
            mine = made["blocks"].query("round == @k and structure == @label and layer == @layer.name")
            assert row.blocks == len(mine) == (len(blocks) if blocks else 0) and list(mine.block) == list(range(len(mine)))
            assert [tuple(x) for x in mine[["rows", "cols"]].to_numpy()] == [(r.size, c.size) for r, c in zip(blocks.rows, blocks.cols)] if blocks else mine.empty
            assert mine.area.sum() == (blocks.area if blocks else 0)


def test_timings_are_whole(store):
    made, timings = tables.frames(store, RUN), store.timings(RUN)
    known = {c.name for c in columns.TABLES["timings"].columns}
    plain = [f.name for f in dataclasses.fields(Timing) if f.name not in ("layers", "spread", "others", "conditions")]
    assert set(plain) <= known
    check(made["timings"][plain], [{f: getattr(t, f) for f in plain} for t in timings])
    for row, t in zip(made["timings"].itertuples(), timings, strict=True):
        assert (row.ratio_q1, row.ratio_q3) == t.spread and json.loads(row.others) == t.others and json.loads(row.conditions) == t.conditions
        assert pd.isna(row.disturbed) if not t.disturbed else row.disturbed.startswith("other processes kept 1.5 cores busy")
    layers = [f.name for f in dataclasses.fields(LayerTiming) if f.name != "name"]
    check(made["timing_layers"][["batch", "layer", *layers]], [{"batch": t.batch, "layer": x.name, **{f: getattr(x, f) for f in layers}} for t in timings for x in t.layers])


def test_settings_make_the_same_run(store):
    config = store.run(RUN).config
    frame = tables.frames(store, RUN)["settings"]
    read = {k: json.loads(v) for k, v in zip(frame["key"], frame["value"])}
    assert RunConfig(**{**read, "structures": tuple(structure(x) for x in read["structures"])}) == config
    changed = set(frame["key"][frame["value"] != frame["default"]])
    assert changed == set(config.to_dict())


def read_all(folder):
    return {p.stem: (pd.read_csv if p.suffix == ".csv" else pd.read_parquet)(p) for p in sorted(folder.glob("*.[cp]*"))}


def test_csv_and_parquet_read_back_alike_and_exactly(store, tmp_path):
    for format in ("csv", "parquet"):
        tables.write(store, RUN, tmp_path / format, format)
    made, csv, parquet = tables.frames(store, RUN), read_all(tmp_path / "csv"), read_all(tmp_path / "parquet")
    assert set(made) == set(csv) == set(parquet) == set(columns.TABLES)
    for name, frame in made.items():
        pd.testing.assert_frame_equal(csv[name], parquet[name], check_exact=True)
        check(csv[name], frame.astype(object).where(frame.notna(), None).to_dict("records"))
        types = {f.name: str(f.type) for f in pq.read_schema(tmp_path / "parquet" / f"{name}.parquet")}
        assert types == {c.name: {int: "int64", float: "double", bool: "bool", str: "string"}[c.kind] for c in columns.TABLES[name].columns}


def test_an_archive_holds_what_the_folder_does_whenever_it_is_made(store, tmp_path):
    tables.write(store, RUN, tmp_path / "folder", "csv")
    for name in ("a.zip", "b.zip"):
        tables.write(store, RUN, tmp_path / name, "csv")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(io.BytesIO((tmp_path / "a.zip").read_bytes())) as z:
        assert {n: z.read(n) for n in z.namelist()} == {p.name: p.read_bytes() for p in (tmp_path / "folder").iterdir() if p.name != MARK}


def test_the_readme_tells_every_file_and_column_that_is_there(store, tmp_path):
    tables.write(store, RUN, tmp_path / "out", "csv")
    said = (tmp_path / "out" / "README.txt").read_text()
    for p in (tmp_path / "out").glob("*.csv"):
        _, _, part = said.partition(f"\n{p.name}: a row is ")
        part = part.split(".csv: ")[0]
        for name in pd.read_csv(p).columns:
            assert f"\n  {name} " in part, f"{p.name}: {name}"


def test_no_number_of_a_row_is_left_out(store):
    run = store.run(RUN)
    ticket = store.round(RUN, 1).tickets["unstructured"]
    assert [c.name for c in columns.TABLES["rows"].columns] == list(stats.row(ticket, run.layers, 1.0))
    renamed = {"name": "layer"}
    assert {renamed.get(k, k) for k in stats.layer_rows(ticket, run.layers)[0]} - {"short"} <= {c.name for c in columns.TABLES["layers"].columns}


def test_what_is_not_known_is_a_gap(store, monkeypatch, tmp_path):
    """A run from elsewhere may not tell accuracies; an older one not whether it trained smaller."""
    run = store.run(RUN)
    rows = tuple({k: v for k, v in r.items() if k != "smaller"} | ({"test_acc": None, "val_acc": None} if r["round"] else {}) for r in run.rows)
    monkeypatch.setattr(store, "run", lambda _: dataclasses.replace(run, rows=rows))
    frame = tables.frames(store, RUN)["rows"]
    assert frame.test_acc.isna().tolist() == [bool(r["round"]) for r in rows] and frame.smaller.isna().all()
    for format in ("csv", "parquet"):
        tables.write(store, RUN, tmp_path / format, format)
        read = read_all(tmp_path / format)["rows"]
        assert read.smaller.isna().all() and read.test_acc.notna().tolist() == [not r["round"] for r in rows] and read.density.tolist() == [r["density"] for r in rows]


def test_a_run_that_has_not_begun_and_one_at_its_first_training(store, tmp_path):
    begun = Store(tmp_path / "runs")
    run_id = begun.begin(RunConfig(model="convnet", data="digits", epochs=3))
    assert all(frame.empty for name, frame in tables.frames(begun, run_id).items() if name != "settings")
    shutil.copy(EXAMPLES / RUN / "layers.json", begun.root / run_id / "layers.json")
    with open(begun.root / run_id / "events.jsonl", "ab") as f:
        for e in (1, 2):
            f.write(log.line("epoch", round=0, structure="unstructured", epoch=e, epochs=3, train_loss=0.1 / e, train_acc=50.0, val_acc=None, lr=0.1, seconds=1.0) + b"\n")
    curves = tables.frames(begun, run_id)["curves"]
    assert curves.epoch.tolist() == [1, 2] and curves.train_loss.tolist() == [0.1, 0.05] and curves.val_acc.isna().all()


def test_what_goes_wrong_leaves_what_was_there(store, tmp_path):
    with pytest.raises(ExchangeError, match=r"not written as 'xlsx'.*csv, parquet"):
        tables.write(store, RUN, tmp_path / "out", "xlsx")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ExchangeError, match="file is a file, and tables are a folder"):
        tables.write(store, RUN, tmp_path / "file", "csv")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    broken = Store(tmp_path / "runs")
    shutil.copytree(EXAMPLES / RUN, broken.root / RUN)
    file = sorted((broken.root / RUN / "rounds").glob("*.h5"))[1]
    file.write_bytes(file.read_bytes()[:-200])
    with pytest.raises(DamagedError):
        tables.write(broken, RUN, tmp_path / "old", "csv")
    assert {p.name for p in tmp_path.iterdir()} == {"file", "old", "runs"} and (tmp_path / "old" / "mine.txt").read_text() == "mine"
    tables.write(store, RUN, tmp_path / "old", "csv")
    assert {p.name for p in tmp_path.iterdir()} == {"file", "old", "runs"} and not (tmp_path / "old" / "mine.txt").exists()


def test_floats_keep_their_last_bit():
    numbers = np.random.default_rng(0).normal(size=2000) * 10.0 ** np.random.default_rng(1).integers(-300, 300, 2000)
    column = columns.Column("x", float, "", "")
    frame = pd.DataFrame({"x": numbers})
    assert pd.read_csv(io.BytesIO(tables.WRITERS["csv"](frame, (column,)))).x.tolist() == numbers.tolist()
    assert pd.read_parquet(io.BytesIO(tables.WRITERS["parquet"](frame, (column,)))).x.tolist() == numbers.tolist()


def test_text_that_looks_like_a_gap_stays_text(tmp_path):
    """Settings are JSON, so that a folder called NA is no gap."""
    made = Store(tmp_path / "runs")
    run_id = made.begin(RunConfig(data_dir="NA"))
    tables.write(made, run_id, tmp_path / "out", "csv")
    read = pd.read_csv(tmp_path / "out" / "settings.csv").set_index("key")
    assert json.loads(read.value["data_dir"]) == "NA" and json.loads(read.default["data_dir"]) == ""
