"""One run in the Lab: what it is doing, where the reader stands, and what the stage there did."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from lthviz import branching
from lthviz.commands import ask_command, branch_command, run_command
from lthviz.config import UNSTRUCTURED
from lthviz.figures import wording
from lthviz.figures.accuracy import accuracy_vs_density, accuracy_vs_density_table
from lthviz.figures.curves import accuracy_curves
from lthviz.figures.curves_words import accuracy_curves_table
from lthviz.figures.measured import study
from lthviz.figures.training import loss_curve, loss_curve_table
from lthviz.records import Address, Curve, Layer, Run
from lthviz.speed import machine
from lthviz.ui import branch, cache, curves, figure, frame, pickers, play, stages, transport, where
from lthviz.ui.exchange.link import give_link
from lthviz.ui.masks.picture import picture
from lthviz.ui.tune import tune_link
from lthviz.ui.where import Position

AGAINST = ("speed", "kept")
"""What accuracy is set against here; Curves has more."""


def show(run: Run) -> None:
    """The whole page below the menu."""
    there = where.positions(run.config, run.rounds, cache.done_in_last(run))
    _head(run)
    transport.live(run, there)
    if there and run.layers:
        frame.fragment(_stage, run_every=play.every())(run, there)
    elif there:
        frame.quiet("Its layers cannot be read, so no mask can be drawn; its accuracies are on the Curves page.")
    else:
        _nothing_yet(run)
    _terminal(run)


def _head(run: Run) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="lab-head"):
        with st.container(horizontal=True, vertical_alignment="center", width="content"):
            st.title(frame.plain(pickers.run_title(run)), anchor=False, width="content")
            frame.badge(cache.store().status(run.id), cache.store().is_example(run.id))
        with st.container(horizontal=True, vertical_alignment="center", width="content", key="lab-tools"):
            pickers.pick_run(run.id)
            st.button("New run", icon=":material/add:", key="new-run", type="tertiary", help="Start another run, from these settings",
                      on_click=lambda: where.go(new=run.id))
    frame.quiet(f"{pickers.summary(run.config)} · {run.id}" + (" · read-only" if cache.store().is_example(run.id) else ""))
    branch.line(run)


def _terminal(run: Run) -> None:
    """The commands that make this run, and that do what the page's buttons do."""
    store = cache.store()
    with st.container(key="terminal"):
        st.subheader("The same from a terminal", anchor=False)
        if not run.parent:
            frame.command(run_command(run.config, run.preset))
        elif store.exists(run.parent):
            parent = branching.settings(cache.run(run.parent))
            frame.command(branch_command(run.parent, run.config.from_round, branching.settings(run), parent, run.title))
        else:
            frame.quiet(f"This run was branched from {run.parent}, which is no longer here, so no command makes it again; `pack` keeps it in a file.")
        for action in transport.actions(run.id):
            frame.command(ask_command(action, run.id))
        if run.finished:
            frame.command(f"{ask_command('branch', run.id)} --round K --set KEY=VALUE")


def _nothing_yet(run: Run) -> None:
    with st.container(border=True, key="nothing-yet"):
        st.markdown("### :material/hourglass_empty: No stage has ended yet")
        if cache.store().status(run.id).alive:
            st.markdown("First the dense network is trained. When that is done, its stage appears here, and the masks and the "
                        "accuracy of every ticket after it.")
        else:
            st.markdown("The run stopped before the dense network was trained, so there is nothing to step through.")


def _stage(run: Run, there: Sequence[Position]) -> None:
    """The part that stepping redraws."""
    if where.text("run") != run.id:   # a point of another run of the family was clicked
        st.rerun()
    place, said = where.find(run.config, there, where.text("round"), where.text("stage"))
    place = play.advance(there, place)
    layer, more = where.find_layer(run.layers, where.text("layer"))
    frame.notes(said + more)
    _steps(run, there, place)
    what = stages.change(run.config, place, lambda k: cache.round(run.id, k))
    frame.said(stages.sentence(run, place, what, layer, dense=_dense(run, place)),
               beside=lambda: _ways(run, place, layer))
    left, right = st.columns([1, 1] if frame.presenting() else [7, 5], gap="medium" if frame.presenting() else "large")
    with left:
        pickers.pick_layer(run.layers, layer)
        _mask(place, what, layer)
        if note := stages.detail(run, place, what):
            frame.quiet(note)
        if run.parent and (place.round < run.config.from_round or (place.stage.kind == "train" and run.taken_over(place.round, place.stage.structure))):
            frame.quiet(f"Taken over from {run.parent} as it was.")
    with right:
        _accuracy(run, Address(run.id, place.round, place.stage.structure))
    if place.stage.kind == "train" and what.ticket.curve is not None:
        st.subheader("How it trained", anchor=False)
        figure.show(loss_curve(what.ticket.curve, dark=frame.dark()), loss_curve_table(what.ticket.curve), key="loss")


def _ways(run: Run, place: Position, layer: Layer) -> None:
    """Where the stage's ticket can be gone on with."""
    tune_link(run, place.round, place.stage.structure, layer)
    give_link(run, place.round, place.stage.structure)


