"""What no file from outside may do, whatever it is called and whoever made it; and what fuzzing has found, each as the file that showed it."""

import ast
import io
import json
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from benchmarks.fuzz import hostile, seeds
from benchmarks.fuzz.values import DEEP, HUGE, to_json
from lthviz.cli import main
from lthviz.errors import LONGEST, ConfigError, DamagedError, ExchangeError, LthvizError, MaskError, in_a_line
from lthviz.exchange import maskfile
from lthviz.exchange.intake import tensors
from lthviz.records import Masks
from lthviz.store import Store, presets
from lthviz.ui import where

ROOT = Path(__file__).resolve().parents[2]
HDF5 = {"external link": "points to another place", "soft link": "points to another place", "soft link out": "points to another place", "virtual dataset": "other files or places", "external storage": "other files or places",
        "references": "references", "variable length": "lists of any length", "a group inside itself": "inside of itself", "groups in groups": "inside of one another", "user-defined filter": "filters that are not run",
        "lzf": "filters that are not run", "scale-offset": "filters that are not run", "absurd shape": "more than there can be", "absurd chunks": "more than there can be", "deflated twice": "filters that are not run"}


@pytest.mark.parametrize("name", HDF5)
def test_hdf5_from_outside(tmp_path, name):
    file = tmp_path / "a.h5"
    file.write_bytes(hostile.hdf5_files(str(tmp_path / "outside"))[name])
    for read, error in ((tensors.read, ExchangeError), (maskfile.read, MaskError), (maskfile.read_weights, MaskError)):
        with pytest.raises(error, match=HDF5[name]) as e:
            read(file)
        assert str(e.value).isprintable()
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]


@pytest.mark.parametrize("name", HDF5)
def test_a_packed_run_with_the_same_in_it(tmp_path, name):
    """What a stranger puts beside the runs of a packed one is refused before any of it is kept."""
    file, store = tmp_path / "a.h5", Store(tmp_path / "runs", tmp_path / "none")
    file.write_bytes(seeds.run()["packed"])
    with h5py.File(io.BytesIO(hostile.hdf5_files(str(tmp_path / "outside"))[name])) as bad, h5py.File(file, "a") as f:
        for key in bad:
            link = bad.get(key, getlink=True)
            if isinstance(link, h5py.HardLink) and name != "a group inside itself":
                bad.copy(key, f["rounds"], f"extra-{key}")
            else:
                f["rounds"][f"extra-{key}"] = f["rounds"] if isinstance(link, h5py.HardLink) else link
    with pytest.raises(DamagedError, match=HDF5[name]):
        store.unpack(file)
    assert store.runs() == [] and store.broken() == {} and not (tmp_path / "outside").exists()


def test_archives_from_outside(tmp_path):
    good = 0
    for i, data in enumerate(hostile.archives(str(tmp_path / "outside"))):
        file = tmp_path / f"{i}.npz"
        file.write_bytes(data)
        for read, error in ((lambda f: [t.read() for t in tensors.read(f).tensors.values()], ExchangeError), (maskfile.read, MaskError)):
            try:
                read(file)
                good += 1
            except error as e:
                assert str(e).isprintable()
    assert good == 1 and not list(tmp_path.glob("**/outside*"))      # a bomb that is just an array of zeros may be read, as one


@pytest.mark.parametrize("name", ["../../outside.npy", "/tmp/outside.npy", "..\\outside.npy", "a/../../outside.npy"])
@pytest.mark.parametrize("read", [tensors.read, maskfile.read], ids=["import", "masks"])
def test_members_that_lead_outside(tmp_path, name, read):
    array = io.BytesIO()
    np.save(array, np.ones((2, 2)))
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as z:
        z.writestr(name, array.getvalue())
    with pytest.raises(LthvizError, match="leads outside of it"):
        read(tmp_path / "a.npz")


def test_more_than_there_is(tmp_path):
    """An array that says so of its shape; members that lie over one another."""
    for data, words in ((hostile.lying(), "which is not what is there"), (hostile.overlapping(), "lie over one another|two members|cut short")):
        (tmp_path / "a.npz").write_bytes(data)
        with pytest.raises(ExchangeError, match=words):
            tensors.read(tmp_path / "a.npz")


