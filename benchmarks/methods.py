"""Every method on the digits: what docs/methods says was measured.

    python -m lthviz sweep benchmarks/studies/methods.toml --runs FOLDER    # trains the runs
    python benchmarks/methods.py --runs FOLDER    # reads them into benchmarks/results/methods.json, and writes the pages from that
    python benchmarks/methods.py                  # the pages anew, from what is stored
    python benchmarks/methods.py --check          # exit code 1 where a page says something else

No number of the measured sections is typed: they are between two markers, and all in them comes from the stored results.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.methods_overview import PAGES as KINDS  # noqa: E402
from benchmarks.methods_overview import overview  # noqa: E402
from benchmarks.methods_words import section  # noqa: E402
from lthviz.config import RunConfig  # noqa: E402
from lthviz.core.study import Replicates, studies, study_id, summary  # noqa: E402
from lthviz.records import Run  # noqa: E402
from lthviz.store import Store  # noqa: E402
from lthviz.sweep import grid  # noqa: E402

RESULTS = ROOT / "benchmarks" / "results" / "methods.json"
STUDY = ROOT / "benchmarks" / "studies" / "methods.toml"
PAGES = ROOT / "docs" / "methods"
BEGIN = "<!-- measured: written by benchmarks/methods.py, from benchmarks/results/methods.json -->"
END = "<!-- /measured -->"
NUMBERS = ("density", "effective_density", "coverage", "test_acc")
"""Kept of each ticket and seed: shares, and the test accuracy in percent."""
CONDITIONS = ("image_shape", "train_images", "val_images", "test_images", "parameters", "prunable", "steps", "rewind_step", "device", "threads",
              "machine", "versions")


def gather(runs: Iterable[Run], study: Path = STUDY) -> dict[str, Any]:
    """The stored runs of a study as what is kept of them: settings, conditions, and every ticket's numbers with mean, standard deviation and n."""
    found, name = studies(runs), study.relative_to(ROOT).as_posix()
    info = found[0].runs[0].info
    what = "every method on the digits" if study == STUDY else grid.read(study).title
    reads = "methods.py" if study == STUDY else f"results.py --gather {study.stem}"
    return {
        "what": f"{what}; shares of the prunable weights, test accuracy in percent; sd of the sample (n - 1)",
        "study": name,
        "commands": [f"python -m lthviz sweep {name} --runs FOLDER", f"python benchmarks/{reads} --runs FOLDER"],
        "conditions": {k: info[k] for k in CONDITIONS if k in info},
        "studies": [{"id": s.id, "seeds": list(s.seeds), "config": s.config.replace(seed=0).to_dict() | {"structures": [x.label for x in s.config.structures]},
                     "tickets": [_ticket(s, k, label) for k, label in dict.fromkeys(key for of in s.rows.values() for key in of)]}
                    for s in found]}


def _ticket(study: Replicates, index: int, label: str) -> dict[str, Any]:
    there = {seed: of[index, label] for seed, of in study.rows.items() if (index, label) in of}
    return {"round": index, "structure": label, "n": len(there), "seeds": list(there),
            **{name: _number([round(r[name], 6) for r in there.values()]) for name in NUMBERS}}


def _number(values: list[float]) -> dict[str, Any]:
    mean, sd, _ = summary(values)
    return {"mean": round(mean, 6), "sd": None if sd is None else round(sd, 6), "by_seed": values}


def text_of(results: dict[str, Any]) -> str:
    """JSON with a line a ticket."""
    lines = json.dumps(results | {"studies": [s | {"tickets": []} for s in results["studies"]]}, indent=1).split('"tickets": []')
    tickets = [",\n".join("    " + json.dumps(t) for t in s["tickets"]) for s in results["studies"]]
    return lines[0] + "".join(f'"tickets": [\n{mine}\n   ]{rest}' for mine, rest in zip(tickets, lines[1:], strict=True)) + "\n"


def replicates(results: dict[str, Any]) -> list[Replicates]:
    """The studies of the stored results, as they were read from the runs."""
    runs = []
    for study in results["studies"]:
        for seed in study["seeds"]:
            config = RunConfig.from_dict({**study["config"], "seed": seed})
            rows = tuple({"round": t["round"], "structure": t["structure"], **{n: t[n]["by_seed"][t["seeds"].index(seed)] for n in NUMBERS}}
                         for t in study["tickets"] if seed in t["seeds"])
            runs.append(Run(config.run_id, config, (), {}, rows, tuple(sorted({r["round"] for r in rows})), 0.0))
    return studies(runs)


def written(results: dict[str, Any]) -> dict[Path, str]:
    """Every page of docs/methods as it should be: its own text, and between the markers what the results say."""
    found, pages = replicates(results), {}
    for page in sorted(PAGES.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        if text.count(BEGIN) != 1 or text.count(END) != 1:
            raise SystemExit(f"{page.relative_to(ROOT)} should hold the markers {BEGIN} and {END} once each")
        before, _, rest = text.partition(BEGIN)
        said = overview(found, results) if page.name == "README.md" else section(KINDS[page.stem], found)
        pages[page] = f"{before}{BEGIN}\n{said}\n{END}{rest.partition(END)[2]}"
    return pages


def read(folder: Path, study: Path = STUDY) -> dict[str, Any]:
    """The runs of a study's grid below a folder, gathered; SystemExit names what is missing."""
    store, points = Store(folder), grid.read(study).points
    there = {p.id: store.run(p.id) for p in points if p.id in store.runs()}
    if missing := [p.id for p in points if p.id not in there or len(there[p.id].finished) <= p.config.rounds]:
        raise SystemExit(f"{len(missing)} of {len(points)} runs are not finished below {folder} ({', '.join(missing)}); "
                         f"python -m lthviz sweep {study.relative_to(ROOT).as_posix()} --runs {folder} does the rest")
    if unknown := {study_id(p.config) for p in points} - {s.id for s in studies(there.values())}:
        raise SystemExit(f"no run of {', '.join(unknown)} was read")
    return gather(there.values(), study)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, metavar="FOLDER", help="read the runs of the study below this folder")
    parser.add_argument("--check", action="store_true", help="write nothing; say which pages differ from the results")
    args = parser.parse_args()
    if args.runs:
        RESULTS.write_text(text_of(read(args.runs)), encoding="utf-8")
    stale = {page: text for page, text in written(json.loads(RESULTS.read_text(encoding="utf-8"))).items() if page.read_text(encoding="utf-8") != text}
    for page, text in stale.items():
        print(f"{page.relative_to(ROOT)} {'differs' if args.check else 'written'}")
        if not args.check:
            page.write_text(text, encoding="utf-8")
    return 1 if args.check and stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