def _steps(run: Run, there: Sequence[Position], place: Position) -> None:
    """The rounds; first, back, next, last, as signs with their keys; the rail of this round's stages."""
    at = there.index(place)
    following = not where.text("round")
    alive = cache.store().status(run.id).alive
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="steps"):
        pickers.pick_round(sorted({p.round for p in there}), place.round)
        with st.container(horizontal=True, gap="xsmall", width="content", key="step-buttons"):
            for name, key, icon, to, off in (("First", "home", "first_page", 0, at == 0), ("Back", "left", "chevron_left", at - 1, at == 0),
                                             ("Next", "right", "chevron_right", at + 1, at + 1 == len(there)),
                                             ("Last", "end", "last_page", len(there) - 1, at + 1 == len(there))):
                st.button(name, key=f"step-{name.lower()}", icon=f":material/{icon}:", shortcut=key, disabled=off, type="tertiary", help=f"{name} stage",
                          on_click=_step, args=(there[max(0, min(to, len(there) - 1))],))
        with st.container(horizontal=True, gap="xsmall", width="content", vertical_alignment="bottom", key="play-buttons"):
            play.controls(there, place)
        if run.finished and st.button("Branch", key="branch-here", icon=":material/fork_right:", type="tertiary",
                                      help=f"Branch from here: a new run that keeps what is before round {max(1, place.round)} and makes that round and what follows "
                                           "under other settings"):
            where.go(branch=max(1, place.round))
            st.rerun()
        if alive:
            key = pickers.showing("follow", following)
            st.toggle("Follow the run", key=key, on_change=pickers.heard(key, lambda chosen: _follow(chosen, place)),
                      help="Show each stage as it ends. Stepping back switches it off.")
    here = {p.stage.key: p.stage for p in there if p.round == place.round}
    rail = pickers.showing("pick-stage", place.stage.key)
    with st.container(key="rail"):
        st.segmented_control(f"Stages of round {place.round}", list(here), key=rail, required=True, width="content", wrap=True,
                             format_func=lambda k: f"{stages.ICONS[here[k].kind]} {stages.label(run.config, place.round, here[k])}",
                             on_change=pickers.heard(rail, lambda chosen: _step(Position(place.round, here[chosen]))))


def _mask(place: Position, what: stages.Change, layer: Layer) -> None:
    title = f"{what.before_title} → {what.after_title}" if what.before is not None else what.after_title
    if frame.presenting():      # where the layer's name is not chosen from a list above
        title = f"{layer.short} · {title}"
    picture(what.ticket, what.before, layer, key="lab-mask", title=title, height=340)


def _dense(run: Run, place: Position) -> Curve | None:
    """How the dense network trained, for a training that may have been shorter."""
    return cache.round(run.id, 0).ticket(UNSTRUCTURED).curve if place.round and place.stage.kind == "train" and 0 in run.finished else None


def _accuracy(run: Run, address: Address) -> None:
    """Accuracy against measured speed where anything is measured, else against the weights that are kept."""
    family = [run, *branch.relatives(run)]
    of = study(family, {r.id: cache.timings(r.id) for r in family}, here=machine.identity())
    if not of.timings:
        frame.notes(curves.axis(AGAINST, "kept")[1])
        figure.show(accuracy_vs_density(family, current=address, dark=frame.dark(), height=430), accuracy_vs_density_table(family),
                    key="accuracy", on_point=_open)
        if len(family) > 1:
            frame.quiet("Thick: this run. Thin: its parent and branches; what they share lies on one another.")
        if run.finished[1:]:
            with st.container(horizontal=True, vertical_alignment="center", gap="small", key="how-to-measure"):
                frame.quiet("No ticket's speed is measured yet.", width="content")
                st.page_link("pages/curves.py", label="Measure", icon=":material/timer:", query_params={"run": run.id})
        return
    x, said = curves.axis(AGAINST)
    frame.notes(said)
    curves.pick_axis(x, AGAINST)
    figure.show(accuracy_curves(of, x=x, current=address, brief=True, dark=frame.dark(), height=400), accuracy_curves_table(of), key="accuracy", on_point=_open)
    here = next((q for q in of.points if q.key == (run.id, address.round, address.structure)), None)
    if x == "speed" and here and here.disturbed:
        frame.quiet(f"{stages.name(run.config, address.round, address.structure)} of round {address.round} was {wording.disturbed(here.timing)}; "
                    "Speed measures it again.")
    if x == "speed" and here and not here.dense and not here.timing:
        frame.quiet(f"{stages.name(run.config, address.round, address.structure)} of round {address.round} is not measured with "
                    f"{wording.setting(of.setting)}; Speed measures it.")


def _step(to: Position) -> None:
    play.held()
    where.go(**where.at(to))


def _follow(on: bool, place: Position) -> None:
    where.go(**({"round": None, "stage": None} if on else where.at(place)))


def _open(point: Sequence) -> None:
    """A point of the curve was clicked: go to its ticket's training, of whichever run of the family."""
    play.held()
    where.go(run=point[0], round=point[1], stage=f"train:{point[2]}")
