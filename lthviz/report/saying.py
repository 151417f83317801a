"""What a report says in words and tables: the summary with the main numbers, every ticket, the settings, where it ran, how to make it again."""

from __future__ import annotations

import dataclasses
from typing import Any

from lthviz import branching, commands
from lthviz.config import DERIVED, RunConfig
from lthviz.core.study import MeanTicket
from lthviz.figures import measured, rows, wording
from lthviz.knobs import non_default
from lthviz.records import Timing
from lthviz.report.markup import filled
from lthviz.report.material import Material
from lthviz.words import duration, rounds_done


def summary(m: Material) -> list[str]:
    """A paragraph, a sentence each: the network and its data, how far it was pruned, the dense accuracy, who wins, what is fastest."""
    run, config = m.run, m.run.config
    said = [_network(m), _pruning(m)]
    dense = rows.dense(run)
    if not run.rows:
        return [*said, "Nothing has been trained yet."]
    if dense is None:
        said.append("The dense network's test accuracy is not known, so no ticket is said to win.")
    else:
        n = run.info.get("test_images")
        said.append(f"The dense network reaches {dense:.2f} % test accuracy" + (f" on {n:,} images" if n else "") + f" (seed {config.seed}, one training).")
        if m.accuracies:
            level = m.studies.levels[m.studies.of[0].id]
            said.append(f"A ticket wins with at least {level.least:.2f} %: the dense accuracy less {wording.tolerance(level)}.")
    return said + _speed(m)


def _network(m: Material) -> str:
    run, info = m.run, m.run.info
    counts = [f"{info[k]:,} {name}" for k, name in (("train_images", "training"), ("val_images", "validation"), ("test_images", "test")) if info.get(k)]
    shape = info.get("image_shape")
    images = (f" ({', '.join(counts)} images" + (f" of {'×'.join(map(str, shape))}" if shape else "") + ")") if counts else ""
    size = f" with {info['parameters']:,} parameters, {info['prunable']:,} of them prunable in {len(run.layers)} layers," if info.get("parameters") and info.get("prunable") else ""
    verb = "taken in from another program's files, for" if run.config.imported else "trained on"
    return f"{run.config.model}{size} {verb} {run.config.data}{images}." + (f" Of the data: {info['data_note']}." if info.get("data_note") else "")


def _pruning(m: Material) -> str:
    run, config = m.run, m.run.config
    structures = ", ".join(s.name for s in config.structures)
    done = len(run.finished)
    if config.imported:
        n = len(m.pruned)
        return f"It came with {n} pruned state{'s' * (n != 1)}." if n else "It came as a dense network."
    if not config.rounds:
        return "It prunes nothing: it is the dense network alone."
    said = f"{config.rounds} round{'s' * (config.rounds != 1)} of iterative magnitude pruning, each of {100 * config.rate:g} % of the remaining weights, with rewinding"
    said += f"; beside the unstructured ticket each round has {structures}" if structures else "; no structure beside the unstructured tickets"
    said += f"; {config.in_loop} is fed back into the trunk" if config.in_loop else ""
    return said + ("." if done > config.rounds else f". Unfinished: {rounds_done(done, config.rounds)} so far; what is not trained yet is left out.")


def _speed(m: Material) -> list[str]:
    timed = [q for q in m.study.points if q.timing and not q.dense]
    if not timed:
        return ["No ticket's speed is measured."] if m.pruned else []
    level = m.study.level
    winners = [q for q in timed if level and q.wins("speed", level)]
    if not level:
        best = max(timed, key=lambda q: q.speedup)
        return [f"The fastest ticket that was measured, {rows.name(m.run, best.row, several=False)}, runs {wording.times(best.speedup)} as fast as the fastest dense form. {wording.provenance(m.study.timings)}"]
    if not winners:
        return [f"Of {len(timed)} tickets whose speed is measured none is both as accurate as the dense network and faster. {wording.provenance(m.study.timings)}"]
    best = max(winners, key=lambda q: q.speedup)
    low, high = wording.quartiles(best.timing)
    doubt = ", measured on a busy machine, so doubtful" if best.disturbed else ""
    return [f"The fastest winning ticket, {rows.name(m.run, best.row, several=False)}, runs {wording.times(best.speedup)} as fast as the fastest dense form "
            f"(quartiles {wording.times(low)} to {wording.times(high)}{doubt}) with {best.accuracy:.2f} %. {wording.provenance(m.study.timings)}"]


def winners(m: Material) -> list[dict[str, Any]]:
    """The sparsest winning ticket of each structure (core.winning), a row each; empty where no accuracy is known."""
    if not m.accuracies or rows.dense(m.run) is None:
        return []
    study = m.studies.of[0]
    return filled([_winner(m, label, m.studies.extremes[study.id, label]) for label in study.labels])


def _winner(m: Material, label: str, t: MeanTicket | None) -> dict[str, Any]:
    row: dict[str, Any] = {"structure": m.name(label), "sparsest winning ticket": "none wins" if t is None else f"round {t.round}", "kept weights (%)": None,
                           "effective density (%)": None, "test accuracy (%)": None, "less the dense (points)": None, "measured speedup (×)": None}
    if t is None:
        return row
    return row | {"kept weights (%)": rows.scaled(t.density.mean), "effective density (%)": rows.scaled(t.effective_density.mean), "test accuracy (%)": t.accuracy.mean,
                  "less the dense (points)": t.accuracy.mean - rows.dense(m.run), "measured speedup (×)": t.speedup}


