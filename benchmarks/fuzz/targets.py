"""Every reader of bytes from outside: what it is given, by which process of the app it is run, and how real files are changed for it."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.fuzz import formats, hostile, seeds
from benchmarks.fuzz.values import changed_bytes, changed_json, changed_lines, changed_words

Reader = Callable[[bytes], Iterable[str] | None]
"""Reads an input, and gives back sentences that would be shown."""
SERVER, CHILD, WORKER, TERMINAL = "server", "child", "worker", "terminal"
"""Who reads it in the app: the process that serves pages, a child with limits, the process that trains, or only what a user types."""


@dataclass(frozen=True)
class Target:
    """seeds: real files. open: makes the reader, in the process that reads; its folder is the only one where anything may be written.
    change: how inputs are made of other inputs."""

    name: str
    where: str
    seeds: Callable[[], list[bytes]]
    open: Callable[[Path], Reader]
    change: Callable[[random.Random, bytes], bytes]


# Tensors -----------------------------------------------------------------------------------------------------------------


def _tensors(suffix: str, folder: Path) -> Reader:
    from lthviz.exchange.intake import tensors

    file = folder / f"input{suffix}"

    def read(data: bytes) -> list[str]:
        file.write_bytes(data)
        found = tensors.read(file)
        for tensor in (*found.tensors.values(), *(t for more in found.more.values() for t in more.values())):
            if tensor.dtype in tensors.MASKS:
                tensor.read()
        if found.about is not None:
            found.about.blocks_of(seeds.masks())
        return [*found.tensors, *found.said]
    return read


def _masks(folder: Path) -> Reader:
    from lthviz.exchange import maskfile

    suffixes = (".npz", ".safetensors", ".pt", ".h5")

    def read(data: bytes) -> None:
        file = folder / f"input{suffixes[(data or bytes(1))[0] % 4]}"
        file.write_bytes(data[1:])
        for act in (maskfile.read, maskfile.read_weights, maskfile.description, partial(maskfile.read_weights, masks=seeds.masks())):
            _tried(partial(act, file))
    return read


def _network(folder: Path) -> Reader:
    from lthviz.exchange import intake

    suffixes = (".pt", ".safetensors", ".npz")

    def read(data: bytes) -> Iterable[str]:
        file = folder / f"input{suffixes[(data or bytes(1))[0] % 3]}"
        file.write_bytes(data[1:])
        found = intake.look(file, intake.Asked(model="convnet", data="digits"))
        return found.said
    return read


def _folder(folder: Path) -> Reader:
    from lthviz.exchange.intake import folders

    def read(data: bytes) -> list[str]:
        place = _put(folder / "given", data)
        if place is None:
            return []
        found = folders.read(place)
        return [found.kind, found.model, found.data, *(f"{x.round}" for x in found.levels)]
    return read


def _put(place: Path, data: bytes) -> Path | None:
    """Files of an input in a fresh folder; None where no file system could hold them."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        for name, content in formats.folder_of(data).items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(content)
    except (OSError, ValueError, TypeError, RecursionError):
        return None
    return place


def _image(folder: Path) -> Reader:
    from lthviz.nn import decode

    file = str(folder / "input.png")

    def read(data: bytes) -> None:
        Path(file).write_bytes(data)
        _tried(lambda: decode.check([file]))
        _tried(lambda: decode.headers([file]))
        decode.pixels([file], (8, 8), "RGB")
    return read


# The store ---------------------------------------------------------------------------------------------------------------


def _here(folder: Path, *, rounds: bool = True) -> tuple[Any, str, Path]:
    """A store with the run that the seeds are of: (store, its id, its folder). rounds: its HDF5 files too."""
    from lthviz.store import Store

    store, run_id = Store(folder / "runs", examples=folder / "none"), seeds.run()["id"].decode()
    for name, content in seeds.run().items():
        if name not in ("id", "packed") and (rounds or not name.endswith(".h5")):
            (store.root / run_id / name).parent.mkdir(parents=True, exist_ok=True)
            (store.root / run_id / name).write_bytes(content)
    return store, run_id, store.root / run_id


