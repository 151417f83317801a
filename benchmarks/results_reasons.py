"""Sections of docs/results.md: which weights pay, where ours is otherwise than the paper's and why, and what was tried."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from benchmarks import results_paper as paper
from benchmarks.results_accuracy import channelwise, groupwise
from benchmarks.results_differences import beats, effective, hardest, won
from benchmarks.results_read import Study, narrowest
from benchmarks.results_words import (
    by_round,
    ci,
    fill,
    fresh,
    methods,
    over_all,
    percent,
    plain_refill,
    pm,
    refills,
    regroups,
    shuffled,
    signed,
    table,
)
from lthviz.config import UNSTRUCTURED
from lthviz.core import winning
from lthviz.core.frontier import frontier, spots
from lthviz.core.intervals import Interval, over_rounds
from lthviz.figures import wording
from lthviz.figures.paying import finding, is_control

TRIED = Path(__file__).resolve().parent / "results" / "tried.json"


def pays(stored: Mapping[str, Study]) -> str:
    """The frontier of accuracy and measured speed, of every study that has speeds."""
    out = []
    for study in (s for s in stored.values() if s.there):
        found = [s for s in spots(study.main, study.level) if not is_control(s.ticket.structure)]
        if not found:
            out.append(fill(f"{study.title}: no speed of its tickets has been measured on a machine at rest yet."))
            continue
        rows = [(f"`{s.ticket.structure}`", s.ticket.round, f"{s.ticket.density.mean:.3f}", wording.times(s.speedup), s.ticket.time_ratio.n, pm(s.ticket.accuracy),
                 s.ticket.accuracy.n, "wins" if s.wins else "below") for s in frontier(found)]
        out.append(fill(f"{study.title}, {wording.setting(study.setting)}, {len(found)} tickets timed (controls are left out). No other ticket is both as accurate and as fast as these. "
                        + " ".join(finding(study.main, "On the digits" if study.main.config.data == "digits" else f"On {study.title.split(',')[0]}"))))
        out.append(table(("Structure", "Round", "Density", "Speedup", "Seeds timed", "Accuracy", "n", "Verdict"), rows))
    return "\n\n".join(out) or "No study is there yet."


def beside_paper(stored: Mapping[str, Study], summaries: Mapping[str, Study]) -> str:
    """What the paper says, what came out here, and whether they go the same way."""
    rows = []
    for study in (s for s in stored.values() if s.there):
        rows += [(study.title, *row) for row in _beside(study, summaries if study.name == "digits" else {})]
    return table(("Study", "The paper", "Here", ""), rows) if rows else "Nothing is trained yet."


def _beside(study: Study, summaries: Mapping[str, Study]) -> list[tuple[str, str, str]]:
    main, rows = study.main, []
    nets = paper.SPARSEST["CIFAR-10"].values()
    for name, of, best, at in (("channel-wise", refills(main), channelwise(study), [a for a, _ in nets]), ("group-wise", regroups(main), groupwise(study), [b for _, b in nets])):
        if not of:       # of a study that is under way
            continue
        there = f"{percent(1 - best.density.mean)} (n = {best.accuracy.n})" if best else "none wins"
        rows.append((f"{name} tickets win up to {min(at)} to {max(at)} % sparsity (CIFAR-10)", there, _same(best is not None and 1 - best.density.mean >= min(at) / 100, best is not None)))
    if (label := next(iter(regroups(main)), "")) and (refill := plain_refill(main)) and (found := by_round(main, label, refill)):
        rows.append(("group-wise tickets are more accurate than channel-wise ones (VGG-16, CIFAR-100, by " + f"{_vgg()} points in rounds 1 to 9, at equal round)",
                     f"at equal density {over_all(found)}", _sign(over_rounds(found), +1)))
    for label in methods(main):
        if (other := fresh(main, label)) and label != UNSTRUCTURED and (found := by_round(main, label, other)):
            rows.append((f"rewinding is better than re-initialising (`{label}`" + (f"; Refill by {min(paper.rewinding()):.2f} to {max(paper.rewinding()):.2f})"
                         if label == "refill" else ")"), over_all(found), _sign(over_rounds(found), +1)))
    if (fed := summaries.get("inloop")):
        for s in fed.of:
            if s.config.in_loop in main.labels and (found := by_round(s, s.config.in_loop, s.config.in_loop, there=main)):
                rows.append((f"`{s.config.in_loop}` in-loop is worse than branched (section 4.4)", over_all(found), _sign(over_rounds(found), -1)))
    return rows


def _vgg() -> str:
    gaps = [a - b for a, b in zip(paper.VGG["Regroup"], paper.VGG["Refill"], strict=True)]
    return f"{min(gaps):.1f} to {max(gaps):.1f}"


def _same(reached: bool, wins: bool) -> str:
    return "as the paper" if reached else "less sparse" if wins else "otherwise"


def _sign(found: Interval | None, sign: int) -> str:
    if found is None or not (found.above or found.below):
        return "no difference seen"
    return "as the paper" if (found.above if sign > 0 else found.below) else "otherwise"


def reasons(study: Study, summaries: Mapping[str, Study]) -> str:
    """What could be the reason that channel-wise tickets fall behind, each put to the test."""
    main, refill = study.main, plain_refill(study.main)
    if not refill or not by_round(main, refill, UNSTRUCTURED):
        return fill(f"{study.title}: Refill is not trained yet.")
    found = over_rounds(by_round(main, refill, UNSTRUCTURED))
    out = [f"- **Is it that Refill's tickets are really sparser than they say?** What read a removed channel is dead as well. {_effective(study)}"]
    masks, dead = (over_rounds(x) for x in effective(study)[refill])
    if masks and dead and masks.below:
        out[-1] += " So that is not the reason: the gap stays." if dead.mean < 0.8 * masks.mean else \
            " So that is a part of it." if dead.below else " So at equal effective density no gap is seen."
    control = shuffled(main, refill)
    if control and (pairs := by_round(main, refill, control)):
        out.append(f"- **Are the wrong channels kept?** As many channels a layer, drawn at random, are held against it: Refill's less those: {over_all(pairs)}. "
                   + ("The choice is worth something." if over_rounds(pairs).above else "The choice is no better than chance." if over_rounds(pairs).below else
                      "The choice makes no difference that was seen."))
    kept = summaries.get("methods")
    if study.name == "digits" and kept and (scattered := shuffled(kept.main, refill, "weights")) and (pairs := by_round(kept.main, scattered, refill)):
        last = pairs[-1]
        out.append(f"- **Are the layers pruned in the wrong proportion?** Single weights at random places, as many in every layer as Refill keeps (`{scattered}`, {kept.title}, "
                   f"{kept.main.config.rounds} rounds), are above Refill by {over_all(pairs)}, and by {ci(last.paired)} at density {last.at:.2f}. "
                   + ("So it is not the proportion: it is that whole channels go." if over_rounds(pairs).above else "That does not speak against the proportion."))
    if study.name == "digits" and kept and (more := summaries.get("longer")) and more.there:
        out.append(_longer(more, kept, refill))
    level = study.level
    first = next((t for t in main.of(refill) if not winning.wins(t, level)), None)
    if first is not None and (layers := narrowest(study, refill, first.round)):
        said = ", ".join(f"{min(n)} to {max(n)} in {name}" if min(n) != max(n) else f"{n[0]} in {name}" for name, n in layers.items())
        out.append(f"- **Is a layer too narrow?** In round {first.round}, the first that Refill does not win, it keeps {said} output channels (least and most of a seed). "
                   "We have not trained a wider network on these images, so this is not settled here.")
    best = channelwise(study)
    at = min(a for a, _ in paper.SPARSEST["CIFAR-10"].values())
    lead = _lead(study)
    head = (f"**{study.title}.** The sparsest winning channel-wise ticket is {percent(1 - best.density.mean)} sparse" if best else f"**{study.title}.** No channel-wise ticket wins") + \
        f"; the paper's are {at} % or more on CIFAR-10, of networks of 1.9 to 14.7 million parameters, trained 160 epochs" + \
        (f"; this one has {study.info['parameters']:,} and {main.config.epochs} epochs." if study.info and "parameters" in study.info else ".") + \
        (f" Refill less IMP at equal density: {ci(found)} points." if found else "")
    return "\n\n".join(part for part in (fill(head), "\n".join(out), lead, fill(_fresh(study)), fill(_fed(study, summaries)), fill(_dense(study))) if part)


def _fresh(study: Study) -> str:
    """Where fresh weights do better than rewound ones."""
    main = study.main
    worse = [(x, over_rounds(found)) for x in methods(main) if (other := fresh(main, x)) and (found := by_round(main, x, other)) and over_rounds(found).below]
    if not worse:
        return ""
    return ("Fresh weights do better than rewound ones: " + "; ".join(f"`{x}` less re-initialised {ci(d)}" for x, d in worse)
            + f". A re-initialised ticket trains the whole schedule, a rewound one all but the first {100 * main.config.rewind:g} % of it; whether that is the reason was not "
              "tested: we do not know.")


def _fed(study: Study, summaries: Mapping[str, Study]) -> str:
    """Where tickets fed back into the trunk do better than branched ones: whether they only have more weights that still read something."""
    fed = summaries.get("inloop") if study.name == "digits" else None
    said = []
    for s in fed.of if fed else ():
        label = s.config.in_loop
        found = by_round(s, label, label, there=study.main) if label in study.main.labels else []
        if found and over_rounds(found).above:
            alive = over_rounds(by_round(s, label, label, "effective", there=study.main))
            said.append(f"In-loop `{label}` does better than branched, {over_all(found)}, where the paper has it worse. Is it that fewer of its weights read removed channels? At equal density without "
                        f"dead inputs the difference is {ci(alive)}. " + ("So that is not the reason" if alive.above else "So it may be the reason: no difference is left there")
                        + "; whether it is that its channels were scored after having trained as such, we have not tested." * alive.above + "." * (not alive.above))
    return " ".join(said)


def _longer(more: Study, kept: Study, refill: str) -> str:
    """The gap of Refill to IMP after a longer training, beside the gap of the same seeds after the usual one."""
    seeds = set(more.main.seeds)
    long, short = (over_rounds(v._replace(pairs={s: d for s, d in v.pairs.items() if s in seeds}) for v in by_round(s.main, refill, UNSTRUCTURED)) for s in (more, kept))
    said = (f"- **Is the training too short?** With {more.main.config.epochs} epochs instead of {kept.main.config.epochs} (`{more.file}`) the dense network has {pm(more.main.dense.accuracy)} "
            f"(n = {more.main.dense.accuracy.n}) and Refill less IMP, over rounds 1 to {more.main.config.rounds}, is {ci(long)}; with {kept.main.config.epochs} epochs the same seeds have {ci(short)}.")
    best = winning.extreme(more.main.of(refill), more.level)
    said += f" The sparsest winning Refill ticket is then {percent(1 - best.density.mean)} sparse." if best else " No Refill ticket wins then."
    if long and short and long.low is not None and short.mean < 0:
        said += " So a longer training closes most of the gap." if long.mean > 0.4 * short.mean else " So a longer training closes a part of the gap, not all of it." if long.mean > 0.8 * short.mean \
            else " So that is not the reason."
    return said


def _lead(study: Study) -> str:
    """Of a structure that does not beat its own random control where it is hardest: what was seen there."""
    said = []
    for label, control, v in hardest(study):
        if not beats(v):
            mine, other = study.main.ticket(v.ticket.round, label), study.main.ticket(v.ticket.round, control)
            some, every, at = won(study, label, control)
            said.append(f"`{label}` does not beat `{control}` by more than the spread at density {v.at:.2f}: {pm(mine.accuracy)} and {pm(other.accuracy)} there, the dense network "
                        f"{study.level.accuracy:.1f}. It does in {some} of {every} rounds" + (f", at density {min(at):.2f}" + f" to {max(at):.2f}" * (len(at) > 1) + "." if at else ".")
                        + (" So sparse, neither is near the dense network: both have lost what there is to compare." if max(mine.accuracy.mean, other.accuracy.mean) < study.level.least - 10 else ""))
    return fill(" ".join(said))


def _effective(study: Study) -> str:
    return " ".join(f"`{x}` less IMP: at equal density of the masks {over_all(a)}; at equal density without dead inputs {over_all(b)}."
                    for x, (a, b) in effective(study).items())


def _dense(study: Study) -> str:
    """Whether tickets are above the dense network, and what is known of why."""
    best = max(study.main.of(UNSTRUCTURED), key=lambda t: t.accuracy.mean, default=None)
    if best is None or best.accuracy.mean <= study.level.accuracy:
        return ""
    return (f"Unstructured tickets are up to {signed(best.accuracy.mean - study.level.accuracy)} points above the dense mean (round {best.round}, {pm(best.accuracy)}, n = {best.accuracy.n}). "
            "The random control of the same density, trained alike, tells how much of that any sparse network has: "
            + (f"IMP less random weights is {over_all(by_round(study.main, UNSTRUCTURED, r))}." if (r := shuffled(study.main, UNSTRUCTURED, "weights")) else "it is not trained.")
            + " Why a pruned network should be better than the dense one after so short a training we do not know.")


def tried(path: Path = TRIED) -> str:
    """First tries whose runs were not kept: what was measured then, with how many seeds."""
    if not path.exists():
        return "Nothing was noted."
    noted = json.loads(path.read_text(encoding="utf-8"))
    rows = [(t["network"], t["setting"], t["n"], f"{t['dense']:.1f}", "; ".join(f"{name} {acc:.1f} at {100 * (1 - kept):.0f} %" for name, acc, kept in t["tickets"]), t["outcome"])
            for t in noted["tries"]]
    return "\n\n".join([fill(noted["what"]), table(("Network", "Setting", "n", "Dense", "Tickets, at sparsity", "What followed"), rows)])