def test_nothing_is_unpickled_but_tensors(tmp_path):
    outside = tmp_path / "outside"
    for i, data in enumerate(hostile.torch_files(str(outside))):
        file = tmp_path / f"{i}.pt"
        file.write_bytes(data)
        for read, error in ((tensors.read, ExchangeError), (maskfile.read, MaskError), (maskfile.description, MaskError)):
            with pytest.raises(error, match=r"Python objects \((builtins|io|_io)\.open\)"):
                read(file)
    assert not outside.exists()
    with pytest.raises(Exception, match="open"):
        torch.load(tmp_path / "0.pt", weights_only=True)


@pytest.mark.parametrize("name", ["data_batch_1", "batches.meta"])
def test_a_data_set_of_pickles_is_the_authors_or_is_not_opened(tmp_path, name):
    """CIFAR's files: torchvision opens what has the MD5 that stands in its source."""
    import pickle

    from lthviz.config import RunConfig
    from lthviz.errors import DataError
    from lthviz.nn.datasets import cifar, download

    folder, outside = tmp_path / "cifar-10-batches-py", tmp_path / "outside"
    folder.mkdir()
    (folder / name).write_bytes(pickle.dumps(hostile.Evil(str(outside))))
    with download.none(), pytest.raises(DataError, match="incomplete or damaged"):
        cifar.read_10(RunConfig(data="cifar10", data_dir=str(tmp_path)))
    assert not outside.exists()


ALLOWED = {"pickle": {"lthviz/nn/world.py", "lthviz/nn/datasets/download.py", "lthviz/exchange/opening.py"}, "torch.load": {"lthviz/exchange/opening.py"}}


@pytest.mark.parametrize("path", sorted([*ROOT.glob("lthviz/**/*.py"), *ROOT.glob("pages/*.py"), ROOT / "app.py"]), ids=lambda p: str(p.relative_to(ROOT)))
def test_the_sources_unpickle_nothing(path):
    text, name = path.read_text(), path.relative_to(ROOT).as_posix()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            called = ast.unparse(node.func)
            options = {k.arg: ast.unparse(k.value) for k in node.keywords}
            if called == "torch.load":
                assert name in ALLOWED["torch.load"] and options["weights_only"] == "True"
            if called in ("np.load", "numpy.load"):
                assert options.get("allow_pickle", "False") == "False"
            assert called not in ("shutil.unpack_archive", "tarfile.open", "marshal.loads", "shelve.open", "yaml.load") and node.func.attr not in ("extractall", "extract_archive"), called
            assert called not in ("pickle.load", "pickle.Unpickler") and (called != "pickle.loads" or name == "lthviz/nn/world.py")
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = {a.name for a in node.names} | {getattr(node, "module", "")}
            assert not names & {"dill", "cloudpickle", "joblib", "shelve", "marshal"} and ("pickle" not in names or name in ALLOWED["pickle"])


# Found by fuzzing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000, "x.y = " + "{a=" * 3000], ids=["deep", "endless", "tables"])
def test_toml_too_deep_or_with_an_endless_number(tmp_path, text):
    """RecursionError and ValueError of tomllib, in every file that is TOML."""
    from lthviz.config import RunConfig, assignments, read_toml
    from lthviz.sweep import grid
    from lthviz.ui import entries
    from lthviz.ui.learn import course

    for name in ("a.toml", course.FILE, entries.FILE, ".presets/mine.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    for read in (lambda: read_toml(tmp_path / "a.toml"), lambda: grid.read(tmp_path / "a.toml"), lambda: course.read(tmp_path), lambda: presets.find(tmp_path, "mine"), lambda: entries.read(tmp_path),
                 lambda: RunConfig().replace(**assignments([text.replace("a = ", "epochs=")])), lambda: RunConfig().replace(structures=f"refill-rho={text[4:]}")):
        with pytest.raises(LthvizError) as e:
            read()
        assert str(e.value).isprintable() and len(str(e.value)) < 2 * LONGEST
    assert presets.own(tmp_path) == {} and list(presets.broken(tmp_path)) == ["mine"]


