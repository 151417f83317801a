"""The live experiment: the whole digits study runs here while the page says what it is doing."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence

import streamlit as st

from lthviz import launch
from lthviz.config import UNSTRUCTURED, RunConfig
from lthviz.core import winning
from lthviz.core.families import families
from lthviz.core.study import Replicates
from lthviz.errors import AddressError, LthvizError
from lthviz.figures import theme
from lthviz.figures.small_curve import small_curve
from lthviz.presets import preset
from lthviz.records import Run, Status
from lthviz.ui import access, cache, frame, signin, stages, transport, where
from lthviz.ui.learn.chapter import Chapter, Link, Option, Question
from lthviz.words import capital

PRESET = "digits"
WHY = {
    "train": "Stochastic gradient descent, with every pruned weight held at exactly zero after each step.",
    "prune": "The smallest {rate} of the weights that are left go, over all layers at once.",
    "rewind": "Every weight, BatchNorm and classifier included, goes back to what it was early in the first training: the mask stays.",
    "refill": "The best output channels of every layer are given all their weights back, the others are emptied.",
    "regroup": "Rows that keep weights in the same columns are gathered into groups, and each group's most used columns become a dense block.",
    "random": "The control: as many weights in every layer, but thrown anywhere.",
}
"""What a stage does, while it does it."""


def words() -> Sequence[str]:
    found = preset(PRESET)
    return [
        f"One press, and all of it runs on this machine ({frame.plain(found.note)}). Nothing is prepared and nothing is replayed: a seed that has not been trained here yet draws new "
        "weights and new batches.",
        "Watch three things. The loss falls and jumps back at every rewinding. The scattered ticket holds its accuracy far longer than you would think. And the structures pay for "
        "their shape: watch which of them first.",
        "The run is one like any other. When it is through, open it in the Lab and step back through every stage of it.",
    ]


def figure() -> None:
    run_id = where.text("run")
    status = cache.store().status(run_id) if run_id else None
    if run_id and cache.store().is_example(run_id):
        raise AddressError(f"run {run_id!r} is an example, which nobody trains here; leave it out of the address to start one")
    frame.fragment(_live, run_every=1.0 if status is not None and status.alive else None)(run_id, status.state if status is not None else "")


def fresh(root: RunConfig) -> RunConfig:
    """The study with the first seed that no run here has."""
    seed = 1
    while cache.store().exists(root.replace(seed=seed).run_id):
        seed += 1
    return root.replace(seed=seed)


def _live(run_id: str, state: str) -> None:
    if not run_id:
        _begin("Run the study")
        return
    run, status = cache.run(run_id), cache.store().status(run_id)
    if status.state != state:
        st.rerun()
    if status.state == "queued":
        cache.wake()
    there = where.positions(run.config, run.rounds, cache.done_in_last(run))
    coming = transport.upcoming(run, there)
    epochs = cache.store().epochs(run_id, coming.round, coming.stage.structure) if coming and coming.stage.kind == "train" and status.alive else ()
    if status.alive:
        st.progress(min(1.0, status.done / status.total) if status.total else 0.0, text=transport.progress_sentence(run, status, coming, epochs))
        kind = coming.stage.kind if coming else ""
        st.html(f"<p class='doing'>{WHY.get(kind, 'The run is beginning.').format(rate=f'{100 * run.config.rate:g} %') if status.state == 'running' else 'It waits.'}</p>")
    else:
        _over(run, status)
    st.html(line(run.config, {(p.round, p.stage.structure) for p in there if p.stage.kind == "train"}, (coming.round, coming.stage.structure) if epochs and coming else None))
    if picture := _curve(run):
        st.html(picture)
        frame.quiet(f"Test accuracy against kept weights, one training a point; dotted: the dense network. Run {run.id}.")
    if not status.alive:
        _begin("Run another seed")


def _begin(label: str) -> None:
    if not where.text("run"):
        _plan()
    with st.container(horizontal=True, vertical_alignment="center", gap="medium"):
        pressed = st.button(label, key="learn-run", type="primary" if not where.text("run") else "secondary", icon=":material/play_arrow:",
                            **access.locked())
        if run_id := where.text("run"):
            st.page_link("pages/lab.py", label="Open it in the Lab", icon=":material/science:", query_params={"run": run_id})
    signin.note()
    if pressed:
        config = fresh(preset(PRESET).config)
        try:
            access.require()
            where.go(run=launch.start(cache.store(), config, preset=PRESET))
        except LthvizError as e:
            frame.told("error", str(e), "error")
            return
        st.rerun()


def line(config: RunConfig, done: set[tuple[int, str]], now: tuple[int, str] | None = None) -> str:
    """The rounds to come as an SVG: how many weights each leaves, and under it a mark for each of its trainings, filled once it is done."""
    labels = config.tickets(1)
    wide, tall, step = 40 * (config.rounds + 1), 96, 12
    parts, text = [], theme.palette(frame.dark()).text
    for k in range(config.rounds + 1):
        share = (1 - config.rate) ** k
        x = 40 * k
        parts.append(f"<rect x='{x + 8}' y='{tall * (1 - share):.1f}' width='24' height='{tall * share:.1f}' rx='2' fill='currentColor' opacity='.16'/>"
                     f"<text x='{x + 20}' y='{tall * (1 - share) - 4:.1f}' text-anchor='middle' opacity='.75'>{100 * share:.0f} %</text>")
        for i, label in enumerate(labels if k else labels[:1]):
            style, y = theme.style(label), tall + 10 + step * i
            filled = (k, label) in done
            parts.append(f"<rect x='{x + 10}' y='{y}' width='20' height='8' rx='2' fill='{style.line(frame.dark()) if filled else 'none'}' stroke='{style.line(frame.dark())}'"
                         + (" stroke-width='2.5'" if (k, label) == now else " stroke-width='1' opacity='.75'") + "/>")
    bottom = tall + 10 + step * len(labels)
    names = "".join(f"<text x='{wide + 6}' y='{tall + 18 + step * i}' fill='{theme.style(x).line(frame.dark())}'>{html.escape(stages.short(config, x))}</text>" for i, x in enumerate(labels))
    alt = f"{len(done)} of {1 + config.rounds * len(labels)} trainings are done. Round by round the weights that are left: " + ", ".join(f"{100 * (1 - config.rate) ** k:.0f} %" for k in range(config.rounds + 1)) + "."
    svg = (f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 -14 {wide + 84} {bottom + 14}' font-family='system-ui, sans-serif' font-size='11' color='{text}' fill='{text}'>"
           f"{''.join(parts)}{names}</svg>")
    return f"<img class='plan-line' src='data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}' alt='{html.escape(alt, quote=True)}'>"


def _plan() -> None:
    """What will happen, before anything does."""
    config = preset(PRESET).config
    stages_of = " → ".join(stages.label(config, 1, s) for s in config.stages(1))
    st.html(line(config, set()))
    frame.quiet(f"The dense network, then {config.rounds} rounds of {stages_of}: {1 + config.rounds * len(config.tickets(1))} trainings of up to {config.epochs} epochs on "
                f"{config.train_images} images of handwritten digits, with {config.threads} thread{'s' * (config.threads != 1)}.")


def _over(run: Run, status: Status) -> None:
    if status.state != "finished":
        frame.told("warning", f"{capital(status.state)}: {status.message or 'it was cancelled'}. What it had finished is kept; the Runs page resumes it.", "info")
        return
    for said in found(_study([run])):
        st.markdown(f"- {frame.plain(said)}")


def found(of: Replicates) -> list[str]:
    """What a finished study came to, a line a method: its sparsest winning ticket, or that none wins."""
    level, lines = winning.level_of(of), []
    if level is None:
        return []
    for label in of.labels:
        title = stages.short(of.config, label)
        best = winning.extreme(of.of(label), level)
        if best is None:
            lines.append(f"{title}: no ticket reaches {level.least:.1f} %, the dense network's {level.accuracy:.1f} % less the tolerance.")
        else:
            lines.append(f"{title}: wins down to {100 * best.density.mean:.0f} % of the weights, with {best.accuracy.mean:.1f} % against the dense network's {level.accuracy:.1f} % (n = {best.accuracy.n}).")
    return lines


def _study(runs: Sequence[Run]) -> Replicates:
    return max(families(runs), key=lambda s: len(s.tickets))


def _curve(run: Run) -> str:
    if not run.rows:
        return ""
    of = _study([run])
    return small_curve(of, [x for x in of.labels], dark=frame.dark())


def question() -> Question | None:
    """Which method loses most at the smallest tickets, by the means of the study with the most seeds here."""
    known = [b for b in cache.briefs()[0] if b.example and b.config.data == PRESET and b.status.state == "finished"]
    if not known:
        return None
    of = max(families([cache.run(b.id) for b in known]), key=lambda s: len(s.seeds))
    return fell(of)


def fell(of: Replicates) -> Question | None:
    """Which of the study's methods has the lowest mean accuracy in its last round."""
    asked = [x for x in (UNSTRUCTURED, *(s.label for s in preset(PRESET).config.structures)) if x in of.labels]
    last = max((t.round for t in of.tickets), default=0)
    at = {x: t for x in asked if (t := of.ticket(last, x)) is not None and t.accuracy.n}
    if len(at) < 2 or of.dense is None:
        return None
    worst = min(at, key=lambda x: at[x].accuracy.mean)
    said = ", ".join(f"{stages.short(of.config, x)} {t.accuracy.mean:.1f} %" for x, t in at.items())
    why = f"Means over {len(of.seeds)} seeds in round {last}: {said}; the dense network has {of.dense.accuracy.mean:.1f} %."
    left = at[asked[0]].density.mean
    return Question(f"After the last round about one weight in {1 / left:.0f} is left. Which ticket has lost the most accuracy by then?",
                    tuple(Option(stages.short(of.config, x), x == worst, why if x == worst else f"{stages.short(of.config, x)} is still {t.accuracy.mean - at[worst].accuracy.mean:.1f} points "
                          f"above {stages.short(of.config, worst)}. {why}") for x, t in at.items()))


def links() -> Sequence[Link]:
    return [Link("Set up a study of your own", "pages/lab.py", {"new": PRESET}, ":material/tune:")]


CHAPTER = Chapter(words, figure, question, links)
