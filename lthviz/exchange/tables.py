"""All numbers of a run as tables: data frames, CSV files or Parquet files (columns.py says what they hold)."""

from __future__ import annotations

import dataclasses
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.core import stats
from lthviz.errors import ExchangeError, did_you_mean
from lthviz.exchange.columns import TABLES, Column, readme
from lthviz.records import Round, Run, Timing
from lthviz.store import Store, files
from lthviz.store import parts as several

if TYPE_CHECKING:
    import pandas as pd

Records = Iterable[Mapping[str, Any]]


def write(store: Store, run_id: str, out: Path, format: str) -> None:
    """Every table of a run as `csv` or `parquet`, with a README.txt of the columns: into the folder `out`, or into one archive where it ends in .zip.

    What stands at `out` is replaced once all is made. AddressError, DamagedError and StoreError as the store raises them; ExchangeError for another
    format, or for a folder in whose place something else stands.
    """
    if format not in WRITERS:
        raise ExchangeError(f"tables are not written as {format!r}; {did_you_mean(format, WRITERS)}")
    made = frames(store, run_id)
    parts = {f"{name}.{format}": WRITERS[format](frame, TABLES[name].columns) for name, frame in made.items()}
    parts["README.txt"] = readme(run_id, f".{format}").encode()
    several.write(out, parts, "tables")


def frames(store: Store, run_id: str) -> dict[str, pd.DataFrame]:
    """The tables of a run by name, as columns.TABLES describes them; a table without rows has its columns all the same.

    A column of whole numbers or of truths that has gaps is of pandas' nullable type; a gap among numbers is NaN.
    """
    run = store.run(run_id)
    rounds = [store.round(run_id, k) for k in run.rounds]
    timings = store.timings(run_id)
    records: dict[str, Records] = {
        "rows": run.rows, "layers": _layers(run, rounds), "curves": _curves(store, run, rounds), "timings": map(_timing, timings),
        "timing_layers": _timing_layers(timings), "blocks": _blocks(run, rounds), "settings": _settings(run.config)}
    return {name: _frame(records[name], table.columns) for name, table in TABLES.items()}


# What they hold --------------------------------------------------------------------------------------------------------


def _layers(run: Run, rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    for round in rounds:
        trunk = round.tickets.get(UNSTRUCTURED)
        for label, ticket in round.tickets.items():
            before = trunk.masks if trunk and label != UNSTRUCTURED else None
            for row in stats.layer_rows(ticket, run.layers, before):
                yield {**row, "round": round.index, "structure": label, "layer": row["name"], "shape": json.dumps(row["shape"])}


def _curves(store: Store, run: Run, rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    """Of a training that is not finished, the epochs that the log tells."""
    fields = [c.name for c in TABLES["curves"].columns[2:]]
    there = {r.index: r.tickets for r in rounds} or ({0: {}} if run.layers else {})
    for index, tickets in there.items():
        for label in dict.fromkeys((*run.config.tickets(index), *tickets)):
            curve = tickets[label].curve if label in tickets else None
            lines = [[getattr(e, f) for f in fields] for e in store.epochs(run.id, index, label)] if curve is None else zip(*(getattr(curve, f) for f in fields), strict=True)
            yield from ({"round": index, "structure": label, **dict(zip(fields, line, strict=True))} for line in lines)


def _timing(t: Timing) -> dict[str, Any]:
    value = {f.name: getattr(t, f.name) for f in dataclasses.fields(t)}
    return {**value, "ratio_q1": t.spread[0], "ratio_q3": t.spread[1], "disturbed": "; ".join(t.disturbed) or None,
            "others": files.json_bytes(t.others).decode(), "conditions": files.json_bytes(t.conditions).decode()}


def _timing_layers(timings: Iterable[Timing]) -> Iterator[dict[str, Any]]:
    for t in timings:
        of = {k: getattr(t, k) for k in ("round", "structure", "device", "precision", "threads", "batch")}
        yield from ({**of, **dataclasses.asdict(layer), "layer": layer.name} for layer in t.layers)


def _blocks(run: Run, rounds: Iterable[Round]) -> Iterator[dict[str, Any]]:
    for round in rounds:
        for label, ticket in round.tickets.items():
            for layer in (x.name for x in run.layers if x.name in ticket.blocks):
                found = ticket.blocks[layer]
                for i, (rows, cols) in enumerate(zip(found.rows, found.cols, strict=True)):
                    yield {"round": round.index, "structure": label, "layer": layer, "block": i, "rows": rows.size, "cols": cols.size, "area": rows.size * cols.size}


def _settings(config: RunConfig) -> Iterator[dict[str, Any]]:
    for f in dataclasses.fields(RunConfig):
        yield {"key": f.name, "value": _json(getattr(config, f.name)), "default": _json(f.default)}


def _json(value: Any) -> str:
    def plain(x: Any) -> Any:
        return [plain(y) for y in x] if isinstance(x, tuple) else getattr(x, "label", None) or (x.to_dict() if hasattr(x, "to_dict") else x)
    return json.dumps(plain(value), ensure_ascii=False)


# Frames and files ------------------------------------------------------------------------------------------------------


def _frame(records: Records, columns: tuple[Column, ...]) -> pd.DataFrame:
    import pandas as pd

    lines = list(records)
    return pd.DataFrame({c.name: _series([r.get(c.name) for r in lines], c.kind) for c in columns})


def _series(values: list[Any], kind: type) -> pd.Series:
    import numpy as np
    import pandas as pd

    gaps = any(v is None for v in values)
    if kind is float:
        return pd.Series([np.nan if v is None else v for v in values], dtype="float64")
    return pd.Series(values, dtype={int: "Int64" if gaps else "int64", bool: "boolean" if gaps else "bool", str: "str"}[kind])


def _csv(frame: pd.DataFrame, columns: tuple[Column, ...]) -> bytes:
    return frame.to_csv(index=False, lineterminator="\n").encode()   # floats by their shortest text that reads back as they are


def _parquet(frame: pd.DataFrame, columns: tuple[Column, ...]) -> memoryview:
    """With the types in the file itself and nothing of pandas', so that every reader finds the same."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise ExchangeError("Parquet needs pyarrow: pip install pyarrow; CSV needs nothing more") from None
    kinds = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
    schema = pa.schema([pa.field(c.name, kinds[c.kind], metadata={"unit": c.unit, "meaning": c.meaning}) for c in columns])
    table = pa.Table.from_arrays([pa.Array.from_pandas(frame[c.name], type=kinds[c.kind]) for c in columns], schema=schema)
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getbuffer()


WRITERS: dict[str, Callable[[pd.DataFrame, tuple[Column, ...]], bytes | memoryview]] = {"csv": _csv, "parquet": _parquet}