def _of_run(name: str, folder: Path) -> Reader:
    """One file of the run is the input; the run is looked at as every page does."""
    from lthviz.errors import StoreError
    from lthviz.store.brief import Briefs

    store, run_id, path = _here(folder, rounds=False)

    def read(data: bytes) -> list[str]:
        (path / name).write_bytes(data)
        found, broken = Briefs(store).all()
        said = list(broken.values())
        for brief in found:
            said += [brief.title, brief.source, brief.status.message]
        try:
            run = store.run(run_id)
            status = store.status(run_id)
            said += [run.title, run.preset, status.message, *run.info.get("damaged", {}).values()]
            store.timings(run_id)
            store.epochs(run_id, 1, "unstructured")
            store.warnings(run_id)
        except StoreError as e:
            said.append(str(e))
        return said
    return read


def _round(kind: str, folder: Path) -> Reader:
    from lthviz.store import reading

    file = folder / "input.h5"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        outline = reading.read_outline(file, kind)
        _tried(lambda: reading.read_ticket(file, kind, outline.index, "unstructured", folder))
        _tried(lambda: reading.read_layer(file, kind, outline.index, "unstructured", "weights", "conv.weight"))
        if kind == "checkpoint":
            _tried(lambda: reading.checkpoint_parts(file))
            reading.read_checkpoint(file, folder)
        else:
            reading.read_round(file, kind, outline.index, folder, lazy=False)
    return read


def _packed(folder: Path) -> Reader:
    from lthviz.store import Store

    file = folder / "input.h5"

    def read(data: bytes) -> list[str]:
        file.write_bytes(data)
        shutil.rmtree(folder / "runs", ignore_errors=True)
        store = Store(folder / "runs", examples=folder / "none")
        run = store.run(store.unpack(file, source="a\x1b[31m.h5"))
        for k in run.rounds:
            if str(k) not in run.info.get("damaged", {}):
                store.round(run.id, k)
        return [run.title, *run.info.get("damaged", {}).values()]
    return read


def _sweeps(folder: Path) -> Reader:
    from lthviz.store import Store

    store, file = Store(folder, examples=folder / "none"), folder / ".sweeps" / "a.json"
    file.parent.mkdir()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        store.sweeps()
        store.sweep("a")
    return read


def _queue(name: str, folder: Path) -> Reader:
    from lthviz.store import queue

    def read(data: bytes) -> list[str]:
        (folder / name).write_bytes(data)
        queue.progress(folder)
        queue.requests(folder)
        return list(queue.damaged(folder).values())
    return read


def _request_of_a_run(folder: Path) -> Reader:
    store, run_id, path = _here(folder)

    def read(data: bytes) -> list[str]:
        (path / "request").write_bytes(data)
        return [store.take_request(run_id)]
    return read


# Texts -------------------------------------------------------------------------------------------------------------------


def _preset(folder: Path) -> Reader:
    from lthviz.store import presets

    file = folder / ".presets" / "mine.toml"
    file.parent.mkdir()

    def read(data: bytes) -> list[str]:
        file.write_bytes(data)
        presets.own(folder)
        said = list(presets.broken(folder).values())
        presets.find(folder, "mine")
        return said
    return read


def _study(folder: Path) -> Reader:
    from lthviz.sweep import grid

    file = folder / "input.toml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        grid.read(file)
    return read


def _settings(folder: Path) -> Reader:
    from lthviz.config import RunConfig, read_toml

    file = folder / "input.toml"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        RunConfig().replace(**read_toml(file))
    return read


def _course(folder: Path) -> Reader:
    from lthviz.ui.learn import course

    def read(data: bytes) -> list[str]:
        (folder / course.FILE).write_bytes(data)
        course.read(folder)
        return []
    return read


def _gallery(folder: Path) -> Reader:
    from lthviz.ui import entries

    def read(data: bytes) -> None:
        (folder / entries.FILE).write_bytes(data)
        for entry in entries.read(folder):
            entry.of([])
            entries.notice(entry, {"dense": "93.1"})
    return read