def test_a_message_is_one_line_whatever_a_file_is_called():
    for error in (ConfigError("a\nb\x1b[31m\u202e\ud800"), ValueError("\x1b[2J\nmore")):
        assert in_a_line(error).isprintable() and "\\x1b[" in in_a_line(error)
    assert str(ConfigError("×ρ 20 %")) == "×ρ 20 %" and len(str(ConfigError("x" * 10**6))) < 3000


def test_a_logger_of_a_stranger_moves_no_cursor(tmp_path, capsys):
    file = tmp_path / "a.npz"
    with zipfile.ZipFile(file, "w") as z:
        z.writestr("a\x1b[2J.txt", b"x")
    assert main(["import", str(file), "--data", "digits", "--dry"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "\x1b" not in said


@pytest.fixture
def stored(tmp_path):
    store, run_id = Store(tmp_path / "runs", tmp_path / "none"), seeds.run()["id"].decode()
    for name, data in seeds.run().items():
        if name not in ("id", "packed"):
            (store.root / run_id / name).parent.mkdir(parents=True, exist_ok=True)
            (store.root / run_id / name).write_bytes(data)
    return store, run_id, store.root / run_id


@pytest.mark.parametrize("total", [float("inf"), 10**400, -1e300])
def test_a_heartbeat_of_endless_numbers(stored, total):
    store, run_id, path = stored
    (path / "heartbeat.json").write_text(json.dumps({"time": total, "done": total, "total": total, "eta_s": total}))
    assert store.status(run_id).total == 0


@pytest.mark.parametrize("line", [b'{"event":"epoch","round":1,"structure":"unstructured"}', b'{"event":"epoch","round":1,"structure":"unstructured","epoch":{},"epochs":2,"train_loss":0,"train_acc":0,"val_acc":0,"lr":0,"seconds":0}',
                                  b'{"event":"stage","kind":"train","structure":"refill","round":1,"seconds":1e999,"test_acc":' + b"9" * 400 + b"}", b'{"event":"warning","message":"a\\nb"}', b"[" * 3000, b'{"message": 3}'])
def test_lines_of_a_log_that_nobody_wrote(stored, line):
    from lthviz.store.brief import Briefs

    store, run_id, path = stored
    before = len(store.epochs(run_id, 1, "unstructured"))
    (path / "events.jsonl").write_bytes(seeds.run()["events.jsonl"] + line + b"\n" + line + b"\n")
    assert len(store.epochs(run_id, 1, "unstructured")) == before and store.status(run_id).state == "finished"
    (brief,), broken = Briefs(store).all()
    assert not broken and np.isfinite(brief.seconds)
    store.warnings(run_id)


@pytest.mark.parametrize("asked", [b"\xff\xfe", b"pause\n", b"x" * 10**6, b"a\x1b[2J"])
def test_a_request_that_is_none(stored, asked):
    store, run_id, path = stored
    (path / "request").write_bytes(asked)
    assert store.take_request(run_id) == "" and not (path / "request").exists()


def test_a_round_without_an_attribute_is_damaged(stored):
    store, run_id, path = stored
    with h5py.File(path / "rounds" / "001.h5", "a") as f:
        del f["round/tickets/unstructured"].attrs["round"]
    with pytest.raises(DamagedError, match=r"001\.h5"):
        store.round(run_id, 1)


@pytest.mark.parametrize("shape", [(-2, -4), (1 << 32, 1 << 32)])
def test_shapes_that_no_mask_has(shape):
    """-2 × -4 is 8 as well, and 2^64 is 0 in 64 bits."""
    with pytest.raises(MaskError, match="do not hold shape"):
        Masks({"w": np.zeros(1 if shape[0] < 0 else 0, np.uint8)}, {"w": shape})


def test_numbers_of_an_address():
    from lthviz.config import RunConfig

    there = where.positions(RunConfig(), (0, 1), None)
    for word in ("9" * 5000, "²", "-1", "1e3", "٣"):
        place, said = where.find(RunConfig(), there, word, "")
        assert place.round == 1 and len(said) == 1


def test_json_of_the_store_that_is_too_deep(stored):
    store, run_id, path = stored
    for value in (DEEP, HUGE, {"format": 1, "x": DEEP}):
        for name in ("config.json", "layers.json", "about.json", "heartbeat.json"):
            (path / name).write_bytes(to_json(value))
        assert list(store.broken()) == [run_id] and all(re.match(r".*config\.json", why) for why in store.broken().values())
