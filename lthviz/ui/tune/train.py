"""Train this ticket: a branch of the run that makes this round anew with the tuned structure alone; the same from a terminal; and presets of
one's own."""

from __future__ import annotations

import shlex

import streamlit as st

from lthviz import branching, launch
from lthviz.commands import branch_command
from lthviz.config import Refill, RunConfig
from lthviz.errors import LthvizError
from lthviz.knobs import non_default, plain
from lthviz.store import presets
from lthviz.tuning import Source
from lthviz.ui import access, cache, frame, pickers, signin
from lthviz.ui.tune.address import Asked
from lthviz.ui.tune.branches import branches
from lthviz.words import capital

SAID, SAVED = "tune-train-said", "tune-preset-said"


def actions(asked: Asked, of: Source, refused: str = "") -> None:
    """Everything below the numbers. refused: why this structure cannot be trained here. That it has no preview keeps nobody from training."""
    st.subheader("Train this ticket", anchor=False)
    config = settings(asked)
    known = next((r for r in asked.run.rows if (r["round"], r["structure"]) == (asked.round, asked.structure.label)), None)
    if known is not None and known.get("test_acc") is not None:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            frame.quiet(f"The run has trained this very ticket: test accuracy {known['test_acc']:.1f} %.", width="content")
            st.page_link("pages/masks.py", label="Its masks", icon=":material/grid_on:",
                         query_params={"run": asked.run.id, "round": str(asked.round), "ticket": asked.structure.label})
    else:
        _train(asked, config, refused)
    branches(asked)
    box = st.expander("Save as preset", icon=":material/bookmark:", type="compact", key="tune-preset", on_change="rerun")
    if box.open:
        with box:
            _presets(asked)
    st.subheader("The same from a terminal", anchor=False)
    frame.command("\n".join([branch_command(asked.run.id, asked.round, config, branching.settings(asked.run)), masks_command(asked, of)]))
    frame.quiet(f"The second is for masks in a file, such as round {asked.round}'s unstructured ones, named by parameter; its seed is the run's own in this round."
                if asked.structure.kind == "regroup" else "The second is for masks in a file, such as the round's unstructured ones, named by parameter.")


def settings(asked: Asked) -> RunConfig:
    """The branch: this round and no further, this structure alone."""
    return branching.settings(asked.run).replace(structures=(asked.structure,), rounds=asked.round, in_loop="")


def masks_command(asked: Asked, of: Source) -> str:
    """`python -m lthviz regroup …` or `refill …` with these settings."""
    s = asked.structure
    words = ["python", "-m", "lthviz", s.kind, "masks.npz"]
    for name, value in non_default(s).items():
        flag = "--" + name.replace("_", "-")
        words += [flag] if value is True else [flag, plain(value)]
    if isinstance(s, Refill):
        words += ["--weights", "weights.npz"] if s.score != "remain" or "fractional=true" in s.label else []
    else:
        words += ["--seed", str(of.seed(s.kind))]
    return shlex.join([*words, "-o", "out.npz"])


def _train(asked: Asked, config: RunConfig, refused: str) -> None:
    if refused:
        with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="tune-train-row"):
            st.button("Train this ticket", key="tune-train", type="primary", icon=":material/model_training:", disabled=True)
            frame.quiet(f"It cannot be trained: {refused[:1].lower()}{refused[1:]}.", width="content")
        return
    try:
        plan = branching.plan(cache.store(), asked.run.id, asked.round, config)
    except LthvizError as e:
        frame.refused(e)
        return
    there = cache.store().exists(plan.config.run_id)
    said = branching.words(plan)
    with st.container(horizontal=True, vertical_alignment="center", gap="medium", key="tune-train-row"):
        st.button("Train this ticket", key="tune-train", type="primary", icon=":material/model_training:", on_click=_start, args=(asked, config),
                  **access.locked(there, "A branch of this run, trained by the worker in a process of its own"))
        state = f"It is there as {plan.config.run_id}, below." if there else f"{capital(said)}."
        frame.quiet(state, width="content")
    signin.note()
    if line := st.session_state.pop(SAID, ""):
        frame.refused(line)


@access.action
def _start(asked: Asked, config: RunConfig) -> None:
    try:
        launch.branch(cache.store(), asked.run.id, asked.round, config, title=f"{asked.structure.name}, round {asked.round}")
    except LthvizError as e:
        st.session_state[SAID] = str(e)


# Presets ---------------------------------------------------------------------------------------------------------------


def _presets(asked: Asked) -> None:
    root = cache.store().root
    st.caption("The run's settings with this structure alone, under a name: in the list of presets of a new run, and for `lthviz run --preset NAME`.")
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small", key="tune-preset-row"):
        name = st.text_input("Name", key="tune-preset-name", placeholder="my-regroup", width=240)
        st.button("Save", key="tune-preset-save", icon=":material/save:", on_click=_save, args=(asked,), **access.locked(not name))
    if line := st.session_state.pop(SAVED, ""):
        kind, words = line
        frame.refused(words) if kind == "error" else frame.told("info", words, "check")
    for mine, preset in presets.own(root).items():
        with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"tune-preset-{mine}"):
            st.page_link("pages/lab.py", label=mine, icon=":material/bookmark:", query_params={"new": mine})
            frame.quiet(preset.title, width="content")
            st.button("Delete", key=f"tune-preset-delete-{mine}", icon=":material/delete:", type="tertiary", on_click=_delete, args=(mine,), **access.locked())
    for mine, why in presets.broken(root).items():
        frame.told("error", f"Preset {mine!r} cannot be used: {why}", "broken_image")


@access.action
def _save(asked: Asked) -> None:
    name = st.session_state["tune-preset-name"].strip()
    config = branching.settings(asked.run).replace(structures=(asked.structure,), in_loop="")
    title = f"{asked.structure.name} · {pickers.run_title(asked.run)}"
    try:
        presets.save(cache.store().root, name, config, title=title, note=f"tuned on round {asked.round} of {asked.run.id}", source="your own")
        st.session_state[SAVED] = "info", f"Saved as {name}."
        st.session_state["tune-preset-name"] = ""
    except LthvizError as e:
        st.session_state[SAVED] = "error", str(e)


@access.action
def _delete(name: str) -> None:
    try:
        presets.delete(cache.store().root, name)
    except LthvizError as e:
        st.session_state[SAVED] = "error", str(e)
