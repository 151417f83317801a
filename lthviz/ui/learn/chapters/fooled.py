"""How to fool yourself: four tricks on this project's own runs, each as it is told and as it is."""

from __future__ import annotations

import statistics
from functools import lru_cache

from lthviz.config import UNSTRUCTURED
from lthviz.core.study import study_id
from lthviz.figures.wording import times
from lthviz.ui.learn import evidence, saying
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.chapters import fooled_numbers as numbers
from lthviz.ui.learn.chapters import fooled_pictures as pictures
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.figure import Control, Frame, lesson_figure
from lthviz.ui.learn.saying import percent, points
from lthviz.words import capital

TRICKS = ("One seed", "Choice by test set", "Equal rounds", "FLOPs as speed")
TOLD = ("As it is told", "As it is")
CONTROLS = (Control("Trick", TRICKS, "choice"), Control("Shown", TOLD, "choice"))


def words() -> list[str]:
    evidence.found()
    return [
        "Nobody needs to lie to be wrong about sparse networks. Each of these four tricks was played on the very runs of this course, with numbers that are all true, and "
        "each makes a method look better than it is.",
        "**One seed** tells of its luck as much as of the method. **Choosing on the test set** picks the best of many tickets by the very images that it is then reported on. "
        "**Equal rounds** set networks of different density side by side. **Counting multiply-adds** takes work for time. Turn each from *as it is told* to *as it is*.",
        "The cure is dull: several seeds with the mean, the spread and their number; a choice made on validation images; equal *achieved* density or equal *measured* speed; a clock. "
        "The paper itself judges its winning tickets by a single seed each (ICML 2022, section 4.1).",
    ]


def figure() -> None:
    of, speed = evidence.found(), evidence.found("speed")
    lesson_figure(_frames(of, speed), CONTROLS, key="fooled")
    machine = saying.machine(speed)
    saying.origin(of, f"Time: {machine}" if machine else "No time was measured", key="fooled", query=saying.runs_query(of, x="kept", seeds="1"))


def frames(of: Evidence, speed: Evidence | None = None) -> list[Frame]:
    """For each of TRICKS one as it is told and one as it is. speed: where measured times are from, if elsewhere."""
    return [*_one_seed(of), *_chosen(of), *_equal_round(of), *_work(speed or of)]


_frames = lru_cache(maxsize=8)(frames)


def _missing(why: str) -> list[Frame]:
    return [Frame(why)] * len(TOLD)


def _one_seed(of: Evidence) -> list[Frame]:
    x = numbers.one_seed(of)
    if x is None:
        return _missing("This trick needs several seeds of a ticket and its control; the runs here have none yet.")
    who, control = saying.whose(x.label), saying.control_name(x.control)
    told = f"Told of seed {x.seed}: in round {x.round} {who} is {abs(x.told):.1f} points {'better' if x.told > 0 else 'worse'} than {control}."
    m = x.mean
    half = f", 95 % interval {points(m.low)} to {points(m.high)}" if m.low is not None else ""
    honest = (f"Over all {m.n} seeds the mean difference is {points(m.mean)} points{half}; {x.against} of {m.n} seeds say the opposite of seed {x.seed}. "
              f"{'There is no difference to report.' if m.low is not None and m.low <= 0 <= m.high else 'Report that mean and its n.'}")
    return _pair(told, honest, lambda h: pictures.one_seed(x, h), "Difference of a ticket and its control by seed.")


def _chosen(of: Evidence) -> list[Frame]:
    found = numbers.chosen_on_test(of)
    if not found:
        return _missing("This trick needs several seeds; the runs here have one.")
    told, fair = (statistics.fmean(getattr(c, x) for c in found) for x in ("told", "honest"))
    held = [c.held for c in found if c.held is not None]
    said = f"Told: of all tickets of a seed, the one that does best on the test images reaches {told:.1f} % (mean of {len(found)} seeds)."
    honest = (f"The same tickets reach {fair:.1f} % on the other seeds: {told - fair:.1f} points of the {told:.1f} % were luck."
              + (f" Chosen by validation accuracy instead, and tested once, they have {statistics.fmean(held):.1f} %; that number may be reported." if len(held) == len(found) else ""))
    return _pair(said, honest, lambda h: pictures.chosen(found, h), "Test accuracy of each seed's best ticket.")


