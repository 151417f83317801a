"""Home on every kind of store."""

import statistics
from pathlib import Path
from urllib.parse import parse_qs

from lthviz.store import Store
from lthviz.ui import entries, examples_shown

SHIPPED = Path(__file__).resolve().parents[2] / "data" / "examples"


def test_an_example_is_shown_with_its_numbers(example, run_id, page, words):
    said = words(page("home"))
    rows = example.run(run_id).rows
    assert f"The dense network reaches {rows[0]['test_acc']:.1f} % test accuracy. After 2 rounds:" in said
    for row in (r for r in rows if r["round"] == 2):
        assert f"{row['test_acc']:.1f} % with {100 * row['density']:.0f} % of the weights" in said
    assert "An example to look at" in said and "Your runs" not in said


def test_the_strip_shows_masks_of_the_store(example, run_id, page):
    strip = examples_shown.mask_strip(example.run(run_id))
    layer = max(example.run(run_id).layers, key=lambda x: x.size)
    for round, structure in ((1, "unstructured"), (2, "unstructured"), (1, "refill")):
        kept = 100 * example.round(run_id, round).ticket(structure).masks.density(layer.name)
        assert f"{kept:.1f} % kept" in strip
    assert strip.count("<img") == strip.count("alt='Mask of")


def test_an_empty_store_says_so(nothing, page, words):
    at = page("home")
    assert "No run is here yet." in words(at)
    assert [b.label for b in at.button if b.key != "present"] == ["Start the digits study"]


def test_a_broken_folder_is_named_and_the_others_are_shown(store, run_id, page, words):
    (store.root / "spoilt").mkdir()
    (store.root / "spoilt" / "config.json").write_text("{not json")
    said = words(page("home"))
    assert "'spoilt' cannot be read" in said and store.broken()["spoilt"] in said
    assert run_id in said


def test_a_failed_run_shows_its_line(store, page, words, unfinished):
    unfinished(store, "failed", "the data set is not in /nowhere; put it there")
    said = words(page("home"))
    assert "The data set is not in /nowhere; put it there" in said


def test_an_interrupted_run_is_told_apart_from_a_running_one(store, page, words, unfinished):
    run = unfinished(store, "running")
    assert "The worker is gone" in words(page("home"))
    with store.lock(run):
        store.beat(run, done=30, total=120, eta_s=12.2)
        at = page("home")
    assert "The worker is gone" not in words(at)
    assert at.get("progress")[0].proto.value == 25
    assert at.get("progress")[0].proto.text.endswith("13 s left.")


def test_an_examples_links_lead_to_a_stage_that_is_there(example, run_id, page, words):
    at = examples_shown.telling(example.run(run_id))
    assert f"Regroup formed {len(example.round(run_id, 1).ticket(at['ticket']).blocks['features.3.weight'])} block" in words(
        page("lab", run=run_id, round=at["round"], stage=at["stage"]))
    assert "Regroup keeps" in words(page("masks", run=run_id, round=at["round"], ticket=at["ticket"]))


def test_the_shipped_examples_are_shown_entry_by_entry_and_each_link_opens(nothing, monkeypatch, page, words):
    monkeypatch.setenv("LTHVIZ_EXAMPLES", str(SHIPPED))
    at = page("home")
    said, heads = words(at), [s.value.replace("\\", "") for s in at.subheader]
    store = Store()
    runs = [store.run(x) for x in store.runs()]
    digits = [r for r in runs if r.config.data == "digits"]
    seeds = len({r.config.seed for r in digits})
    assert heads[0] == "Digits, mask by mask" and f"Digits, {seeds} seeds" in heads
    assert len(heads) <= len(entries.read(SHIPPED)) + 1, "a study is one entry, not one for each seed"
    dense = {r.config.seed: r.rows[0]["test_acc"] for r in digits}
    assert f"the dense one has {dense[0]:.1f} %." in said
    if any(store.timings(r.id) for r in digits) and seeds > 1:
        assert f"where that has {statistics.fmean(dense.values()):.1f} %, with" in said and f"(accuracy: mean of {seeds} seeds; speed: measured on" in said and "Which weights pay" in heads
    links = {(p.proto.page.rsplit("/", 1)[-1], p.proto.query_string) for p in at.get("page_link") if "run=" in p.proto.query_string}
    assert {name for name, _ in links} >= {"lab", "masks", "curves"}
    for name, query in links:
        page(name, **parse_qs(query))


def test_a_wrong_gallery_is_named_and_the_examples_are_shown(example, run_id, page, words):
    (example.examples / entries.FILE).write_text('[[entry]]\ntitle = "x"\nrun = "y"\npicture = "film"\n')
    said = words(page("home"))
    assert "'film'" in said and "An example to look at" in said and run_id in said
