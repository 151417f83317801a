"""Runs of which something is damaged or missing: each page shows the rest, and the run with the sentence that says so."""

import shutil

import h5py
import pytest

from lthviz.store import Store
from tests import shipped

RUNS = sorted(p.name for p in shipped.EXAMPLES.glob("convnet-digits-*") if p.name != shipped.FIRST)


def _flip(file, dataset):
    with h5py.File(file) as f:
        at = f[dataset].id.get_chunk_info(0).byte_offset
    data = bytearray(file.read_bytes())
    data[at + 5] ^= 0x10
    file.write_bytes(data)


def _cut(file):
    file.write_bytes(file.read_bytes()[:4000])


def _line(file):
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], lines[1][:30] + b"\0" + lines[1][31:], *lines[2:]]))


DAMAGES = {
    "damaged rows": (lambda run: _flip(run / "rounds" / "003.h5", "round/rows"), "rounds/003.h5 is damaged at /round/rows"),
    "a damaged mask": (lambda run: _flip(run / "rounds" / "003.h5", "round/tickets/unstructured/masks/features.3.weight"), ""),
    "a truncated round": (lambda run: _cut(run / "rounds" / "005.h5"), "rounds/005.h5 is damaged at"),
    "no layers": (lambda run: (run / "layers.json").unlink(), "layers.json is not there, so its layers are not known"),
    "damaged layers": (lambda run: _cut(run / "layers.json") or (run / "layers.json").write_text("{"), "layers.json is damaged"),
    "a round missing": (lambda run: (run / "rounds" / "004.h5").unlink(), "rounds/004.h5 is not there; copy the run"),
    "the last rounds missing": (lambda run: [(run / "rounds" / f"{k:03d}.h5").unlink() for k in (11, 12)], "rounds/012.h5 is not there; copy the run"),
    "no log": (lambda run: (run / "events.jsonl").unlink(), "events.jsonl is not there"),
    "a damaged line": (lambda run: _line(run / "events.jsonl"), "events.jsonl is damaged at line 2: not JSON"),
    "no settings": (lambda run: (run / "config.json").unlink(), "has no config.json"),
}
OF = dict(zip(DAMAGES, RUNS, strict=False))


@pytest.fixture(scope="module")
def damaged(tmp_path_factory):
    root = tmp_path_factory.mktemp("damaged") / "runs"
    for what, run in OF.items():
        shutil.copytree(shipped.EXAMPLES / run, root / run, ignore=shutil.ignore_patterns("timings"))
        DAMAGES[what][0](root / run)
    (root.parent / "examples").mkdir()
    return root


@pytest.fixture
def store(damaged, monkeypatch):
    monkeypatch.setenv("LTHVIZ_RUNS", str(damaged))
    return Store()


def test_each_is_told_by_the_store(store):
    assert set(OF) == set(DAMAGES) and set(store.broken()) == {OF["no settings"]}
    for what, run in OF.items():
        said = store.broken().get(run) or " ".join(store.run(run).info.get("damaged", {}).values())
        assert bool(said) == bool(DAMAGES[what][1]), "a mask is not looked at before it is shown"
        assert DAMAGES[what][1] in said.replace("\\", "/"), what


@pytest.mark.parametrize("name", ["home", "runs"])
def test_the_lists_show_all_of_them(store, page, words, name):
    at = page(name)
    assert DAMAGES["no settings"][1] in words(at) and OF["no settings"] in words(at)


@pytest.mark.parametrize("what", [x for x in DAMAGES if x != "no settings"])
def test_the_run_s_pages_show_the_rest(store, page, words, what):
    run = OF[what]
    assert DAMAGES[what][1] in words(page("lab", run=run)).replace("\\", "/")
    shown = [words(page("lab", run=run, round=int(DAMAGES[what][1][8:10]) if what.startswith(("the last", "a trunc")) else 4 if what == "a round missing" else 3)),
             words(page("masks", run=run, round=3)), words(page("curves", run=run))]
    if what == "a damaged mask":
        assert all("rounds/003.h5 is damaged at /round/tickets/unstructured/masks/features.3.weight" in x.replace("\\", "/") for x in shown[:2])
    elif "layers" not in what and "rows" not in what:
        assert "weights" in shown[1] and "Unstructured" in shown[1], shown[1]
    assert run in shown[2]


def test_they_are_compared_with_what_can_be_read(store, page):
    page("compare", run=[OF[x] for x in DAMAGES if x != "no settings"])
    page("compare", run=[*OF.values()])
