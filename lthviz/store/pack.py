"""A whole run as one .h5 file to share, and back. Everything is read and checked before it is written anew."""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import h5py

from lthviz.errors import DamagedError, StoreError, UsageError, VersionError
from lthviz.records import Timing
from lthviz.store import about, files, foreign, hdf5, reading, sealed, timings
from lthviz.store.folders import Folders, Head, valid
from lthviz.store.writing import ROUND

log = logging.getLogger("lthviz")

PACK = "run"
_TEXTS = ("config.json", "layers.json", "events.jsonl")


def image(run: Path, timing_folders: Sequence[Path] = ()) -> memoryview:
    """The bytes of the packed run: config.json, layers.json, events.jsonl and timings as text, and each finished round's group."""
    def fill(f: h5py.File) -> None:
        for name in _TEXTS:
            if (run / name).exists():
                text = (run / name).read_bytes()
                hdf5.put_bytes(f, name, text[:text.rfind(b"\n") + 1] if name == "events.jsonl" else text)
        if (said := _said(run)) != about.About():   # without who asked for it
            hdf5.put_bytes(f, about.FILE, files.json_file(said._asdict()))
        group = f.create_group("rounds", track_order=True)
        for path in sorted((run / "rounds").glob("*.h5")):
            with hdf5.opened(path, ROUND) as source:
                hdf5.verify(path, source)
                source.copy(source["round"], group, path.stem)
        measured, damaged = timings.read_all(timing_folders)
        if damaged:
            raise DamagedError(f"{next(iter(damaged.values()))}; delete that file to pack the rest")
        if measured:
            group = f.create_group("timings", track_order=True)
            for timing in measured:
                hdf5.put_bytes(group, timings.file_name(timing.key), timings.to_bytes(timing))
    return hdf5.image(PACK, {"lthviz": files.version(), "run": run.name}, fill)


def pack(run: Path, out: Path, timing_folders: Sequence[Path] = (), *, overwrite: bool = False) -> Path:
    """Writes `image(run)` to `out`; UsageError when it is there already, or its folder is not."""
    if out.exists() and not overwrite:
        raise UsageError(f"{out} is there already; give another name or ask to overwrite it")
    if not out.parent.is_dir():
        raise UsageError(f"the folder {out.parent} is not there; make it or give another name")
    files.write(out, image(run, timing_folders))
    return out


def unpack(store: Folders, file: Path, source: str = "") -> str:
    """Makes a run's folder from a packed run, or adds its newer timings to the same run; its id. UsageError when the file is no packed run, StoreError when another run
    of that id is here, VersionError and DamagedError as for any file. source: what the file was called, where that is not its name here."""
    if not file.is_file():
        raise UsageError(f"there is no file {str(file)!r}")
    if (kind := hdf5.kind_of(file)) != PACK:
        raise UsageError(f"{file} is not a packed run" + (f" but a {kind} file of one" if kind else "; `lthviz pack` makes one"))
    with hdf5.opened(file, PACK) as f:
        with hdf5.intact(file, "what it holds"):
            foreign.check(f)
        hdf5.verify(file, f)
        run_id, made_by, measured = check(file, f)
        if store.exists(run_id):
            differs = _differs(store.path(run_id), f)
            if not differs:
                for timing in measured:
                    timings.write(store.timing_folders(run_id)[-1], timing)
                return run_id
            if not store.is_example(run_id):
                raise StoreError(f"run {run_id!r} is already here and differs at {differs}; delete it, or unpack elsewhere")
        with store.new_folder(run_id) as folder:
            for name in (*_TEXTS, about.FILE):
                if name in f:
                    files.write(folder / name, f[name][()].tobytes())
            said = _said(folder)._replace(source=about.one_line(source or file.name))   # as it may be shown, whoever wrote the file
            files.write_json(folder / about.FILE, said._asdict())
            for stem in f["rounds"]:
                copy = partial(f.copy, f["rounds"][stem], name="round")
                there = folder / "rounds" / f"{stem}.h5"
                files.write(there, hdf5.image(ROUND, {"lthviz": made_by, "run": run_id}, copy))
                reading.read_round(there, ROUND, int(stem), folder, lazy=False)   # as a page will read it, before it is kept
            for timing in measured:
                timings.write(folder / timings.FOLDER, timing)
    return run_id


def check(file: Path, f: h5py.File) -> tuple[str, str, list[Timing]]:
    """(run id, the lthviz that packed it, its timings) of a packed run; StoreError for what cannot become a run's folder."""
    return *_identity(file, f), _timings(file, f)


def _said(run: Path) -> about.About:
    """What people say of the run, to be shared; nothing, with a warning, where it cannot be read."""
    try:
        return about.read(run)._replace(source="", asked="")
    except (DamagedError, VersionError) as e:
        log.warning("the run goes without its title and note: %s", e)
        return about.About()


def _identity(file: Path, f: h5py.File) -> tuple[str, str]:
    """(run id, the lthviz that packed it), once its settings can be read and nothing in it leads outside of the run's folder."""
    with hdf5.intact(file, "its head"):
        run_id, made_by = (hdf5.text(f, k) for k in ("run", "lthviz"))
        head = sealed.read(f["config.json"][()].tobytes(), f"{file}, its config.json")
        named, stems = head["id"], list(f["rounds"])
    if named != run_id or not valid(run_id):
        raise DamagedError(f"{file} is damaged: its run is called {run_id!r} in its head and {named!r} in its config.json")
    Head.from_dict(head, file, run_id)
    if odd := [s for s in stems if not re.fullmatch(r"[0-9]{3,}", s)]:
        raise DamagedError(f"{file} is damaged: {odd[0]!r} is not the number of a round")
    return run_id, made_by


def _timings(file: Path, f: h5py.File) -> list[Timing]:
    with hdf5.intact(file, "/timings"):
        texts = {name: f["timings"][name][()].tobytes() for name in f.get("timings", ())}
    wheres = {name: f"{file}, its timing {name}" for name in texts}
    return [timings.of(sealed.read(text, wheres[name]), wheres[name]) for name, text in texts.items()]


def _differs(run: Path, packed: h5py.File) -> str:
    """The first thing in which a run on disk and a packed one differ, '' when there is none; timings and what people say of it are no part of what a run is, nor is
    the format in which its settings are written."""
    with h5py.File(io.BytesIO(image(run)), "r") as mine:
        heads = [{k: v for k, v in sealed.read(f["config.json"][()].tobytes(), "config.json").items() if k not in ("format", "lthviz")} for f in (mine, packed)]
        return hdf5.same(mine, packed, but=("timings", about.FILE, "config.json")) or ("" if heads[0] == heads[1] else "/config.json")
