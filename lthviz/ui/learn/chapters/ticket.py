"""Rewinding, and the ticket: how the weights of a round go, and what a ticket must beat to be one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from lthviz.config import UNSTRUCTURED
from lthviz.core import winning
from lthviz.core.study import MeanTicket
from lthviz.ui import cache, frame
from lthviz.ui.learn import evidence, saying
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.ui.learn.chapters import ticket_pictures, ticket_round
from lthviz.ui.learn.evidence import Evidence
from lthviz.ui.learn.figure import Control, Frame, lesson_figure
from lthviz.ui.learn.saying import percent
from lthviz.words import capital

NAMES = {"ticket": "The ticket", "reinit": "Re-initialised", "random": "Random mask"}
"""What is set side by side, as it is called in the figure."""
TEXTS = {"ticket": "the ticket (its mask, from θk)", "reinit": "the same mask over fresh weights", "random": "a random mask as dense in every layer, from θk"}


def labels(of: Evidence) -> dict[str, str]:
    """The ticket and those of its controls that were trained, as NAMES has them."""
    there = of.controls()
    return {"ticket": UNSTRUCTURED, **{x: there[x] for x in ("reinit", "random") if x in there}}


def words() -> list[str]:
    of = evidence.found()
    config, level = of.study.config, of.level
    run = of.runs[0]
    step, steps = run.info.get("rewind_step"), run.info.get("steps")
    when = f"step {step:,} of {steps:,} here" if step is not None and steps else f"{100 * config.rewind:g} % of the training here"
    tolerance = f"one standard deviation of {level.n} dense trainings, that is {level.tolerance:.1f} points," if level.n > 1 else f"{level.tolerance:.2g} points, there being one dense training alone,"
    missing = [TEXTS[x] for x in ("reinit", "random") if x not in labels(of)]
    return [
        f"A network begins at random weights **θ0**, is at **θk** after a few steps ({when}), and ends trained at **θT**. Magnitude pruning looks at θT to decide "
        f"*which* weights stay, and then throws their values away: every weight that stays goes back to what it was at θk. That is **rewinding**. Then the "
        f"sparse network trains with the rest of the schedule, and the next round begins (ICML 2022, section 3.1).",
        f"A **ticket** is that mask together with those weights. It **wins** when its mean test accuracy is at least the dense network's less a tolerance; here "
        f"{level.accuracy:.1f} % less {tolerance} makes {level.least:.1f} %.",
        "Winning alone proves little. Perhaps any sparse network would do? So two **controls** train beside it, as dense in every layer: the *same mask* over fresh random "
        "weights (were the weights worth keeping?), and a *random mask* over the rewound weights (was the choice of places worth anything?). What the ticket has over them is what "
        "finding it was worth." + (f" In the runs shown here one is missing: {' and '.join(missing)}." if missing else ""),
    ]


def figure() -> None:
    of = evidence.found()
    run = ticket_round.shown(of)
    if run is not None:
        lesson_figure(_round_frames(of, run.id), [ticket_round.STEPS], key="ticket-round")
        frame.quiet(f"One training of each, seed {run.config.seed}, run {run.id}; validation accuracy after each epoch.")
    made, controls = _frames(of, frame.presenting())
    lesson_figure(made, controls, key="ticket")
    saying.origin(of, key="ticket", query=saying.runs_query(of, x="kept", seeds="1"))


@lru_cache(maxsize=8)
def _round_frames(of: Evidence, run_id: str) -> list[Frame]:
    return ticket_round.frames(cache.run(run_id), cache.round)


def frames(of: Evidence, wide: bool = False) -> tuple[list[Frame], list[Control]]:
    """For each method and round a frame; the controls that choose it. wide: for a page that is shown to others, side by side."""
    there, rounds = labels(of), of.rounds
    slider = Control("Round", tuple(f"{k}: {percent(of.study.ticket(k, UNSTRUCTURED).density.mean)} kept" for k in rounds), "slider", start=(len(rounds) - 1) // 2)
    choice = [Control("Drawn", tuple(NAMES[x] for x in there), "choice")] if len(there) > 1 else []
    made = []
    for name in there:
        pictures = ticket_pictures.Pictures(of, {x: (NAMES[x], label) for x, label in there.items()}, name, wide)
        for k in rounds:
            found = {x: t for x, label in there.items() if (t := of.study.ticket(k, label)) is not None and t.accuracy.n}
            said = sentence(of, k, found)
            made.append(Frame(said, drawing=pictures.drawing(k, found), alt=f"Test accuracy against kept weights of {TEXTS[name]}, and round {k} beside the dense network. {said}"))
    return made, [*choice, slider]


_frames = lru_cache(maxsize=8)(frames)


def _start(of: Evidence) -> int:
    """The sparsest round in which the ticket wins."""
    best = winning.extreme(of.study.of(UNSTRUCTURED), of.level)
    return of.rounds.index(best.round) if best else len(of.rounds) - 1


def sentence(of: Evidence, k: int, found: Mapping[str, MeanTicket]) -> str:
    """What came of a round: means, seeds, who wins."""
    density = of.study.ticket(k, UNSTRUCTURED).density.mean
    parts = [f"{NAMES[x].lower() if x != 'ticket' else 'the ticket'} {saying.mean(t.accuracy)} "
             f"({'wins' if winning.wins(t, of.level) else 'does not win'}, n = {t.accuracy.n})" for x, t in found.items()]
    return f"Round {k}, {percent(density)} of the weights: {'; '.join(parts)}. To win takes {of.level.least:.1f} %."


def question() -> Question | None:
    """Which of the three win in the sparsest round that all of them have."""
    of = evidence.found()
    there = labels(of)
    if len(there) < 3:
        return None
    rounds = [k for k in of.rounds if all((t := of.study.ticket(k, x)) and t.accuracy.n for x in there.values())]
    if not rounds:
        return None
    k = rounds[-1]
    of_round = {x: of.study.ticket(k, label) for x, label in there.items()}
    right = frozenset(x for x, t in of_round.items() if winning.wins(t, of.level))
    texts = {frozenset(): "None of them", frozenset({"ticket"}): "Only the ticket", frozenset({"ticket", "reinit"}): "The ticket, and its mask re-initialised", frozenset(there): "All three"}
    texts.setdefault(right, "Only " + " and ".join(NAMES[x].lower() for x in sorted(right)))
    lead = of_round["ticket"].accuracy.mean - max(of_round["reinit"].accuracy.mean, of_round["random"].accuracy.mean)
    ending = (f"What sets the ticket apart is not that it wins but that it is {lead:.1f} points ahead of the better control." if lead > 0 and len(right) > 1 else
              f"The ticket is {abs(lead):.1f} points {'ahead of' if lead > 0 else 'behind'} the better control.")
    numbers = {x: f"{dict(ticket='the ticket', reinit='its mask re-initialised').get(x, 'a random mask')} has {t.accuracy.mean:.1f}\u00a0% (n = {t.accuracy.n})" for x, t in of_round.items()}

    def why(who: frozenset[str]) -> str:
        """Of a wrong answer, those of whom it is wrong; of the right one, all."""
        said = [f"{numbers[x]} and {'wins' if x in right else 'does not win'}" for x in there if (x in who) != (x in right) or who == right]
        return f"{capital('; '.join(said))}: it takes {of.level.least:.1f}\u00a0%. {ending}"

    density = of_round["ticket"].density.mean
    return Question(f"In round {k}, at {percent(density)} of the weights, which of the three still win on {of.study.config.data}?",
                    tuple(Option(text, who == right, why(who)) for who, text in sorted(texts.items(), key=lambda x: len(x[0]))))


def links() -> list[Link]:
    of = evidence.found()
    run = ticket_round.shown(of) or of.runs[0]
    k = of.rounds[_start(of)]
    return [Link(f"Round {k}'s rewinding in the Lab", "pages/lab.py", {"run": run.id, "round": str(k), "stage": next(x.key for x in run.config.stages(k) if x.kind == "rewind")}, ":material/science:")]


CHAPTER = Chapter(words, figure, question, links)