def _label(folder: Path) -> Reader:
    from lthviz import methods

    def read(data: bytes) -> list[str]:
        made = methods.structure(data.decode(errors="replace"))
        methods.structure(made.label)
        return [made.label, made.name]
    return read


def _word(folder: Path) -> Reader:
    from lthviz.commands import apply, differences, run_command
    from lthviz.config import RunConfig

    def read(data: bytes) -> list[str]:
        made = apply(RunConfig(), data.decode(errors="replace").split("\n"))
        return [*differences(made, RunConfig()), run_command(made)]
    return read


def _described(folder: Path) -> Reader:
    from lthviz.exchange import parcel

    def read(data: bytes) -> None:
        parcel.read(data, "it").blocks_of(seeds.masks())
    return read


def _address(folder: Path) -> Reader:
    """What a link asks for, on every page that has an address of its own."""
    import streamlit as st

    from lthviz.ui import branch, curves, measure, studies, where
    from lthviz.ui.compare import page as compare
    from lthviz.ui.exchange import outgoing
    from lthviz.ui.masks import against, picture
    from lthviz.ui.tune import address

    store, run_id, _ = _here(folder)
    run, now = store.run(run_id), store.round(run_id, 1)
    there = where.positions(run.config, run.rounds, None)
    labels = list(now.tickets)
    asked: dict[str, Any] = {}
    params = _Params(asked)
    where.st = compare.st = studies.st = curves.st = _Streamlit(st, params)
    against._masks = lambda address: store.ticket(address).masks

    def read(data: bytes) -> list[str]:
        try:
            value = json.loads(data)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        asked.clear()
        # an address is text, and a browser and the server make UTF-8 of it
        asked.update({str(k): str(v).encode(errors="replace").decode().replace("RUN", run_id) for k, v in value.items() if len(str(v)) < 20_000})
        said: list[str] = []
        text = where.text
        place, more = where.find(run.config, there, text("round"), text("stage"))
        said += more
        layer, more = where.find_layer(run.layers, text("layer"))
        said += more
        label, more = where.find_ticket(run.config, labels, place.round, text("ticket"))
        said += more + picture.find_window(text("window"), layer, 9)[1] + picture.find_selected(text("select"), layer, None)[1]
        said += address.asked(run)[1] + measure.asked(store.timings(run_id))[1] + studies.tolerance()[1] + compare._density()[1] + compare._baseline([run_id])[1]
        said += against.find(run, now, label if label in labels else labels[0], text("against")).said
        if text("of"):
            compare.asked()
        said += outgoing._round(run, run.rounds)[1] + branch._round(run, 1)[1]
        return said
    return read


class _Params(dict):
    """Query parameters as streamlit has them."""

    def __init__(self, asked: dict[str, Any]) -> None:
        self.asked = asked

    def get(self, name: str, default: str = "") -> str:
        return self.asked.get(name, default)

    def get_all(self, name: str) -> list[str]:
        return [self.asked[name]] if name in self.asked else []


class _Streamlit:
    """streamlit with other query parameters."""

    def __init__(self, real: Any, params: _Params) -> None:
        self._real, self.query_params = real, params

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def _tried(act: Callable[[], Any]) -> None:
    """Where one of the project's errors need not end the rest."""
    from lthviz.errors import LthvizError

    try:
        act()
    except (LthvizError, FileNotFoundError) as e:
        assert isinstance(e, FileNotFoundError) or str(e).isprintable(), str(e)


def _inside(name: str) -> Callable[[random.Random, bytes], bytes]:
    return formats.torch_zip if name.endswith((".pth", ".tar")) else changed_words


def _one(name: str) -> Callable[[], list[bytes]]:
    return lambda: [next(v for k, v in sorted(seeds.run().items(), reverse=True) if k.startswith(name))]


def _timing_file() -> str:
    return next(k for k in seeds.run() if k.startswith("timings/"))