def tickets(m: Material) -> list[dict[str, Any]]:
    """Every trained ticket, a row each; a column of which nothing is known is left out."""
    out = []
    for q in m.study.points:
        r, t = q.row, None if q.dense else q.timing
        low, high = wording.quartiles(t) if t else (None, None)
        out.append({"round": r["round"], "ticket": "Dense" if q.dense else m.name(r["structure"]), "kept weights (%)": 100 * r["density"],
                    "effective density (%)": rows.scaled(r.get("effective_density")), "in blocks (%)": rows.scaled(r.get("coverage")), "multiply-adds (%)": rows.scaled(q.flops),
                    "test accuracy (%)": q.accuracy, "validation accuracy (%)": r.get("val_acc"), "measured speedup (×)": t.speedup if t else None,
                    "lower quartile (×)": low, "upper quartile (×)": high, "training (s)": r.get("seconds")})
    return filled(out)


def other_settings(m: Material) -> str:
    """Measurements that the figures do not show, as they are of another setting; '' where there are none."""
    rest = [t for t in m.timings if t.round and measured.setting_of(t) != m.study.setting]
    found = measured.settings(rest)
    named = "; ".join(f"{wording.setting(s)}: {sum(measured.setting_of(t) == s for t in rest)} tickets" for s in found)
    return f"Speeds here are of {wording.setting(m.study.setting)}. Measured as well: {named}." if rest and m.study.setting else ""


def settings(config: RunConfig) -> list[dict[str, Any]]:
    """Every setting with what it is; those that are not default first, marked under `set`."""
    own = non_default(config)
    out = [{"setting": f.name, "value": plain(getattr(config, f.name)), "default": plain(f.default), "what it is": str(f.metadata.get("help", "")), "set": f.name in own}
           for f in dataclasses.fields(RunConfig) if f.name not in DERIVED or f.name in own]
    for i, s in enumerate(config.structures):
        twice = f" {sum(x.kind == s.kind for x in config.structures[:i + 1])}" if sum(x.kind == s.kind for x in config.structures) > 1 else ""
        out += [{"setting": f"{s.title}{twice}: {f.name}", "value": plain(getattr(s, f.name)), "default": plain(f.default), "what it is": str(f.metadata.get("help", "")),
                 "set": getattr(s, f.name) != f.default} for f in dataclasses.fields(s)]
    return sorted(out, key=lambda r: not r["set"])


def plain(value: Any) -> str:
    """A setting's value as a table shows it."""
    if isinstance(value, tuple):
        return ", ".join(str(getattr(v, "label", v)) for v in value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value) if str(value) else "empty"


def places(m: Material) -> list[dict[str, Any]]:
    """Where it was trained and where its speeds were measured, a row a fact."""
    run, info = m.run, m.run.info
    out = [("trained on", info.get("gpu") or info.get("device")), ("processor", info.get("machine")), ("threads", "all" if info.get("threads") == 0 else info.get("threads")),
           ("processes", info.get("processes")), ("versions", _versions(info.get("versions", {}))), ("work", duration(run.seconds) if run.seconds else None)]
    found = [{"what": "training" if not run.config.imported else "taking it in", "fact": k, "value": str(v)} for k, v in out if v not in (None, "")]
    for timings in _by_machine(m.timings):
        found += [{"what": "measuring", "fact": k, "value": v} for k, v in _measured(timings)]
    return found


def _by_machine(timings: tuple[Timing, ...]) -> list[list[Timing]]:
    by: dict[str, list[Timing]] = {}
    for t in timings:
        by.setdefault(wording.identity(t), []).append(t)
    return list(by.values())


def _measured(timings: list[Timing]) -> list[tuple[str, str]]:
    newest = max(timings, key=lambda t: t.time).conditions
    doubtful = sum(bool(t.disturbed) for t in timings)
    out = [("machine", wording.machine(timings[0])), ("system", newest.get("system", "")), ("memory", f"{newest['memory_gib']} GiB" if newest.get("memory_gib") else ""),
           ("versions", _versions({k: newest[k] for k in ("python", "torch", "numpy", "numba", "onnxruntime", "triton") if newest.get(k, "not installed") != "not installed"})),
           ("settings", "; ".join(wording.setting(s) for s in measured.settings(timings))), ("baselines", ", ".join(dict.fromkeys(t.baseline for t in timings))),
           ("measurements", f"{len(timings)}" + (f", {doubtful} of them on a busy machine, so doubtful" if doubtful else "")),
           ("largest difference of outputs", f"{max(t.max_abs_err for t in timings):.2g} of their scale")]
    return [(k, v) for k, v in out if v]


def _versions(found: Any) -> str:
    return ", ".join(f"{k} {v}" for k, v in found.items())


def again(m: Material) -> tuple[list[str], str]:
    """The commands that make the run and measure it again, and a sentence where none does."""
    run = m.run
    if run.config.imported:
        source = m.run.info.get("imported", {}).get("source", "") or m.about.source
        return [], f"This run was taken in{f' from {source}' if source else ' from other files'}: no command trains it again; `lthviz pack` keeps it in a file."
    if run.parent and m.parent is None:
        return [], f"This run was branched from {run.parent}, which is not here, so no command makes it again; `lthviz pack` keeps it in a file."
    if run.parent:
        lines = [commands.branch_command(run.parent, run.config.from_round, branching.settings(run), branching.settings(m.parent), run.title)]
    else:
        lines = [commands.run_command(run.config, run.preset)]
    timed = [q for q in m.study.points if q.timing and not q.dense]
    lines += [commands.bench_command(*timed[-1].key, m.study.setting)] if timed else []
    more = f"The second line measures one ticket; the same with another round and structure measures the other {len(timed) - 1}." if len(timed) > 1 else ""
    return lines, more