def _equal_round(of: Evidence) -> list[Frame]:
    x = numbers.equal_round(of)
    if x is None:
        return _missing("This trick needs Regroup beside another method; the runs here have not trained both.")
    t, u = x.versus.ticket, of.study.ticket(x.versus.ticket.round, x.other)
    a, b = capital(saying.name(x.label)), saying.name(x.other)
    said = f"Told: in round {t.round} {a} is {abs(x.told):.1f} points {'better' if x.told > 0 else 'worse'} than {b}."
    honest = (f"But in that round {a} keeps {percent(t.density.mean)} of the weights and {b} {percent(u.density.mean)}. At the same {percent(t.density.mean)} the difference is "
              f"{points(x.honest)}{'' if x.versus.paired.sd is None else f' ± {x.versus.paired.sd:.1f}'} points ({x.versus.words}): {abs(x.told - x.honest):.1f} points were the density's, not the method's.")
    return _pair(said, honest, lambda h: pictures.equal_round(of, x, h), f"Mean test accuracy of {a} and {b} against kept weights.")


def _work(of: Evidence) -> list[Frame]:
    found = numbers.work(of)
    if not found:
        return _missing("This trick needs measured times; no ticket of the runs here has been timed. The Speed page times them.")
    shown = worst(found)
    said = (f"Told: {saying.whose(shown.label)} of round {shown.round} has {percent(shown.flops)} of the multiply-adds left, so it runs {times(1 / shown.flops)} as fast.")
    over = statistics.median(w.time / w.flops for w in found)
    slower = sum(w.time >= 1 for w in found)
    honest = (f"Measured, it takes {percent(shown.time)} of the dense time: {times(1 / shown.time)}. Over {len(found)} tickets the time left is {over:.1f} times the work left in the median"
              + (f", and {slower} of them run{'s' * (slower == 1)} no faster than the dense network." if slower else "."))
    return _pair(said, honest, lambda h: pictures.work(found, h), "Measured time against multiply-adds left, a mark each ticket.")


def worst(found: list[numbers.Work]) -> numbers.Work:
    """The unstructured ticket whose counted speedup is furthest from the measured one; of any method where there is none."""
    return max([w for w in found if w.label == UNSTRUCTURED] or found, key=lambda w: w.time / w.flops)


def _pair(told: str, honest: str, draw, alt: str) -> list[Frame]:
    return [Frame(told, drawing=draw(False), alt=f"{alt} {told}"), Frame(f"{told} {honest}", drawing=draw(True), alt=f"{alt} {honest}")]


def question() -> Question | None:
    """What becomes of a ticket that was chosen by its test accuracy."""
    of = evidence.found()
    found = numbers.chosen_on_test(of)
    if not found:
        return None
    told, fair = (statistics.fmean(getattr(c, x) for c in found) for x in ("told", "honest"))
    gap = told - fair
    right = "less" if gap > 0.25 else "more" if gap < -0.25 else "same"
    why = (f"It is {fair:.1f} % on average, {abs(gap):.1f} points {'less' if gap > 0 else 'more'}. The best of many is chosen for its ability and its luck; only the ability comes again. "
           "This is regression to the mean, and no fault of the ticket.")
    return Question(f"Of each seed's tickets you take the one with the best test accuracy: {told:.1f} % on average. What do these same tickets reach on the other seeds?", (
        Option("More: more seeds, better means", right == "more", f"{'' if right == 'more' else 'More seeds do not raise a mean, they only make it surer. '}{why}"),
        Option("About as much: it is the same mask recipe", right == "same",
               f"{'' if right == 'same' else 'The recipe is the same, but it was picked for its score on these images, and part of that score was luck. '}{why}"),
        Option("Clearly less", right == "less", why)))


def links() -> list[Link]:
    of = evidence.found()
    ids = list(dict.fromkeys(study_id(r.config) for r in of.runs)) if len(of.runs) > 1 else [of.runs[0].id]
    found = []
    if x := numbers.equal_round(of):
        at = {"of": ",".join(ids), "density": f"{100 * x.versus.ticket.density.mean:.1f}"}
        found.append(Link("At equal density in Compare", "pages/compare.py", at, ":material/compare_arrows:"))
    speed = evidence.found("speed")
    if speed.timed is not None and (w := numbers.work(speed)):
        found.append(Link("A clock for multiply-adds: Speed", "pages/speed.py", {"run": speed.timed.id, "round": str(worst(w).round), "ticket": worst(w).label}, ":material/speed:"))
    return found


CHAPTER = Chapter(words, figure, question, links)