TARGETS: dict[str, Target] = {t.name: t for t in (
    Target("torch", CHILD, lambda: seeds.as_torch() + hostile.torch_files(), partial(_tensors, ".pt"), formats.torch_zip),
    Target("torch-legacy", CHILD, lambda: seeds.as_torch(legacy=True), partial(_tensors, ".pt"), formats.pickled),
    Target("safetensors", CHILD, seeds.as_safetensors, partial(_tensors, ".safetensors"), formats.safetensors),
    Target("npz", CHILD, lambda: seeds.as_npz() + hostile.archives(), partial(_tensors, ".npz"), formats.npz),
    Target("hdf5", CHILD, lambda: seeds.as_hdf5() + list(hostile.hdf5_files().values()), partial(_tensors, ".h5"), formats.hdf5),
    Target("masks", TERMINAL, seeds.as_masks, _masks, formats.chosen(formats.npz, formats.safetensors, formats.torch_zip, formats.hdf5)),
    Target("network", CHILD, seeds.networks, _network, formats.chosen(formats.torch_zip, formats.safetensors, formats.npz)),
    Target("description", CHILD, lambda: [json.dumps(seeds.SAYS).encode()], _described, changed_json),
    Target("openlth", CHILD, seeds.openlth, _folder, formats.folder(_inside, ("level_2/main/logger", "level_1", "level_0/mask.pth", "level_999/main/mask.pth", "level_1/main/model_ep9_it9.pth", "hparams.log", "replicate_1/level_0/x"))),
    Target("released", CHILD, seeds.released, _folder, formats.folder(_inside, ("2checkpoint.pth.tar", "999checkpoint.pth.tar", "0model_SA_best.pth.tar", "x"))),
    Target("image", WORKER, seeds.images, _image, changed_bytes),
    Target("round", SERVER, _one("rounds/"), partial(_round, "round"), formats.hdf5),
    Target("checkpoint", SERVER, _one("checkpoint.h5"), partial(_round, "checkpoint"), formats.hdf5),
    Target("packed", CHILD, _one("packed"), _packed, formats.hdf5),
    Target("config-json", SERVER, _one("config.json"), partial(_of_run, "config.json"), changed_json),
    Target("layers-json", SERVER, _one("layers.json"), partial(_of_run, "layers.json"), changed_json),
    Target("about-json", SERVER, _one("about.json"), partial(_of_run, "about.json"), changed_json),
    Target("heartbeat-json", SERVER, _one("heartbeat.json"), partial(_of_run, "heartbeat.json"), changed_json),
    Target("timing-json", SERVER, _one("timings/"), lambda folder: _of_run(_timing_file(), folder), changed_json),
    Target("events", SERVER, _one("events.jsonl"), partial(_of_run, "events.jsonl"), changed_lines),
    Target("sweep-json", SERVER, lambda: [seeds.sweep()], _sweeps, changed_json),
    Target("measure-request", SERVER, lambda: [seeds.request()], partial(_queue, "a.request"), changed_json),
    Target("measure-progress", SERVER, lambda: [seeds.progress()], partial(_queue, "progress.json"), changed_json),
    Target("request", WORKER, lambda: [b"pause", b"cancel", b"resume"], _request_of_a_run, changed_words),
    Target("preset", SERVER, seeds.presets_toml, _preset, changed_words),
    Target("study", SERVER, lambda: [seeds.STUDY], _study, changed_words),
    Target("settings", TERMINAL, lambda: [b'model = "convnet"\nepochs = 3\nmilestones = [1, 2]\n[[structures]]\nkind = "refill"\nrho = 0.2\n'], _settings, changed_words),
    Target("course", SERVER, lambda: [seeds.COURSE], _course, changed_words),
    Target("gallery", SERVER, lambda: [seeds.GALLERY], _gallery, changed_words),
    Target("label", SERVER, lambda: list(seeds.LABELS), _label, changed_words),
    Target("setting-words", SERVER, lambda: [b"epochs=5\nmilestones=[1,2]\nstructures=refill-rho=0.2,regroup\nlr=0.1\ndata_dir=x"], _word, changed_words),
    Target("address", SERVER, lambda: [json.dumps(seeds.ADDRESS).encode()], _address, changed_json),
)}
